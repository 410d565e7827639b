"""What the parties owe each other: the review, the privacy budget, breach notices, publishing, purging, notice."""

from __future__ import annotations

import re
from typing import Any

from schemas.odrl import names
from schemas.odrl.names import Names
from schemas.odrl.reading import Json, Node, other_shape
from schemas.odrl.writing import Source, constraint, day, duration, number

_DURATION = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?\Z")
_SPEND = "concordat:spend"


def write_period(period: Source) -> list[Json]:
    """Return the constraints of when the agreement holds."""
    return [
        constraint("odrl:dateTime", "odrl:gteq", day(period.take("start"))),
        constraint("odrl:dateTime", "odrl:lteq", day(period.take("end"))),
    ]


def read_period(supply: Node, review: Node) -> Json:
    """Return the period from a duty that it limits and from the duty to review."""
    return {
        "start": supply.constraint("odrl:dateTime", "odrl:gteq").text("rightOperand"),
        "end": supply.constraint("odrl:dateTime", "odrl:lteq").text("rightOperand"),
        "review_by": review.constraint("odrl:dateTime", "odrl:lteq").text("rightOperand"),
    }


def write_review(review_by: str, own: Names, everyone: list[str]) -> Json:
    """Return the duty to review the agreement in time."""
    limit = constraint("odrl:dateTime", "odrl:lteq", day(review_by))
    return _mutual(own.clause("period", "review_by"), "odrl:reviewPolicy", everyone, [limit])


def write_budget(privacy: Source, own: Names, suppliers: list[str]) -> list[Json]:
    """Return the duties to keep to the privacy budget: everybody's together, each recipient's, each analyst's."""
    budget, lifetime, request = (privacy.child(name) for name in ("budget", "lifetime", "per_request"))
    shares: dict[str, str] = privacy.take("shares")
    analysts: dict[str, str] = privacy.take("analysts") or {}
    recipients = [names.party(party) for party in sorted(shares)]
    limits = [
        constraint("concordat:epsilon", "odrl:lteq", number(budget.take("epsilon"))),
        constraint("concordat:deltaOfConversion", "odrl:eq", number(budget.take("delta_conversion"))),
        constraint("concordat:deltaOfSelection", "odrl:eq", number(budget.take("delta_selection"))),
        constraint("odrl:timeInterval", "odrl:eq", duration(budget.take("every"))),
        constraint("odrl:dateTime", "odrl:gteq", day(budget.take("from"))),
        constraint("concordat:lifetimeEpsilon", "odrl:lteq", number(lifetime.take("epsilon"))),
        constraint("concordat:shareOfRequest", "odrl:lteq", number(request.take("share"))),
    ]
    ever = lifetime.take("delta_selection")
    if ever is not None:
        limits.append(constraint("concordat:lifetimeDeltaOfSelection", "odrl:lteq", number(ever)))
    together = _duty(own.clause("privacy", "budget"), _action(_SPEND, limits), suppliers, recipients)
    each = [
        _duty(
            own.clause("privacy", "shares", party),
            _action(_SPEND, [constraint("concordat:shareOfBudget", "odrl:lteq", number(shares[party]))]),
            suppliers,
            [names.party(party)],
        )
        for party in sorted(shares)
    ]
    one = [
        _duty(
            own.clause("privacy", "analysts", party),
            _action(_SPEND, [constraint("concordat:shareOfAnalyst", "odrl:lteq", number(analysts[party]))]),
            suppliers,
            [names.party(party)],
        )
        for party in sorted(analysts)
    ]
    return [together, *each, *one]


def read_budget(duties: list[Node]) -> Json:
    """Return the privacy budget as the document holds it, but for when a value is usable."""
    made: Json = {"shares": {}}
    for duty in duties:
        action = duty.node("action") if isinstance(duty.get("action"), dict) else None
        if action is None or action.text("value") != _SPEND:
            continue
        if not action.constraints("concordat:epsilon", key="refinement"):
            party = names.party_name(duty.only("assignee", "party"), duty.at("assignee"))
            if action.constraints("concordat:shareOfAnalyst", key="refinement"):
                made.setdefault("analysts", {})[party] = _right(action, "concordat:shareOfAnalyst")
            else:
                made["shares"][party] = _right(action, "concordat:shareOfBudget")
            continue
        made["budget"] = {
            "epsilon": _right(action, "concordat:epsilon"),
            "delta_conversion": _right(action, "concordat:deltaOfConversion"),
            "delta_selection": _right(action, "concordat:deltaOfSelection"),
            "every": _right(action, "odrl:timeInterval"),
            "from": _right(action, "odrl:dateTime"),
        }
        made["lifetime"] = {"epsilon": _right(action, "concordat:lifetimeEpsilon")}
        if action.constraints("concordat:lifetimeDeltaOfSelection", key="refinement"):
            made["lifetime"]["delta_selection"] = _right(action, "concordat:lifetimeDeltaOfSelection")
        made["per_request"] = {"share": _right(action, "concordat:shareOfRequest")}
    return made


def _right(action: Node, left: str) -> str:
    return action.constraint(left, key="refinement").text("rightOperand")


def write_usable(usable: Source) -> Json:
    """Return when a value is flagged usable, which is no rule for anybody."""
    return {"halfWidth": number(usable.take("half_width")), "atLeast": usable.take("value")}


def read_usable(usable: Node) -> Json:
    """Return the same as the document holds it."""
    return {"half_width": usable.text("halfWidth"), "value": usable.get("atLeast")}


def write_obligations(obligations: Source, own: Names, everyone: list[str]) -> list[Json]:
    """Return the duties of the obligations clause; publishing is a rule of its own."""
    made = []
    review = obligations.take("review_log_every")
    if review is not None:
        limit = constraint("odrl:timeInterval", "odrl:eq", duration(review))
        iri = own.clause("obligations", "review_log_every")
        made.append(_mutual(iri, "concordat:reviewLog", everyone, [limit]))
    for key, (action, event, before, delay) in _TIMED.items():
        told = obligations.take(key)
        if told is not None:
            limits = [
                constraint("odrl:event", "odrl:lt" if before else "odrl:gt", {"@id": event}),
                constraint("odrl:delayPeriod", delay, duration(told) if _DURATION.match(told) else told),
            ]
            target = {"target": own.clause("datasets")} if action == "odrl:delete" else {}
            made.append(_mutual(own.clause("obligations", key), action, everyone, limits) | target)
    return made


_TIMED = {
    "breach_notice": ("odrl:inform", "concordat:breach", False, "odrl:lteq"),
    "grace": ("odrl:delete", "concordat:end", False, "odrl:lteq"),
    "notice": ("odrl:inform", "concordat:leaving", True, "odrl:gteq"),
}
"""Of each timed obligation: what is done, of what event, whether before it, and how its time is meant."""


def read_obligations(duties: list[Node]) -> Json:
    """Return the obligations clause as the document holds it, but for publishing."""
    made: Json = {}
    keys = {(action, event): key for key, (action, event, _, _) in _TIMED.items()}
    for duty in duties:
        action = duty.get("action")
        if action == "concordat:reviewLog":
            made["review_log_every"] = duty.constraint("odrl:timeInterval").text("rightOperand")
            continue
        for event in duty.constraints("odrl:event"):
            key = keys.get((action, event.node("rightOperand").text("@id"))) if isinstance(action, str) else None
            if key is not None:
                made[key] = duty.constraint("odrl:delayPeriod").text("rightOperand")
    return made


def write_publishing(publish: str, own: Names, suppliers: list[str], everyone: list[str]) -> tuple[str, Json]:
    """Return the rule on publishing releases, and whether it is a permission or a prohibition."""
    forbidden = publish == "forbidden"
    rule: Json = {
        "@id": own.clause("obligations", "publish"),
        "@type": "odrl:Prohibition" if forbidden else "odrl:Permission",
        "action": "odrl:distribute",
        "target": own.clause("releases"),
        "assigner": suppliers,
        "assignee": everyone,
    }
    if publish == "needs-approval":
        rule["duty"] = [{"@type": "odrl:Duty", "action": "odrl:obtainConsent", "consentingParty": suppliers}]
    return "prohibition" if forbidden else "permission", rule


def read_publishing(permissions: list[Node], prohibitions: list[Node], own: Names) -> str:
    """Return whether releases may be published."""
    target = own.clause("releases")
    for rule in permissions:
        if rule.get("target") == target:
            return "needs-approval" if "duty" in rule.value else "allowed"
    if any(rule.get("target") == target for rule in prohibitions):
        return "forbidden"
    raise other_shape("permission", "nothing says whether releases may be published")


def _action(name: str, refinement: list[Json]) -> Json:
    return {"value": name, "refinement": refinement}


def _duty(iri: str, action: Any, assigner: list[str], assignee: list[str]) -> Json:
    return {"@id": iri, "@type": "odrl:Duty", "action": action, "assigner": assigner, "assignee": assignee}


def _mutual(iri: str, action: Any, everyone: list[str], limits: list[Json]) -> Json:
    """Return what each party owes all the others."""
    return _duty(iri, action, everyone, everyone) | {"constraint": limits}
