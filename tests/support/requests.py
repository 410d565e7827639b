"""Questions about the worked agreement, drawn by Hypothesis from words that it and its artefacts know."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

import agreements
from schemas import agreement as documents
from schemas import artefacts
from schemas.artefacts import Library
from schemas.measures import BASES, DERIVED, Measure
from schemas.model import read
from schemas.table_schema import Column, TableSchema
from schemas.told import told

VALUE: dict[str, Any] = documents.load(agreements.path("avon-somerset").read_bytes())
AGREEMENT = documents.parse(VALUE)
LIBRARY = Library(artefacts.load())
PARTIES = sorted(party.id for party in AGREEMENT.parties)
ROLES = ["analyst", "steward", "ig-lead", "supplier"]
SCHEMAS: dict[str, TableSchema] = {name: LIBRARY.bound(entry) for name, entry in AGREEMENT.datasets.items()}

quarters = st.sampled_from([("2026-04-01", "2026-06-30"), ("2026-04-01", "2026-04-30"), ("2026-04-02", "2026-05-31")])
decimals = st.from_regex(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,18})?([eE]-[0-9]{1,2})?", fullmatch=True).filter(
    lambda text: told(str(Decimal(text))) == str(Decimal(text))  # the log withholds what has the form of an NHS number
)


def _fits(least: str, most: str) -> Callable[[str], bool]:
    return lambda text: Decimal(least) <= Decimal(text) <= Decimal(most) and Decimal(text) > 0


spends = st.one_of(
    st.fixed_dictionaries({"share": st.sampled_from(["0.02", "0.1", "1e-3", "1", "1E-99"])}),
    st.fixed_dictionaries({"share": decimals.filter(_fits("0", "1"))}),
    st.fixed_dictionaries({"epsilon": st.sampled_from(["1", 2, "0.5"]) | decimals.filter(_fits("0", "50"))}),
    st.fixed_dictionaries({
        "within": decimals.filter(_fits("0", "1e12")) | st.integers(1, 1000),
        "confidence": st.sampled_from(["0.95", "0.5"]),
    }),
)  # fmt: skip


def columns(dataset: str) -> list[Column]:
    return [column for column in SCHEMAS[dataset].fields if column.kind not in ("pseudonym", "unlinked")]


@st.composite
def conditions(draw: st.DrawFn, dataset: str, *, exact: bool = False) -> dict[str, Any]:
    """Draw a condition on a column; with ``exact`` it says its level and suits its column."""
    column = draw(st.sampled_from(columns(dataset)))
    level = draw(st.sampled_from(column.all_levels))
    made: dict[str, Any] = {"field": column.name}
    if column.kind in ("code", "integer") and (exact or draw(st.booleans())):
        made["level"] = level
    if column.kind == "date":
        first, last = draw(quarters)
        return made | draw(st.sampled_from([{"from": first, "to": last}, {"from": first}, {"to": last}]))
    if column.kind == "flag":
        return made | {"is": draw(st.booleans())}
    if level == "as-is" and column.kind in ("integer", "decimal"):
        low, high = column.bounds
        return made | {"from": low, "to": draw(st.integers(low, high))}
    if level == "as-is":
        codes = list(column.constraints.enum or ()) or ["E06000023"]
    else:
        codes = list(LIBRARY.hierarchy(column.levels[level]).keys)
    return made | {"in": draw(st.lists(st.sampled_from(codes), min_size=1, max_size=3, unique=True))}


def _bins(dataset: str, name: str) -> list[dict[str, Any]]:
    """Return bins of a number column: its levels, and cut points in either form."""
    levels = SCHEMAS[dataset].column(name).all_levels
    return [{"cuts": [3]}, {"cuts": [-1, "2.5", 18]}, *({"level": level} for level in levels)]


def _derived(draw: st.DrawFn, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return measures worked out from some of those asked."""
    bases = [name for name in map(_told, asked) if name.split("_")[0] in BASES]
    if not bases:
        return []
    made: list[dict[str, Any]] = [{"share": {"of": draw(st.sampled_from(bases))}}]
    made += [{kind: {"of": draw(st.sampled_from(bases)), "periods": draw(st.integers(2, 366))}} for kind in DERIVED[1:]]
    return draw(st.lists(st.sampled_from(made), max_size=2, unique_by=_told))


def _told(measure: dict[str, Any]) -> str:
    return read(Measure, measure).name


@st.composite
def requests(draw: st.DrawFn, *, exact: bool = False) -> dict[str, Any]:
    """Draw a question, sensible or not; with ``exact`` every level is said."""
    dataset = draw(st.sampled_from([*SCHEMAS, "police-violence", "police-violence"]))
    numbers = [column.name for column in columns(dataset) if column.kind in ("integer", "decimal")]
    measures: list[Any] = [{"count": {}}, {"persons": {}}, {"repeat": {}}]
    measures += [{kind: {"field": name}} for name in numbers for kind in ("sum", "mean", "variance")]
    grids = [{"q": ["0.5"], "grid": [3]}, {"q": ["0.1", "0.90"], "grid": [-1, "2.5", 18]}]
    measures += [{"quantile": {"field": name} | grid} for name in numbers for grid in grids]
    measures += [{"histogram": {"field": name} | bins} for name in numbers for bins in _bins(dataset, name)]
    by = []
    for column in draw(st.lists(st.sampled_from(columns(dataset)), max_size=2, unique_by=lambda item: item.name)):
        level = draw(st.sampled_from(column.all_levels)) if column.all_levels else None
        said = exact or draw(st.booleans())
        by.append({"field": column.name} | ({"level": level} if level is not None and said else {}))
    where = draw(st.lists(conditions(dataset, exact=exact), max_size=2))
    for grouping in by:
        if SCHEMAS[dataset].column(grouping["field"]).kind == "date" and draw(st.booleans()):
            where.append({"field": grouping["field"], "from": "2026-04-01", "to": "2026-06-30"})
    asked = draw(st.lists(st.sampled_from(measures), min_size=1, max_size=2, unique_by=_told))
    made: dict[str, Any] = {
        "purpose": draw(st.sampled_from(sorted(AGREEMENT.purposes))),
        "dataset": dataset,
        "measures": draw(st.permutations(asked + _derived(draw, asked))),
        "by": by,
        "where": where,
        "spend": draw(spends),
    }
    if draw(st.booleans()):
        other = draw(st.sampled_from(sorted(SCHEMAS)))
        inner = draw(st.lists(conditions(other, exact=exact), max_size=1))
        made["linked"] = [{"dataset": other, "has": draw(st.booleans())} | ({"where": inner} if inner else {})]
    if draw(st.booleans()):
        made["bounds"] = {"per_person": draw(st.integers(1, 4))}
    if draw(st.booleans()):
        made["reason"] = "the quarterly profile"
    return made
