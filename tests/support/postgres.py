"""A real PostgreSQL for as long as a test session: started from the machine's binaries, on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's server binaries, None where it is not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server; yield the SQLAlchemy URL of its ``postgres`` database."""
    folder = binaries()
    if folder is None:
        raise RuntimeError("PostgreSQL is not installed")
    data = Path(tempfile.mkdtemp(prefix="concordat-postgres-"))
    user = _server_user()
    if user is not None:
        os.chown(data, user.pw_uid, user.pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _run(user, data, [folder / "initdb", "-D", data / "db", "-U", "concordat", "-A", "trust"])
    command = [folder / "postgres", "-D", data / "db", "-p", str(port), "-c", "listen_addresses=127.0.0.1",
               "-c", f"unix_socket_directories={data}", "-c", "fsync=off"]  # fmt: skip
    server = subprocess.Popen(
        _as(user, command), cwd=data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait(folder, port)
        yield f"postgresql+psycopg://concordat@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown: it waits for no client
        server.wait(30)
        shutil.rmtree(data, ignore_errors=True)


def fresh_database(url: str) -> str:
    """Make an empty database on the server of ``url``; return its URL."""
    name = f"c{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.rsplit("/", 1)[0] + f"/{name}"


def _server_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; give it its own user there."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def _as(user: pwd.struct_passwd | None, command: Sequence[object]) -> list[str]:
    words = [str(word) for word in command]
    return (
        words
        if user is None
        else ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *words]
    )


def _run(user: pwd.struct_passwd | None, folder: Path, command: Sequence[object]) -> None:
    subprocess.run(_as(user, command), cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait(folder: Path, port: int) -> None:
    for _ in range(300):
        ready = subprocess.run([folder / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL)
        if ready.returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError("PostgreSQL did not start")
