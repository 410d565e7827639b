"""A table of 480 cells of 1,000,000 rows: ours over HTTP, peers in their own process on rows loaded beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache as once
from pathlib import Path
from typing import Any

from benchmarks.broker import PER_PERSON, Broker
from benchmarks.data import CELLS, Data, Key
from benchmarks.environments import OPENDP, SMARTNOISE, Peer, Skipped
from benchmarks.results import Result, median, say, spread

NAMES = {"aggregate-1m-smartnoise": SMARTNOISE, "aggregate-1m-opendp-polars": OPENDP}
EPSILON = "1"
"""The guarantee of each answer: pure differential privacy of a person, whom at most 12 rows count for."""
_OURS, _THEIRS = 5, 3


def compare(names: Iterable[str], asked: Broker, data: Data, cache: Path) -> Iterator[Result]:
    """Ask ours, then each peer.

    Args:
        names: Which of ``NAMES``.
        asked: Holds the rows already.
        data: The rows.
        cache: Where peers' environments are.
    """
    truth = data.truth()

    @once
    def ours() -> tuple[list[float], float]:
        return _ours(asked, truth)

    for name in names:
        peer = NAMES[name]
        try:
            theirs = _theirs(peer, data, cache)
        except Skipped as why:
            say(f"  {name} is skipped: {why}")
            continue
        error_other = _mean_error(truth, [_of_rows(rows) for rows in theirs["answers"]])
        seconds, error_ours = ours()
        say(f"  {peer.name}: {spread(theirs['seconds'])} s, mean absolute error {error_other:.2f}")
        yield Result(
            name,
            median(seconds),
            median(theirs["seconds"]),
            "s",
            peer.name,
            details={"error_ours": round(error_ours, 2), "error_other": round(error_other, 2)},
        )


def _ours(asked: Broker, truth: dict[Key, int]) -> tuple[list[float], float]:
    """Ask afresh each time: a larger epsilon than any stored answer's, by too little to matter, is charged in full."""
    seconds, answers = [], []
    for repetition in range(1 + _OURS):
        took, release = asked.ask(f"{EPSILON}.{repetition:04}")
        if release["repeat"] or len(release["rows"]) != CELLS:
            raise RuntimeError("each repetition is a fresh answer of every cell")
        if repetition:
            seconds.append(took)
            answers.append({_key(row["keys"]): row["measures"]["count"]["unrounded"] for row in release["rows"]})
    error = _mean_error(truth, answers)
    say(f"  Concordat over HTTP: {spread(seconds)} s, mean absolute error {error:.2f}")
    return seconds, error


def _theirs(peer: Peer, data: Data, cache: Path) -> dict[str, Any]:
    rows = data.narrow_csv if peer is SMARTNOISE else data.narrow_parquet
    return peer.run(cache, str(rows), EPSILON, str(PER_PERSON), str(_THEIRS))


def _key(keys: dict[str, str]) -> Key:
    return keys["called_month"], keys["lad"], keys["sex"]


def _of_rows(rows: list[list[Any]]) -> dict[Key, float]:
    return {(month, lad, sex): n for month, lad, sex, n in rows}


def _mean_error(truth: dict[Key, int], answers: Sequence[dict[Key, float]]) -> float:
    """Return the mean absolute error over cells and repetitions; a cell left out counts as zero."""
    errors = [abs(answer.get(key, 0) - exact) for answer in answers for key, exact in truth.items()]
    return sum(errors) / len(errors)
