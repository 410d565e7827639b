"""What erasing needs of its storage: rows of erasures inside one transaction, and the lake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from schemas.erasure import Reach
from schemas.table_schema import TableSchema
from service.agreements.ports import AgreementStore
from service.audit.entry import AgreementRef, Caller
from service.audit.ports import LogStore
from service.intake.ports import ExtractStore


class ErasureState(StrEnum):
    """Where an erasure stands: INTENDED leads to DONE, or to ABORTED where its list of persons is lost.

    Of both INTENDED and ABORTED ones the log tells which datasets were written anew, where some were.
    """

    INTENDED = "intended"
    DONE = "done"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRow:
    """One erasure. It holds no pseudonym: these lie in the lake until it is done.

    Attributes:
        id: A slug, unique in the broker.
        agreement: The version that tells what is reached.
        caller: Who erases.
        reach: Whose datasets.
        datasets: Those that are reached, sorted.
        records: The caller's own datasets that hold no pseudonyms, and so are not reached; sorted.
        persons: How many pseudonyms were sent.
        reason: In the caller's words, screened; empty once it is in the log.
        key: What is kept of the ``Idempotency-Key``.
        fingerprint: HMAC of what the key is bound to.
        requested: When; aware.
        receipt: The signed receipt, when DONE.
    """

    id: str
    agreement: AgreementRef
    caller: Caller
    reach: Reach
    datasets: tuple[str, ...]
    records: tuple[str, ...]
    persons: int
    reason: str
    key: str
    fingerprint: str
    requested: datetime
    state: ErasureState = ErasureState.INTENDED
    receipt: dict[str, Any] | None = None


class ErasureKeyTaken(Exception):
    """The idempotency key is bound to an erasure that was not aborted."""


class ErasureStore(Protocol):
    """Rows of erasures, inside one transaction."""

    def by_key(self, agreement: str, party: str, client: str, key: str) -> ErasureRow | None:
        """Return the erasure that an idempotency key is bound to, leaving out aborted ones."""
        ...

    def get(self, erasure: str) -> ErasureRow | None:
        """Return an erasure."""
        ...

    def insert(self, row: ErasureRow) -> None:
        """Add an INTENDED erasure and bind its key.

        Raises:
            ErasureKeyTaken: another erasure, not aborted, holds ``(agreement, party, client, key)``.
        """
        ...

    def finish(self, erasure: str, receipt: dict[str, Any]) -> None:
        """Move an INTENDED erasure to DONE, keep its receipt, and forget its reason."""
        ...

    def abort(self, erasure: str) -> None:
        """Move an INTENDED erasure to ABORTED, and forget its reason."""
        ...

    def pending(self) -> list[ErasureRow]:
        """Return the INTENDED erasures, the oldest first."""
        ...


class DataVersion(Protocol):
    """What questions see of a dataset."""

    @property
    def lake(self) -> int:
        """The version of its table; -1 where there is none."""
        ...


class DataVersions(Protocol):
    """Tells what questions see."""

    def data_version(self, agreement: str, dataset: str) -> DataVersion:
        """Return the data version that a question asked now would be charged for."""
        ...


class Transaction(Protocol):
    """A transaction that can reach what erasing needs."""

    @property
    def answers(self) -> DataVersions:
        """The data versions that questions see."""
        ...

    @property
    def agreements(self) -> AgreementStore:
        """The agreements."""
        ...

    @property
    def erasures(self) -> ErasureStore:
        """The erasures."""
        ...

    @property
    def extracts(self) -> ExtractStore:
        """The extracts and data versions."""
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
class Erased:
    """What became of one dataset's table.

    Attributes:
        version: The first version without the persons; -1 where there is no table.
        rows: How many rows it lost.
    """

    version: int
    rows: int


@dataclass(frozen=True, slots=True)
class PersonList:
    """A list of persons that lies in the lake."""

    agreement: str
    erasure: str
    modified: datetime


class PersonsLost(Exception):
    """The list of an erasure's persons is not there, so it cannot be completed."""


class Lake(Protocol):
    """The records' tables; each call is atomic and safe to repeat."""

    def list_persons(self, agreement: str, erasure: str, persons: Sequence[str]) -> None:
        """Keep an erasure's pseudonyms on disk, where every broker over the lake finds them, and no question."""
        ...

    def forget_persons(self, agreement: str, erasure: str) -> None:
        """Remove an erasure's list, if it is there."""
        ...

    def person_lists(self) -> Iterator[PersonList]:
        """Find the lists of persons that lie in the lake."""
        ...

    def erase(self, agreement: str, dataset: str, schema: TableSchema, erasure: str) -> Erased:
        """Write a dataset anew without the persons that an erasure lists; the same when repeated.

        Raises:
            PersonsLost: the list is gone, and the dataset was not written anew yet.
            Conflict: ``in_progress``: the dataset is being changed by others.
            EngineFailed: the rows could not be rewritten; nothing was changed.
        """
        ...
