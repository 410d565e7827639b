"""A question on its way to an answer: what was decided, priced and pinned. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.canonical import canonical
from schemas.request import AggregateRequest, Spend, parse
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


def ask_price(
    request: AggregateRequest, plan: EffectivePlan, spend: PricedSpend, agreement: Agreement
) -> Question:
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


def log_request(request: AggregateRequest) -> dict[str, Any]:
    """Return the normalised request as the log records it: codes, levels, ranges and bounds, no data."""
    made: dict[str, Any] = {
        "dataset": request.dataset,
        "measures": [measure.name for measure in request.measures],
        "by": [{"field": item.field, "level": item.level} for item in request.by],
        "where": [_condition(item) for item in request.where],
        "linked": [
            {"dataset": link.dataset, "has": link.has, "where": [_condition(item) for item in link.where]}
            for link in request.linked
        ],
        "spend": {
            name: str(value)
            for name in ("share", "within", "confidence", "epsilon")
            if (value := getattr(request.spend, name)) is not None
        },
    }
    if request.bounds is not None:
        made["bounds"] = {"per_person": request.bounds.per_person}
    return made


def _condition(item: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"field": item.field}
    if item.level is not None:
        made["level"] = item.level
    if item.in_ is not None:
        made["in"] = list(item.in_)
    if item.is_ is not None:
        made["is"] = item.is_
    for name, value in (("from", item.from_), ("to", item.to)):
        if value is not None:
            made[name] = value if isinstance(value, int) else value.isoformat()
    return made


def library_schemas(agreement: Agreement, library: Library, plan: EffectivePlan) -> dict[str, Any]:
    """Return the schema of each dataset a plan reads."""
    return {name: library.schema(agreement.datasets[name].schema_) for name in datasets(plan)}


def stored_request(text: str) -> AggregateRequest:
    """Read a stored request."""
    return parse(json.loads(text))
