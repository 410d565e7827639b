"""When a budget runs out if it goes on being spent as lately: a straight line, a function of spending alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

WINDOW = timedelta(days=28)
"""What counts as lately."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When it runs out, None where not before a day; at how many nano-rho a day, rounded down."""

    runs_out: date | None
    a_day_nano: int


def forecast(left_nano: int, lately_nano: int, today: date, until: date) -> Forecast:
    """Return when what is left is spent.

    Args:
        left_nano: What is left, in nano-rho.
        lately_nano: What was spent within ``WINDOW``.
        today: The day from which it goes on.
        until: The first day that does not count: of the next period, or after the agreement's end.
    """
    rate = lately_nano // WINDOW.days
    if left_nano <= 0:
        return Forecast(today, rate)
    days = (until - today).days
    if left_nano * WINDOW.days >= lately_nano * days:
        return Forecast(None, rate)
    return Forecast(today + timedelta(days=left_nano * WINDOW.days // lately_nano), rate)
