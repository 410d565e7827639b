"""Agreements of 10,000 grants in two layouts, questions under them, and the same grants as Cedar policies.

``spread``: 40 parties by 5 purposes by 25 datasets, two grants each. ``one``: all for one party, purpose and dataset,
no two of them alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product
from typing import Any

from benchmarks.broker import AGREEMENT
from schemas import agreement as documents
from schemas import artefacts
from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.request import AggregateRequest, parse

GRANTS = 10_000
Asked = Sequence[tuple[str, AggregateRequest]]
"""Questions, each with who asks it."""
_MEASURE = {"count": True, "persons": True}
_YEAR = {"field": "called", "from": "2026-04-01", "to": "2027-03-31"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How 10,000 grants lie, and questions that some grant covers and that none does.

    Attributes:
        name: Of the layout.
        parties: How many recipients there are.
        purposes: How many purposes.
        datasets: How many datasets.
        limits: Makes what grants to one party for one purpose and dataset each say of columns and rows.
        allowed: The forms of question that are covered.
        refused: Those that are not.
    """

    name: str
    parties: int
    purposes: int
    datasets: int
    limits: Callable[[], Iterator[dict[str, Any]]]
    allowed: Sequence[dict[str, Any]]
    refused: Sequence[dict[str, Any]]

    def agreement(self) -> tuple[Agreement, Library]:
        """Return the agreement and its artefacts."""
        value: dict[str, Any] = documents.load(AGREEMENT.read_bytes())
        library = Library(artefacts.load())
        supplier, *_ = value["parties"]
        parties, purposes = _names("party", self.parties), _names("purpose", self.purposes)
        datasets = _names("dataset", self.datasets)
        people = [supplier | {"id": name, "key": f"{name:_<43}", "role": "recipient"} for name in parties]
        value["parties"] = [supplier, *people]
        value["purposes"] = dict.fromkeys(purposes, value["purposes"]["needs-assessment"])
        value["datasets"] = dict.fromkeys(datasets, value["datasets"]["calls"])
        value["grants"] = [
            {"to": [party], "for": [purpose], "dataset": dataset, "measure": _MEASURE} | limits
            for party, purpose, dataset in product(parties, purposes, datasets)
            for limits in self.limits()
        ]
        value["privacy"]["shares"] = dict.fromkeys(parties, "0.02")
        value["pins"] = {name: library.digest(name) for name in library.required(documents.parse(value))}
        return documents.parse(value), library

    def questions(self, *, allowed: bool, count: int = 100) -> Asked:
        """Return questions of different parties, purposes and datasets."""
        forms = self.allowed if allowed else self.refused
        return [
            (
                f"party-{number * 3 % self.parties}",
                parse(
                    {
                        "purpose": f"purpose-{number % self.purposes}",
                        "dataset": f"dataset-{number * 7 % self.datasets}",
                        "measures": [{"count": {}}],
                        "spend": {"share": "0.01"},
                    }
                    | forms[number % len(forms)]
                ),
            )
            for number in range(count)
        ]


def _names(what: str, count: int) -> list[str]:
    return [f"{what}-{number}" for number in range(count)]


def _wide_and_narrow() -> Iterator[dict[str, Any]]:
    """Yield a grant over the whole area by few columns, and one over two councils by more."""
    yield {
        "group_by": {"called": ["month"], "sex": ["as-is"]},
        "filter_by": {"called": ["month"], "sex": ["as-is"], "card": ["as-is"]},
    }
    yield {
        "group_by": {
            "called": ["month"], "sex": ["as-is"], "lad": ["as-is"], "age": ["sna-band"], "hour": ["three-hours"],
        },
        "filter_by": {
            "called": ["month"], "sex": ["as-is"], "lad": ["as-is"], "card": ["as-is"], "conveyed": ["as-is"],
        },
        "rows": {"lad": ["E06000023", "E06000024"]},
    }  # fmt: skip


def _councils() -> tuple[str, ...]:
    column = Library(artefacts.load()).schema("ambulance-calls/v1").column("lad")
    return tuple(code for code in column.constraints.enum or () if code != "unknown")


def _all_different() -> Iterator[dict[str, Any]]:
    """Yield 10,000 grants: two or three councils each, by different columns at different levels."""
    councils = _councils()
    scopes = [*combinations(councils, 2), *combinations(councils, 3)]
    ages: Sequence[dict[str, list[str]]] = ({}, {"age": ["sna-band"]}, {"age": ["under-25", "sna-band"]})
    hours: Sequence[dict[str, list[str]]] = ({}, {"hour": ["three-hours"]})
    dates = (["month"], ["month", "quarter"], ["quarter"])
    flagged = (names for size in range(3) for names in combinations(("card", "conveyed"), size))
    flags = [{name: ["as-is"] for name in names} for names in flagged]
    made = product(scopes, ages, hours, dates, flags)
    yield from islice(
        (
            {
                "group_by": {"called": date, "sex": ["as-is"], "lad": ["as-is"]} | age | hour,
                "filter_by": {"called": date, "sex": ["as-is"], "lad": ["as-is"]} | flag,
                "rows": {"lad": list(scope)},
            }
            for scope, age, hour, date, flag in made
        ),
        GRANTS,
    )


_ASSAULTS = {"field": "card", "in": ["assault"]}
_ALLOWED: list[dict[str, Any]] = [
    {"by": [{"field": "sex"}], "where": [_YEAR]},
    {"by": [{"field": "called", "level": "month"}, {"field": "sex"}], "where": [_YEAR]},
    {"by": [{"field": "lad"}, {"field": "age", "level": "sna-band"}], "where": [{"field": "conveyed", "is": True}]},
    {"by": [{"field": "sex"}], "where": [_ASSAULTS, {"field": "lad", "in": ["E06000023"]}]},
]
_REFUSED: list[dict[str, Any]] = [
    {"by": [{"field": "age", "level": "under-25"}]},
    {"by": [{"field": "sex"}], "where": [{"field": "ward", "in": ["E05000001"]}]},
]
_PARTED = [
    {
        "by": [{"field": "age", "level": "under-25"}, {"field": "hour", "level": "three-hours"}],
        "where": [_YEAR, _ASSAULTS, {"field": "lad", "in": ["E06000023", "E06000025"]}],
    },
]
_OUTSIDE: list[dict[str, Any]] = [
    {"by": [{"field": "sex"}], "where": [_YEAR, {"field": "lad", "in": list(_councils()[:4])}]},
    {"by": [{"field": "age"}, {"field": "hour", "level": "three-hours"}], "where": [_YEAR, _ASSAULTS]},
    {
        "measures": [{"count": {}}],
        "by": [{"field": "card"}, {"field": "age"}],
        "where": [{"field": "sex", "in": ["male"]}],
    },
]

SPREAD = Layout("spread", 40, 5, 25, _wide_and_narrow, _ALLOWED, _REFUSED)
ONE = Layout("one", 1, 1, 1, _all_different, [*_ALLOWED, *_PARTED], [*_REFUSED[1:], *_OUTSIDE])
LAYOUTS = (SPREAD, ONE)


def as_cedar(agreement: Agreement) -> str:
    """Return the grants as Cedar policies: each permits what its columns, levels, scope and measures hold.

    Cedar gives a yes or no. What else ``decide`` does has no counterpart there and is left out: codes resolved, the
    forced scope put into a plan, whole periods, public key sets.
    """
    return "\n".join(
        f'permit (principal == Party::"{grant.to[0]}", action == Action::"ask", '
        f'resource == Dataset::"{grant.dataset}") when {{ '
        f'context.purpose == "{grant.for_[0]}" && '
        f"{_set(grant.group_by)}.containsAll(context.by) && "
        f"{json.dumps(sorted({*grant.filter_by}))}.containsAll(context.where) && "
        + (f"{json.dumps(grant.rows['lad'])}.containsAll(context.councils) && " if grant.rows else "")
        + '["count", "persons"].containsAll(context.measures) };'
        for grant in agreement.grants
    )


def _set(entries: dict[str, tuple[str, ...]]) -> str:
    return json.dumps(sorted(f"{name}:{level}" for name, levels in entries.items() for level in levels))


def to_cedar(party: str, request: AggregateRequest) -> dict[str, Any]:
    """Return a question as a Cedar request."""
    return {
        "principal": f'Party::"{party}"',
        "action": 'Action::"ask"',
        "resource": f'Dataset::"{request.dataset}"',
        "context": {
            "purpose": request.purpose,
            "by": [f"{item.field}:{item.level or 'as-is'}" for item in request.by],
            "where": [item.field for item in request.where],
            "councils": [code for item in request.where if item.field == "lad" for code in item.in_ or ()],
            "measures": [item.kind for item in request.measures],
        },
    }
