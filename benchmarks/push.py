"""A push of 1,000,000 rows to its receipt, beside DuckDB's own copy of the same file to Parquet."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb

from benchmarks.broker import Broker, sha256
from benchmarks.data import Data
from benchmarks.results import Result, median, say, spread

NAME = "push-1m-duckdb-copy"
_TIMES = 5
# A process of its own each time, as nothing of it is to be warm but the file.
_COPY = """
import sys, time, duckdb
source, target = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")
start = time.perf_counter()
connection.execute(f"COPY (FROM read_csv('{source}')) TO '{target}' (FORMAT parquet)")
print(time.perf_counter() - start)
"""


def load(asked: Broker, data: Data) -> None:
    """Push the rows once, so that they can be asked about."""
    asked.push(data, asked.agreement_digest(), sha256(data.extract))


def compare(asked: Broker, data: Data, cache: Path) -> Iterator[Result]:
    """Push and copy in turns; what was pushed is withdrawn in between, but for the last."""
    known, digest = asked.agreement_digest(), sha256(data.extract)
    ours, other = [], []
    for repetition in range(1 + _TIMES):
        pushed, receipt = asked.push(data, known, digest)
        if receipt["rows"] != data.rows:
            raise RuntimeError("the receipt counts every row")
        copied = _copy(data.extract, cache / "copy.parquet")
        if repetition:
            ours.append(pushed)
            other.append(copied)
        if repetition < _TIMES:
            asked.withdraw(receipt["extract"])
    say(f"  Concordat over HTTP: {spread(ours)} s")
    say(f"  DuckDB {duckdb.__version__} COPY: {spread(other)} s")
    yield Result(NAME, median(ours), median(other), "s", f"DuckDB {duckdb.__version__} COPY")


def _copy(source: Path, target: Path) -> float:
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", _COPY, str(source), str(target)], capture_output=True, text=True, check=True
    )
    target.unlink()
    return float(done.stdout)
