"""Small databases and questions on them, drawn by Hypothesis; made to collide, repeat, lack and exceed."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import strategies as st

from schemas.calendar import floor
from service.policy.plan import (
    Binned,
    CodeFilter,
    CodeKeys,
    DateFilter,
    DateKeys,
    EffectivePlan,
    FlagFilter,
    FlagKeys,
    LinkPlan,
    Measured,
    NumberFilter,
    NumberKeys,
)
from tests.spec.harness import REPEAT, SCHEMAS, question
from tests.spec.test_quantile import on_grid

LEAST, MOST = -(2**63), 2**63 - 1
PEOPLE = [(0, 0, 0, 0), (0, 0, 0, 1), (0, 1, 0, 0), (LEAST, MOST, LEAST, MOST), (MOST, MOST, MOST, MOST)]
"""Pseudonyms that share words, and the extremes of a word."""

people = st.sampled_from(PEOPLE)
days = st.sampled_from(
    [date(2025, 12, 31), date(2026, 1, 1), date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 30), date(2026, 5, 1)]
)
areas = st.sampled_from(["north", "south", "east", "unknown"])
stored_areas = st.sampled_from(["north", "south", "east", "unknown", "abroad", "another abroad"])
"""Two of them are in no list: an agreement may bind a list to a column that holds more."""
ages = st.none() | st.sampled_from([0, 17, 18, 64, 65, 120])
harms = st.none() | st.sampled_from([-1000, -101, -100, -1, 0, 7, 100, 101, 1000])
unlinked = st.sampled_from([False, False, False, True])

police_row = st.fixed_dictionaries(
    {
        "person": people, "unlinked": unlinked, "occurred": days, "area": stored_areas, "age": ages, "harm": harms,
        "knife": st.booleans(),
    }
)  # fmt: skip
hospital_row = st.fixed_dictionaries(
    {
        "patient": people,
        "unlinked": unlinked,
        "attended": days,
        "site": st.sampled_from(["north", "south", "unknown"]),
        "admitted": st.booleans(),
    }
)


@st.composite
def databases(draw) -> dict[str, list[dict[str, Any]]]:
    """Draw both person datasets; duplicates are likely, unlinked rows have one-off pseudonyms."""
    made = {
        "police": draw(st.lists(police_row, max_size=14)),
        "hospital": draw(st.lists(hospital_row, max_size=6)),
    }
    made["police"] += draw(st.lists(st.sampled_from(made["police"]), max_size=8)) if made["police"] else []
    return {name: [_one_off(name, place, row) for place, row in enumerate(rows)] for name, rows in made.items()}


def _one_off(dataset: str, place: int, row: dict[str, Any]) -> dict[str, Any]:
    if not row["unlinked"]:
        return row
    return row | {SCHEMAS[dataset].pseudonym or "": (7, 7, place, len(dataset))}


def date_keys(draw) -> DateKeys:
    """Draw periods in any order, with gaps."""
    level = draw(st.sampled_from(["day", "month", "quarter", "year"]))
    chosen = draw(st.lists(days, min_size=1, max_size=4))
    return DateKeys("occurred", level, tuple(dict.fromkeys(floor(day, level) for day in chosen)))


def code_keys(draw) -> CodeKeys:
    """Draw a level: some codes under some keys, some keys with no code."""
    keys = draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True))
    codes = draw(st.lists(areas, unique=True))
    mapping = tuple((code, draw(st.sampled_from(["a", "b", "c"]))) for code in codes)
    return CodeKeys("area", "level", tuple(keys), mapping, draw(st.none() | st.sampled_from(["a", "b", "c"])))


def number_keys(draw) -> NumberKeys:
    """Draw bands in order, with gaps, some without a key."""
    edges = sorted(draw(st.lists(st.sampled_from([0, 17, 18, 19, 64, 65, 120]), min_size=2, max_size=6, unique=True)))
    bands = [(edges[place], edges[place + 1] - 1) for place in range(0, len(edges) - 1, 1 + draw(st.booleans()))]
    named = tuple((f"{first}-{last}", first, last) for first, last in bands)
    keys = [name for name, _, _ in named] + ["unknown"]
    return NumberKeys("age", "band", tuple(draw(st.lists(st.sampled_from(keys), min_size=1, unique=True))), named)


def flag_keys(draw) -> FlagKeys:
    """Draw one or both."""
    keys = draw(st.lists(st.sampled_from(["false", "true"]), min_size=1, unique=True))
    return FlagKeys("knife", "as-is", tuple(keys))


police_filter = st.one_of(
    st.builds(
        CodeFilter,
        st.just("area"),
        st.lists(areas, unique=True).map(sorted).map(tuple),
        st.none() | st.lists(areas, unique=True).map(sorted).map(tuple),
    ),
    st.builds(FlagFilter, st.just("knife"), st.booleans()),
    st.builds(DateFilter, st.just("occurred"), st.none() | days, st.none() | days),
    st.builds(
        NumberFilter,
        st.just("age"),
        st.sampled_from([(), ((0, 17),), ((0, 17), (65, 120)), ((18, 64),)]),
        st.booleans(),
    ),
)
hospital_filter = st.builds(FlagFilter, st.just("admitted"), st.booleans()) | st.builds(
    CodeFilter, st.just("site"), st.sampled_from([("north",), ("north", "south")])
)
links = st.one_of(
    st.builds(
        LinkPlan,
        st.just("hospital"),
        st.just("supplier/hospital"),
        st.booleans(),
        st.lists(hospital_filter, max_size=1).map(tuple),
    ),
    st.builds(
        LinkPlan,
        st.just("police"),
        st.just("supplier/police"),
        st.booleans(),
        st.lists(police_filter, max_size=1).map(tuple),
    ),
)


@st.composite
def histograms(draw) -> Measured:
    """Draw bins of ages or harms; between them, below and above there are none or some."""
    field, low, high, decimals = draw(st.sampled_from([("age", 0, 120, 0), ("harm", -100, 100, 1)]))
    edges = sorted(draw(st.lists(st.sampled_from([-100, 0, 1, 17, 18, 65, 101]), min_size=2, max_size=5, unique=True)))
    bands = [(edges[place], edges[place + 1] - 1) for place in range(0, len(edges) - 1, 1 + draw(st.booleans()))]
    if draw(st.booleans()):
        bands = [(Binned.LOWEST, bands[0][0] - 1), *bands, (bands[-1][1] + 1, Binned.HIGHEST)]
    named = tuple((f"{first}..{last}", first, last) for first, last in bands)
    keys = NumberKeys(field, "cuts", (*(name for name, _, _ in named), "unknown"), named)
    return Measured("histogram", field, low, high, decimals, Binned(keys))


@st.composite
def quantiles(draw) -> Measured:
    """Draw a grid of a number column and what is read off it."""
    field, low, high, decimals = draw(st.sampled_from([("age", 0, 120, 0), ("harm", -1000, 1000, 1)]))
    points = draw(st.lists(st.sampled_from([low, -101, 0, 17, 18, 64, 101]), max_size=4, unique=True))
    grid = (*sorted(point for point in points if low <= point < high), high)
    made: Measured = on_grid(
        field, low, high, decimals, grid, draw(st.sampled_from([("0.5",), ("0.1", "0.25", "0.9")]))
    )
    return made


by_kind: dict[str, st.SearchStrategy[Measured]] = {
    "count": st.just(Measured("count")),
    "persons": st.just(Measured("persons")),
    "sum": st.sampled_from([Measured("sum", "harm", -100, 100, 1), Measured("sum", "age", 10, 90)]),
    "mean": st.just(Measured("mean", "harm", -100, 50, 1)),
    "repeat": st.just(REPEAT),
    "histogram": histograms(),
    "variance": st.sampled_from([Measured("variance", "harm", -100, 51, 1), Measured("variance", "age", 10, 90)]),
    "quantile": quantiles(),
}
"""A strategy for each kind of measure that the service has; without one a kind fails ``test_neighbours``."""

measures = st.lists(
    st.sampled_from(sorted(by_kind)).flatmap(by_kind.__getitem__),
    min_size=1,
    max_size=3,
    unique_by=lambda measure: measure.name,
)


@st.composite
def questions(draw) -> EffectivePlan:
    """Draw a question on the police dataset."""
    groupings = draw(st.lists(st.sampled_from([date_keys, code_keys, number_keys, flag_keys]), max_size=3, unique=True))
    return question(
        draw(measures),
        *(grouping(draw) for grouping in groupings),
        per_person=draw(st.integers(1, 4)),
        filters=tuple(draw(st.lists(police_filter, max_size=2))),
        links=tuple(draw(st.lists(links, max_size=2))),
    )
