"""An agreement of 10,000 grants and questions under it, and the same grants as Cedar policies."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.broker import AGREEMENT
from schemas import agreement as documents
from schemas import artefacts
from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.request import AggregateRequest, parse

PARTIES, PURPOSES, DATASETS, SHARED = 40, 5, 25, 2
GRANTS = PARTIES * PURPOSES * DATASETS * SHARED
"""Two grants each for a party, a purpose and a dataset: over the whole area by few columns, or one council by more."""
_WIDE = {
    "group_by": {"called": ["month"], "sex": ["as-is"]},
    "filter_by": {"called": ["month"], "sex": ["as-is"], "card": ["as-is"]},
}
_NARROW = {
    "group_by": {"called": ["month"], "sex": ["as-is"], "lad": ["as-is"], "age": ["sna-band"], "hour": ["three-hours"]},
    "filter_by": {"called": ["month"], "sex": ["as-is"], "lad": ["as-is"], "card": ["as-is"], "conveyed": ["as-is"]},
    "rows": {"lad": ["E06000023", "E06000024"]},
}
_MEASURE = {"count": True, "persons": True}


def agreement() -> tuple[Agreement, Library]:
    """Return the agreement and its artefacts."""
    value: dict[str, Any] = documents.load(AGREEMENT.read_bytes())
    library = Library(artefacts.load())
    supplier, *_ = value["parties"]
    people = [supplier | {"id": name, "key": f"{name:_<43}", "role": "recipient"} for name in _names("party", PARTIES)]
    value["parties"] = [supplier, *people]
    value["purposes"] = dict.fromkeys(_names("purpose", PURPOSES), value["purposes"]["needs-assessment"])
    value["datasets"] = dict.fromkeys(_names("dataset", DATASETS), value["datasets"]["calls"])
    value["grants"] = [
        {"to": [party], "for": [purpose], "dataset": dataset, "measure": _MEASURE} | limits
        for party in _names("party", PARTIES)
        for purpose in _names("purpose", PURPOSES)
        for dataset in _names("dataset", DATASETS)
        for limits in (_WIDE, _NARROW)
    ]
    value["privacy"]["shares"] = dict.fromkeys(_names("party", PARTIES), "0.02")
    value["pins"] = {name: library.digest(name) for name in library.required(documents.parse(value))}
    return documents.parse(value), library


def _names(what: str, count: int) -> list[str]:
    return [f"{what}-{number}" for number in range(count)]


_YEAR = {"field": "called", "from": "2026-04-01", "to": "2027-03-31"}
_FORMS: list[dict[str, Any]] = [
    {"by": [{"field": "sex"}], "where": [_YEAR]},
    {"by": [{"field": "called", "level": "month"}, {"field": "sex"}], "where": [_YEAR]},
    {"by": [{"field": "lad"}, {"field": "age", "level": "sna-band"}], "where": [{"field": "conveyed", "is": True}]},
    {"by": [{"field": "sex"}], "where": [{"field": "card", "in": ["assault"]}, {"field": "lad", "in": ["E06000023"]}]},
]
_REFUSED: list[dict[str, Any]] = [
    {"by": [{"field": "age", "level": "under-25"}]},
    {"by": [{"field": "sex"}], "where": [{"field": "ward", "in": ["E05000001"]}]},
]


def questions(*, allowed: bool, count: int = 200) -> list[tuple[str, AggregateRequest]]:
    """Return questions of different parties, purposes and datasets, with who asks."""
    made = []
    forms = _FORMS if allowed else _REFUSED
    for number in range(count):
        value = {
            "purpose": f"purpose-{number % PURPOSES}",
            "dataset": f"dataset-{number * 7 % DATASETS}",
            "measures": [{"count": {}}],
            "spend": {"share": "0.01"},
        }
        made.append((f"party-{number * 3 % PARTIES}", parse(value | forms[number % len(forms)])))
    return made


def as_cedar(agreement: Agreement) -> str:
    """Return the grants as Cedar policies: each permits what its columns, levels and measures hold.

    Cedar gives a yes or no. What else ``decide`` does has no counterpart there and is left out: codes resolved, the
    forced scope put into a plan, whole periods, public key sets.
    """
    return "\n".join(
        f'permit (principal == Party::"{grant.to[0]}", action == Action::"ask", '
        f'resource == Dataset::"{grant.dataset}") when {{ '
        f'context.purpose == "{grant.for_[0]}" && '
        f"{_set(grant.group_by)}.containsAll(context.by) && "
        f"{json.dumps(sorted({*grant.filter_by}))}.containsAll(context.where) && "
        f'["count", "persons"].containsAll(context.measures) }};'
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
            "measures": [item.kind for item in request.measures],
        },
    }
