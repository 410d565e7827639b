"""A broker of the benchmark's own on loopback, as ``concordat dev`` starts it, and its clients."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.data import COUNCILS, FIRST, LAST, Data

AGREEMENT = Path(__file__).with_name("agreement.yaml")
DATASET = "calls"
_START_SECONDS = 60
_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that runs.

    Attributes:
        url: Where it listens.
        clients: What it wrote to ``clients.json``.
        http: A client that keeps its connection.
        log: What its process prints.
    """

    url: str
    clients: dict[str, Any]
    http: httpx.Client
    log: Path

    @property
    def path(self) -> str:
        """The agreement's path in the API."""
        return f"/v1/agreements/{self.clients['agreement']['id']}"

    def bearer(self, party: str, role: str) -> dict[str, str]:
        """Return the header that signs a party in."""
        return {"Authorization": f"Bearer {self.clients['parties'][party]['tokens'][role]}"}

    def agreement_digest(self) -> str:
        """Return the digest of the agreement in force."""
        version = self.clients["agreement"]["version"]
        got = self.http.get(f"{self.path}/versions/{version}", headers=self.bearer("supplier", "supplier"))
        return str(_expect(got, 200)["digest"])

    def push(self, data: Data, known: str, digest: bytes) -> tuple[float, dict[str, Any]]:
        """Push the extract; return the seconds from request to receipt, and the receipt.

        Args:
            data: What to push.
            known: The agreement's digest.
            digest: The file's SHA-256.
        """

        def body() -> Iterator[bytes]:
            with data.extract.open("rb") as file:
                while piece := file.read(_CHUNK):
                    yield piece

        headers = self.bearer("supplier", "supplier") | {
            "Content-Type": "text/csv",
            "Content-Length": str(data.extract.stat().st_size),
            "Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
            "Concordat-Agreement-Digest": known,
            "Idempotency-Key": str(uuid4()),
        }
        params = {"from": FIRST.isoformat(), "to": LAST.isoformat()}
        start = time.perf_counter()
        got = self.http.post(f"{self.path}/datasets/{DATASET}/extracts", params=params, headers=headers, content=body())
        took = time.perf_counter() - start
        return took, _expect(got, 201)

    def withdraw(self, extract: str) -> None:
        """Withdraw an extract."""
        headers = self.bearer("supplier", "supplier")
        got = self.http.delete(f"{self.path}/datasets/{DATASET}/extracts/{extract}", headers=headers)
        if got.status_code >= httpx.codes.BAD_REQUEST:
            _expect(got, 200)

    def ask(self, epsilon: str) -> tuple[float, dict[str, Any]]:
        """Ask for the cells; return the seconds from request to answer, and the release."""
        headers = self.bearer("recipient", "analyst") | {"Idempotency-Key": str(uuid4())}
        start = time.perf_counter()
        got = self.http.post(f"{self.path}/aggregates", json=question(epsilon), headers=headers)
        took = time.perf_counter() - start
        return took, _expect(got, 200)

    def log_size(self) -> int:
        """Return the size of the log by its newest checkpoint, once that has followed."""
        time.sleep(0.5)
        got = self.http.get("/v1/audit/checkpoint", headers=self.bearer("recipient", "ig-lead"))
        if got.status_code != httpx.codes.OK:
            _expect(got, 200)
        return int(got.text.splitlines()[1])


def question(epsilon: str) -> dict[str, Any]:
    """Return the question about the cells."""
    return {
        "purpose": "needs-assessment",
        "dataset": DATASET,
        "measures": [{"count": {}}],
        "by": [{"field": "called", "level": "month"}, {"field": "lad"}, {"field": "sex"}],
        "where": [
            {"field": "called", "from": FIRST.isoformat(), "to": LAST.isoformat()},
            {"field": "lad", "in": list(COUNCILS)},
        ],
        "spend": {"epsilon": epsilon},
    }


def sha256(path: Path) -> bytes:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@contextmanager
def broker(cache: Path) -> Iterator[Broker]:
    """Start a broker with an empty folder and stop it at the end.

    Raises:
        RuntimeError: it did not start.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="broker-", dir=cache) as folder:
        state, log = Path(folder) / "state", Path(folder) / "broker.log"
        command = [
            sys.executable, "-c", "from connectors.cli import main; main()",
            "dev", "--agreement", str(AGREEMENT), "--state", str(state), "--port", "0",
        ]  # fmt: skip
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)  # noqa: S603 - our own command
        try:
            clients = _started(process, state / "clients.json", log)
            with httpx.Client(base_url=clients["base_url"], timeout=120) as http:
                yield Broker(clients["base_url"], clients, http, log)
        finally:
            process.terminate()
            process.wait(timeout=60)


def _started(process: subprocess.Popen[bytes], clients: Path, log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if clients.exists():
            made: dict[str, Any] = json.loads(clients.read_text())
            return made
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"the broker did not start: {log.read_text()[-2000:]}")


def _expect(got: httpx.Response, status: int) -> dict[str, Any]:
    if got.status_code != status:
        raise RuntimeError(f"{got.request.method} {got.request.url.path} gave {got.status_code}: {got.text[:500]}")
    made: dict[str, Any] = got.json()
    return made
