"""What the intake works with: its stores, keys, clock and limits, put together by the application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from service.intake.engine import Limits
from service.intake.ports import Lake, Store
from service.intake.problems import Identifiers

Sign = Callable[[dict[str, Any]], str]
"""Returns a detached JWS over a receipt's canonical JSON."""

PUSH_STEPS = (
    "push-spooled",
    "push-staged",
    "push-intended",
    "lake-before-commit",
    "lake-after-commit",
    "push-delta-committed",
    "push-recorded",
)
"""The steps of a push that a crash could follow, in order; up to the second nothing was intended."""
WITHDRAWAL_STEPS = (
    "withdrawal-intended",
    "lake-before-withdrawal",
    "lake-after-withdrawal",
    "withdrawal-delta-committed",
    "withdrawal-recorded",
)
"""The steps of a withdrawal that a crash could follow, in order."""
EXPIRY_STEPS = (
    "expiry-intended",
    "lake-before-withdrawal",
    "lake-after-withdrawal",
    "expiry-delta-committed",
    "expiry-recorded",
)
"""The steps of an expiry that a crash could follow, in order."""
REWRITING_STEPS = (*WITHDRAWAL_STEPS[:2], "lake-rewritten", *WITHDRAWAL_STEPS[2:])
"""The steps of a withdrawal from a compacted file, in order."""
COMPACTION_STEPS = ("lake-compacted", "lake-compaction-committed", "compaction-committed", "compaction-recorded")
"""The steps of a compaction that a crash could follow, in order."""
ERASURE_STEPS = (
    "erasure-listed",
    "erasure-intended",
    "lake-rewritten",
    "lake-after-erasure",
    "erasure-removed",
    "erasure-recorded",
    "erasure-forgotten",
)
"""The steps of an erasure that a crash could follow, in order; up to the first nothing was intended."""


def no_fault(_: str) -> None:
    """Do nothing at a step that a crash could follow; tests put a crash there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What pushes are made with.

    Attributes:
        store: Rows and the log.
        lake: The tables.
        identifiers: What tells identifiers of persons.
        sign: Signs receipts with the broker's key.
        now: The clock; aware times.
        new_id: Makes an extract's id, a slug never made before.
        new_nonce: Makes a log entry's nonce.
        spool: A private folder.
        most_bytes: The largest body.
        limits: What one push may use.
        fault: Called with the name of each step of ``PUSH_STEPS`` and ``WITHDRAWAL_STEPS`` that is its own.
    """

    store: Store
    lake: Lake
    identifiers: Identifiers
    sign: Sign
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    new_nonce: Callable[[], str]
    spool: Path
    most_bytes: int
    limits: Limits
    fault: Callable[[str], None] = no_fault
