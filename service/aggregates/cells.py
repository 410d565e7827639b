"""Public keys as small integers, so that an engine groups by one number a row.

Each grouping turns a row into a *slot*, and the slots together into a *cell*. A row whose key is not in
the public key set has no slot and is dropped before anything is counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from math import prod
from typing import Any

import ibis

from schemas.calendar import next_start
from service.policy.plan import CodeKeys, DateKeys, FlagKeys, Keys, NumberKeys

_COMMA = ","
_UNKNOWN = "unknown"
_OUT = -1
"""The slot of a row that falls out of the key set."""


@dataclass(frozen=True, slots=True)
class Slots:
    """How one grouping becomes a small integer.

    Attributes:
        count: Slots are 0 up to, not including, this.
        order: The slot of each public key, in the key set's order.
        slot: Given the column, the expression of the slot.
        kept: Given the column, the conditions under which a row has a slot.
    """

    count: int
    order: tuple[int, ...]
    slot: Callable[[Any], Any]
    kept: Callable[[Any], tuple[Any, ...]]


def slots(keys: Keys) -> Slots:
    """Return how a grouping is coded."""
    if isinstance(keys, DateKeys):
        return _of_dates(keys)
    if isinstance(keys, CodeKeys):
        return _of_codes(keys)
    if isinstance(keys, NumberKeys):
        return _of_numbers(keys)
    return _of_flags(keys)


def cell(groupings: Sequence[Keys], table: Any) -> Any:
    """Return the expression of a row's cell: its slots read as digits of one number."""
    made = None
    for keys in groupings:
        coded = slots(keys)
        slot = coded.slot(table[keys.field]).cast("int64")
        made = slot if made is None else made * coded.count + slot
    return ibis.literal(0, "int64") if made is None else made


def in_key_set(groupings: Sequence[Keys], table: Any) -> list[Any]:
    """Return the conditions under which a row's key belongs to the public key set."""
    return [condition for keys in groupings for condition in slots(keys).kept(table[keys.field])]


def cell_count(groupings: Sequence[Keys]) -> int:
    """Return how many cells there are: cells are 0 up to, not including, this."""
    return prod(slots(keys).count for keys in groupings)


def cell_order(groupings: Sequence[Keys]) -> list[int]:
    """Return the cell of each public key: the product of the groupings' keys, the last one fastest."""
    coded = [slots(keys) for keys in groupings]
    made = []
    for chosen in itertools.product(*(item.order for item in coded)):
        number = 0
        for item, slot in zip(coded, chosen, strict=True):
            number = number * item.count + slot
        made.append(number)
    return made


def _of_dates(keys: DateKeys) -> Slots:
    """Count periods from the first key's; periods between keys that are no keys keep empty slots."""
    first, last = min(keys.starts), max(keys.starts)
    base = _period_of_key(first, keys.level)
    order = tuple(_period_of_key(start, keys.level) - base for start in keys.starts)
    count = max(order) + 1

    def slot(column: Any) -> Any:
        return _period(column, keys.level) - base

    def kept(column: Any) -> tuple[Any, ...]:
        span = (column >= first, column < next_start(last, keys.level))
        return span if len(set(order)) == count else (*span, slot(column).isin(sorted(set(order))))

    return Slots(count, order, slot, kept)


def _period(column: Any, level: str) -> Any:
    """Number a date's period so that consecutive periods differ by one."""
    if level == "day":
        return column.delta(date(1970, 1, 1), unit="day")
    if level == "month":
        return column.year() * 12 + column.month()
    if level == "quarter":
        return column.year() * 4 + column.quarter()
    return column.year()


def _period_of_key(start: date, level: str) -> int:
    """Return what ``_period`` gives for a key."""
    if level == "day":
        return (start - date(1970, 1, 1)).days
    if level == "month":
        return start.year * 12 + start.month
    if level == "quarter":
        return start.year * 4 + (start.month + 2) // 3
    return start.year


def _of_codes(keys: CodeKeys) -> Slots:
    """Look a code up by its place among the codes that have a key; on dictionary pages once for each code.

    Where other codes have a key too, a code that is not among those named gets it, a missing one as well.
    """
    index = {key: place for place, key in enumerate(keys.keys)}
    other = index.get(keys.others, _OUT) if keys.others is not None else None
    named = [(code, index.get(key, _OUT)) for code, key in keys.mapping]
    known = [item for item in named if other is not None or item[1] != _OUT]
    codes = tuple(code for code, _ in known)
    places = [place for _, place in known]

    def among(column: Any) -> Any:
        found = place_among(codes, column) - 1
        if places == list(range(len(places))):
            return found
        return _listed(str(place) for place in places).cast("array<int64>")[found]

    def slot(column: Any) -> Any:
        if other is None:
            return among(column)
        return ibis.cases((place_among(codes, column) > 0, among(column).cast("int64")), else_=other)

    def kept(column: Any) -> tuple[Any, ...]:
        if other is None:
            return (place_among(codes, column) > 0,)
        return (slot(column) != _OUT,) if _OUT in (other, *places) else ()

    return Slots(len(keys.keys), tuple(range(len(keys.keys))), slot, kept)


def place_among(codes: Sequence[str], column: Any) -> Any:
    """Return a code's place among ``codes``, counted from 1; 0 or missing where it is none of them.

    Unlike a chain of comparisons this is looked up once for each entry of a dictionary page, and compiles in no
    time for thousands of codes.
    """
    return array_position(_listed(codes), column)


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]  # Ibis ships no types
def array_position(among: list[str], code: str) -> int:  # type: ignore[empty-body]
    """Name the engines' own function, alike in DuckDB and Spark: the place of a code, counted from 1."""


def _listed(texts: Iterable[str]) -> Any:
    """Write a list as one text, which engines split once: no code holds a comma (``schemas.names.Code``)."""
    return ibis.literal(_COMMA.join(texts)).split(_COMMA)


def _of_numbers(keys: NumberKeys) -> Slots:
    """Walk the bands upwards; what lies in none of them, and what is missing, is ``unknown``."""
    index = {key: place for place, key in enumerate(keys.keys)}
    other = index.get(_UNKNOWN, _OUT)
    bands = sorted((first, last, index.get(key, _OUT)) for key, first, last in keys.bands)

    def slot(column: Any) -> Any:
        if not bands:
            return ibis.literal(other)
        if _consecutive(bands):
            low, high = bands[0][0], bands[-1][1]
            shift = bands[0][2] - low
            return ibis.cases((column.between(low, high), column.cast("int64") + shift), else_=other)
        steps = []
        free = None
        for first, last, place in bands:
            if free != first:
                steps.append((column < first, other))
            steps.append((column <= last, place))
            free = last + 1
        return ibis.cases(*steps, else_=other)

    def kept(column: Any) -> tuple[Any, ...]:
        return (slot(column) != _OUT,)

    return Slots(len(keys.keys), tuple(range(len(keys.keys))), slot, kept)


def _consecutive(bands: list[tuple[int, int, int]]) -> bool:
    """Whether each band is one number and numbers and places rise together."""
    first, _, place = bands[0]
    return all(band == (first + step, first + step, place + step) for step, band in enumerate(bands))


def _of_flags(keys: FlagKeys) -> Slots:
    index = {key: place for place, key in enumerate(keys.keys)}
    yes, no = index.get("true", _OUT), index.get("false", _OUT)

    def slot(column: Any) -> Any:
        return ibis.cases((column, yes), (~column, no), else_=_OUT)

    def kept(column: Any) -> tuple[Any, ...]:
        return (slot(column) != _OUT,)

    return Slots(len(keys.keys), tuple(range(len(keys.keys))), slot, kept)
