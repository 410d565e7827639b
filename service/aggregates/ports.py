"""What asking needs of its storage, inside one transaction."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from service.agreements.ports import AgreementStore
from service.audit.ports import LogStore
from service.budget.ports import LedgerStore, QuotaStore, ReservationStore, StatementStore
from service.identity.ports import ClientStore


@dataclass(frozen=True, slots=True)
class IntentRow:
    """A question that was charged: everything needed to complete it once, on any replica.

    Attributes:
        request: The request's canonical JSON.
        identity: The effective plan's digest at the pinned data versions.
        spend: Canonical JSON of what the price was made from.
        pinned: Canonical JSON of the pinned data versions: ``{dataset: {"name", "lake"}}``.
        state: ``open``, ``released`` or ``failed``.
        charged_index: Index of its ``charged`` entry.
    """

    id: str
    agreement: str
    version: int
    digest: str
    party: str
    client: str
    role: str
    purpose: str
    dataset: str
    request: str
    identity: str
    spend: str
    rho_nano: int
    pinned: str
    state: str
    charged_index: int
    created_at: str


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A stored release; ``body`` is its canonical JSON, signature included; ``log_index`` that of its entry."""

    id: str
    intent: str
    agreement: str
    party: str
    dataset: str
    identity: str
    rho_nano: int
    body: str
    digest: str
    log_index: int
    released_at: str


@dataclass(frozen=True, slots=True)
class VersionName:
    """A dataset's data version: its opaque name and the lake's version, -1 where nothing was ever pushed."""

    name: str
    lake: int


@dataclass(frozen=True, slots=True)
class Binding:
    """What an idempotency key is bound to: the body's digest, and an intent's, a release's or an approval's id."""

    digest: str
    subject: str


class AnswerStore(Protocol):
    """Intents, releases, idempotency bindings and data versions."""

    def data_version(self, agreement: str, dataset: str) -> VersionName:
        """Return a dataset's data version."""
        ...

    def overdue(self, agreement: str, dataset: str, before: date) -> bool:
        """Tell whether rows of a dataset that were received before a day (UTC) have yet to leave it."""
        ...

    def covered(self, agreement: str, dataset: str) -> list[tuple[str, str]]:
        """Return the periods that suppliers declared as covered, as ``(from, to)``, merged and in order."""
        ...

    def binding(self, scope: tuple[str, str, str, str, str]) -> Binding | None:
        """Return what ``(party, client, route, agreement, key)`` is bound to."""
        ...

    def bind(self, scope: tuple[str, str, str, str, str], binding: Binding, at: str) -> None:
        """Bind an idempotency key, for good once it is bound to more than an approval."""
        ...

    def add_intent(self, row: IntentRow) -> None:
        """Add an intent."""
        ...

    def intent(self, intent: str) -> IntentRow | None:
        """Return an intent."""
        ...

    def running(self, digest: str, party: str, role: str, identity: str, request: str) -> IntentRow | None:
        """Return an open intent of a request word for word, at the same data versions, None where there is none.

        Args:
            digest: The agreement version's digest.
            party: Who asked.
            role: In which roles.
            identity: The effective plan's digest at its data versions.
            request: The request's JSON text, spend and reason included.
        """
        ...

    def open_intents(self) -> list[str]:
        """Return the ids of the intents that have neither a release nor failed for good."""
        ...

    def set_intent_state(self, intent: str, state: str) -> None:
        """Move an intent to ``released`` or ``failed``."""
        ...

    def add_release(self, row: ReleaseRow) -> bool:
        """Store the release of an intent; False where the intent has one."""
        ...

    def release_of(self, intent: str) -> ReleaseRow | None:
        """Return an intent's release."""
        ...

    def release(self, release: str) -> ReleaseRow | None:
        """Return a release by id."""
        ...

    def releases(self, agreement: str, party: str, limit: int, before: str | None) -> list[ReleaseRow]:
        """Return a party's releases, the newest first."""
        ...

    def best_release(self, agreement: str, identity: str) -> ReleaseRow | None:
        """Return the release of this question with the largest rho."""
        ...


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A question that waits, or waited, for stewards to approve it. Never changed; what stewards say comes beside it.

    Attributes:
        digest: Digest of the agreement version under which it was asked.
        party: The party that asks.
        identity: The effective plan's digest, whatever the data's version.
        rho_nano: What it would have cost when it was asked: the most that an approval lets it cost.
        needs: The parties of whom a steward has to approve.
        shown: Canonical JSON of what stewards decide on: the question after policy, its cost and error.
        log_index: Index of its ``approval-requested`` entry, which holds the reason.
    """

    id: str
    agreement: str
    version: int
    digest: str
    party: str
    client: str
    purpose: str
    dataset: str
    identity: str
    rho_nano: int
    needs: tuple[str, ...]
    shown: str
    log_index: int
    requested_at: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What a party's steward said of an approval: ``approve`` or ``refuse``; the reason is in entry ``log_index``."""

    approval: str
    party: str
    client: str
    verdict: str
    log_index: int
    at: str


class ApprovalStore(Protocol):
    """Approvals and what stewards said of them. Rows are added, never changed."""

    def add(self, row: ApprovalRow) -> None:
        """Add an approval that waits."""
        ...

    def approval(self, approval: str) -> ApprovalRow | None:
        """Return an approval by id."""
        ...

    def of_question(self, digest: str, party: str, purpose: str, identity: str, now: str) -> list[ApprovalRow]:
        """Return the approvals of one question of one party that have not run out, the oldest first."""
        ...

    def live(self, agreement: str, digest: str, now: str) -> list[ApprovalRow]:
        """Return the approvals under an agreement version that have not run out, the oldest first."""
        ...

    def own(self, agreement: str, party: str, limit: int) -> list[ApprovalRow]:
        """Return a party's newest approvals, the oldest of them first."""
        ...

    def add_verdict(self, row: VerdictRow) -> None:
        """Add what a party's steward says; the database refuses a second of the same party."""
        ...

    def verdicts(self, approval: str) -> list[VerdictRow]:
        """Return what stewards said of an approval, in order."""
        ...


class Transaction(Protocol):
    """A transaction that can reach all that asking needs."""

    @property
    def agreements(self) -> AgreementStore:
        """The agreements."""
        ...

    @property
    def log(self) -> LogStore:
        """The log."""
        ...

    @property
    def ledger(self) -> LedgerStore:
        """The ledger."""
        ...

    @property
    def answers(self) -> AnswerStore:
        """Intents and releases."""
        ...

    @property
    def approvals(self) -> ApprovalStore:
        """Approvals."""
        ...

    @property
    def clients(self) -> ClientStore:
        """Clients."""
        ...

    @property
    def quotas(self) -> QuotaStore:
        """Quotas that stewards set."""
        ...

    @property
    def reservations(self) -> ReservationStore:
        """Reservations."""
        ...

    @property
    def statements(self) -> StatementStore:
        """What was charged, by client, purpose and dataset."""
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
    """The records' files."""

    def files(self, agreement: str, dataset: str, version: int) -> list[str]:
        """Return the Parquet files of a dataset at a version of the lake."""
        ...
