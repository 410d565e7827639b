"""A table of 480 cells of 1,000,000 rows: ours over HTTP, peers in their own process on rows loaded beforehand."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache as once
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.broker import Broker
from benchmarks.data import CELLS, PER_PERSON, Data, Key, Truth
from benchmarks.environments import OPENDP, SMARTNOISE, Peer, Skipped
from benchmarks.results import Result, median, say, spread

NAMES = {"aggregate-1m-smartnoise": SMARTNOISE, "aggregate-1m-opendp-polars": OPENDP}
EPSILON = "1"
"""The guarantee of each answer: pure differential privacy of a person, whom at most 12 rows count for."""
_OURS, _THEIRS = 5, 3


class Errors(NamedTuple):
    """Mean absolute errors over cells and repetitions.

    Attributes:
        of_rows: From the exact number of rows; mostly what bounding persons takes, which is the same for all.
        of_bounded: From the number of rows that bounding leaves on average: what choice and noise add.
    """

    of_rows: float
    of_bounded: float

    def __str__(self) -> str:
        """Return both for people to read."""
        return f"mean absolute error {self.of_rows:.2f}, of the bounded count {self.of_bounded:.2f}"


def errors(truth: Mapping[Key, Truth], answers: Sequence[Mapping[Key, float]]) -> Errors:
    """Compare answers with the truth; a cell left out counts as zero."""
    pairs = [(answer.get(key, 0.0), exact) for answer in answers for key, exact in truth.items()]
    return Errors(
        statistics.fmean(abs(value - exact.rows) for value, exact in pairs),
        statistics.fmean(abs(value - exact.bounded) for value, exact in pairs),
    )


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
    def ours() -> tuple[list[float], Errors]:
        return _ours(asked, truth)

    for name in names:
        peer = NAMES[name]
        try:
            theirs = _theirs(peer, data, "pseudonym", cache)
            numbered = median(_theirs(peer, data, "number", cache)["seconds"])
        except Skipped as why:
            say(f"  {name} is skipped: {why}")
            continue
        other = errors(truth, [_of_rows(rows) for rows in theirs["answers"]])
        seconds, own = ours()
        say(f"  {peer.name}: {spread(theirs['seconds'])} s, {other}; with numbers for persons {numbered:.3f} s")
        yield Result(
            name,
            median(seconds),
            median(theirs["seconds"]),
            "s",
            peer.name,
            details={
                "error_ours": round(own.of_rows, 2),
                "error_other": round(other.of_rows, 2),
                "bounded_error_ours": round(own.of_bounded, 2),
                "bounded_error_other": round(other.of_bounded, 2),
                "other_with_numbered_persons": round(numbered, 3),
            },
        )


def _ours(asked: Broker, truth: dict[Key, Truth]) -> tuple[list[float], Errors]:
    """Ask afresh each time: a larger epsilon than any stored answer's, by too little to matter, is charged in full."""
    seconds, answers = [], []
    for repetition in range(1 + _OURS):
        took, release = asked.ask(f"{EPSILON}.{repetition:04}")
        if release["repeat"] or len(release["rows"]) != CELLS:
            raise RuntimeError("each repetition is a fresh answer of every cell")
        if repetition:
            seconds.append(took)
            answers.append({_key(row["keys"]): row["measures"]["count"]["unrounded"] for row in release["rows"]})
    own = errors(truth, answers)
    say(f"  Concordat over HTTP: {spread(seconds)} s, {own}")
    return seconds, own


def _theirs(peer: Peer, data: Data, person: str, cache: Path) -> dict[str, Any]:
    """Run a peer that tells persons apart by their pseudonym, as ours does, or by a number, which is faster."""
    rows = data.narrow_csv if peer is SMARTNOISE else data.narrow_parquet
    return peer.run(cache, str(rows), person, EPSILON, str(PER_PERSON), str(_THEIRS))


def _key(keys: dict[str, str]) -> Key:
    return keys["called_month"], keys["lad"], keys["sex"]


def _of_rows(rows: list[list[Any]]) -> dict[Key, float]:
    return {(month, lad, sex): n for month, lad, sex, n in rows}
