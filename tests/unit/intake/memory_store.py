"""The control database in memory, as far as the intake needs it: rows of extracts, data versions, the log."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from service.audit.entry import Entry
from service.audit.ports import SearchTerms, StoredEntry
from service.intake.ports import LIVE, PENDING, PERISHABLE, RECORDED, ExtractRow, KeyTaken, State


@dataclass
class MemoryExtracts:
    """Implements ``service.intake.ports.ExtractStore``."""

    rows: dict[str, ExtractRow] = field(default_factory=dict)
    versions: list[tuple[str, str, int]] = field(default_factory=list)

    def by_key(self, agreement: str, party: str, client: str, key: str) -> ExtractRow | None:
        for row in self.rows.values():
            held = (row.agreement.id, row.key.party, row.key.client, row.key.key)
            if held == (agreement, party, client, key) and row.state is not State.ABORTED:
                return row
        return None

    def get(self, agreement: str, dataset: str, extract: str) -> ExtractRow | None:
        row = self.rows.get(extract)
        return row if row is not None and (row.agreement.id, row.dataset) == (agreement, dataset) else None

    def insert(self, row: ExtractRow) -> None:
        if self.by_key(row.agreement.id, row.key.party, row.key.client, row.key.key) is not None:
            raise KeyTaken
        self.rows[row.id] = row

    def move(
        self,
        extract: str,
        before: State,
        after: State,
        *,
        receipt: dict[str, Any] | None = None,
        withdrawal: dict[str, Any] | None = None,
        expiry: dict[str, Any] | None = None,
    ) -> bool:
        row = self.rows[extract]
        if row.state is not before:
            return False
        self.rows[extract] = replace(
            row,
            state=after,
            receipt=receipt or row.receipt,
            withdrawal=withdrawal or row.withdrawal,
            expiry=expiry or row.expiry,
        )
        return True

    def pending(self) -> list[ExtractRow]:
        return [row for row in self.rows.values() if row.state in PENDING]

    def overdue(self, agreement: str, dataset: str, before: date) -> list[ExtractRow]:
        return [
            row
            for row in self.rows.values()
            if (row.agreement.id, row.dataset) == (agreement, dataset)
            and row.state in PERISHABLE
            and (row.received.astimezone(UTC).date() < before or row.state is State.EXPIRING)
        ]

    def live_rows(self, agreement: str, dataset: str) -> int:
        found = (row for row in self.rows.values() if (row.agreement.id, row.dataset) == (agreement, dataset))
        return sum(row.staged.rows for row in found if row.state in LIVE)

    def listed(self, agreement: str, dataset: str, supplier: str, limit: int, before: str | None) -> list[ExtractRow]:
        found = [
            row
            for row in self.rows.values()
            if (row.agreement.id, row.dataset, row.caller.party) == (agreement, dataset, supplier)
        ]
        newest = [row for row in reversed(found) if row.state is not State.ABORTED]
        places = [place for place, row in enumerate(newest) if row.id == before]
        return newest[places[0] + 1 if places else 0 :][:limit]

    def move_data_version(self, agreement: str, dataset: str, lake_version: int, at: datetime) -> None:
        now = max((one[2] for one in self.versions if one[:2] == (agreement, dataset)), default=-1)
        self.versions.append((agreement, dataset, max(now, lake_version)))

    def newest_of_each_dataset(self) -> list[ExtractRow]:
        newest = {(row.agreement.id, row.dataset): row for row in self.rows.values() if row.state in RECORDED}
        return [newest[key] for key in sorted(newest)]

    def follow_compaction(self, agreement: str, dataset: str, base: int, compacted: int) -> bool:
        if compacted != base + 1:
            raise RuntimeError("there is a version between")
        places = [place for place, one in enumerate(self.versions) if one[:2] == (agreement, dataset)]
        if not places or self.versions[places[-1]][2] != base:
            return False
        self.versions[places[-1]] = (agreement, dataset, compacted)
        return True


@dataclass
class MemoryLog:
    """Implements as much of ``service.audit.ports.LogStore`` as the intake calls."""

    entries: list[Entry] = field(default_factory=list)

    def append(self, entry: Entry) -> int:
        self.entries.append(entry)
        return len(self.entries) - 1

    def append_all(self, entries: Sequence[Entry]) -> int:
        self.entries.extend(entries)
        return len(self.entries) - len(entries)

    def size(self) -> int:
        return len(self.entries)

    def node(self, level: int, index: int) -> bytes:
        raise NotImplementedError

    def entry(self, n: int) -> StoredEntry | None:
        return StoredEntry(n, self.entries[n].data().decode())

    def search(self, terms: SearchTerms, before_size: int) -> list[StoredEntry]:
        raise NotImplementedError

    def add_checkpoint(self, size: int, note: str, at: str) -> None:
        raise NotImplementedError

    def latest_checkpoint(self) -> tuple[int, str] | None:
        raise NotImplementedError


@dataclass
class MemoryTransaction:
    extracts: MemoryExtracts = field(default_factory=MemoryExtracts)
    log: MemoryLog = field(default_factory=MemoryLog)


class MemoryStore:
    """One transaction at a time; a write that fails changes nothing."""

    def __init__(self) -> None:
        self.state = MemoryTransaction()
        self._lock = threading.Lock()

    @contextmanager
    def write(self) -> Iterator[MemoryTransaction]:
        with self._lock:
            changed = copy.deepcopy(self.state)
            yield changed
            self.state = changed

    @contextmanager
    def read(self) -> Iterator[MemoryTransaction]:
        with self._lock:
            yield copy.deepcopy(self.state)
