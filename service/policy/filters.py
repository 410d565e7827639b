"""Conditions of a request turned into filters over stored values, no finer than a grant's level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import NoReturn

from schemas.artefacts import Library
from schemas.calendar import floor, next_start
from schemas.request import Condition
from schemas.table_schema import AS_IS, Column, TableSchema
from service.errors import Malformed
from service.policy.plan import CodeFilter, DateFilter, Filter, FlagFilter, NumberFilter

UNKNOWN = "unknown"
"""The code of rows that do not know; every list has it, and codes outside a bound list count as it."""
Refuse = Callable[[bool, str, str], None]
"""Takes (is it a gap?, clause below the grant, words) and raises or records a failure."""


def build(
    condition: Condition, column: Column, levels: Sequence[str], library: Library, refuse: Refuse
) -> Filter | None:
    """Return the filter that a condition means, or None once ``refuse`` was told why it is not allowed.

    Args:
        condition: One condition of ``where``.
        column: The column it names.
        levels: Levels at which the grant lets the column be filtered; not empty.
        library: The agreement's artefacts.
        refuse: Told of each thing that the grant does not allow.

    Raises:
        Malformed: the operator does not suit the column, or a code is not in its list.
    """
    clause = f"filter_by/{column.name}"
    level = condition.level or AS_IS  # never a level of the grant's, or a narrower grant would allow more
    if level not in levels and not (column.kind == "date" and condition.level is None):
        words = f"{column.name} may be filtered by {_list(levels)}"
        if condition.level is None:
            words += f"; no level means {level}, so say level: {' or '.join(levels)}"
        refuse(level not in column.all_levels, clause, words)
        return None
    if column.kind == "date":
        return _dates(condition, column, levels, clause, refuse)
    if column.kind == "flag":
        if condition.is_ is None:
            raise Malformed(f"{column.name} is a flag: filter it with is", code="wrong_operator")
        return FlagFilter(column.name, condition.is_)
    if column.kind == "code":
        if condition.in_ is None:
            raise Malformed(f"{column.name} is a code: filter it with in", code="wrong_operator")
        return _codes(condition.in_, column, level, library)
    if column.kind == "integer":
        return _numbers(condition, column, level, library)
    refuse(True, clause, f"{column.name} cannot be filtered")  # noqa: FBT003 - a gap
    return None


def _list(levels: Sequence[str]) -> str:
    return ", ".join(levels)


def _dates(
    condition: Condition, column: Column, levels: Sequence[str], clause: str, refuse: Refuse
) -> DateFilter | None:
    first, last = condition.from_, condition.to
    if condition.in_ is not None or condition.is_ is not None or isinstance(first, int) or isinstance(last, int):
        raise Malformed(f"{column.name} is a date: filter it with from and to", code="wrong_operator")
    if not any(aligned(first, last, level) for level in levels):
        words = f"{column.name} may be filtered by whole {_list(levels)}: from a first day to a last day"
        refuse(False, clause, words)  # noqa: FBT003 - not a gap: the grant says which level
        return None
    return DateFilter(column.name, first, last)


def aligned(first: date | None, last: date | None, level: str) -> bool:
    """Whether a range begins and ends where periods of a level do."""
    starts_well = first is None or floor(first, level) == first
    following = None if last is None else next_start(last, "day")
    return starts_well and (following is None or floor(following, level) == following)


def stored_codes(column: Column) -> tuple[str, ...]:
    """Return the closed list of a code column; empty where it has only a pattern."""
    return column.constraints.enum or ()


def _codes(given: tuple[str, ...], column: Column, level: str, library: Library) -> CodeFilter:
    codes = stored_codes(column)
    if level == AS_IS:
        unknown = [code for code in given if code not in codes]
        if unknown or not codes:
            raise Malformed(f"{column.name} has no such code; see its code list", code="unknown_code")
        return CodeFilter(column.name, tuple(sorted(set(given))))
    hierarchy = library.hierarchy(column.levels[level])
    if any(code not in hierarchy.keys for code in given):
        raise Malformed(f"{column.name} at {level} has no such key; see its hierarchy", code="unknown_code")
    return CodeFilter(column.name, tuple(sorted(hierarchy.members(frozenset(given), codes))))


def _numbers(condition: Condition, column: Column, level: str, library: Library) -> NumberFilter:
    low, high = column.bounds
    if level == AS_IS:
        first, last = condition.from_, condition.to
        if condition.in_ is not None or condition.is_ is not None or isinstance(first, date) or isinstance(last, date):
            raise Malformed(f"{column.name} is a number: filter it with from and to", code="wrong_operator")
        return NumberFilter(column.name, ((low if first is None else first, high if last is None else last),))
    if condition.in_ is None:
        raise Malformed(f"{column.name} at {level} is filtered with in", code="wrong_operator")
    hierarchy = library.hierarchy(column.levels[level])
    if any(code not in hierarchy.keys for code in condition.in_):
        raise Malformed(f"{column.name} at {level} has no such key; see its hierarchy", code="unknown_code")
    ranges = tuple((band.first, band.last) for band in hierarchy.bands if band.code in condition.in_)
    if "unknown" in condition.in_:
        ranges += _gaps(low, high, [(band.first, band.last) for band in hierarchy.bands])
    return NumberFilter(column.name, tuple(sorted(ranges)), missing="unknown" in condition.in_)


def _gaps(low: int, high: int, bands: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the ranges of a column's numbers that lie in no band."""
    made = []
    start = low
    for first, last in bands:
        if start < first:
            made.append((start, min(first - 1, high)))
        start = max(start, last + 1)
    if start <= high:
        made.append((start, high))
    return tuple(made)


def intersect(filters: Sequence[Filter], schema: TableSchema) -> tuple[Filter, ...]:
    """Merge filters over one field into one, in the order of the schema's columns; all hold together."""
    merged: dict[str, Filter] = {}
    for item in filters:
        held = merged.get(item.field)
        merged[item.field] = item if held is None else _both(held, item)
    return tuple(_with_others(merged[column.name], column) for column in schema.fields if column.name in merged)


def _with_others(item: Filter, column: Column) -> Filter:
    """Where ``unknown`` is kept, keep the codes outside a bound list with it."""
    if not isinstance(item, CodeFilter) or not column.takes_others or UNKNOWN not in item.codes:
        return item
    kept = frozenset(item.codes)
    return CodeFilter(item.field, item.codes, tuple(code for code in stored_codes(column) if code not in kept))


def _both(one: Filter, other: Filter) -> Filter:
    if isinstance(one, CodeFilter) and isinstance(other, CodeFilter):
        shared = tuple(code for code in one.codes if code in other.codes)
        return CodeFilter(one.field, shared) if shared else _contradiction(one.field)
    if isinstance(one, DateFilter) and isinstance(other, DateFilter):
        firsts = [day for day in (one.first, other.first) if day is not None]
        lasts = [day for day in (one.last, other.last) if day is not None]
        first, last = max(firsts, default=None), min(lasts, default=None)
        if first is not None and last is not None and first > last:
            return _contradiction(one.field)
        return DateFilter(one.field, first, last)
    if isinstance(one, NumberFilter) and isinstance(other, NumberFilter):
        both = [
            (max(a[0], b[0]), min(a[1], b[1]))
            for a in one.ranges
            for b in other.ranges
            if max(a[0], b[0]) <= min(a[1], b[1])
        ]
        missing = one.missing and other.missing
        return NumberFilter(one.field, tuple(sorted(both)), missing) if both or missing else _contradiction(one.field)
    if isinstance(one, FlagFilter) and one == other:
        return one
    return _contradiction(one.field)


def _contradiction(field: str) -> NoReturn:
    raise Malformed(f"{field} is filtered twice in ways that exclude each other", code="contradiction")
