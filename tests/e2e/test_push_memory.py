"""A million rows pushed over HTTP: the broker's process stays within 500 MB, whether it takes them or refuses them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Self

import httpx
import pytest

from connectors.synth import World, write_csv
from tests.support.server import DAYS, Process, schema, start_process

ROWS = 1_000_000
MOST_MB = 500


class Peak:
    """The largest resident set of a process, in MB: by the kernel's own mark, or sampled where it keeps none."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._sampled = 0
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        if sys.platform != "linux":
            self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    @property
    def megabytes(self) -> int:
        """The peak so far."""
        if sys.platform != "linux":
            return self._sampled
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

    def _sample(self) -> None:
        while not self._over.wait(0.05):
            told = subprocess.run(["ps", "-o", "rss=", "-p", str(self._pid)], capture_output=True, text=True)
            self._sampled = max(self._sampled, int(told.stdout or 0) // 1024)


@pytest.fixture(scope="module")
def million(tmp_path_factory) -> Path:
    """A million rows of all 23 columns of police violence, some 200 MB."""
    path: Path = tmp_path_factory.mktemp("million") / "police.csv"
    write_csv(path, schema("police-violence/v1"), ROWS, world=World(3), period=(date(2026, 4, 1), date(2026, 6, 30)))
    return path


@pytest.fixture
def process(tmp_path) -> Iterator[Process]:
    made = start_process(tmp_path)
    yield made
    made.kill()


def push(process: Process, body: Iterator[bytes], key: str) -> httpx.Response:
    """Push a streamed body, as a client would that does not hold it in memory either."""
    served = process.served
    with served.http("as-police", "supplier") as http:
        return http.post(
            f"{served.agreement}/datasets/police-violence/extracts",
            params=DAYS,
            content=body,
            headers={"Content-Type": "text/csv", "Idempotency-Key": key},
            timeout=300,
        )


def pieces(path: Path, end: bytes = b"") -> Iterator[bytes]:
    """Return a file piece by piece, and what follows it."""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece
    yield end


def test_1000000_csv_rows_are_taken_in_at_most_500_mb_of_memory(process, million):
    """Twice, so that what a push leaves behind counts too."""
    with Peak(process.process.pid) as peak:
        for key in ("first", "second"):
            receipt = push(process, pieces(million), key)
            assert receipt.status_code == 201, receipt.text
            assert receipt.json()["rows"] == ROWS
        assert 100 < peak.megabytes <= MOST_MB


def test_1000000_csv_rows_are_refused_in_at_most_500_mb_of_memory(process, million):
    """The last line is broken, so the file is read through, and then once more for what is wrong with it."""
    with Peak(process.process.pid) as peak:
        refused = push(process, pieces(million, b"broken\n"), "broken")
        assert refused.status_code == 422, refused.text
        assert [(item["count"], item["rows"]) for item in refused.json()["errors"]] == [(1, [ROWS + 1])]
        assert push(process, pieces(million), "good").json()["rows"] == ROWS
        assert 100 < peak.megabytes <= MOST_MB
