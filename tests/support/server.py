"""A real broker over real HTTP: in this process for speed, or in one of its own to be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import uvicorn

import agreements
from schemas import artefacts, table_schema
from service import dev
from service.api import app as web
from service.api.broker import Broker
from service.app import VERSION
from service.serving import listen
from tests.support.crashing import GO, REACHED

WORKED_EXAMPLE = agreements.path("avon-somerset")
DAYS = {"from": "2026-04-01", "to": "2026-06-30"}


@dataclass
class Served:
    """A broker that answers, and the clients that ``concordat dev`` made for it."""

    clients: dict[str, Any]
    state: Path
    broker: Broker | None = None

    @property
    def agreement(self) -> str:
        return f"/v1/agreements/{self.clients['agreement']['id']}"

    def http(self, party: str, role: str) -> httpx.Client:
        """Return a client with a party's token for a role."""
        token = self.clients["parties"][party]["tokens"][role]
        return httpx.Client(base_url=self.clients["base_url"], headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def push(
        self, party: str, dataset: str, body: bytes, key: str = "push", media: str = "text/csv", **more: Any
    ) -> httpx.Response:
        """Push a body."""
        with self.http(party, "supplier") as http:
            return http.post(
                f"{self.agreement}/datasets/{dataset}/extracts",
                params=DAYS | more.pop("params", {}),
                content=body,
                headers={"Content-Type": media, "Idempotency-Key": key} | more.pop("headers", {}),
            )

    def ask(self, request: Any, key: str, party: str = "as-opcc", path: str = "/aggregates") -> httpx.Response:
        """Ask; ``request`` is a JSON value or raw bytes."""
        content = request if isinstance(request, bytes) else json.dumps(request).encode()
        with self.http(party, "analyst") as http:
            return http.post(
                self.agreement + path,
                content=content,
                headers={"Content-Type": "application/json", "Idempotency-Key": key},
            )

    def preview(self, request: Any, party: str = "as-opcc") -> httpx.Response:
        """Preview."""
        return self.ask(request, "preview", party, "/aggregates/preview")

    def entries(self, party: str = "as-opcc", role: str = "ig-lead", **terms: Any) -> list[dict[str, Any]]:
        """Return the log's entries that a party may see, up to the newest checkpoint."""
        found: list[dict[str, Any]] = []
        first: int | None = 0
        time.sleep(0.15)  # a few ticks, so that the checkpoint covers what was just done
        with self.http(party, role) as http:
            while first is not None:
                page = http.get("/v1/audit/entries", params={"first": first, "limit": 1000} | terms).json()
                found += page["entries"]
                first = page["next"]
        return found


@contextmanager
def serve_here(
    folder: Path,
    agreement: Path = WORKED_EXAMPLE,
    tune: Callable[[Broker], Broker] = lambda broker: broker,
    imports: Path | None = None,
) -> Iterator[Served]:
    """Serve a development broker from a thread of this process."""
    listening = listen("127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    made = dev.prepare(agreement, folder / "state", base_url, datetime.now(UTC), imports=imports)
    broker = tune(made.broker)
    server = uvicorn.Server(uvicorn.Config(web.create(broker, VERSION), log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Served(made.clients, folder / "state", broker)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


@dataclass
class Process:
    """A broker in a process of its own, with a folder of its own beside the state that it may share."""

    process: subprocess.Popen[bytes]
    own: Path
    state: Path

    @cached_property
    def served(self) -> Served:
        """The broker, once it answers."""
        self._wait_for(self.own / "clients.json")
        return Served(json.loads((self.own / "clients.json").read_text()), self.state)

    def wait_until_held(self) -> None:
        """Return once it stands at the step that it was told to hold at."""
        self._wait_for(self.own / REACHED)

    def let_go(self) -> None:
        """Let it pass the step that it was told to hold at."""
        (self.own / GO).touch()

    def kill(self) -> None:
        """Kill it without a word, as ``kill -9`` or a power cut does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _wait_for(self, file: Path) -> None:
        deadline = time.monotonic() + 60
        while not file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the broker did not come so far")
            time.sleep(0.02)


def start_process(
    folder: Path,
    agreement: Path = WORKED_EXAMPLE,
    crash_at: str = "",
    output: Path | None = None,
    *,
    hold_at: str = "",
    database: str = "",
) -> Process:
    """Start ``concordat dev`` and return once it answers; it joins others that run on the same folder.

    Args:
        folder: Holds the state, which a later process takes up and one at the same time shares.
        agreement: The agreement file.
        crash_at: It kills itself when it reaches this step.
        output: Where what it says goes.
        hold_at: It waits at this step until it is let go. Its start may reach the step, so it is returned at once.
        database: URL of the control database, where it is not the embedded one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="process-", dir=folder))
    state = folder / "state"
    command = [sys.executable, "-m", "tests.support.crashing", str(agreement), str(state), str(own)]
    root = Path(__file__).resolve().parents[2]
    told = {"CRASH_AT": crash_at, "HOLD_AT": hold_at, "DATABASE": database}
    with output.open("wb") if output is not None else nullcontext() as said:
        process = subprocess.Popen(command, cwd=root, env=os.environ | told, stdout=said, stderr=said)
    made = Process(process, own, state)
    if not hold_at:
        assert made.served.clients
    return made


def count_request(**changes: Any) -> dict[str, Any]:
    """Return a question: police violence by month and council over the days pushed."""
    return {
        "purpose": "needs-assessment",
        "dataset": "police-violence",
        "measures": [{"count": {}}],
        "by": [{"field": "occurred", "level": "month"}, {"field": "lad"}],
        "where": [{"field": "occurred", **DAYS}],
        "spend": {"share": "0.02"},
    } | changes


def schema(name: str) -> table_schema.TableSchema:
    """Return a shipped dataset schema."""
    return table_schema.parse(artefacts.load()[name].value)
