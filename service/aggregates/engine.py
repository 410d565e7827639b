"""Exact bounded totals before noise: one Ibis expression for every engine (guarantee 2.1 to 2.5).

Each row's contribution is a function of its own person's rows and of public things:

1. Filter: the plan's filters (the grant's forced scope among them), then a semi-join or anti-join with the
   persons of each linked dataset's filtered rows. Rows marked unlinked take no part in a question that
   links, on either side, nor in ``persons``.
2. Generalise to public keys. Rows whose key is not in the public key set fall out here, before counting: n
   below counts only the rows of that person that can reach a cell.
3. Clamp numbers to their declared bounds; missing numbers stay missing.
4. Bound by scaling: a person with n rows left weighs ``min(1024, 1024 * K // n)`` on each of them; for
   ``persons``, with m distinct cells, ``min(1024, 1024 * K // m)`` on each cell. An unlinked row has a
   one-off pseudonym of its own, so it weighs 1024; were a supplier to repeat one, its rows would be
   bounded together as any person's are. In a record dataset each row is its own unit and weighs 1024.
5. Total integers per cell.

Only persons above the bound need a weight of their own. They are few, so they are found by one grouping on
the pseudonym's words and joined back to the rows.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any, NamedTuple, Protocol

import ibis

from schemas.table_schema import TableSchema
from service.aggregates.cells import cell, cell_order, in_key_set, place_among
from service.layout import person_words, stored_columns
from service.policy.plan import (
    CodeFilter,
    DateFilter,
    EffectivePlan,
    Filter,
    FlagFilter,
    LinkPlan,
    Measured,
    NumberFilter,
)
from service.privacy.fixed import SCALE
from service.privacy.sensitivity import parts, query_name

_IBIS_TYPES = {
    "BIGINT": "int64",
    "INTEGER": "int32",
    "VARCHAR": "string",
    "DATE": "date",
    "BOOLEAN": "boolean",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A dataset at one data version: its schema and its Parquet files, none before its first push."""

    schema: TableSchema
    files: tuple[str, ...]


class Layout(NamedTuple):
    """What of a schema a compiled question depends on: stored columns with their Ibis types, and who they tell of."""

    columns: tuple[tuple[str, str], ...]
    words: tuple[str, ...]
    unlinked: str | None


class Engine(Protocol):
    """Runs plans over pinned data versions."""

    def totals(self, plan: EffectivePlan, tables: Mapping[str, Table]) -> dict[str, list[int]]:
        """Return the exact bounded totals in units of 1/1024: never to be released without noise.

        Args:
            plan: What to total.
            tables: The plan's dataset and its links' datasets, by name.

        Returns:
            For each query (``privacy.sensitivity.query_name``) one integer for each key of the public key
            set, in the order of the product of the groupings' keys.

        Raises:
            EngineFailed: no answer within memory and deadline; says nothing of any value.
        """
        ...


class Query(NamedTuple):
    """One vector of totals: its name, the place of the measure it serves, and which part of it."""

    name: str
    measure: int
    part: str


def queries(plan: EffectivePlan) -> list[Query]:
    """Return the vectors of totals that a plan needs, in order."""
    return [
        Query(query_name(measure, part), place, part)
        for place, measure in enumerate(plan.measures)
        for part in parts(measure)
    ]


def datasets(plan: EffectivePlan) -> list[str]:
    """Return the names of the datasets that a plan reads, each once, in order."""
    return sorted({plan.dataset, *(link.dataset for link in plan.links)})


def table_name(plan: EffectivePlan, dataset: str) -> str:
    """Return what a dataset's table is called in the compiled question."""
    return f"dataset_{datasets(plan).index(dataset)}"


def compile_totals(plan: EffectivePlan, schemas: Mapping[str, TableSchema], dialect: str = "duckdb") -> str:
    """Return ``bounded_totals`` as SQL over tables named by ``table_name``; kept, since compiling takes 20 ms."""
    return _compiled(plan, tuple(sorted(_layouts(plan, schemas).items())), dialect)


@lru_cache(maxsize=256)
def _compiled(plan: EffectivePlan, layouts: tuple[tuple[str, Layout], ...], dialect: str) -> str:
    return str(ibis.to_sql(_totals(plan, dict(layouts)), dialect=dialect, pretty=False))


def bounded_totals(plan: EffectivePlan, schemas: Mapping[str, TableSchema]) -> Any:
    """Build the unbound expression of a plan's exact bounded totals.

    Args:
        plan: What to total.
        schemas: The schema of each dataset in the plan, by the dataset's name.

    Returns:
        A table of ``cell`` and one integer column for each of ``queries``, in order. A cell may appear in
        several rows, which ``assemble`` adds up, or in none.

    Raises:
        RuntimeError: the plan asks for persons, or a link, of a dataset without pseudonyms.
    """
    return _totals(plan, _layouts(plan, schemas))


def assemble(plan: EffectivePlan, result: Iterable[Sequence[int]]) -> dict[str, list[int]]:
    """Put an engine's rows into the order of the public key set, zeros included.

    Args:
        plan: The plan that was run.
        result: Rows of ``bounded_totals``.
    """
    found: dict[int, list[int]] = {}
    names = [query.name for query in queries(plan)]
    for number, *values in result:
        before = found.get(number)
        found[number] = values if before is None else [a + b for a, b in zip(before, values, strict=True)]
    nothing = [0] * len(names)
    ordered = [found.get(number, nothing) for number in cell_order(plan)]
    return {name: [int(values[place]) for values in ordered] for place, name in enumerate(names)}


def _layouts(plan: EffectivePlan, schemas: Mapping[str, TableSchema]) -> dict[str, Layout]:
    return {
        name: Layout(
            columns=tuple((column.name, _IBIS_TYPES[column.type]) for column in stored_columns(schema)),
            words=person_words(schema),
            unlinked=schema.unlinked,
        )
        for name, schema in schemas.items()
        if name in datasets(plan)
    }


def _totals(plan: EffectivePlan, layouts: Mapping[str, Layout]) -> Any:
    layout = layouts[plan.dataset]
    wanted = {query.part for query in queries(plan)}
    if not layout.words and (plan.links or "persons" in wanted):
        raise RuntimeError("records are not linked, and have no persons to count")
    rows = _rows(plan, layouts)
    words = [f"p{place}" for place in range(len(layout.words))]
    made = []
    if wanted - {"persons"}:
        made.append(_row_totals(plan, rows, words))
    if "persons" in wanted:
        made.append(_person_totals(plan, rows, words, marked=layout.unlinked is not None))
    return reduce(lambda one, two: one.union(two, distinct=False), made)


def _table(plan: EffectivePlan, dataset: str, layout: Layout) -> Any:
    return ibis.table(dict(layout.columns), name=table_name(plan, dataset))


def _rows(plan: EffectivePlan, layouts: Mapping[str, Layout]) -> Any:
    """Return the rows left, as the words of the pseudonym, the cell, and the clamped numbers measured."""
    layout = layouts[plan.dataset]
    table = _table(plan, plan.dataset, layout)
    for link in plan.links:
        persons = _persons(plan, link, layouts[link.dataset])
        same = [(word, f"q{place}") for place, word in enumerate(layout.words)]
        table = table.semi_join(persons, same) if link.has else table.anti_join(persons, same)
    conditions = [_condition(item, table) for item in plan.filters] + in_key_set(plan, table)
    if plan.links:
        conditions += _linkable(layout, table)
    left = table.filter(*conditions) if conditions else table
    return left.select(
        cell=cell(plan, left),
        **{f"p{place}": left[word] for place, word in enumerate(layout.words)},
        **({"unlinked": left[layout.unlinked]} if layout.unlinked is not None else {}),
        **{f"v{place}": _clamped(left[item.field], item) for place, item in _numbers(plan)},
    )


def _persons(plan: EffectivePlan, link: LinkPlan, layout: Layout) -> Any:
    """Return the pseudonyms of a linked dataset's filtered rows as words ``q0`` to ``q3``, with repeats."""
    table = _table(plan, link.dataset, layout)
    chosen = [_condition(item, table) for item in link.filters] + _linkable(layout, table)
    left = table.filter(*chosen) if chosen else table
    return left.select(**{f"q{place}": left[word] for place, word in enumerate(layout.words)})


def _numbers(plan: EffectivePlan) -> list[tuple[int, Measured]]:
    """Return the measures that read a number, with their places in the plan."""
    return [(place, item) for place, item in enumerate(plan.measures) if item.field is not None]


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


def _clamped(column: Any, measure: Measured) -> Any:
    """Clamp to the declared bounds by comparison, eight times faster than least and greatest."""
    wide = column.cast("int64")
    return ibis.cases((wide < measure.low, measure.low), (wide > measure.high, measure.high), else_=wide)


def _row_totals(plan: EffectivePlan, rows: Any, words: list[str]) -> Any:
    """Total counts and sums, each row at its person's weight."""
    full = ibis.literal(SCALE, "int64")
    weighed = _weighed(rows, words, plan.per_person) if words else rows.mutate(weight=full)
    totals = {}
    for index, query in enumerate(queries(plan)):
        if query.part == "sum":
            totals[index] = ibis.coalesce((weighed.weight * weighed[f"v{query.measure}"]).sum(), 0)
        elif query.part == "count" and plan.measures[query.measure].field is not None:
            known = weighed[f"v{query.measure}"].notnull()
            totals[index] = ibis.cases((known, weighed.weight), else_=0).sum()
        elif query.part == "count":
            totals[index] = weighed.weight.sum()
    return _totalled(plan, weighed, totals)


def _person_totals(plan: EffectivePlan, rows: Any, words: list[str], *, marked: bool) -> Any:
    """Total persons: each once in each cell that it touches, at the weight of one who touches so many."""
    known = rows.filter(~rows.unlinked) if marked else rows
    weighed = _weighed(known.select(*words, "cell").distinct(), words, plan.per_person)
    persons = weighed.weight.sum()
    totals = {index: persons for index, query in enumerate(queries(plan)) if query.part == "persons"}
    return _totalled(plan, weighed, totals)


def _totalled(plan: EffectivePlan, weighed: Any, totals: Mapping[int, Any]) -> Any:
    """Group by cell; queries that are totalled elsewhere are zero here."""
    grouped = weighed.group_by("cell").aggregate(**{f"t{index}": total for index, total in totals.items()})
    zero = ibis.literal(0, "int64")
    columns = {
        f"t{index}": grouped[f"t{index}"].cast("int64") if index in totals else zero
        for index in range(len(queries(plan)))
    }
    return grouped.select("cell", **columns)


def _weighed(rows: Any, words: list[str], per_person: int) -> Any:
    """Add each row's weight: its person's ``fixed.weight`` over as many rows as the person has here.

    The division is of whole numbers below 2**53, whose floor a double gives exactly: 1024 K / n differs
    from a whole number by at least 1 / n when it is none, which is far above a double's rounding since
    1024 K < 2**21.
    """
    many = rows.group_by(words).aggregate(n=rows.count())
    heavy = many.filter(many.n > per_person)
    joined = rows.left_join(heavy, words)
    weight = ibis.cases((joined.n.isnull(), SCALE), else_=SCALE * per_person // joined.n)
    return joined.select(*rows.columns, weight=weight.cast("int64"))
