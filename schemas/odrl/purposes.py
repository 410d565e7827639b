"""Purposes and their legal bases, in DPV's terms.

DPV has no terms for the UK GDPR's articles; those of the EU GDPR extension bear the same numbers and words, and the
profile says that ``eu-gdpr:A6-1-e`` under it means UK GDPR article 6(1)(e).
"""

from __future__ import annotations

from schemas.odrl import names
from schemas.odrl.names import Names
from schemas.odrl.reading import Json, Node
from schemas.odrl.terms import PURPOSES
from schemas.odrl.writing import Source, optional

_TERMS = {"description": "description", "necessity": "hasJustification", "benefit": "benefit"}
_LEGAL = {
    "article_6_law": "taskLaw",
    "article_10": "article10",
    "schedule_1": "schedule1",
    "part_3": "part3",
    "part_3_condition": "part3Condition",
    "gateway": "gateway",
}
_ARTICLES = {"article_6": "eu-gdpr:A6-1-", "article_9": "eu-gdpr:A9-2-"}
_CONFIDENTIALITY = {"basis": "basis", "words": "description"}
_OPT_OUT = {"handling": "handling", "words": "description"}


def write(purposes: Json, own: Names) -> list[Json]:
    """Return the purposes, by name."""
    return [_write(name, purposes[name], own) for name in sorted(purposes)]


def _write(name: str, value: Json, own: Names) -> Json:
    source = Source(value)
    node: Json = {"@id": own.clause("purposes", name), "@type": ["dpv:Purpose"]}
    stated = source.take("dpv")
    if stated is not None and stated.removeprefix("dpv:") in PURPOSES and stated.startswith("dpv:"):
        node["@type"].append(stated)
    elif stated is not None:
        node["statedPurpose"] = stated
    node |= optional(source, **_TERMS)
    parent = source.take("parent")
    if parent is not None:
        node["broader"] = own.clause("purposes", parent)
    node["hasLegalBasis"] = [_write_legal(source.take("legal"), own.clause("purposes", name, "legal"))]
    of = source.take("legal_of") or {}
    node["hasLegalBasis"] += [
        _write_legal(of[party], own.clause("purposes", name, "legal_of", party))
        | {"isApplicableFor": names.party(party)}
        for party in sorted(of)
    ]
    for key, term, terms in (("confidentiality", "confidentiality", _CONFIDENTIALITY), ("opt_out", "optOut", _OPT_OUT)):
        inner = source.take(key)
        if inner is not None:
            said = Source(inner)
            node[term] = said.finish(optional(said, **terms))
    return source.finish(node)


def _write_legal(value: Json, iri: str) -> Json:
    source = Source(value)
    points = ((start, source.take(key)) for key, start in _ARTICLES.items())
    types = ["dpv:LegalBasis", *(start + point for start, point in points if point is not None)]
    return source.finish({"@id": iri, "@type": types, **optional(source, **_LEGAL)})


def read(policy: Node, own: Names) -> Json:
    """Return the purposes as the document holds them."""
    return dict(_read(node, own) for node in policy.nodes("hasPurpose"))


def _read(node: Node, own: Names) -> tuple[str, Json]:
    made = node.said(dpv="statedPurpose", **_TERMS)
    stated = [term for term in node.types() if term.removeprefix("dpv:") in PURPOSES]
    if stated:
        made["dpv"] = stated[0]
    if "broader" in node.value:
        made["parent"] = own.clause_name("purposes", node.text("broader"), node.at("broader"))
    for legal in node.nodes("hasLegalBasis"):
        if "isApplicableFor" in legal.value:
            party = names.party_name(legal.text("isApplicableFor"), legal.at("isApplicableFor"))
            made.setdefault("legal_of", {})[party] = _read_legal(legal)
        else:
            made["legal"] = _read_legal(legal)
    for key, term, terms in (("confidentiality", "confidentiality", _CONFIDENTIALITY), ("opt_out", "optOut", _OPT_OUT)):
        if term in node.value:
            inner = node.node(term)
            made[key] = inner.finish(inner.said(**terms))
    return own.clause_name("purposes", node.text("@id"), node.path), node.finish(made)


def _read_legal(node: Node) -> Json:
    made = node.said(**_LEGAL)
    for key, start in _ARTICLES.items():
        points = [term.removeprefix(start) for term in node.types() if term.startswith(start)]
        if points:
            made[key] = points[0]
    return node.finish(made)
