"""What the log needs of its storage, and how entries are searched."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from service.audit.entry import Entry


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """Terms that all hold together; None leaves one out.

    Attributes:
        first: The least index.
        kinds: Any of these kinds; all where there is none.
        since: Entries at or after this time, RFC 3339.
        until: Entries before this time.
        visible_to: Only entries that this party may see: its own, accesses of ``visible_datasets`` (which it
            supplies, as ``(agreement, dataset)``), and what happened to ``visible_agreements`` themselves.
    """

    first: int = 0
    limit: int = 100
    party: str | None = None
    agreement: str | None = None
    dataset: str | None = None
    purpose: str | None = None
    kind: str | None = None
    kinds: tuple[str, ...] = ()
    outcome: str | None = None
    since: str | None = None
    until: str | None = None
    visible_to: str | None = None
    visible_agreements: tuple[str, ...] = ()
    visible_datasets: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry's index and its canonical JSON."""

    n: int
    entry: str


LIFECYCLE = (
    "enrolled", "registered", "signed", "suspended", "resumed", "terminated", "party-withdrawn",
    "withdrawal-rescinded", "key-rotated", "key-revoked", "party-corrected", "purged",
)  # fmt: skip
"""Kinds of entries about an agreement itself, which all its parties see."""


class LogStore(Protocol):
    """The log inside one transaction."""

    def size(self) -> int:
        """Return the number of entries."""
        ...

    def append(self, entry: Entry) -> int:
        """Append an entry and return its index."""
        ...

    def append_all(self, entries: Sequence[Entry]) -> int:
        """Append entries in order and return the index of the first."""
        ...

    def node(self, level: int, index: int) -> bytes:
        """Return a complete subtree's hash."""
        ...

    def entry(self, n: int) -> StoredEntry | None:
        """Return one entry's contents, None where they were expunged."""
        ...

    def search(self, terms: SearchTerms, before_size: int) -> list[StoredEntry]:
        """Return the entries below ``before_size`` that fit, in order."""
        ...

    def add_checkpoint(self, size: int, note: str, at: str) -> None:
        """Store a signed checkpoint."""
        ...

    def latest_checkpoint(self) -> tuple[int, str] | None:
        """Return the newest checkpoint's size and note."""
        ...


class Transaction(Protocol):
    """A transaction that can reach the log."""

    @property
    def log(self) -> LogStore:
        """The log."""
        ...


class Store(Protocol):
    """Opens transactions."""

    def write(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that commits at its end."""
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that reads one state."""
        ...
