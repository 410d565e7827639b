"""The period of grace between the end of an agreement, or a party's withdrawal, and the purge. Pure."""

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
    return _midnight(agreement.period.end + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
