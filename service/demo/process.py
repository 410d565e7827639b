"""The broker in a process of its own, as ``concordat dev`` starts it; it ends when the demo does, however that ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from service.demo.stage import DemoError

_COMMAND = "from connectors.cli import main; main()"
_START_SECONDS = 60
_STOP_SECONDS = 30
_POLL_SECONDS = 0.02


class Terminated(BaseException):
    """The demo was told to end by a signal."""


class Broker:
    """A running broker.

    Attributes:
        clients: What its ``clients.json`` says: address, agreement, and each party's client.
    """

    def __init__(self, process: subprocess.Popen[bytes], clients: dict[str, Any]) -> None:
        """Take hold of it."""
        self._process = process
        self.clients = clients

    def wait(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        return self._process.wait()


@contextmanager
def serving(agreement: Path, out: Path) -> Iterator[Broker]:
    """Run a broker for an agreement on a free port of loopback, and end it after.

    Raises:
        DemoError: It did not start.
    """
    state = out / "state"
    command = [sys.executable, "-P", "-c", _COMMAND, "dev", "--agreement", str(agreement), "--state", str(state)]
    with (out / "broker.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends the broker in order
        )
        try:
            yield Broker(process, _started(process, state / "clients.json"))
        finally:
            _end(process)


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that everything opened is closed."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated(number, frame)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _started(process: subprocess.Popen[bytes], clients: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _START_SECONDS
    while not clients.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            said = clients.parent.parent / "broker.log"
            raise DemoError(f"the broker did not start; {said} tells why")
        time.sleep(_POLL_SECONDS)
    found: dict[str, Any] = json.loads(clients.read_bytes())
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except BaseException:
        process.kill()
        process.wait()
        raise
