"""The rows that a plan leaves, each with its cell: a function of its own person's rows and of public things.

1. Filter: the plan's filters (the grant's forced scope among them), then a semi-join or anti-join with the
   persons of each linked dataset's filtered rows. Rows marked unlinked take no part in a question that
   links, on either side.
2. Generalise to public keys. Rows whose key is not in the public key set fall out here, before counting.
3. Clamp numbers to their declared bounds; missing numbers stay missing.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import ibis

from service.aggregates.cells import cell, in_key_set, place_among
from service.policy.plan import (
    CodeFilter,
    DateFilter,
    EffectivePlan,
    Filter,
    FlagFilter,
    Keys,
    LinkPlan,
    NumberFilter,
)
from service.privacy.vectors import Centred, Frame, Has, One, Square, Value, Vector


class Layout(NamedTuple):
    """What of a schema a compiled question depends on: stored columns with their Ibis types, and who they tell of."""

    columns: tuple[tuple[str, str], ...]
    words: tuple[str, ...]
    unlinked: str | None


@dataclass(frozen=True, slots=True)
class LeftRows:
    """The rows left.

    Attributes:
        table: Their expression: ``cell`` and the columns named below.
        words: The columns of the pseudonym's words; none in a dataset of records.
        unlinked: The column that marks rows of unidentified persons, None where there is none.
        values: The column of each value that vectors read.
        slots: The column of each vector's extra cell, by its extra key sets.
    """

    table: Any
    words: tuple[str, ...]
    unlinked: str | None
    values: Mapping[Value, str]
    slots: Mapping[tuple[Keys, ...], str]


def datasets(plan: EffectivePlan) -> list[str]:
    """Return the names of the datasets that a plan reads, each once, in order."""
    return sorted({plan.dataset, *(link.dataset for link in plan.links)})


def table_name(plan: EffectivePlan, dataset: str) -> str:
    """Return what a dataset's table is called in the compiled question."""
    return f"dataset_{datasets(plan).index(dataset)}"


def left_rows(plan: EffectivePlan, vectors: Sequence[Vector], layouts: Mapping[str, Layout]) -> LeftRows:
    """Return the rows that a plan leaves.

    Args:
        plan: What to total.
        vectors: What is to be read of each row.
        layouts: Of each dataset in the plan, by name.
    """
    layout = layouts[plan.dataset]
    table = _table(plan, plan.dataset, layout)
    for link in plan.links:
        persons = _persons(plan, link, layouts[link.dataset])
        same = [(word, f"q{place}") for place, word in enumerate(layout.words)]
        table = table.semi_join(persons, same) if link.has else table.anti_join(persons, same)
    conditions = [_condition(item, table) for item in plan.filters] + in_key_set(plan.by, table)
    if plan.links:
        conditions += _linkable(layout, table)
    left = table.filter(*conditions) if conditions else table
    words = {f"p{place}": word for place, word in enumerate(layout.words)}
    of_rows = [vector for vector in vectors if vector.frame is Frame.ROWS]
    read = list(dict.fromkeys(item.value for item in of_rows if not isinstance(item.value, One)))
    values: dict[Value, str] = {value: f"v{place}" for place, value in enumerate(read)}
    extras = dict.fromkeys(vector.extra for vector in of_rows if vector.extra)
    slots = {extra: f"e{place}" for place, extra in enumerate(extras)}
    made = left.select(
        cell=cell(plan.by, left),
        **{name: left[word] for name, word in words.items()},
        **({"unlinked": left[layout.unlinked]} if layout.unlinked is not None else {}),
        **{values[value]: _read(value, left) for value in read},
        **{name: cell(extra, left) for extra, name in slots.items()},
    )
    return LeftRows(made, tuple(words), "unlinked" if layout.unlinked is not None else None, values, slots)


def _table(plan: EffectivePlan, dataset: str, layout: Layout) -> Any:
    return ibis.table(dict(layout.columns), name=table_name(plan, dataset))


def _persons(plan: EffectivePlan, link: LinkPlan, layout: Layout) -> Any:
    """Return the pseudonyms of a linked dataset's filtered rows as words ``q0`` to ``q3``, with repeats."""
    table = _table(plan, link.dataset, layout)
    chosen = [_condition(item, table) for item in link.filters] + _linkable(layout, table)
    left = table.filter(*chosen) if chosen else table
    return left.select(**{f"q{place}": left[word] for place, word in enumerate(layout.words)})


def _linkable(layout: Layout, table: Any) -> list[Any]:
    return [~table[layout.unlinked]] if layout.unlinked is not None else []


def _condition(item: Filter, table: Any) -> Any:
    """Return a filter as a condition; a missing value meets none, but for those that keep what is unknown."""
    column = table[item.field]
    if isinstance(item, CodeFilter) and item.but is not None:
        return ibis.coalesce(place_among(item.but, column), 0) == 0
    if isinstance(item, CodeFilter):
        return place_among(item.codes, column) > 0
    if isinstance(item, FlagFilter):
        return column if item.value else ~column
    if isinstance(item, DateFilter):
        ends = [column.notnull()]
        ends += [column >= item.first] if item.first is not None else []
        ends += [column <= item.last] if item.last is not None else []
        return reduce(operator.and_, ends)
    return _in_ranges(item, column)


def _in_ranges(item: NumberFilter, column: Any) -> Any:
    chosen = [column.between(first, last) for first, last in item.ranges]
    chosen += [column.isnull()] if item.missing else []
    return reduce(operator.or_, chosen) if chosen else ibis.literal(False)  # noqa: FBT003 - an SQL value


def _read(value: Value, table: Any) -> Any:
    """Return whether a row has the number, or the number clamped to its declared bounds, or what is made of that.

    By comparison, which is eight times faster than least and greatest.
    """
    if isinstance(value, One):
        raise RuntimeError("one is not read of a row")  # noqa: TRY004 - it is left out of what is read
    if isinstance(value, Square):
        centred = _read(value.of, table)
        return centred * centred
    column = table[value.field]
    if isinstance(value, Has):
        return column.notnull()
    wide = column.cast("int64")
    clamped = ibis.cases((wide < value.low, value.low), (wide > value.high, value.high), else_=wide)
    return clamped - value.middle if isinstance(value, Centred) else clamped
