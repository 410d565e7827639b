"""What budgets need of their storage, inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from service.budget.ledger import Balance, ChargeRequest, Posting


class LedgerStore(Protocol):
    """The ledger's rows."""

    def elsewhere(self, agreement: str, sources: tuple[str, ...], since: str, now: str) -> dict[str, int]:
        """Return what other agreements spent on these sources and hold reserved now, in nano-rho and 1e-18.

        Returns:
            ``lifetime`` and ``lifetime_delta``, and ``period`` and ``period_delta``, which count from ``since``.
        """
        ...

    def balances(self, keys: Sequence[str]) -> list[Balance]:
        """Return each account's balance, in order."""
        ...

    def post(self, charge: ChargeRequest, postings: tuple[Posting, ...]) -> Posting | None:
        """Take a charge, or return the posting that does not fit; then the transaction must be rolled back."""
        ...

    def hold(self, amount: ChargeRequest, postings: tuple[Posting, ...]) -> Posting | None:
        """Set an amount aside, or return the posting that does not fit; then it must be rolled back."""
        ...

    def draw(self, charge: ChargeRequest, postings: tuple[Posting, ...]) -> Posting | None:
        """Take a charge from what was set aside, or return the posting that does not fit; then roll back."""
        ...

    def let_go(self, keys: Sequence[str], rho_nano: int, delta_e18: int) -> None:
        """Free an amount that was set aside on some accounts."""
        ...

    def by_party(self, agreement: str, unit: str, period: int) -> dict[str, int]:
        """Return what each party spent in a period."""
        ...

    def by_source(self, agreement: str) -> dict[str, dict[str, int]]:
        """Return, for each source touched, what each agreement spent on it."""
        ...

    def units(self, agreement: str) -> list[str]:
        """Return the units charged under an agreement."""
        ...


@dataclass(frozen=True, slots=True)
class QuotaRow:
    """The part of its party's share that a steward lets a client spend in a period; ``log_index`` of its entry."""

    agreement: str
    party: str
    client: str
    share: Decimal
    log_index: int
    at: str


class QuotaStore(Protocol):
    """Quotas that stewards have set. Rows are added, never changed; the newest counts."""

    def add(self, row: QuotaRow) -> None:
        """Add a quota."""
        ...

    def quota(self, agreement: str, party: str, client: str) -> Decimal | None:
        """Return a client's newest quota, None where none was set."""
        ...

    def of_party(self, agreement: str, party: str) -> dict[str, QuotaRow]:
        """Return the newest quota of each client of a party that has one."""
        ...


@dataclass(frozen=True, slots=True)
class StatementLine:
    """What one client spent for one purpose on one dataset, linked ones included, in one ledger."""

    party: str
    client: str
    purpose: str
    dataset: str
    unit: str
    questions: int
    rho_nano: int
    delta_e18: int


class StatementStore(Protocol):
    """What was charged, read in other ways. Nothing here is ever written."""

    def clients(self, agreement: str, unit: str, period: int, party: str) -> list[str]:
        """Return the clients of a party that were charged in a period."""
        ...

    def since(self, agreement: str, unit: str, at: str) -> dict[str, int]:
        """Return the nano-rho that each party spent since a time, over periods."""
        ...

    def lines(self, agreement: str, party: str, first: str, end: str) -> list[StatementLine]:
        """Return what was charged from ``first`` to before ``end``: by a party, or by others on what it supplies."""
        ...


@dataclass(frozen=True, slots=True)
class ReservationRow:
    """An amount set aside for a client's questions; rho in nano, delta in 1e-18.

    Attributes:
        version: The agreement version under which it was made.
        sources: What its questions may touch.
        left_nano: What was not drawn yet.
        plan: Digest that a question's plan must have; None for any.
        state: ``open``, ``used`` once all was drawn, or ``lapsed``: it ran out or was given back.
    """

    id: str
    agreement: str
    version: int
    party: str
    client: str
    unit: str
    period: int
    purpose: str
    sources: tuple[str, ...]
    rho_nano: int
    delta_e18: int
    left_nano: int
    left_delta: int
    plan: str | None
    state: str
    log_index: int
    created_at: str
    expires_at: str


class ReservationStore(Protocol):
    """Reservations. What moves on the accounts is the ledger's."""

    def add(self, row: ReservationRow) -> None:
        """Add an open reservation."""
        ...

    def reservation(self, reservation: str) -> ReservationRow | None:
        """Return a reservation by id."""
        ...

    def open_of(self, agreement: str, party: str) -> list[ReservationRow]:
        """Return a party's open reservations, those that have run out included, the oldest first."""
        ...

    def expired(self, agreement: str, now: str) -> list[ReservationRow]:
        """Return an agreement's open reservations that have run out."""
        ...

    def take(self, reservation: str, rho_nano: int, delta_e18: int, now: str) -> bool:
        """Draw on an open reservation that has not run out; False where it does not hold so much."""
        ...

    def close(self, reservation: str) -> bool:
        """Lapse an open reservation; False where another did."""
        ...
