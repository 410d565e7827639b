"""A question on its way to an answer: what was decided, priced and pinned. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.canonical import canonical
from schemas.measures import KINDS, Measure
from schemas.request import AggregateRequest, Condition, Spend, parse
from schemas.told import told
from service.budget.caps import Caps, part
from service.policy.plan import EffectivePlan
from service.privacy.pricing import EpsilonSpend, Price, ShareSpend, WithinSpend, price_plan

PricedSpend = ShareSpend | WithinSpend | EpsilonSpend


@dataclass(frozen=True, slots=True)
class Question:
    """A decided and priced question."""

    request: AggregateRequest
    plan: EffectivePlan
    spend: PricedSpend
    price: Price


def resolve_spend(spend: Spend, party: str, caps: Caps) -> PricedSpend:
    """Turn a request's spend into the price's terms; a share is of the caller's period share, in rho."""
    if spend.share is not None:
        return ShareSpend(part(caps.shares[party], spend.share))
    if spend.within is not None and spend.confidence is not None:
        return WithinSpend(spend.within, spend.confidence)
    if spend.epsilon is not None:
        return EpsilonSpend(spend.epsilon)
    raise RuntimeError("a spend is one of share, within, epsilon")


def ask_price(request: AggregateRequest, plan: EffectivePlan, spend: PricedSpend, agreement: Agreement) -> Question:
    """Price a plan."""
    delta = agreement.privacy.budget.delta_conversion
    return Question(request, plan, spend, price_plan(plan, spend, delta))


def spend_as_text(spend: PricedSpend) -> str:
    """Return a spend as canonical JSON, to be stored with its intent."""
    if isinstance(spend, ShareSpend):
        value: dict[str, Any] = {"rho_nano": spend.rho_nano}
    elif isinstance(spend, WithinSpend):
        value = {"within": str(spend.half_width), "confidence": str(spend.confidence)}
    else:
        value = {"epsilon": str(spend.epsilon)}
    return canonical(value).decode()


def spend_from_text(text: str) -> PricedSpend:
    """Read a stored spend."""
    value = json.loads(text)
    if "rho_nano" in value:
        return ShareSpend(value["rho_nano"])
    if "within" in value:
        return WithinSpend(Decimal(value["within"]), Decimal(value["confidence"]))
    return EpsilonSpend(Decimal(value["epsilon"]))


def unit(plan: EffectivePlan) -> str:
    """Return the ledger that a plan is charged to."""
    return "person" if plan.unit == "person" else f"record:{plan.source}"


def datasets(plan: EffectivePlan) -> dict[str, str]:
    """Return the datasets a plan reads, with their sources."""
    return {plan.dataset: plan.source} | {link.dataset: link.source for link in plan.links}


UNKNOWN = "(unknown)"
"""What the log says in place of a word that neither the agreement nor its artefacts know: it may be anything."""


def log_request(request: AggregateRequest, agreement: Agreement, words: frozenset[str]) -> dict[str, Any]:
    """Return the normalised request as the log records it: known names, codes, ranges and bounds, no data.

    Args:
        request: The request.
        agreement: Gives the datasets that are known.
        words: The fields, levels and codes that are known (``Library.words``).
    """

    def dataset(name: str) -> str:
        return name if name in agreement.datasets else UNKNOWN

    def word(text: str | None) -> str | None:
        return text if text is None or text in words else UNKNOWN

    def known(text: str) -> str:
        return text if text in words else UNKNOWN

    def name(item: Measure) -> str:
        return item.shape.name(item.kind, known)

    def conditions(items: Iterable[Condition]) -> list[dict[str, Any]]:
        return [_condition(item, word) for item in items]

    made: dict[str, Any] = {
        "dataset": dataset(request.dataset),
        "measures": [name(item) for item in request.measures],
        "by": [{"field": word(item.field), "level": word(item.level)} for item in request.by],
        "where": conditions(request.where),
        "linked": [
            {"dataset": dataset(link.dataset), "has": link.has, "where": conditions(link.where)}
            for link in request.linked
        ],
        "spend": {
            name: _number(value)
            for name in ("share", "within", "confidence", "epsilon")
            if (value := getattr(request.spend, name)) is not None
        },
    }
    shapes = {
        name(item): {item.kind: rest}
        for item in request.measures
        if (rest := item.shape.rest(known, lambda number: str(_number(number)))) is not None
    }
    if shapes:
        made["shapes"] = shapes
    if request.bounds is not None:
        made["bounds"] = {"per_person": request.bounds.per_person}
    return made


_STRUCTURE = frozenset(
    (
        "grants", "purposes", "datasets", "privacy", "shares", "budget", "lifetime", "period", "bounds", "per_person",
        "group_by", "filter_by", "measure", "rows", "link", "parties", "supplier",
        "roles", "combine", "most_fields", "dataset", "privacy_unit", "approval", "analysts", "delta_selection", *KINDS,
    )
)  # fmt: skip
"""Words of an agreement's own form that clause paths are made of."""
_INDEX_DIGITS = 4
"""A clause path counts grants; more digits than that are a caller's name, which may be anything."""


def approving(agreement: Agreement, grants: Iterable[str]) -> tuple[str, ...]:
    """Return the clauses on approval of the grants at some paths, as ``grants/3/approval``, where they have one."""
    return tuple(f"{path}/approval" for path in grants if agreement.grants[int(path.split("/")[1])].approval)


def log_clauses(clauses: Iterable[str], agreement: Agreement, words: frozenset[str]) -> tuple[str, ...]:
    """Return clause paths as the log records them: a part that a caller made up is not repeated."""
    names = {party.id for party in agreement.parties} | set(agreement.purposes) | set(agreement.datasets)

    def known(part: str) -> str:
        index = part.isdigit() and len(part) <= _INDEX_DIGITS
        return part if index or part in _STRUCTURE or part in names or part in words else UNKNOWN

    return tuple("/".join(known(part) for part in clause.split("/")) for clause in clauses)


def _condition(item: Condition, word: Callable[[str | None], str | None]) -> dict[str, Any]:
    made: dict[str, Any] = {"field": word(item.field)}
    if item.level is not None:
        made["level"] = word(item.level)
    if item.in_ is not None:
        made["in"] = [word(code) for code in item.in_]
    if item.is_ is not None:
        made["is"] = item.is_
    for name, value in (("from", item.from_), ("to", item.to)):
        if value is not None:
            made[name] = _number(value) if isinstance(value, int) else value.isoformat()
    return made


def _number(value: int | Decimal) -> int | str:
    """Return a number as the log records it: a whole one of a filter, the text of a decimal, never an identifier."""
    if told(str(value)) != str(value):
        return UNKNOWN
    return value if isinstance(value, int) else str(value)


def library_schemas(agreement: Agreement, library: Library, plan: EffectivePlan) -> dict[str, Any]:
    """Return the schema of each dataset a plan reads."""
    return {name: library.bound(agreement.datasets[name]) for name in datasets(plan)}


def stored_request(text: str) -> AggregateRequest:
    """Read a stored request."""
    return parse(json.loads(text))
