"""The whole document as ODRL, and back."""

from __future__ import annotations

import json
from typing import Any

from schemas import agreement as documents
from schemas.errors import DocumentError
from schemas.odrl import datasets, duties, governance, grants, names, parties, purposes
from schemas.odrl.context import CONTEXT
from schemas.odrl.names import Names
from schemas.odrl.reading import Json, Node, other_shape
from schemas.odrl.terms import PROFILE
from schemas.odrl.writing import Source, optional

MEDIA_TYPE = "application/ld+json"
_TERMS = {"concordat": "form", "id": "identifier", "version": "versionInfo", "title": "title", "summary": "description"}


def export(value: Any) -> Json:
    """Return an agreement as an ODRL Agreement in JSON-LD.

    Args:
        value: The document's JSON value. What depends on the order of keys is sorted, so that equal documents give
            equal JSON-LD.

    Raises:
        InvalidDocument: it is no agreement.
    """
    documents.parse(value)
    source = Source(value)
    own = Names.of(value["id"], value["version"])
    policy: Json = {
        "@context": CONTEXT,
        "@id": own.policy,
        "@type": "odrl:Agreement",
        "uid": own.policy,
        "profile": PROFILE,
        "conflict": "odrl:prohibit",
        **optional(source, **_TERMS),
        **parties.write(source.take("parties")),
        "hasPurpose": purposes.write(source.take("purposes"), own),
    }
    pins = source.take("pins")
    if pins is not None:
        policy["pin"] = [{"@id": names.artefact(name), "digest": pins[name]} for name in sorted(pins)]
    policy |= _rules(source, own, [party["@id"] for party in policy["parties"]])
    made: Json = json.loads(json.dumps(source.finish(policy)))  # rules share parts; whoever changes one changes one
    return made


def _rules(source: Source, own: Names, everyone: list[str]) -> Json:
    """Return the policy's rules and what hangs on them; grants come first and in the document's order."""
    supplied: Json = source.take("datasets")
    suppliers = list(dict.fromkeys(names.party(supplied[name]["supplier"]) for name in sorted(supplied)))
    period, privacy, obligations, legal = (source.child(n) for n in ("period", "privacy", "obligations", "legal"))
    looked_after = legal.child("information_governance")
    limits = duties.write_period(period)
    kind, publishing = duties.write_publishing(
        obligations.or_default("publish", "needs-approval"), own, suppliers, everyone
    )
    granted = [
        grants.write(index, grant, supplied[grant["dataset"]]["supplier"], own, limits)
        for index, grant in enumerate(source.take("grants") or ())
    ]
    owed = [
        *(duty for name in sorted(supplied) for duty in datasets.write(name, supplied[name], own, everyone, limits)),
        duties.write_review(period.take("review_by"), own, everyone),
        *duties.write_budget(privacy, own, suppliers),
        *duties.write_obligations(obligations, own, everyone),
    ]
    forbidden = governance.write_prohibitions(looked_after, own, suppliers, everyone)
    return {
        "permission": [*granted, *([publishing] if kind == "permission" else [])],
        "prohibition": [*forbidden, *([publishing] if kind == "prohibition" else [])],
        "obligation": owed,
        "usable": duties.write_usable(privacy.child("usable")),
        **governance.write(legal, looked_after, own),
    }


def read(value: Any) -> Any:
    """Return the agreement's JSON value from JSON-LD that ``export`` made.

    What is read is exported again and has to give the same JSON-LD, so nothing that a rule says is passed over and
    nothing that is said twice is said in two ways.

    Raises:
        DocumentError: ``odrl_not_ours``, ``odrl_shape``, or ``odrl_differs`` with the first place that differs.
        InvalidDocument: what it says is no agreement.
    """
    if not isinstance(value, dict) or value.get("@context") != CONTEXT or value.get("profile") != PROFILE:
        detail = "this is no JSON-LD with the context and the profile that Concordat exports"
        raise DocumentError("odrl_not_ours", detail)
    made = _read(Node(value, ""))
    again = export(made)
    if again != value:
        raise DocumentError(
            "odrl_differs",
            "this is not what Concordat exports for the agreement that the rest says",
            _first(again, value),
        )
    return made


def _read(policy: Node) -> Json:
    made = policy.said(**_TERMS)
    own = Names.of(policy.text("identifier"), policy.text("versionInfo"))
    permissions, prohibitions, owed = (list(policy.nodes(n)) for n in ("permission", "prohibition", "obligation"))
    granted = [node for node in permissions if isinstance(node.get("action"), dict)]
    made |= {
        "parties": parties.read(policy),
        "purposes": purposes.read(policy, own),
        "pins": {names.artefact_name(pin.text("@id"), pin.path): pin.get("digest") for pin in policy.nodes("pin")},
        "datasets": datasets.read(owed, own),
        "grants": [grants.read(node, own) for node in granted],
        "period": duties.read_period(_duty(owed, "concordat:supply"), _duty(owed, "odrl:reviewPolicy")),
        "privacy": duties.read_budget(owed) | {"usable": duties.read_usable(policy.node("usable"))},
    }
    return policy.finish(_drop_empty(made | _read_clauses(policy, permissions, prohibitions, owed, own)))


def _read_clauses(
    policy: Node, permissions: list[Node], prohibitions: list[Node], owed: list[Node], own: Names
) -> Json:
    obligations = duties.read_obligations(owed)
    if "obligations/publish" not in policy.left_out():
        obligations["publish"] = duties.read_publishing(permissions, prohibitions, own)
    legal = governance.read(policy)
    words = governance.read_prohibitions(prohibitions)
    if words:
        legal["information_governance"] = legal.get("information_governance", {}) | words
    return {"obligations": obligations, "legal": legal}


def _drop_empty(made: Json) -> Json:
    """Leave out what was not said; where it was written empty, what is kept as written puts it back."""
    return {key: value for key, value in made.items() if value not in ({}, [])}


def _duty(owed: list[Node], action: str) -> Node:
    for duty in owed:
        if duty.get("action") == action:
            return duty
    raise other_shape("obligation", f"no duty of {action}")


def _first(ours: Any, theirs: Any, path: str = "") -> str:
    """Return where two JSON values differ first; names come from ours, so that nothing of theirs is told."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key not in theirs or theirs[key] != value:
                return _first(value, theirs.get(key), f"{path}/{key}" if path else key)
        return path
    if isinstance(ours, list) and isinstance(theirs, list):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if one != other:
                return _first(one, other, f"{path}/{index}")
    return path
