"""The bounded totals in plain Python, written from guarantee.md section 2 and sharing nothing with the engine."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from schemas.calendar import floor
from schemas.table_schema import TableSchema
from service.policy.plan import (
    Binned,
    CodeFilter,
    CodeKeys,
    DateFilter,
    DateKeys,
    EffectivePlan,
    Filter,
    FlagFilter,
    FlagKeys,
    Keys,
    Measured,
    Quantiles,
)

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]


def totals(plan: EffectivePlan, tables: Tables, schemas: Mapping[str, TableSchema]) -> dict[str, list[int]]:
    """Return each query's totals in 1/1024, in the order of the key set."""
    key_set = list(itertools.product(*(_keys(by) for by in plan.by)))
    left = _left(plan, tables, schemas)
    schema = schemas[plan.dataset]
    made = {}
    for measure in plan.measures:
        if measure.kind in ("persons", "repeat"):
            made[f"{measure.name}.persons"] = _persons(plan, measure, left, schema)
            continue
        weights = _row_weights(plan, left, schema)
        sums: Counter[Any] = Counter()
        counts: Counter[Any] = Counter()
        squares: Counter[Any] = Counter()
        middle = (measure.low + measure.high) // 2 if measure.kind == "variance" else 0
        for (key, row), weight in zip(left, weights, strict=True):
            if measure.kind == "count":
                counts[key] += weight
            elif measure.kind in ("histogram", "quantile"):
                counts[key, _bin(measure, row[measure.field or ""])] += weight
            elif (value := row[measure.field or ""]) is not None:
                counts[key] += weight
                number = max(measure.low, min(measure.high, value)) - middle
                sums[key] += weight * number
                squares[key] += weight * number**2
        if measure.kind == "variance":
            made[f"{measure.name}.square"] = squares
        if measure.kind in ("sum", "mean", "variance"):
            made[f"{measure.name}.sum"] = sums
        if measure.kind in ("count", "mean", "histogram", "variance", "quantile"):
            made[f"{measure.name}.count"] = counts
    bins = {f"{measure.name}.{part}": _bins(measure) for measure in plan.measures for part in ("persons", "count")}
    return {
        name: [cells[key if part is None else (key, part)] for key in key_set for part in bins.get(name, (None,))]
        for name, cells in made.items()
    }


def _left(plan: EffectivePlan, tables: Tables, schemas: Mapping[str, TableSchema]) -> list[tuple[Any, Row]]:
    """Return the rows that are counted, with their keys."""
    schema = schemas[plan.dataset]
    made = []
    for row in tables[plan.dataset]:
        key = tuple(_key(by, row[by.field]) for by in plan.by)
        if None in key or not all(_keeps(item, row) for item in plan.filters):
            continue
        if plan.links and schema.unlinked is not None and row[schema.unlinked]:
            continue
        if all(_linked(link, row[schema.pseudonym or ""], tables, schemas) for link in plan.links):
            made.append((key, row))
    return made


def _linked(link: Any, person: Any, tables: Tables, schemas: Mapping[str, TableSchema]) -> bool:
    schema = schemas[link.dataset]
    found = any(
        other[schema.pseudonym or ""] == person
        and not (schema.unlinked is not None and other[schema.unlinked])
        and all(_keeps(item, other) for item in link.filters)
        for other in tables[link.dataset]
    )
    return found is link.has


def _row_weights(plan: EffectivePlan, left: Sequence[tuple[Any, Row]], schema: TableSchema) -> list[int]:
    if schema.pseudonym is None:
        return [1024] * len(left)
    own = Counter(row[schema.pseudonym] for _, row in left)
    return [min(1024, 1024 * plan.per_person // own[row[schema.pseudonym]]) for _, row in left]


def _persons(
    plan: EffectivePlan, measure: Measured, left: Sequence[tuple[Any, Row]], schema: TableSchema
) -> Counter[Any]:
    touched: dict[Any, Counter[Any]] = defaultdict(Counter)
    for key, row in left:
        if schema.unlinked is None or not row[schema.unlinked]:
            touched[row[schema.pseudonym or ""]][key] += 1
    cells: Counter[Any] = Counter()
    for keys in touched.values():
        for key, rows in keys.items():
            place = (key, _bin(measure, rows)) if measure.kind == "repeat" else key
            cells[place] += min(1024, 1024 * plan.per_person // len(keys))
    return cells


def _bins(measure: Measured) -> tuple[str | None, ...]:
    """Return a measure's own keys in each cell, of which most have none."""
    return measure.detail.keys.keys if isinstance(measure.detail, Binned | Quantiles) else (None,)


def _bin(measure: Measured, value: int | None) -> str:
    assert isinstance(measure.detail, Binned | Quantiles)
    inside = [key for key, first, last in measure.detail.keys.bands if value is not None and first <= value <= last]
    return inside[0] if inside else "unknown"


def _keys(by: Keys) -> tuple[Any, ...]:
    return by.starts if isinstance(by, DateKeys) else by.keys


def _key(by: Keys, value: Any) -> date | str | None:
    """Return a value's public key, None where it has none."""
    if isinstance(by, DateKeys):
        found: Any = floor(value, by.level)
    elif isinstance(by, CodeKeys):
        found = dict(by.mapping).get(value, by.others)
    elif isinstance(by, FlagKeys):
        found = str(value).lower()
    else:
        inside = [key for key, first, last in by.bands if value is not None and first <= value <= last]
        found = inside[0] if inside else "unknown"
    return found if found in _keys(by) else None


def _keeps(item: Filter, row: Row) -> bool:
    value = row[item.field]
    if isinstance(item, CodeFilter):
        return value in item.codes if item.but is None else value not in item.but
    if isinstance(item, FlagFilter):
        return value is item.value
    if isinstance(item, DateFilter):
        return (item.first is None or value >= item.first) and (item.last is None or value <= item.last)
    if value is None:
        return item.missing
    return any(first <= value <= last for first, last in item.ranges)
