"""Agreements and requests drawn by Hypothesis, made so that about every other request is covered by some grant."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from schemas import agreement as documents
from schemas import artefacts
from schemas.agreement import Agreement
from schemas.artefacts import Artefact, Library, artefact
from schemas.request import AggregateRequest, parse

PARTIES = ("hub", "council", "police", "hospital")
PURPOSES = ("duty", "needs", "place", "research")
"""``needs`` and ``place`` may be parts of wider ones; ``research`` is a purpose apart."""
ROLES = ("analyst", "steward", "ig-lead")
AREAS = ("A1", "A2", "B1", "B2", "B3", "C1", "unknown")
WARDS = {"A1": "A", "A2": "A", "B1": "B", "B2": "B", "B3": "B", "C1": "C", "unknown": "unknown"}
SIDES = {"A1": "east", "A2": "west", "B1": "east", "B2": "west", "B3": "east", "C1": "west"}
"""A second hierarchy that crosses the first; it does not know ``unknown``."""

_COLUMNS: dict[str, dict[str, Any]] = {
    "day": {"concordat:kind": "date", "type": "date", "constraints": {"required": True}},
    "area": {
        "concordat:kind": "code", "type": "string", "concordat:codes": "areas",
        "concordat:levels": {"ward": "area-ward"}, "constraints": {"required": True, "enum": list(AREAS)},
    },
    "small": {
        "concordat:kind": "code", "type": "string", "constraints": {"required": True, "pattern": "^[A-Z][0-9]$"},
    },
    "age": {
        "concordat:kind": "integer", "type": "integer", "concordat:levels": {"band": "age-band"},
        "constraints": {"minimum": 0, "maximum": 40},
    },
    "harm": {
        "concordat:kind": "decimal", "type": "number", "concordat:decimals": 1,
        "constraints": {"minimum": 0, "maximum": 9},
    },
    "knife": {"concordat:kind": "flag", "type": "boolean", "constraints": {"required": True}},
}  # fmt: skip
LEVELS: dict[str, tuple[str, ...]] = {
    "day": ("day", "month", "quarter", "year"),
    "area": ("as-is", "ward", "side"),
    "small": ("as-is", "ward"),
    "age": ("as-is", "band", "odd"),
    "knife": ("as-is",),
}
"""The levels of each column; ``side``, ``odd`` and all of ``small`` are bound by the agreement."""
CROSSED = {"area": ("ward", "side"), "age": ("band", "odd")}
"""Columns with two levels that cross: a key of each together are finer than either."""
DATASETS = ("crimes", "visits", "calls")


def _schema(name: str) -> dict[str, Any]:
    person = {
        "name": "person", "type": "string", "concordat:kind": "pseudonym",
        "constraints": {"required": True, "pattern": "^[0-9a-f]{64}$"},
    }  # fmt: skip
    unit = "record" if name == "calls" else "person"
    columns = [{"name": column} | value for column, value in _COLUMNS.items()]
    return {
        "concordat:schema": f"{name}/v1", "title": name, "concordat:privacy_unit": unit, "concordat:period": "day",
        "fields": columns if unit == "record" else [person, *columns],
    }  # fmt: skip


def _artefacts() -> dict[str, Artefact]:
    codes = [{"code": code, "label": code} for code in AREAS]
    values = [
        *(_schema(name) for name in DATASETS),
        {"concordat:codelist": "areas", "title": "areas", "source": "made up", "codes": codes},
        {"concordat:hierarchy": "area-ward", "title": "wards", "source": "made up", "kind": "map", "map": WARDS},
        {"concordat:hierarchy": "area-side", "title": "sides", "source": "made up", "kind": "map", "map": SIDES},
        {
            "concordat:hierarchy": "age-band", "title": "bands", "source": "made up", "kind": "bands",
            "bands": [{"code": "child", "from": 0, "to": 17}, {"code": "adult", "from": 18, "to": 30}],
        },
        {
            "concordat:hierarchy": "age-odd", "title": "other bands", "source": "made up", "kind": "bands",
            "bands": [
                {"code": "low", "from": 0, "to": 11}, {"code": "mid", "from": 12, "to": 25},
                {"code": "high", "from": 26, "to": 90},
            ],
        },
    ]  # fmt: skip
    made = {item.name: item for item in map(artefact, values)}
    return made | {"gateways/v1": artefacts.load()["gateways/v1"]}


ARTEFACTS = _artefacts()
LIBRARY = Library(ARTEFACTS)


def subsets(values: tuple[str, ...], least: int = 0) -> st.SearchStrategy[list[str]]:
    """Draw some of the values in one draw, all of them as the simplest."""
    most = 2 ** len(values) - 1
    drawn = st.integers(0, most - (1 if least else 0))
    return drawn.map(lambda out: [value for place, value in enumerate(values) if not out >> place & 1])


rarely = st.integers(0, 3).map(lambda number: number == 3)
mostly = st.integers(0, 5).map(lambda number: number != 5)


def _entries() -> st.SearchStrategy[dict[str, list[str]]]:
    every = {name: list(levels) for name, levels in LEVELS.items()}
    some = st.fixed_dictionaries({}, optional={name: subsets(levels, 1) for name, levels in LEVELS.items()})
    coarse = {name: list(levels[1:]) for name, levels in LEVELS.items() if len(levels) > 1}
    return st.one_of(st.just(every), st.just(coarse), some)


@st.composite
def grants(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a grant that fits its dataset's schema."""
    dataset = draw(st.sampled_from(DATASETS))
    person = dataset != "calls"
    made: dict[str, Any] = {
        "to": draw(subsets(PARTIES, 1)),
        "for": draw(subsets(PURPOSES, 1)),
        "dataset": dataset,
        "group_by": draw(_entries()),
        "filter_by": draw(_entries()),
        "measure": {
            "count": draw(mostly),
            "persons": person and draw(st.booleans()),
            "sum": ["harm"],
            "mean": [],
            "repeat": person and draw(st.booleans()),
            "histogram": draw(st.sampled_from([[], ["age"], ["harm"]])),
            "variance": draw(st.sampled_from([[], ["harm"]])),
            "quantile": draw(st.sampled_from([[], ["age"]])),
        },
        "link": [name for name in ("crimes", "visits") if person and name != dataset and draw(mostly)],
    }
    if draw(rarely):
        made["rows"] = {"area": draw(subsets(AREAS, 1))}
    if draw(rarely):
        made["combine"] = {draw(st.sampled_from(["area", "small"])): draw(st.integers(2, 4))}
    if draw(rarely):
        made["most_fields"] = draw(st.integers(1, 4))
    if draw(rarely):
        made["roles"] = draw(subsets(ROLES, 1))
    if draw(rarely):
        made["approval"] = draw(subsets(PARTIES, 1))
    return made


@st.composite
def agreement_values(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the JSON of an agreement that fits its artefacts."""
    legal = {"article_6": "e"}
    purposes: dict[str, Any] = {name: {"description": name, "legal": legal} for name in PURPOSES}
    for name, wider in (("needs", "duty"), ("place", "needs")):
        if draw(mostly):
            purposes[name] = purposes[name] | {"parent": wider}
    people = [
        {"id": name, "name": name, "kind": "other", "role": "controller", "key": f"{name:x<43}"} for name in PARTIES
    ]
    levels = {"area": {"side": "area-side"}, "small": {"ward": "area-ward"}, "age": {"odd": "age-odd"}}
    bound = {"codes": {"small": "areas"}, "levels": levels}
    datasets = {
        name: bound | {
            "schema": f"{name}/v1", "supplier": "police", "every": "P1M", "keep": "P1Y", "bounds": {"per_person": 3},
            "privacy_unit": "record" if name == "calls" else "person",
            "purposes": draw(subsets(PURPOSES, 1)) if draw(rarely) else [],
        }
        for name in DATASETS
    }  # fmt: skip
    return {
        "concordat": "agreement/v1", "id": "drawn", "version": "1", "title": "drawn",
        "period": {"start": "2026-01-01", "end": "2027-01-01", "review_by": "2026-12-01"},
        "parties": people, "purposes": purposes, "datasets": datasets,
        "pins": {name: LIBRARY.digest(name) for name in ARTEFACTS},
        "grants": draw(st.lists(grants(), min_size=1, max_size=4)),
        "privacy": {
            "budget": {
                "epsilon": "8", "delta_conversion": "5e-8", "delta_selection": "0", "every": "P3M",
                "from": "2026-01-01",
            },
            "lifetime": {"epsilon": "24"}, "per_request": {"share": "0.1"},
            "shares": {"hub": "0.4", "council": "0.3", "police": "0.3"}, "usable": {"half_width": "0.3", "value": 10},
        },
    }  # fmt: skip


YEAR = {"from": "2026-01-01", "to": "2026-12-31"}
_RANGES = [("2026-01-01", "2026-12-31"), ("2026-01-01", "2026-03-31"), ("2026-01-02", "2026-03-31"),
           ("2026-04-01", "2026-06-29"), ("2025-12-31", None), (None, "2026-03-31")]  # fmt: skip
_KEYS = {"band": ("child", "adult", "unknown"), "odd": ("low", "mid", "high", "unknown"),
         "ward": ("A", "B", "C", "unknown"), "side": ("east", "west", "unknown")}  # fmt: skip


def condition(draw: st.DrawFn, name: str, levels: tuple[str, ...]) -> dict[str, Any]:
    """Draw one condition that makes sense of a column, at one of some levels."""
    made: dict[str, Any] = {"field": name}
    if name == "day":
        ends = zip(("from", "to"), draw(st.sampled_from(_RANGES)), strict=True)
        return made | {side: day for side, day in ends if day is not None}
    if name == "knife":
        return made | {"is": draw(st.booleans())}
    level = draw(st.sampled_from(levels))
    if level != "as-is":
        made["level"] = level
    elif name == "age":
        first = draw(st.integers(0, 40))
        return made | {"from": first, "to": draw(st.integers(first, 40))}
    keys = _KEYS.get(level) or AREAS
    return made | {"in": draw(subsets(keys, 1))}


def _conditions(draw: st.DrawFn, held: dict[str, list[str]], most: int) -> list[dict[str, Any]]:
    """Draw conditions, mostly at levels that a grant holds."""
    made = []
    for _ in range(draw(st.integers(0, most))):
        name = draw(st.sampled_from(tuple(held) or tuple(LEVELS))) if draw(mostly) else draw(_names)
        levels = tuple(held.get(name, ())) if draw(mostly) else ()
        made.append(condition(draw, name, levels or LEVELS.get(name, ("as-is",))))
    return made


_names = st.sampled_from([*LEVELS, "nothing", "person"])


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], str, tuple[str, ...]]:
    """Draw an agreement, a request, who asks and in which roles; about half of the requests are covered."""
    value = draw(agreement_values())
    grant = draw(st.sampled_from(value["grants"]))
    pair = {"crimes": "visits", "visits": "crimes"}.get(grant["dataset"])
    link = pair if pair is not None and draw(rarely) else None
    if link is not None and draw(mostly):
        shared = {name: grant[name] for name in ("to", "for", "roles") if name in grant}
        value["grants"].append(draw(grants()) | shared | {"dataset": link, "link": [grant["dataset"]]})
        grant["link"] = [link]
    asked: dict[str, Any] = {
        "purpose": draw(st.sampled_from(grant["for"])) if draw(st.booleans()) else draw(_purposes),
        "dataset": grant["dataset"] if draw(mostly) else draw(st.sampled_from([*DATASETS, "tax-returns"])),
        "measures": [{"count": {}}] if draw(mostly) else [draw(_measures)],
        "spend": {"share": "0.01"},
    }
    by = []
    for name in dict.fromkeys(draw(st.lists(st.sampled_from(tuple(grant["group_by"]) or ("day",)), max_size=2))):
        level = draw(st.sampled_from((*grant["group_by"].get(name, ()), None)))
        by.append({"field": name} if level is None else {"field": name, "level": level})
    where = _conditions(draw, grant["filter_by"], 2)
    if any(item["field"] == "day" for item in by) and draw(mostly):
        where.append({"field": "day", **YEAR})
    linked = []
    if link is not None or draw(rarely):
        other = link or draw(st.sampled_from(["crimes", "visits", "calls", "tax-returns"]))
        held: dict[str, list[str]] = next(
            (item["filter_by"] for item in value["grants"] if item["dataset"] == other), {}
        )
        linked = [
            {"dataset": other, "has": draw(st.booleans()), "where": _conditions(draw, held, 1)}
            for _ in range(2 if draw(rarely) else 1)
        ]
    asked |= {"by": by, "where": where, "linked": linked}
    if draw(rarely):
        asked["bounds"] = {"per_person": draw(st.integers(1, 4))}
    party = draw(st.sampled_from(grant["to"])) if draw(mostly) else draw(st.sampled_from([*PARTIES, "stranger"]))
    roles = tuple(grant.get("roles", ("analyst",))) if draw(mostly) else draw(_roles)
    return value, asked, party, roles


@st.composite
def aimed_cases(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], str, tuple[str, ...]]:
    """Draw a plain question under a grant with one limit that matters to it: what random questions seldom meet."""
    value, _, _, _ = draw(cases())
    grant = value["grants"][0]
    value["grants"] = [grant]
    every = {name: list(levels) for name, levels in LEVELS.items()}
    grant |= {"to": ["hub", "council"], "group_by": every, "filter_by": every, "measure": {"count": True}}
    asked: dict[str, Any] = {
        "purpose": grant["for"][0], "dataset": grant["dataset"], "measures": [{"count": {}}],
        "by": [], "where": [], "linked": [], "spend": {"share": "0.01"},
    }  # fmt: skip
    aim = draw(st.sampled_from(["combine", "combine", "cross", "groups", "links", "links", "rest", "link", "columns"]))
    if aim == "combine":
        name = draw(st.sampled_from(["area", "small"]))
        level = draw(st.sampled_from(LEVELS[name]))
        grant["combine"] = {name: draw(st.integers(2, 4))}
        asked["by"] = [{"field": name, "level": level}] if draw(st.booleans()) else []
        asked["where"] = [condition(draw, name, LEVELS[name])] if not asked["by"] or draw(rarely) else []
    elif aim == "cross":
        grant["filter_by"] = every | {"area": ["ward", "side"]}
        asked["where"] = [condition(draw, "area", ("ward",)), condition(draw, "area", (draw(st.sampled_from(SIDED)),))]
    elif aim == "groups":
        name = draw(st.sampled_from(tuple(CROSSED)))
        grant |= {"group_by": CROSSED_ONLY, "filter_by": CROSSED_ONLY}
        asked["by"] = [{"field": name, "level": draw(st.sampled_from(CROSSED[name]))}]
        asked["where"] = [condition(draw, name, CROSSED[name])]
    elif aim in ("links", "rest") and grant["dataset"] != "calls":
        asked["linked"] = _crossing_links(draw, value, grant, aim == "rest")
    elif aim == "link" and grant["dataset"] != "calls":
        other = "visits" if grant["dataset"] == "crimes" else "crimes"
        mirror = grant | {"dataset": other, "link": [grant["dataset"]], "approval": draw(subsets(PARTIES, 1))}
        mirror["most_fields"] = draw(st.integers(1, 3))
        value["grants"].append(mirror)
        grant["link"] = [other]
        asked["linked"] = [{"dataset": other, "has": True, "where": _conditions(draw, every, 3)}]
    else:
        grant["most_fields"] = draw(st.integers(1, 3))
        asked["where"] = _conditions(draw, every, 4)
    value["datasets"][grant["dataset"]]["purposes"] = []
    return value, asked, draw(st.sampled_from(grant["to"])), tuple(grant.get("roles", ("analyst",)))


def _crossing_links(draw: st.DrawFn, value: dict[str, Any], grant: dict[str, Any], rest: bool) -> list[dict[str, Any]]:
    """Add a linked dataset's grant with levels that cross or codes to combine; draw links on a column of it.

    With ``rest`` codes have to be combined, and the links are any row, and none with some codes.
    """
    other = "visits" if grant["dataset"] == "crimes" else "crimes"
    mirror = grant | {"dataset": other, "link": [grant["dataset"]]}
    grant["link"] = [other]
    if rest or draw(st.booleans()):
        name, levels = "area", LEVELS["area"]
        mirror["combine"] = {name: draw(st.integers(2, 4))}
    else:
        name = draw(st.sampled_from(tuple(CROSSED)))
        levels = CROSSED[name]
        mirror["filter_by"] = CROSSED_ONLY
    value["grants"].append(mirror)
    value["datasets"][other]["purposes"] = []
    if rest:
        without = {"dataset": other, "has": False, "where": [condition(draw, name, levels)]}
        return [{"dataset": other, "has": True, "where": []}, without]
    return [
        {"dataset": other, "has": has, "where": [condition(draw, name, levels)] if draw(often) else []}
        for has, often in ((True, st.booleans()), (draw(st.booleans()), mostly))
    ]


CROSSED_ONLY = {name: list(levels) for name, levels in CROSSED.items()}
SIDED = ("ward", "side")
_purposes = st.sampled_from([*PURPOSES, *PURPOSES, "marketing"])
_measures = st.sampled_from([{"persons": {}}, {"sum": {"field": "harm"}}, {"mean": {"field": "harm"}},
                             {"sum": {"field": "day"}}, {"mean": {"field": "nothing"}}, {"repeat": {}},
                             {"histogram": {"field": "age", "level": "odd"}},
                             {"histogram": {"field": "age", "cuts": [9]}},
                             {"histogram": {"field": "harm", "level": "odd"}},
                             {"histogram": {"field": "nothing", "cuts": [9]}},
                             {"variance": {"field": "harm"}}, {"variance": {"field": "age"}},
                             {"quantile": {"field": "age", "q": ["0.5"], "grid": [9, 20]}},
                             {"quantile": {"field": "age", "q": ["0.5"], "grid": [900]}}])  # fmt: skip
_roles = st.sampled_from([("analyst",), ("steward",), ("ig-lead", "analyst"), ("supplier",), ()])


def agreement(value: dict[str, Any]) -> Agreement:
    """Read an agreement."""
    return documents.parse(value)


def request(value: dict[str, Any]) -> AggregateRequest:
    """Read a request."""
    return parse(value)
