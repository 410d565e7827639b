"""Reservations: an amount set aside for questions that a client plans, so that nobody else spends it meanwhile.

Reserving moves the amount to what is held on each of the four accounts; a question that names the reservation moves its
charge from there; what is left goes back when it is given up, or with the next charge or reservation once it has run
out (whoever reads counts it as free before). Nothing was charged for what goes back, so that is no refund. Everything
happens in transactions that hold the write lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from schemas.canonical import digest
from schemas.reservation import Reserve
from service.aggregates.amounts import delta as delta_text
from service.aggregates.amounts import rho, share
from service.aggregates.ports import Binding, Store, Transaction
from service.aggregates.spending import balances, refused, remaining, set_aside
from service.agreements.periods import current_period, period_start
from service.agreements.standing import Current, visible
from service.audit.entry import AgreementRef, Decision, Entry, Kind, format_time
from service.audit.entry import Caller as EntryCaller
from service.budget.caps import Caps, caps, part
from service.budget.ledger import ChargeRequest, Left, Posting, keys, left
from service.budget.ports import ReservationRow
from service.budget.reservations import expires, most, refusal
from service.errors import Conflict, Forbidden, Malformed, NotFound
from service.identity.caller import Caller, Role
from service.policy.asked import may_ask
from service.policy.source import source
from service.policy.withdrawal import withdrawn

ROUTE = "reservations"
_NONE = "there is no such reservation of yours"


@dataclass(frozen=True, slots=True)
class Reservations:
    """Making, reading and giving up reservations."""

    store: Store
    broker: str
    clock: Callable[[], datetime]
    new_id: Callable[[str], str]

    def reserve(self, caller: Caller, agreement_id: str, key: str, asked: Reserve) -> dict[str, Any]:
        """Set an amount aside; the same key again tells the same reservation.

        Raises:
            NotFound: the agreement does not name the party.
            Forbidden: ``not_granted``, ``no_budget_share``, ``reservation_too_large``, a budget is spent, or the
                agreement is not in force.
            Malformed: ``reservation_units`` or ``bad_parameter``.
            Conflict: ``idempotency_key_reused``.
        """
        caller.require(Role.ANALYST, Role.STEWARD, Role.IG_LEAD)
        now = self.clock()
        with self.store.write() as tx:
            found = visible(tx.agreements, agreement_id, now.date(), self.broker, caller.party)
            free_expired(tx, agreement_id, format_time(now))
            scope = (caller.party, caller.client, ROUTE, agreement_id, key)
            body_digest = digest(asked.model_dump(mode="json", exclude_unset=True))
            bound = tx.answers.binding(scope)
            if bound is not None:
                return _told_again(tx, bound, body_digest, caps(found.agreement), format_time(now))
            row = self._row(tx, caller, found, asked, now)
            tx.reservations.add(row)
            tx.answers.bind(scope, Binding(body_digest, row.id), row.created_at)
        return told(row, caps(found.agreement), row.created_at)

    def _row(self, tx: Transaction, caller: Caller, found: Current, asked: Reserve, now: datetime) -> ReservationRow:
        """Hold the amount on its accounts, log it, and return the reservation's row."""
        limits = caps(found.agreement)
        unit, sources = _covered(caller, found, asked, limits)
        period = current_period(found, now)
        ends = expires(now, asked.until, period_start(found, period + 1))
        if ends <= now:
            raise Malformed("until lies in the past", code="bad_parameter")
        amount = ChargeRequest(
            intent=self.new_id("reservation"),
            agreement=found.row.id,
            version=found.version,
            party=caller.party,
            client=caller.client,
            unit=unit,
            period=period,
            sources=sources,
            rho_nano=part(limits.shares[caller.party], asked.share),
            delta_e18=part(limits.delta_shares[caller.party], asked.delta_share) if asked.delta_share else 0,
            at=format_time(now),
        )
        _check_size(tx, found, amount, limits)
        failed = tx.ledger.hold(amount, set_aside(tx, found, amount, limits))
        if failed is not None:
            raise refused(failed, (failed.clause,))
        return ReservationRow(
            id=amount.intent,
            agreement=amount.agreement,
            version=amount.version,
            party=amount.party,
            client=amount.client,
            unit=unit,
            period=period,
            purpose=asked.purpose,
            sources=sources,
            rho_nano=amount.rho_nano,
            delta_e18=amount.delta_e18,
            left_nano=amount.rho_nano,
            left_delta=amount.delta_e18,
            plan=None,
            state="open",
            log_index=tx.log.append(_entry(Kind.RESERVED, caller, found, asked.purpose, amount, ends, now)),
            created_at=amount.at,
            expires_at=format_time(ends),
        )

    def listed(self, caller: Caller, agreement_id: str) -> list[dict[str, Any]]:
        """Return the caller's open reservations; to a steward those of all its party's clients.

        Raises:
            NotFound: the agreement does not name the party.
            Forbidden: the agreement is not in force.
        """
        now = self.clock()
        with self.store.read() as tx:
            found = visible(tx.agreements, agreement_id, now.date(), self.broker, caller.party)
            rows = tx.reservations.open_of(agreement_id, caller.party)
        at = format_time(now)
        return [told(row, caps(found.agreement), at) for row in rows if _own(caller, row) and row.expires_at > at]

    def shown(self, caller: Caller, agreement_id: str, reservation: str) -> dict[str, Any]:
        """Return one reservation, over or not.

        Raises:
            NotFound: there is none of that id that is the caller's, or its party's where it is a steward.
            Forbidden: the agreement is not in force.
        """
        now = self.clock()
        with self.store.read() as tx:
            found = visible(tx.agreements, agreement_id, now.date(), self.broker, caller.party)
            return told(_of(tx, caller, agreement_id, reservation), caps(found.agreement), format_time(now))

    def give_up(self, caller: Caller, agreement_id: str, reservation: str) -> dict[str, Any]:
        """Give back what is left of a reservation; the client that made it may, and its party's stewards.

        Raises:
            NotFound: as ``shown``.
            Forbidden: the agreement is not in force.
            Conflict: ``reservation_over``.
        """
        now = self.clock()
        with self.store.write() as tx:
            found = visible(tx.agreements, agreement_id, now.date(), self.broker, caller.party)
            row = _of(tx, caller, agreement_id, reservation)
            if not _free(tx, row):
                raise Conflict("it was used, was given back, or ran out", code="reservation_over")
            tx.log.append(_ended(caller, found, row, now))
            return told(_of(tx, caller, agreement_id, reservation), caps(found.agreement), format_time(now))


def free_expired(tx: Transaction, agreement_id: str, at: str) -> None:
    """Free what an agreement's reservations hold that have run out."""
    for row in tx.reservations.expired(agreement_id, at):
        _free(tx, row)


def draw(
    tx: Transaction, reservation: str, charge: ChargeRequest, postings: tuple[Posting, ...], asked_for: tuple[str, str]
) -> Posting | None:
    """Take a question's charge from a reservation.

    Args:
        tx: The transaction that charges it.
        reservation: The reservation's id, as the caller names it.
        charge: The charge.
        postings: Its accounts, under the caps as they are now.
        asked_for: Its purpose, and its plan's digest.

    Returns:
        None, or the posting whose cap it would pass, where caps were lowered since; then the caller must roll back.

    Raises:
        NotFound: the caller has no such reservation.
        Conflict: ``reservation_over``.
        Forbidden: ``reservation_for_other`` or ``over_reservation``.
    """
    row = _usable(tx, reservation, charge, asked_for)
    if not tx.reservations.take(row.id, charge.rho_nano, charge.delta_e18, charge.at):
        raise RuntimeError("the write lock is held: nobody else draws on a reservation meanwhile")
    return tx.ledger.draw(charge, postings)


def left_of(
    tx: Transaction, reservation: str, found: Current, nothing: ChargeRequest, limits: Caps, asked_for: tuple[str, str]
) -> Left:
    """Return what a question that names a reservation could spend now: what is left of it, or of a cap below that.

    Raises:
        NotFound: as ``draw``, and what else it raises.
    """
    row = _usable(tx, reservation, nothing, asked_for)
    wanted = set_aside(tx, found, nothing, limits)
    held_on = tx.ledger.balances([posting.account for posting in wanted])
    free = left(wanted, [replace(held, held_nano=0, held_delta=0) for held in held_on])
    if free.rho_nano < row.left_nano:
        return free
    own = replace(wanted[-1], tier="reservation", clause=f"privacy/shares/{row.party}")
    return Left(row.left_nano, row.left_delta, own)


def _usable(tx: Transaction, reservation: str, charge: ChargeRequest, asked_for: tuple[str, str]) -> ReservationRow:
    """Return the caller's reservation, from which the charge may be taken."""
    row = tx.reservations.reservation(reservation)
    own = (charge.agreement, charge.party, charge.client)
    if row is None or (row.agreement, row.party, row.client) != own:
        raise NotFound(_NONE)
    error = refusal(row, charge, *asked_for)
    if error is not None:
        raise error
    return row


def _free(tx: Transaction, row: ReservationRow) -> bool:
    """Lapse an open reservation and free what it holds; False where it is over."""
    if not tx.reservations.close(row.id):
        return False
    held_on = keys(row.agreement, row.unit, row.period, row.party, row.client)
    tx.ledger.let_go(held_on, row.left_nano, row.left_delta)
    return True


def _covered(caller: Caller, found: Current, asked: Reserve, limits: Caps) -> tuple[str, tuple[str, ...]]:
    """Return the ledger and the sources of the datasets asked for, each granted to the caller for the purpose."""
    agreement = found.agreement
    if caller.party not in limits.shares:
        raise Forbidden(f"{caller.party} has no share of the privacy budget", code="no_budget_share")
    if not may_ask(agreement, caller.party, caller.roles):
        caller.require(Role.ANALYST)
    gone = withdrawn(agreement, found.row.withdrawn, caller.party, asked.datasets)
    if gone is not None:
        raise Forbidden(gone.reasons[0].words, code=gone.code, decision=gone.as_json())
    for dataset in asked.datasets:
        if not any(
            caller.party in grant.to
            and grant.dataset == dataset
            and agreement.covers(grant.for_, asked.purpose)
            and set(grant.roles) & {str(role) for role in caller.roles}
            for grant in agreement.grants
        ):
            raise Forbidden("no grant lets you ask of a dataset named, for this purpose", code="not_granted")
    sources = {name: source(agreement, name) for name in asked.datasets}
    units = {
        "person" if agreement.datasets[name].privacy_unit == "person" else f"record:{one}"
        for name, one in sources.items()
    }
    if len(units) > 1:
        words = "each dataset of records has a ledger of its own: reserve for it alone"
        raise Malformed(words, code="reservation_units")
    return units.pop(), tuple(sorted(set(sources.values())))


def _check_size(tx: Transaction, found: Current, amount: ChargeRequest, limits: Caps) -> None:
    left = remaining(tx, found, amount, limits)
    *_, own = keys(amount.agreement, amount.unit, amount.period, amount.party, amount.client)
    (held,) = balances(tx, amount.agreement, [own], amount.at)
    rho_most, delta_most = most(left, held)
    if amount.rho_nano > rho_most or amount.delta_e18 > delta_most:
        words = (
            "reservations of one client hold at most half of what it could spend: at most "
            f"{share(rho_most, limits.shares[amount.party])} of your party's share now, and of delta for choosing keys "
            f"{delta_text(delta_most)}"
        )
        raise Forbidden(words, code="reservation_too_large")


def _of(tx: Transaction, caller: Caller, agreement_id: str, reservation: str) -> ReservationRow:
    row = tx.reservations.reservation(reservation)
    if row is None or row.agreement != agreement_id or row.party != caller.party or not _own(caller, row):
        raise NotFound(_NONE)
    return row


def _own(caller: Caller, row: ReservationRow) -> bool:
    return row.client == caller.client or Role.STEWARD in caller.roles


def _told_again(tx: Transaction, bound: Binding, body_digest: str, limits: Caps, at: str) -> dict[str, Any]:
    if bound.digest != body_digest:
        words = "this Idempotency-Key was used with another request; take a new key"
        raise Conflict(words, code="idempotency_key_reused")
    row = tx.reservations.reservation(bound.subject)
    if row is None:
        raise RuntimeError("the key of a reservation is bound to one")
    return told(row, limits, at)


def told(row: ReservationRow, limits: Caps, at: str) -> dict[str, Any]:
    """Return a reservation as the API tells it at a time."""
    whole = limits.shares.get(row.party, 0)
    return {
        "reservation": row.id,
        "state": "lapsed" if row.state == "open" and row.expires_at <= at else row.state,
        "client": row.client,
        "purpose": row.purpose,
        "unit": row.unit,
        "sources": list(row.sources),
        "reserved": {"rho": rho(row.rho_nano), "share": share(row.rho_nano, whole), "delta": delta_text(row.delta_e18)},
        "left": {"rho": rho(row.left_nano), "share": share(row.left_nano, whole), "delta": delta_text(row.left_delta)},
        "made": row.created_at,
        "expires": row.expires_at,
        "audit": {"index": row.log_index},
    }


def _entry(
    kind: Kind, caller: Caller, found: Current, purpose: str, amount: ChargeRequest, ends: datetime, now: datetime
) -> Entry:
    result = {
        "reservation": amount.intent,
        "unit": amount.unit,
        "period": amount.period,
        "rho_nano": amount.rho_nano,
        "delta_e18": amount.delta_e18,
        "expires": format_time(ends),
    }
    return _logged(kind, caller, found, purpose, result, now)


def _ended(caller: Caller, found: Current, row: ReservationRow, now: datetime) -> Entry:
    result = {"reservation": row.id, "rho_nano": row.left_nano, "delta_e18": row.left_delta}
    return _logged(Kind.RESERVATION_ENDED, caller, found, row.purpose, result, now)


def _logged(kind: Kind, caller: Caller, found: Current, purpose: str, result: dict[str, Any], now: datetime) -> Entry:
    return Entry(
        kind=kind,
        time=now,
        caller=EntryCaller(caller.client, caller.party, caller.role),
        nonce=caller.nonce(),
        agreement=AgreementRef(found.row.id, str(found.version), found.digest),
        purpose=purpose if purpose in found.agreement.purposes else None,
        decision=Decision("allowed", "allowed"),
        result=result,
    )
