"""The period of grace between an end, a party's withdrawal or a dataset's being left out, and the purge. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from schemas.agreement import Agreement
from schemas.calendar import Duration, add

DEFAULT_GRACE = Duration(0, 30)
"""Where an agreement states no ``obligations.grace``."""


def over(agreement: Agreement, since: datetime) -> datetime:
    """Return when the grace is over that began at ``since``: calendar months and days later, at the same time (UTC)."""
    begun = since.astimezone(UTC)
    return datetime.combine(add(begun.date(), agreement.obligations.grace or DEFAULT_GRACE), begun.timetz())


def ended(agreement: Agreement) -> datetime:
    """Return the moment at which an agreement's period is over: the start of the day after its last."""
    return midnight(agreement.period.end + timedelta(days=1))


def comes_into_force(agreement: Agreement, signed: datetime) -> datetime:
    """Return the moment at which a version begins to decide: its last signature, or the start of its period."""
    return max(signed.astimezone(UTC), midnight(agreement.period.start))


def midnight(day: date) -> datetime:
    """Return the start of a day, in UTC."""
    return datetime.combine(day, time.min, UTC)
