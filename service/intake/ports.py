"""What the intake needs of its storage: rows of extracts inside one transaction, and the lake.

The states of an extract, and what moves it from one to the next:

    (nothing) --insert--> STAGED --delta--> COMMITTED --replacement staged--> REPLACING --> REPLACED
                            |                   |  ^            |
                            |                   |  +------------+  the replacement was aborted
                            v                   v
                         ABORTED           WITHDRAWING --delta--> WITHDRAWN

A COMMITTED or REPLACING extract whose time is over becomes EXPIRING --delta--> EXPIRED (``service.intake.retention``).
STAGED, REPLACING and WITHDRAWING are intents: whatever happens, ``service.intake.completion`` leads out of them.
When the records of an agreement or of a supplier are purged, every standing or EXPIRING extract becomes PURGING and
then PURGED, and every STAGED one ABORTED (``service.agreements.purging``).
Rows of a COMMITTED, REPLACING or WITHDRAWING extract count as pushed (``STANDING``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from schemas.table_schema import TableSchema
from service.audit.entry import AgreementRef, Caller
from service.audit.ports import LogStore
from service.intake.check import Staged
from service.intake.expressions import Covers


class State(StrEnum):
    """Where an extract stands."""

    STAGED = "staged"
    COMMITTED = "committed"
    REPLACING = "replacing"
    REPLACED = "replaced"
    WITHDRAWING = "withdrawing"
    WITHDRAWN = "withdrawn"
    ABORTED = "aborted"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    PURGING = "purging"
    PURGED = "purged"


STANDING = frozenset({State.COMMITTED, State.REPLACING, State.WITHDRAWING})
"""Extracts whose rows questions see."""
PENDING = frozenset({State.STAGED, State.WITHDRAWING})
"""Intents that ``recover`` completes or aborts; REPLACING follows its replacement."""
RECORDED = STANDING | {State.REPLACED, State.WITHDRAWN, State.EXPIRING, State.EXPIRED}
"""Extracts that were in the dataset at some time."""
LIVE = STANDING | {State.STAGED}
"""Extracts whose rows are, or may any moment be, in the dataset."""
PERISHABLE = LIVE | {State.EXPIRING}
"""Extracts whose rows have to leave the dataset once their time is over."""


@dataclass(frozen=True, slots=True)
class PushKey:
    """An idempotency key in its scope, and what it is bound to.

    Attributes:
        party: Whose key it is.
        client: Which of the party's clients sent it.
        key: The ``Idempotency-Key``.
        fingerprint: Digest of the body's digest and the push's parameters.
    """

    party: str
    client: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractRow:
    """One push.

    Attributes:
        id: A slug, unique in the broker.
        agreement: The version under which it was pushed.
        caller: Who pushed it; ``caller.party`` is its supplier.
        digest: ``sha256:`` and the digest of the body as it was sent.
        staged: The checked file.
        replaces: The extract that this one corrects.
        received: When the body was complete; aware.
        receipt: The signed receipt, from COMMITTED on.
        withdrawal: The signed receipt of the withdrawal, when WITHDRAWN.
        expiry: The signed receipt of the expiry, when EXPIRED; by which version and ``keep`` it goes, when EXPIRING.
    """

    id: str
    agreement: AgreementRef
    dataset: str
    schema: str
    caller: Caller
    media: str
    covers: Covers
    digest: str
    staged: Staged
    key: PushKey
    received: datetime
    state: State
    replaces: str | None = None
    receipt: dict[str, Any] | None = None
    withdrawal: dict[str, Any] | None = None
    expiry: dict[str, Any] | None = None


class KeyTaken(Exception):
    """The idempotency key is bound to an extract that was not aborted."""


class ExtractStore(Protocol):
    """Rows of extracts, inside one transaction."""

    def by_key(self, agreement: str, party: str, client: str, key: str) -> ExtractRow | None:
        """Return the extract that an idempotency key is bound to, leaving out aborted ones."""
        ...

    def get(self, agreement: str, dataset: str, extract: str) -> ExtractRow | None:
        """Return an extract of a dataset."""
        ...

    def insert(self, row: ExtractRow) -> None:
        """Add a STAGED extract and bind its key.

        Raises:
            KeyTaken: another extract, not aborted, holds ``(agreement, party, client, key)``.
        """
        ...

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
        """Move an extract from one state to another, setting the receipts given.

        Returns:
            False, and nothing is changed, where it is not in ``before``.
        """
        ...

    def pending(self) -> list[ExtractRow]:
        """Return the extracts in a state of ``PENDING``, the oldest first."""
        ...

    def overdue(self, agreement: str, dataset: str, before: date) -> list[ExtractRow]:
        """Return a dataset's extracts in a state of ``PERISHABLE`` that have to go, the oldest first.

        Args:
            agreement: The agreement.
            dataset: The dataset.
            before: The first day of receipt (UTC) that is still kept; those that are EXPIRING go whatever it is.
        """
        ...

    def live_rows(self, agreement: str, dataset: str) -> int:
        """Return the sum of rows over a dataset's extracts in a state of ``LIVE``."""
        ...

    def listed(self, agreement: str, dataset: str, supplier: str, limit: int, before: str | None) -> list[ExtractRow]:
        """Return a supplier's extracts, not aborted, the newest first, from the one after ``before``."""
        ...

    def move_data_version(self, agreement: str, dataset: str, lake_version: int, at: datetime) -> None:
        """Give the dataset a new opaque data version.

        It names ``lake_version``, or the lake version that the dataset has now where that is later: two commits may
        be recorded in the other order than they were made.
        """
        ...

    def newest_of_each_dataset(self) -> list[ExtractRow]:
        """Return the newest extract of each dataset in a state of ``RECORDED``, by agreement and dataset."""
        ...

    def follow_compaction(self, agreement: str, dataset: str, base: int, compacted: int) -> bool:
        """Let the dataset's newest data version name ``compacted`` if it names ``base``; its name stays.

        Args:
            agreement: The agreement.
            dataset: The dataset.
            base: The lake's version that was compacted.
            compacted: The one that holds the same rows, ``base + 1``.

        Returns:
            False, and nothing is changed, where it names another version.

        Raises:
            RuntimeError: there is a version between the two, which could hold other rows.
        """
        ...


class Transaction(Protocol):
    """A transaction that can reach extracts and the log."""

    @property
    def extracts(self) -> ExtractStore:
        """The extracts."""
        ...

    @property
    def log(self) -> LogStore:
        """The log."""
        ...


class Store(Protocol):
    """Opens transactions."""

    def write(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that commits at its end, and never if the block fails."""
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that reads one state."""
        ...


@dataclass(frozen=True, slots=True)
class Stray:
    """A staged file that the lake never took."""

    agreement: str
    dataset: str
    extract: str
    modified: datetime


class StagedFileLost(Exception):
    """The staged file is not there or not whole, so the extract cannot be committed."""


class Lake(Protocol):
    """The records' tables; each call is atomic and safe to repeat."""

    def stage_path(self, agreement: str, dataset: str, extract: str) -> Path:
        """Return where a new extract is to be staged; its folder exists, the file does not."""
        ...

    def commit(
        self,
        agreement: str,
        dataset: str,
        extract: str,
        staged: Staged,
        schema: TableSchema,
        replaces: str | None = None,
    ) -> int:
        """Put an extract into its table, and take out the one that it replaces, at once.

        Returns:
            The version of the table that holds it; the same when repeated.

        Raises:
            StagedFileLost: the staged file is gone or has another size.
            Conflict: ``schema_changed``.
        """
        ...

    def withdraw(self, agreement: str, dataset: str, extract: str, along: Collection[str] = ()) -> int:
        """Take a committed extract out; return the first version without it, the same when repeated.

        Of those that are to go along, the commit may take out some too; each is still withdrawn by itself.
        """
        ...

    def committed(self, agreement: str, dataset: str, extract: str) -> int | None:
        """Return the version at which an extract was committed, None where it never was."""
        ...

    def discard_staged(self, agreement: str, dataset: str, extract: str) -> None:
        """Remove the file of an extract, or a compacted file, that was never committed."""
        ...

    def strays(self) -> Iterator[Stray]:
        """Find files that were staged, or compacted, and never committed."""
        ...
