"""The rules of reservations: how much may be set aside, for how long, and what may draw on it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from service.budget.ledger import Balance, ChargeRequest, Left, keys
from service.budget.ports import ReservationRow
from service.errors import ConcordatError, Conflict, Forbidden

LONGEST = timedelta(days=30)


def expires(now: datetime, until: date | None, renews: date) -> datetime:
    """Return when a reservation runs out: after 30 days, after the day asked for, or when the period is over."""
    ends = [now + LONGEST, datetime.combine(renews, time.min, UTC)]
    if until is not None:
        ends.append(datetime.combine(until, time.min, UTC) + timedelta(days=1))
    return min(ends)


def most(left: Left, held: Balance) -> tuple[int, int]:
    """Return the most that a client may still set aside, in nano-rho and in 1e-18.

    All its reservations together hold at most half of what it could spend, so that one client starves nobody.

    Args:
        left: What it could spend now, what is reserved already not counted.
        held: Its own account, on which its reservations are held.
    """
    return (
        max(0, (left.rho_nano + held.held_nano) // 2 - held.held_nano),
        max(0, (left.delta_e18 + held.held_delta) // 2 - held.held_delta),
    )


def freed(found: Mapping[str, Balance], over: Iterable[ReservationRow]) -> dict[str, Balance]:
    """Return accounts as they will be once reservations that have run out are freed on them.

    Args:
        found: Accounts by key.
        over: Reservations that have run out and are still held.
    """
    made = dict(found)
    for row in over:
        for key in keys(row.agreement, row.unit, row.period, row.party, row.client):
            if key in made:
                held = made[key]
                made[key] = replace(
                    held, held_nano=held.held_nano - row.left_nano, held_delta=held.held_delta - row.left_delta
                )
    return made


def refusal(row: ReservationRow, charge: ChargeRequest, purpose: str, plan: str) -> ConcordatError | None:
    """Return why a question may not draw on a reservation, None where it may.

    Args:
        row: The reservation, the caller's own.
        charge: What the question is charged; ``at`` is now.
        purpose: What it is asked for.
        plan: Its plan's digest, whatever the version of its data.
    """
    if row.state != "open" or row.expires_at <= charge.at or row.period != charge.period:
        words = "the reservation was used, was given back, or ran out; ask without it, or make another"
        return Conflict(words, code="reservation_over")
    fits = (
        row.purpose == purpose
        and row.unit == charge.unit
        and set(charge.sources) <= set(row.sources)
        and row.plan in (None, plan)
    )
    if not fits:
        words = f"the reservation is for {row.purpose} and other datasets or another plan; ask without it"
        return Forbidden(words, code="reservation_for_other")
    if row.left_nano < charge.rho_nano or row.left_delta < charge.delta_e18:
        words = "the reservation holds less than the question costs; ask for a smaller share, or without it"
        return Forbidden(words, code="over_reservation")
    return None
