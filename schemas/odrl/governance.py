"""Statements of law and governance: as DPV's assessments, notices, policies and measures."""

from __future__ import annotations

from schemas.odrl.names import Names
from schemas.odrl.reading import Json, Node
from schemas.odrl.writing import Source, optional

_OF_THE_BROKER = ("dpv:DifferentialPrivacy", "dpv:DigitalSignatures", "dpv:ActivityMonitoring")
_IN_GOVERNANCE = {
    "accuracy": "dpv:DataQualityManagement",
    "retention": "dpv:DataErasurePolicy",
    "security": "dpv:DataSecurityManagement",
    "breach": "dpv:IncidentManagementProcedures",
}
_IN_LEGAL = {"rights": "dpv:DataSubjectRightsManagement", "review": "dpv:ReviewProcedure"}
_PLAIN = {"rights_contact": "rightsContact", "termination": "termination", "signatories": "signatories"}
_DPIA = {
    "reference": "reference",
    "done": "done",
    "review": "review",
    "by": "hasContact",
    "residual_risk": "residualRisk",
}
_FORBIDDEN = {"reidentification": "concordat:reidentify", "onward_sharing": "odrl:distribute"}


def write(legal: Source, governance: Source, own: Names) -> Json:
    """Return what the policy says of law and, from the part of it on how information is looked after, of governance."""
    measures = [
        *({"@id": name} for name in _OF_THE_BROKER),
        *_write_measures(governance, _IN_GOVERNANCE, own, "legal", "information_governance"),
        *_write_measures(legal, _IN_LEGAL, own, "legal"),
    ]
    made: Json = {"hasTechnicalOrganisationalMeasure": measures, **optional(legal, **_PLAIN)}
    dpia = legal.take("dpia")
    if dpia is not None:
        made["hasAssessment"] = _write_dpia(dpia, own.clause("legal", "dpia"))
    for key, term, kind in _DOCUMENTS:
        words = legal.take(key)
        if words is not None:
            made[term] = {"@id": own.clause("legal", key), "@type": kind, "description": words}
    conditions = legal.take("conditions")
    if conditions is not None:
        made["condition"] = [{"identifier": name, "description": conditions[name]} for name in sorted(conditions)]
    return made


_DOCUMENTS = (
    ("transparency", "hasNotice", "dpv:PrivacyNotice"),
    ("apd", "hasPolicy", "dpv:DataProcessingPolicy"),
)


def _write_measures(source: Source, kinds: dict[str, str], own: Names, *path: str) -> list[Json]:
    told = ((key, kind, source.take(key)) for key, kind in kinds.items())
    return [
        {"@id": own.clause(*path, key), "@type": kind, "description": words}
        for key, kind, words in told
        if words is not None
    ]


def _write_dpia(value: Json | str, iri: str) -> Json:
    node: Json = {"@id": iri, "@type": "dpv:Assessment"}
    if isinstance(value, str):
        return node | {"description": value}
    source = Source(value)
    return source.finish(node | optional(source, **_DPIA))


def read(policy: Node) -> Json:
    """Return the legal clause as the document holds it, but for what stands on prohibitions."""
    made = policy.said(**_PLAIN)
    kinds = {kind: key for key, kind in _IN_LEGAL.items()}
    kinds_of_governance = {kind: key for key, kind in _IN_GOVERNANCE.items()}
    for measure in policy.nodes("hasTechnicalOrganisationalMeasure"):
        if "@type" in measure.value:
            kind, words = measure.text("@type"), measure.get("description")
            if kind in kinds:
                made[kinds[kind]] = words
            elif kind in kinds_of_governance:
                made.setdefault("information_governance", {})[kinds_of_governance[kind]] = words
    if "hasAssessment" in policy.value:
        made["dpia"] = _read_dpia(policy.node("hasAssessment"))
    for key, term, _ in _DOCUMENTS:
        if term in policy.value:
            made[key] = policy.node(term).get("description")
    for condition in policy.nodes("condition"):
        made.setdefault("conditions", {})[condition.text("identifier")] = condition.get("description")
    return made


def _read_dpia(node: Node) -> Json | str:
    if "description" in node.value:
        return node.text("description")
    return node.finish(node.said(**_DPIA))


def write_prohibitions(governance: Source, own: Names, suppliers: list[str], everyone: list[str]) -> list[Json]:
    """Return what nobody may do with any record, in the parties' words where they have some."""
    made = []
    for key, action in _FORBIDDEN.items():
        rule: Json = {
            "@id": own.clause("legal", "information_governance", key),
            "@type": "odrl:Prohibition",
            "action": action,
            "target": {"@id": own.clause("datasets"), "@type": "odrl:AssetCollection"},
            "assigner": suppliers,
            "assignee": everyone,
        }
        made.append(rule | optional(governance, **{key: "description"}))
    return made


def read_prohibitions(prohibitions: list[Node]) -> Json:
    """Return the parties' words on what nobody may do, as the document's information governance holds them."""
    keys = {action: key for key, action in _FORBIDDEN.items()}
    return {
        keys[rule.text("action")]: rule.get("description")
        for rule in prohibitions
        if isinstance(rule.get("target"), dict) and rule.text("action") in keys and "description" in rule.value
    }
