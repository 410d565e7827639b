"""Calendar arithmetic: ISO 8601 durations, budget periods, and the months, quarters and years of a range."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from schemas.errors import DocumentError

_DURATION = re.compile(r"P(?:([0-9]{1,3})Y)?(?:([0-9]{1,3})M)?(?:([0-9]{1,4})D)?\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
FIRST_YEAR, LAST_YEAR = 1900, 2199
_MONTHS_A_YEAR = 12
_MONTHS_A_QUARTER = 3


@dataclass(frozen=True, slots=True)
class Duration:
    """A calendar duration of whole months and days, as ISO 8601 ``P3M``, ``P1Y`` or ``P7D``."""

    months: int
    days: int

    def __str__(self) -> str:
        """Write it as ISO 8601."""
        years, months = divmod(self.months, _MONTHS_A_YEAR)
        return "P" + "".join(f"{n}{u}" for n, u in ((years, "Y"), (months, "M"), (self.days, "D")) if n)


def parse_date(text: str) -> date:
    """Read ``YYYY-MM-DD`` and nothing else, in the years that arithmetic on dates never leaves.

    Raises:
        DocumentError: ``bad_date``.
    """
    if not _DATE.match(text):
        raise DocumentError("bad_date", "a date is written YYYY-MM-DD")
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise DocumentError("bad_date", "no such day in the calendar") from error
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise DocumentError("bad_date", f"years run from {FIRST_YEAR} to {LAST_YEAR}")
    return day


def parse_duration(text: str) -> Duration:
    """Read an ISO 8601 duration of years, months and days.

    Raises:
        DocumentError: ``bad_duration``.
    """
    found = _DURATION.match(text)
    if found is None or text == "P":
        raise DocumentError("bad_duration", "a duration is written P1Y, P3M or P7D")
    years, months, days = (int(part or 0) for part in found.groups())
    duration = Duration(years * _MONTHS_A_YEAR + months, days)
    if duration == Duration(0, 0):
        raise DocumentError("bad_duration", "a duration is longer than nothing")
    return duration


def add(day: date, duration: Duration, times: int = 1) -> date:
    """Return ``day`` plus ``times`` durations; a day that a month lacks becomes its last day."""
    index = day.year * _MONTHS_A_YEAR + day.month - 1 + duration.months * times
    year, month = divmod(index, _MONTHS_A_YEAR)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last)) + timedelta(days=duration.days * times)


def period_index(anchor: date, every: Duration, today: date) -> int:
    """Return which period ``today`` lies in: 0 for the one that begins at ``anchor``, negative before it."""
    step = every.months * 30.44 + every.days
    guess = int((today - anchor).days / step)
    while add(anchor, every, guess) > today:
        guess -= 1
    while add(anchor, every, guess + 1) <= today:
        guess += 1
    return guess


def floor(day: date, level: str) -> date:
    """Return the first day of the ``day``, ``month``, ``quarter`` or ``year`` that holds ``day``."""
    if level == "year":
        return day.replace(month=1, day=1)
    if level == "quarter":
        return day.replace(month=(day.month - 1) // _MONTHS_A_QUARTER * _MONTHS_A_QUARTER + 1, day=1)
    if level == "month":
        return day.replace(day=1)
    if level == "day":
        return day
    raise DocumentError("bad_level", "a date has the levels day, month, quarter and year")


_STEPS = {
    "day": Duration(0, 1),
    "month": Duration(1, 0),
    "quarter": Duration(_MONTHS_A_QUARTER, 0),
    "year": Duration(_MONTHS_A_YEAR, 0),
}


def next_start(start: date, level: str) -> date:
    """Return the first day after the ``day``, ``month``, ``quarter`` or ``year`` that starts at ``start``."""
    return add(start, _STEPS[level])


def start_before(start: date, level: str, periods: int) -> date:
    """Return the first day of the period of ``level`` that lies ``periods`` before the one that starts at ``start``."""
    return add(start, _STEPS[level], -periods)


def name(start: date, level: str) -> str:
    """Return how a period is written as a key: ``2026-04-01``, ``2026-04``, ``2026-Q2`` or ``2026``."""
    if level == "year":
        return f"{start.year:04d}"
    if level == "quarter":
        return f"{start.year:04d}-Q{(start.month - 1) // _MONTHS_A_QUARTER + 1}"
    if level == "month":
        return f"{start.year:04d}-{start.month:02d}"
    return start.isoformat()


def starts(first: date, last: date, level: str) -> list[date]:
    """Return the first days of all the periods of ``level`` that touch ``first`` to ``last`` inclusive."""
    made = []
    start = floor(first, level)
    while start <= last:
        made.append(start)
        start = next_start(start, level)
    return made
