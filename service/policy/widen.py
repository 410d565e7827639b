"""One condition of a refused request, widened until a grant covers it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from schemas.artefacts import Library
from schemas.calendar import floor, next_start
from schemas.request import Condition
from schemas.table_schema import AS_IS, Column
from service.errors import Malformed
from service.policy import filters
from service.policy.combine import too_few
from service.policy.levels import by_fineness
from service.policy.plan import Filter, NumberFilter

_MOST_CODES = 1000
"""The most codes that one condition of a request may name."""
_SHOWN = 6

Widened = tuple[dict[str, Any], str | None]
"""A condition as JSON, and what was changed about it in words; None where nothing was."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a grant says of filtering one column.

    Attributes:
        levels: Levels at which the column may be filtered, not empty.
        scope: The forced scope; None where every code counts.
        least: The fewest codes that a filter has to combine; 0 where one will do.
    """

    levels: Sequence[str]
    scope: Sequence[str] | None
    least: int


def widen(condition: Condition, column: Column, limits: Limits, library: Library) -> Widened | None:
    """Return the narrowest condition no narrower than this one that a grant covers; None where there is none.

    Args:
        condition: A condition of a request.
        column: The column it names.
        limits: What the grant says of filtering it.
        library: The agreement's artefacts.
    """
    levels = by_fineness(column, limits.levels, library)
    if not levels:
        return None
    if column.kind == "date":
        return _dates(condition, column, levels)
    if column.kind == "flag":
        return ({"field": column.name, "is": condition.is_}, None) if condition.is_ is not None else None
    if column.kind == "integer":
        return _numbers(condition, column, levels, library)
    return _codes(condition, column, levels, limits, library) if column.kind == "code" else None


def _dates(condition: Condition, column: Column, levels: list[str]) -> Widened | None:
    first, last = condition.from_, condition.to
    if condition.in_ is not None or condition.is_ is not None or isinstance(first, int) or isinstance(last, int):
        return None
    if any(filters.aligned(first, last, level) for level in levels):
        return _range(column, first, last), None
    level = levels[0]
    first = None if first is None else floor(first, level)
    last = None if last is None else next_start(floor(last, level), level) - timedelta(days=1)
    ends = f"from {first or 'the beginning'} to {last or 'the end'}"
    return _range(column, first, last), f"filter {column.name} by whole {level}s, {ends}"


def _range(column: Column, first: date | int | None, last: date | int | None) -> dict[str, Any]:
    made: dict[str, Any] = {"field": column.name}
    for name, value in (("from", first), ("to", last)):
        if value is not None:
            made[name] = value.isoformat() if isinstance(value, date) else value
    return made


def _numbers(condition: Condition, column: Column, levels: list[str], library: Library) -> Widened | None:
    """Keep a range or bands where the grant has their level; else take what holds them at the finest it has."""
    found = _unlimited(condition, column, library)
    if not isinstance(found, NumberFilter):
        return None
    if (condition.level or AS_IS) in levels:
        return _as_asked(condition, column), None
    level = levels[0]
    if level == AS_IS:
        if not found.ranges:
            return None
        first, last = min(low for low, _ in found.ranges), max(high for _, high in found.ranges)
        return _range(column, first, last), f"filter {column.name} by a range, from {first} to {last}"
    hierarchy = library.hierarchy(column.levels[level])
    touched = [
        band.code
        for band in hierarchy.bands
        if any(low <= band.last and high >= band.first for low, high in found.ranges)
    ]
    covered = [(band.first, band.last) for band in hierarchy.bands]
    if found.missing or any(not _within(piece, covered) for piece in found.ranges):
        touched.append("unknown")
    return _at(column, level, touched), _said(column, level, touched)


def _within(piece: tuple[int, int], bands: Sequence[tuple[int, int]]) -> bool:
    """Whether every number of a range lies in one of some bands."""
    low, high = piece
    return sum(max(0, min(high, last) - max(low, first) + 1) for first, last in bands) == high - low + 1


def _codes(condition: Condition, column: Column, levels: list[str], limits: Limits, library: Library) -> Widened | None:
    found = _unlimited(condition, column, library)
    listed = filters.stored_codes(column)
    scope = tuple(code for code in listed if limits.scope is None or code in limits.scope)
    wanted = [code for code in scope if code in getattr(found, "codes", ())]
    if not wanted:
        return None
    asked = condition.level or AS_IS
    same = asked in levels and (asked != AS_IS or len(wanted) == len(set(condition.in_ or ())))
    if same and not too_few(wanted, limits.least):
        return _as_asked(condition, column), None
    for level in [asked, *levels] if asked in levels else levels:
        parts = _parts(column, level, library)
        chosen = _enough(wanted, scope, parts, limits.least, _siblings(column, library))
        if chosen is not None and len(chosen) <= _MOST_CODES:
            return _at(column, level, chosen), _said(column, level, chosen)
    return None


def _unlimited(condition: Condition, column: Column, library: Library) -> Filter | None:
    """Return what a condition means, whatever a grant says; None where it makes no sense of its column."""
    try:
        return filters.build(condition, column, column.all_levels, library, lambda *_: None)
    except Malformed:
        return None


def _parts(column: Column, level: str, library: Library) -> Callable[[str], str]:
    """Return what makes the key at a level of a stored code."""
    if level == AS_IS:
        return lambda code: code
    mapped = library.hierarchy(column.levels[level]).map
    return lambda code: mapped.get(code, "unknown")


def _siblings(column: Column, library: Library) -> list[dict[str, str]]:
    return [library.hierarchy(name).map for _, name in sorted(column.levels.items())]


def _enough(
    wanted: Sequence[str],
    scope: Sequence[str],
    key: Callable[[str], str],
    least: int,
    maps: Sequence[dict[str, str]],
) -> list[str] | None:
    """Return the keys that hold the codes wanted, and further ones until enough codes are combined.

    Codes that share a coarser key with those wanted come first, then the list's order from them on.
    """
    chosen = list(dict.fromkeys(key(code) for code in wanted))
    start = scope.index(wanted[0])
    ring = [*scope[start:], *scope[:start]]
    near = [code for kin in maps for code in ring if any(kin.get(code) == kin.get(other) for other in wanted[:1])]
    for code in [*near, *ring]:
        held = [item for item in scope if key(item) in chosen]
        if not too_few(held, least):
            break
        if key(code) not in chosen and code != "unknown":
            chosen.append(key(code))
    held = [item for item in scope if key(item) in chosen]
    return None if too_few(held, least) else chosen


def _as_asked(condition: Condition, column: Column) -> dict[str, Any]:
    made: dict[str, Any] = condition.model_dump(mode="json", by_alias=True, exclude_none=True)
    return made | {"field": column.name}


def _at(column: Column, level: str, chosen: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"field": column.name, "in": list(chosen)}
    return made if level == AS_IS else made | {"level": level}


def _said(column: Column, level: str, chosen: Sequence[str]) -> str:
    shown = ", ".join(chosen[:_SHOWN]) + (f" and {len(chosen) - _SHOWN} more" if len(chosen) > _SHOWN else "")
    return f"filter {column.name} by {shown}" if level == AS_IS else f"filter {column.name} by {level}: {shown}"
