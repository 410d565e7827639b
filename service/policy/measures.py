"""Whether a grant lets a measure be asked, and what it comes to in the effective plan."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from schemas.artefacts import Library
from schemas.clauses.grants import Grant
from schemas.measures import CUTS, KINDS, InBins, Measure, OnGrid, OverPeriods
from schemas.model import read
from schemas.table_schema import AS_IS, Column, TableSchema
from service.errors import Malformed
from service.policy import keys
from service.policy.failures import Failures
from service.policy.filters import UNKNOWN
from service.policy.plan import Binned, Derived, Measured, NumberKeys, Quantiles

_REPEAT = Binned(
    NumberKeys(
        "rows",
        "repeat",
        ("1", "2", "3-4", "5+"),
        (("1", 1, 1), ("2", 2, 2), ("3-4", 3, 4), ("5+", 5, Binned.HIGHEST)),
    )
)
"""By how many rows ``repeat`` tells persons apart."""


def permitted(item: Measure, grant: Grant) -> bool:
    """Whether a grant's clause of the measure's kind names it: the kind, or the column it is of."""
    allowed = getattr(grant.measure, item.clause)
    return bool(allowed) if item.of is None else item.of in allowed


def measured(item: Measure, schema: TableSchema, grant: Grant, library: Library, failures: Failures) -> Measured | None:
    """Return what a measure comes to, or None once ``failures`` was told why it is not granted.

    Raises:
        Malformed: it makes no sense of its column.
    """
    if permitted(item, grant):
        return _BUILD[item.kind](item, schema, library)
    if item.of is None:
        said_no = item.clause in grant.measure.model_fields_set
        failures.refuse(not said_no, f"measure/{item.clause}", f"the grant does not let {item.clause} be measured")
    else:
        failures.gap(f"measure/{item.clause}", f"no grant covers the {item.clause} of {item.of}")
    return None


def mended(item: Measure, schema: TableSchema, grant: Grant, library: Library) -> Measure | None:
    """Return a measure of the same kind and column that a grant lets be asked; None where there is none."""
    if not permitted(item, grant):
        return None
    try:
        _BUILD[item.kind](item, schema, library)
    except Malformed:
        return _simplest(item.kind, item.of, schema) if item.base is None else None
    return item


def of_one_period(wanted: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Measure]]:
    """Return those of some measures, as a request writes them, that are over no periods, and the others."""
    known = [(item, read(Measure, item)) for item in wanted]
    over = [measure for _, measure in known if isinstance(measure.shape, OverPeriods)]
    return [item for item, measure in known if not isinstance(measure.shape, OverPeriods)], over


def instead(schema: TableSchema, grant: Grant) -> Measure | None:
    """Return a measure that a grant lets be asked, the plainest kind first; None where it lets none."""
    for kind in KINDS:
        allowed = getattr(grant.measure, kind)
        if allowed:
            return _simplest(kind, None if allowed is True else min(allowed), schema)
    return None


def _simplest(kind: str, of: str | None, schema: TableSchema) -> Measure:
    """Return a measure of a kind, by nothing but its column, if it has one, and the middle of it where it has bins."""
    parameters: dict[str, Any] = {} if of is None else {"field": of}
    if of is not None and kind in _IN_BINS:
        column = schema.column(of)
        low, high = column.bounds
        parameters["cuts"] = (_shown((low + high) // 2, column.decimals),)
    if of is not None and kind in _ON_GRID:
        column = schema.column(of)
        low, high = column.bounds
        parameters |= {"q": ("0.5",), "grid": (_shown((low + high) // 2, column.decimals),)}
    return Measure.model_validate({kind: parameters})


# --- what each kind comes to


def _plain(item: Measure, schema: TableSchema, library: Library) -> Measured:
    del schema, library
    return Measured(item.kind)


def _repeat(item: Measure, schema: TableSchema, library: Library) -> Measured:
    del schema, library
    return Measured(item.kind, detail=_REPEAT)


def _of_number(item: Measure, schema: TableSchema, library: Library) -> Measured:
    del library
    column = _column(item, schema)
    low, high = column.bounds
    return Measured(item.kind, column.name, low, high, column.decimals)


def _in_bins(item: Measure, schema: TableSchema, library: Library) -> Measured:
    column, shape = _column(item, schema), item.shape
    low, high = column.bounds
    if not isinstance(shape, InBins):
        raise RuntimeError(f"{item.kind} has bins")  # noqa: TRY004 - a kind entered with another kind's builder
    found = _cut(column, shape.cuts) if shape.cuts is not None else _banded(column, shape.level or AS_IS, library)
    return Measured(item.kind, column.name, low, high, column.decimals, Binned(found))


def _on_grid(item: Measure, schema: TableSchema, library: Library) -> Measured:
    """Return bands up to each point of a grid, the last of which is the largest number that the column may hold."""
    del library
    column, shape = _column(item, schema), item.shape
    low, high = column.bounds
    if not isinstance(shape, OnGrid):
        raise RuntimeError(f"{item.kind} has a grid")  # noqa: TRY004 - a kind entered with another kind's builder
    points = _stored(column, shape.grid)
    if points[0] < low or points[-1] > high:
        raise Malformed(f"the grid goes beyond the bounds of {column.name}", code="wrong_bins")
    lasts = [*(point for point in points if point != high), high]
    firsts = [Binned.LOWEST, *(last + 1 for last in lasts[:-1])]
    names = [f"up to {_shown(last, column.decimals)}" for last in lasts]
    bands = list(zip(names, firsts, [*lasts[:-1], Binned.HIGHEST], strict=True))
    detail = Quantiles(_known(column, CUTS, bands), tuple(str(part) for part in shape.q))
    return Measured(item.kind, column.name, low, high, column.decimals, detail)


def _share(item: Measure, schema: TableSchema, library: Library) -> Measured:
    made = _derived(item, schema, library)
    if made.low < 0:
        raise Malformed(f"{made.field} may be negative, and so has no shares of a whole", code="wrong_share")
    return made


def _derived(item: Measure, schema: TableSchema, library: Library) -> Measured:
    shape = item.shape
    detail = Derived(item.clause, shape.periods if isinstance(shape, OverPeriods) else None)
    of = _of_number(item, schema, library) if item.of is not None else Measured(item.clause)
    return replace(of, kind=item.kind, detail=detail)


def _column(item: Measure, schema: TableSchema) -> Column:
    if item.of is None:
        raise RuntimeError(f"{item.kind} is of a column")
    return schema.column(item.of)


def _cut(column: Column, cuts: tuple[Decimal, ...]) -> NumberKeys:
    """Return the bins between cut points, what lies below the first and from the last on, and the unknown."""
    firsts = _stored(column, cuts)
    bands = [(f"under {_shown(firsts[0], column.decimals)}", Binned.LOWEST, firsts[0] - 1)]
    for first, after in itertools.pairwise(firsts):
        ends = [_shown(first, column.decimals), _shown(after - 1, column.decimals)]
        bands.append((" to ".join(dict.fromkeys(ends)), first, after - 1))
    bands.append((f"{_shown(firsts[-1], column.decimals)} and over", firsts[-1], Binned.HIGHEST))
    return _known(column, CUTS, bands)


def _stored(column: Column, points: tuple[Decimal, ...]) -> list[int]:
    """Return cut points, or those of a grid, as the column stores them."""
    stored = [point * 10**column.decimals for point in points]
    if any(point != int(point) for point in stored):
        raise Malformed(f"{column.name} has {column.decimals} decimal places, and so have its cuts", code="wrong_bins")
    return [int(point) for point in stored]


def _banded(column: Column, level: str, library: Library) -> NumberKeys:
    """Return the bands of a level of the column, all of them, and the unknown."""
    if level not in column.all_levels or column.kind != "integer":
        raise Malformed(f"{column.name} has no bands of {level}; name a level of it, or cuts", code="wrong_bins")
    found = keys.build(column, level, (), library)
    if not isinstance(found, NumberKeys):
        raise RuntimeError("whole numbers are grouped by bands")  # noqa: TRY004 - as keys.build has it
    return _known(column, level, found.bands)


def _known(column: Column, level: str, bands: Sequence[tuple[str, int, int]]) -> NumberKeys:
    return NumberKeys(column.name, level, (*(key for key, _, _ in bands), UNKNOWN), tuple(bands))


def _shown(stored: int, decimals: int) -> str:
    return str(Decimal(stored).scaleb(-decimals))


_IN_BINS = frozenset({"histogram"})
_ON_GRID = frozenset({"quantile"})
_BUILD: Mapping[str, Callable[[Measure, TableSchema, Library], Measured]] = {
    "count": _plain,
    "persons": _plain,
    "sum": _of_number,
    "mean": _of_number,
    "repeat": _repeat,
    "histogram": _in_bins,
    "variance": _of_number,
    "quantile": _on_grid,
    "share": _share,
    "rolling": _derived,
    "change": _derived,
}
