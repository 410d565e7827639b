"""Periods of a table: its grouping by dates, along which measures over periods are worked out. Public throughout."""

from __future__ import annotations

from datetime import date

from schemas.calendar import start_before
from service.errors import Malformed
from service.policy.plan import DateKeys, Derived, EffectivePlan, Keys, key_count


def check(plan: EffectivePlan) -> None:
    """Refuse measures over periods where it is not plain which periods.

    Raises:
        Malformed: ``no_periods``.
    """
    over = [item for item in plan.measures if isinstance(item.detail, Derived) and item.detail.periods is not None]
    if over and len(_places(plan.by)) != 1:
        words = f"{over[0].kind} goes along periods: group by one column of dates, at a level, and by no second one"
        raise Malformed(words, code="no_periods")


def before(by: tuple[Keys, ...], periods: int) -> list[int | None]:
    """Return for each cell the place of the cell with the same other keys, ``periods`` earlier; None where none is.

    Args:
        by: The groupings, of which exactly one is by dates.
        periods: How many periods of its level.
    """
    starts, level, inner = _along(by)
    at = {start: place for place, start in enumerate(starts)}
    steps = [
        None if (older := at.get(start_before(start, level, periods))) is None else (older - place) * inner
        for place, start in enumerate(starts)
    ]
    found = [steps[cell // inner % len(starts)] for cell in range(key_count(by))]
    return [None if step is None else cell + step for cell, step in enumerate(found)]


def oldest_first(by: tuple[Keys, ...]) -> list[int]:
    """Return the places of all cells, those of earlier periods before those of later ones."""
    starts, _, inner = _along(by)
    return sorted(range(key_count(by)), key=lambda cell: starts[cell // inner % len(starts)])


def _along(by: tuple[Keys, ...]) -> tuple[tuple[date, ...], str, int]:
    """Return the periods, their level, and how many cells lie between one and the next."""
    (place,) = _places(by)
    dates = by[place]
    if not isinstance(dates, DateKeys):
        raise RuntimeError("periods are keys of dates")  # noqa: TRY004 - as _places has it
    return dates.starts, dates.level, key_count(by[place + 1 :])


def _places(by: tuple[Keys, ...]) -> list[int]:
    return [place for place, keys in enumerate(by) if isinstance(keys, DateKeys)]
