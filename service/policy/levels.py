"""The levels of a column from the finest to the coarsest, as far as public lists tell."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.artefacts import Library
from schemas.table_schema import AS_IS, DATE_LEVELS, Column


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
