"""Budget periods of an agreement: counted from the anchor that version 1 fixed, never back. Pure."""

from __future__ import annotations

from datetime import date, datetime

from schemas.calendar import add, period_index
from service.agreements.standing import Current


def current_period(found: Current, now: datetime) -> int:
    """Return the index of the period that ``now`` lies in, no lower than any that was charged before."""
    budget = found.agreement.privacy.budget
    index = period_index(date.fromisoformat(found.row.anchor), budget.every, now.date())
    return max(index, found.row.period_floor, 0)


def period_start(found: Current, period: int) -> date:
    """Return the first day of a period."""
    return add(date.fromisoformat(found.row.anchor), found.agreement.privacy.budget.every, period)
