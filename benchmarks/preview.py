"""Previews and refusals a second, through the full stack, each with its durable entry in the log."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.broker import Broker, question
from benchmarks.results import Result, say

NAME = "preview-per-second"
_TARGET = 300.0
_CONNECTIONS = 4
_SECONDS = 5


def compare(asked: Broker) -> Iterator[Result]:
    """Preview an allowed question, then ask a refused one, for some seconds each."""
    _rate(asked, "/aggregates/preview", json.dumps(question("1")), 200, seconds=1)
    previews = _rate(asked, "/aggregates/preview", json.dumps(question("1")), 200)
    refused = question("1") | {"by": [{"field": "age", "level": "sna-band"}]}
    refusals = _rate(asked, "/aggregates", json.dumps(refused), 403)
    say(f"  {previews:.0f} previews a second, {refusals:.0f} refusals a second")
    yield Result(
        NAME,
        previews,
        _TARGET,
        "1/s",
        "target",
        larger_is_better=True,
        details={"refused": round(refusals, 1), "connections": _CONNECTIONS},
    )


def _rate(asked: Broker, path: str, body: str, status: int, seconds: float = _SECONDS) -> float:
    """Return how many requests a second were decided and logged.

    Raises:
        RuntimeError: an answer had another status or no decision, or the log did not grow by as many.
    """
    before = asked.log_size()
    where = urlsplit(asked.url)
    told = {
        "host": where.hostname,
        "port": where.port,
        "path": asked.path + path,
        "headers": asked.bearer("recipient", "analyst")
        | {"Content-Type": "application/json", "Idempotency-Key": "load-@"},
        "body": body,
        "connections": _CONNECTIONS,
        "seconds": seconds,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"], input=json.dumps(told), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    answered = found["statuses"].get(str(status), 0)
    grown = asked.log_size() - before
    if set(found["statuses"]) != {str(status)} or found["decided"] != answered:
        raise RuntimeError(f"not every answer was a {status} with its decision: {found}")
    if grown < answered:
        raise RuntimeError(f"{answered} answers, but the log grew by {grown}")
    return float(answered / found["seconds"])
