"""The levels of a column from the finest to the coarsest, and which of them cross, as far as public lists tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import combinations
from weakref import WeakKeyDictionary

from schemas.artefacts import Library
from schemas.hierarchy import Band
from schemas.request import GroupBy
from schemas.table_schema import AS_IS, DATE_LEVELS, Column, TableSchema
from service.policy.filters import UNKNOWN, stored_codes

_KNOWN: WeakKeyDictionary[Library, dict[Hashable, bool]] = WeakKeyDictionary()
"""Which levels nest, found once for each library: a list of small areas has tens of thousands of codes."""


def level_of(item: GroupBy, schema: TableSchema) -> str:
    """Return the level asked for; where none is said, the column's finest, whatever a grant would allow."""
    if item.level is not None:
        return item.level
    column = schema.find(item.field)
    return "day" if column is not None and column.kind == "date" else AS_IS


def by_fineness(column: Column, levels: Iterable[str], library: Library) -> list[str]:
    """Return those of some levels that a column has, the finest first.

    Days come before months; codes as they are before levels with fewer keys.
    """
    known = [level for level in dict.fromkeys(levels) if level in column.all_levels]
    if column.kind == "date":
        return sorted(known, key=DATE_LEVELS.index)
    return sorted(known, key=lambda level: (-_keys(column, level, library), level))


def _keys(column: Column, level: str, library: Library) -> float:
    return float("inf") if level == AS_IS else len(library.hierarchy(column.levels[level]).keys)


def crossing(column: Column, levels: Iterable[str], library: Library) -> tuple[str, ...]:
    """Return the first two of some levels, in the order of their names, that do not nest; empty where all do."""
    known = sorted(level for level in set(levels) if level in column.all_levels)
    return next((pair for pair in combinations(known, 2) if not nest(column, *pair, library)), ())


def nest(column: Column, one: str, other: str, library: Library) -> bool:
    """Whether two levels never cross: of any two keys that meet, one lies within the other.

    Then whatever keys of the one are cut out of keys of the other, whole keys of one of them are left. It is told of
    all that the column may hold, whatever a grant's scope, so that a narrower scope never lets levels nest.
    """
    if column.kind not in ("code", "integer") or AS_IS in (one, other) or one == other:
        return True  # days, months, quarters and years nest
    held = _KNOWN.setdefault(library, {})
    names = tuple(sorted((column.levels[one], column.levels[other])))
    held_of = stored_codes(column) if column.kind == "code" else column.bounds
    found = held.get((names, held_of))
    if found is None:
        found = held[names, held_of] = _laminar([_keys_of(column, names, name, library) for name in names])
    return found


def _laminar(levels: Sequence[Mapping[Hashable, str]]) -> bool:
    """Whether of any two keys that share a value one holds the other, given each value's key at two levels."""
    one, other = levels
    pairs = {(one[value], other[value]) for value in one}
    meets, met = Counter(key for key, _ in pairs), Counter(key for _, key in pairs)
    return all(meets[left] == 1 or met[right] == 1 for left, right in pairs)


def _keys_of(column: Column, names: Sequence[str], name: str, library: Library) -> dict[Hashable, str]:
    """Return the key that a hierarchy gives each code; of numbers, each first one after which any key may change."""
    hierarchy = library.hierarchy(name)
    if column.kind == "code":
        return {code: hierarchy.map.get(code, UNKNOWN) for code in stored_codes(column)}
    low, high = column.bounds
    bands = [band for item in names for band in library.hierarchy(item).bands]
    edges = {low, *(band.first for band in bands), *(band.last + 1 for band in bands)}
    found: dict[Hashable, str] = {edge: _band(edge, hierarchy.bands) for edge in edges if low <= edge <= high}
    return found if column.constraints.required else found | {None: UNKNOWN}  # a row without the number


def _band(number: int, bands: Sequence[Band]) -> str:
    return next((band.code for band in bands if band.first <= number <= band.last), UNKNOWN)
