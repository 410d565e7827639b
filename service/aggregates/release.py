"""A release: noise drawn over exact totals, and everything a reader needs to know beside the numbers.

Only ``answer`` sees exact totals, and what it returns is made from noisy values, public keys and scales alone.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.agreement import Agreement
from schemas.calendar import name as period_name
from schemas.canonical import canonical, canonical_object
from service.aggregates.amounts import plain as _plain
from service.aggregates.amounts import rho as _rho
from service.aggregates.amounts import share as _share
from service.aggregates.intents import Question
from service.aggregates.ports import IntentRow
from service.agreements.standing import Current
from service.budget.caps import Caps
from service.policy.plan import DateKeys, EffectivePlan, Keys
from service.privacy.conversion import epsilon_of
from service.privacy.measures.registry import derived, released, vectors
from service.privacy.postprocess import Column, NoisyVector, UsableRule
from service.privacy.pricing import Price
from service.privacy.vectors import Frame

SIGNATURE_TYPE = "concordat-release+jws"
_NO_NUMBER: Mapping[str, Any] = {"value": None, "unrounded": None, "noise_interval": None, "usable": False}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is released: columns, rows and the guarantee, none of it exact."""

    question: dict[str, Any]
    keys: list[str]
    columns: list[str]
    rows: list[dict[str, Any]]
    guarantee: dict[str, Any]
    bounded: dict[str, Any]
    unlinked: str | None


def answer(question: Question, totals: Mapping[str, Sequence[int]], agreement: Agreement, share_rho: int) -> Answer:
    """Add noise to exact totals and shape the rows.

    Args:
        question: The decided and priced question.
        totals: For each of the price's queries, by name, the exact bounded totals in the order of its cells.
        agreement: Gives the rule of what is usable.
        share_rho: The asking party's period share in nano-rho.
    """
    plan, made = question.plan, question.price
    rule = UsableRule(agreement.privacy.usable.half_width, agreement.privacy.usable.value)
    noisy: list[dict[str, NoisyVector]] = [{} for _ in plan.measures]
    for query in made.queries:
        values = query.mechanism.add_noise(totals[query.name], query.vector.cells)
        noisy[query.measure][query.vector.part] = NoisyVector(values, query.mechanism, query.vector.units)
    names = [measure.name for measure in plan.measures]
    measured = [
        _cells(released(measure, vectors, rule))
        if measure.base is None
        else _joined(derived(measure, noisy[names.index(measure.base)], plan.by, rule))
        for measure, vectors in zip(plan.measures, noisy, strict=True)
    ]
    key_names = [column_name(keys) for keys in plan.by]
    rows = [
        {
            "keys": dict(zip(key_names, keys, strict=True)),
            "measures": {name: cells[place] for name, cells in zip(names, measured, strict=True)},
        }
        for place, keys in enumerate(itertools.product(*(key_texts(keys) for keys in plan.by)))
    ]
    return Answer(
        question=question_json(question),
        keys=key_names,
        columns=key_names + names,
        rows=rows,
        guarantee=guarantee(plan, made, agreement, share_rho),
        bounded={"per_person": plan.per_person, "form": "scaling", "bias": "not estimated"},
        unlinked=_unlinked_words(plan),
    )


def body(release_id: str, intent: IntentRow, made: Answer, pinned: Mapping[str, Any]) -> dict[str, Any]:
    """Return a release without its signature.

    Args:
        release_id: Its id.
        intent: The intent it answers; its charged entry's index goes with it.
        made: The answer.
        pinned: The data version of each dataset read, with the periods that suppliers had declared as covered.
    """
    body: dict[str, Any] = {
        "id": release_id,
        "agreement": {"id": intent.agreement, "version": str(intent.version), "digest": intent.digest},
        "data_version": pinned[intent.dataset]["name"],
        "data_versions": {name: version["name"] for name, version in pinned.items()},
        "question": made.question | {"purpose": intent.purpose},
        "keys": made.keys,
        "columns": made.columns,
        "rows": made.rows,
        "guarantee": made.guarantee,
        "bounded": made.bounded,
        "covered": {name: version["covered"] for name, version in pinned.items()},
        "repeat": False,
        "audit": {"index": intent.charged_index},
    }
    if made.unlinked is not None:
        body["unlinked"] = made.unlinked
    return body


def signed(sign: Callable[[bytes], str], made: dict[str, Any]) -> bytes:
    """Return an object's canonical JSON with its signature in it; large parts are serialised once."""
    members = {name: canonical(value) for name, value in made.items()}
    signature = sign(canonical_object(members))
    return canonical_object(members | {"signature": canonical(signature)})


def repeated(held: dict[str, Any], plan: EffectivePlan, purpose: str, found: Current, index: int) -> dict[str, Any]:
    """Return a stored release as the answer to an equal question, in the order that question names its parts.

    Args:
        held: The stored release.
        plan: The plan of the question asked now, equal to the stored one but for order.
        purpose: What it was asked for.
        found: The agreement version that decided now.
        index: Its own log entry, which charges nothing.
    """
    keys = [column_name(item) for item in plan.by]
    names = [measure.name for measure in plan.measures]
    rows = {tuple(row["keys"][name] for name in keys): row["measures"] for row in held["rows"]}
    made = {name: value for name, value in held.items() if name != "signature"}
    made |= {
        "agreement": found.reference(),
        "question": held["question"] | {"purpose": purpose},
        "keys": keys,
        "columns": keys + names,
        "rows": [
            {"keys": dict(zip(keys, key, strict=True)), "measures": {name: rows[key][name] for name in names}}
            for key in itertools.product(*(key_texts(item) for item in plan.by))
        ],
        "repeat": True,
        "repeats": {"release": held["id"], "audit": held["audit"], "charged": "0"},
        "audit": {"index": index},
    }
    return made


def summary(held: dict[str, Any], released_at: str) -> dict[str, Any]:
    """Return a release without its rows, for a listing."""
    kept = ("id", "agreement", "data_version", "question", "columns", "guarantee", "audit")
    return {name: held[name] for name in kept} | {"released": released_at}


def column_name(keys: Keys) -> str:
    """Return how a grouping's column is named: the field, and its level where it is coarser, as ``occurred_month``."""
    if keys.level == "as-is":
        return keys.field
    return f"{keys.field}_{keys.level.replace('-', '_')}"


def key_texts(keys: Keys) -> tuple[str, ...]:
    """Return the keys of a grouping as the release writes them, in order."""
    if isinstance(keys, DateKeys):
        return tuple(period_name(start, keys.level) for start in keys.starts)
    return keys.keys


def guarantee(plan: EffectivePlan, made: Price, agreement: Agreement, share_rho: int) -> dict[str, Any]:
    """Return what protects the persons in a release, in numbers and in words."""
    delta = agreement.privacy.budget.delta_conversion
    served = Counter(query.measure for query in made.queries)
    scales = {}
    for query in made.queries:
        alone = served[query.measure] == 1
        name = plan.measures[query.measure].name if alone else query.name
        scales[name] = query.mechanism.scale / query.vector.units
    unit = "pseudonym" if plan.unit == "person" else "record"
    words = (
        f"Each {unit}'s whole contribution was bounded to {plan.per_person} before noise was added. What this release "
        f"tells of any one {unit} is limited to epsilon {made.epsilon} at delta {_plain(delta)}. "
        + (
            "A person known by several pseudonyms is protected that many times less."
            if plan.unit == "person"
            else "Records are protected, not persons: someone with several records is protected that many times less."
        )
    )
    return {
        "unit": unit,
        "mechanism": made.mechanism,
        "scale": scales,
        "rho": _rho(made.rho_nano),
        "epsilon": str(made.epsilon),
        "delta": _plain(delta),
        "share": _share(made.rho_nano, share_rho),
        "words": words,
    }


def preview(
    question: Question, agreement: Agreement, caps: Caps, party: str, *, remaining: int, repeat: bool
) -> dict[str, Any]:
    """Return what a question would cost, how wrong its answer may be, and what would remain."""
    plan, made = question.plan, question.price
    share, cost = caps.shares[party], 0 if repeat else made.rho_nano
    left = remaining - cost
    delta = agreement.privacy.budget.delta_conversion
    affordable = left >= 0 and cost <= caps.requests[party]
    answer: dict[str, Any] = {
        "cost": {
            "rho": _rho(cost),
            "share": _share(cost, share),
            "epsilon": str(made.epsilon) if cost else "0",
            "delta": _plain(delta),
            "mechanism": made.mechanism,
        },
        "affordable": affordable,
        "repeat": repeat,
        "cells": plan.cells,
        "bounds": {"per_person": plan.per_person},
        "measures": [
            {
                "name": measure.name,
                "half_width": float(width) if width is not None else None,
                "confidence": "0.95",
                "words": f"about +-{width:.0f} on each cell"
                if width is not None
                else "depends on how many rows a cell holds",
            }
            for measure, width in zip(plan.measures, made.half_widths, strict=True)
        ],
        "remaining_after": {
            "rho": _rho(max(left, 0)),
            "share": _share(max(left, 0), share),
            "epsilon": str(epsilon_of(max(left, 0), delta)) if left > 0 else "0",
        },
        "request_limit": {
            "rho": _rho(caps.requests[party]),
            "share": str(agreement.privacy.per_request.share),
        },
    }
    if not affordable:
        answer["unaffordable"] = _unaffordable(cost, remaining, caps, party, agreement)
    if made.alternatives:
        answer["alternatives"] = [
            {
                "mechanism": item.mechanism,
                "rho": _rho(item.rho_nano),
                "share": _share(item.rho_nano, share),
                "half_widths": [float(width) if width is not None else None for width in item.half_widths],
            }
            for item in made.alternatives
        ]
    return answer


def _unaffordable(cost: int, remaining: int, caps: Caps, party: str, agreement: Agreement) -> str:
    """Return in words which cap a question would break: that of one request, or the least that is left."""
    share, asked = caps.shares[party], _share(cost, caps.shares[party])
    if cost > caps.requests[party]:
        most = _plain(agreement.privacy.per_request.share)
        return f"one request may spend at most {most} of your share, and this would spend {asked}: ask for less"
    return f"the budget leaves you {_share(remaining, share)} of your share, and this would spend {asked}"


def question_json(question: Question) -> dict[str, Any]:
    """Return a question after policy, as releases and those who approve it read it."""
    plan, request = question.plan, question.request
    parts = {measure.name: list(measure.part_names) for measure in plan.measures if measure.part_names}
    return {
        "dataset": plan.dataset,
        "measures": [measure.name for measure in plan.measures],
        "by": [{"field": keys.field, "level": keys.level} for keys in plan.by],
        "filters": [filter_json(item) for item in plan.filters],
        "linked": [
            {
                "dataset": link.dataset,
                "has": link.has,
                "filters": [filter_json(item) for item in link.filters],
            }
            for link in plan.links
        ],
        "bounds": {"per_person": plan.per_person},
        "purpose": request.purpose,
    } | ({"parts": parts} if parts else {})


def filter_json(item: Any) -> dict[str, Any]:
    """Return an effective filter as the release tells it, the grant's forced scope included."""
    made: dict[str, Any] = {"field": item.field}
    for name in ("codes", "value", "first", "last", "ranges", "missing"):
        if hasattr(item, name):
            value = getattr(item, name)
            if hasattr(value, "isoformat"):
                value = value.isoformat()
            made[name] = (
                [list(part) if isinstance(part, tuple) else part for part in value]
                if isinstance(value, tuple)
                else value
            )
    return made


def _cells(column: Column) -> list[dict[str, Any]]:
    """Return a measure's cells as the release tells them, those of several parts as a list of these."""
    shown = 10**column.places
    numbers = [
        {
            "value": value / shown if column.places else value,
            "unrounded": unrounded / column.units,
            "noise_interval": [low / column.units, high / column.units],
            "usable": usable,
        }
        if value is not None and unrounded is not None and low is not None and high is not None
        else dict(_NO_NUMBER)
        for value, unrounded, low, high, usable in zip(
            column.values, column.unrounded, column.low, column.high, column.usable, strict=True
        )
    ]
    if not column.parts:
        return numbers
    width = len(column.parts)
    return [
        {
            "parts": [
                {"part": part.name, **part.says, **number}
                for part, number in zip(column.parts, numbers[first : first + width], strict=True)
            ]
        }
        for first in range(0, len(numbers), width)
    ]


def _joined(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return the cells of a measure whose parts, where it has any, are columns each."""
    if len(columns) == 1:
        return _cells(columns[0])
    cells = zip(*(_cells(column) for column in columns), strict=True)
    return [{"parts": [part for held in cell for part in held["parts"]]} for cell in cells]


def _unlinked_words(plan: EffectivePlan) -> str | None:
    if plan.unit != "person":
        return None
    words = "Rows whose person the agency could not identify are protected as records, one by one"
    left_out = list(dict.fromkeys(vector.measure for vector in vectors(plan) if vector.frame is Frame.PERSONS))
    if plan.links:
        left_out.append("links")
    return f"{words}, and are left out of {' and '.join(left_out)}." if left_out else f"{words}."
