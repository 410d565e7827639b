"""The JSON-LD context, which every exported document carries whole, so that reading one needs no network."""

from __future__ import annotations

from typing import Any

from schemas.odrl.terms import PREFIXES


def _iri(name: str) -> dict[str, str]:
    return {"@id": name, "@type": "@id"}


def _list(name: str) -> dict[str, str]:
    return {"@id": name, "@container": "@list"}


def _json(name: str) -> dict[str, str]:
    return {"@id": name, "@type": "@json"}


_REFERENCES = (
    "action", "assignee", "assigner", "conflict", "consentingParty", "leftOperand", "operator", "partOf", "profile",
    "source", "target", "uid",
)  # fmt: skip
_NODES = ("constraint", "duty", "obligation", "permission", "prohibition", "refinement", "rightOperand")
_DPV_REFERENCES = (
    "hasDataController", "hasDataProcessor", "hasJointDataControllers", "hasPersonalData", "hasRecipient",
    "isApplicableFor",
)  # fmt: skip
_DPV = (
    "hasAssessment", "hasContact", "hasDataProtectionOfficer", "hasIdentifier", "hasJustification", "hasLegalBasis",
    "hasName", "hasNotice", "hasPolicy", "hasPurpose", "hasRepresentative", "hasTechnicalOrganisationalMeasure",
)  # fmt: skip
_PROFILE = (
    "accountableOfficer", "article10", "atLeast", "basis", "benefit", "caldicottGuardian", "capacity", "codeList",
    "column", "condition", "confidentiality", "digest", "done", "form", "halfWidth", "handling", "key", "kind",
    "level", "levels", "optOut", "part3", "part3Condition", "perPerson", "pin", "post", "privacyUnit", "quality",
    "reference", "residualRisk", "review", "rightsContact", "schedule1", "signatories", "statedPurpose", "taskLaw",
    "termination", "usable",
)  # fmt: skip
_PROFILE_LISTS = ("gateway", "leftOut", "parties")

CONTEXT: dict[str, Any] = {
    "@version": 1.1,
    **PREFIXES,
    **{name: _iri(f"odrl:{name}") for name in _REFERENCES},
    **{name: f"odrl:{name}" for name in _NODES},
    **{name: _iri(f"dpv:{name}") for name in _DPV_REFERENCES},
    **{name: f"dpv:{name}" for name in _DPV},
    **{name: f"concordat:{name}" for name in _PROFILE},
    **{name: _list(f"concordat:{name}") for name in _PROFILE_LISTS},
    "asWritten": _json("concordat:asWritten"),
    "broader": _iri("skos:broader"),
    "conformsTo": _iri("dct:conformsTo"),
    "description": "dct:description",
    "identifier": "dct:identifier",
    "title": "dct:title",
    "value": _iri("rdf:value"),
    "versionInfo": "owl:versionInfo",
}
