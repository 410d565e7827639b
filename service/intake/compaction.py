"""Compaction: the files of a dataset become one, for questions to read faster; nothing else changes.

The rows are the same, so the data version keeps its name: a repeat stays free, and nobody pays again for what they
know. Only the version of the lake behind the name moves, in three steps, and stopping after any of them is harmless:

1. *Lake commit*: the table's next version holds the same rows in one file. It succeeds only as the very next version
   after the one that the dataset's newest data version names. So a push that is committed and not yet recorded is
   never in it: it came before, and then nothing is compacted; or it comes after, and lies in a later version.
2. *Record* (one transaction): the newest data version names the compacted version, if it still names the one that was
   compacted. If not, whoever moved it on committed after us and names a version that holds the compacted file already.
3. *Vacuum*: files that no open question may need go.

A step 2 that never happened is done by the next compaction: the lake recognises what it compacted already.

It is no access and changes no answer, and no party can tell whether it happened, so it is no entry in the log. An entry
would only add to what the log's size, which anyone can read, tells of how much is pushed.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from schemas.table_schema import TableSchema
from service.intake.means import no_fault
from service.intake.ports import ExtractRow, ExtractStore

_LOG = logging.getLogger(__name__)


class Version(Protocol):
    """A data version."""

    @property
    def lake(self) -> int:
        """The lake's version that it names, -1 where nothing was ever pushed."""
        ...


class DataVersions(Protocol):
    """Tells which versions of the lake are read."""

    def data_version(self, agreement: str, dataset: str) -> Version:
        """Return a dataset's newest data version."""
        ...


class Transaction(Protocol):
    """A transaction that can reach what compaction needs."""

    @property
    def answers(self) -> DataVersions:
        """The data versions."""
        ...

    @property
    def extracts(self) -> ExtractStore:
        """The extracts."""
        ...


class Store(Protocol):
    """Opens transactions."""

    def write(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that commits at its end."""
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that reads one state."""
        ...


class Lake(Protocol):
    """The records' tables."""

    def compact(self, agreement: str, dataset: str, schema: TableSchema, base: int) -> int | None:
        """Make the version after ``base`` hold the same rows in one file; None where there is nothing to do."""
        ...

    def files(self, agreement: str, dataset: str, version: int) -> list[str]:
        """Return the files of a dataset at a version."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done to a dataset: its files before and after."""

    agreement: str
    dataset: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Compaction:
    """The use case.

    Attributes:
        store: Opens transactions.
        lake: The tables.
        schema_of: Returns the schema with which an extract was pushed.
        vacuum: Removes the files of a dataset that no open question may need.
        most_files: A push that leaves more files than this in a dataset has it compacted; 0 for never.
        fault: Called with the name of each step that a crash could follow.
    """

    store: Store
    lake: Lake
    schema_of: Callable[[ExtractRow], TableSchema]
    vacuum: Callable[[str, str], None]
    most_files: int
    fault: Callable[[str], None] = no_fault
    _running: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _pushed: deque[tuple[str, str]] = field(default_factory=deque, repr=False, compare=False)

    def run(self, agreement: str | None = None, dataset: str | None = None) -> list[Outcome]:
        """Compact every dataset that was ever pushed to, or those of an agreement or of a name, and vacuum it.

        Raises:
            EngineFailed: rows could not be rewritten; what was done before stays done.
        """
        with self.store.read() as tx:
            rows = tx.extracts.newest_of_each_dataset()
        chosen = [row for row in rows if agreement in (None, row.agreement.id) and dataset in (None, row.dataset)]
        return [self._compact(row) for row in chosen]

    def after_push(self, agreement: str, dataset: str) -> None:
        """Compact a dataset that has too many files; never raises, and never waits for another compaction.

        One that is under way looks at the dataset once more when it ends, as a push may have overtaken it.
        What goes wrong is told by its type alone, as its words may quote a cell; the push is done anyway.
        """
        if not self.most_files:
            return
        self._pushed.append((agreement, dataset))
        while self._pushed and self._running.acquire(blocking=False):
            try:
                while self._pushed:  # none but the holder of the lock takes any
                    self._tidy(*self._pushed.popleft())
            finally:
                self._running.release()

    def _tidy(self, agreement: str, dataset: str) -> None:
        try:
            if self._files(agreement, dataset) > self.most_files:
                self.run(agreement, dataset)
        except Exception as error:  # noqa: BLE001 - see ``after_push``
            _LOG.error("compaction of %s in %s failed with %s", dataset, agreement, type(error).__name__)

    def _compact(self, row: ExtractRow) -> Outcome:
        agreement, dataset = row.agreement.id, row.dataset
        before = self._files(agreement, dataset)
        with self.store.read() as tx:
            base = tx.answers.data_version(agreement, dataset).lake
        compacted = self.lake.compact(agreement, dataset, self.schema_of(row), base)
        if compacted is not None:
            self.fault("compaction-committed")
            with self.store.write() as tx:
                tx.extracts.follow_compaction(agreement, dataset, base, compacted)
            self.fault("compaction-recorded")
        self.vacuum(agreement, dataset)
        return Outcome(agreement, dataset, before, self._files(agreement, dataset))

    def _files(self, agreement: str, dataset: str) -> int:
        with self.store.read() as tx:
            version = tx.answers.data_version(agreement, dataset).lake
        return len(self.lake.files(agreement, dataset, version))
