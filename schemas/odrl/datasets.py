"""Datasets: each an asset, which its supplier has a duty to supply and everybody a duty to delete in time."""

from __future__ import annotations

from typing import Any

from schemas.odrl import names
from schemas.odrl.names import Names
from schemas.odrl.reading import Json, Node, other_shape
from schemas.odrl.writing import Source, any_of, constraint, duration, optional, references

_CLASSES = {
    "personal": "dpv:PersonalData",
    "special-category": "dpv:SpecialCategoryPersonalData",
    "depersonalised": "concordat:depersonalised",
    "criminal-offence": "concordat:criminal-offence",
    "patient-information": "concordat:patient-information",
}
_CLASS_OF = {term: name for name, term in _CLASSES.items()}
_TERMS = {"gateway": "gateway", "quality": "quality"}


def write(name: str, value: Json, own: Names, everyone: list[str], period: list[Json]) -> list[Json]:
    """Return the duties that a dataset brings.

    Args:
        name: The dataset's name.
        value: What the document says of it.
        own: The names within the agreement.
        everyone: IRIs of all parties.
        period: The constraints of when the agreement holds.
    """
    source = Source(value)
    supplier = names.party(source.take("supplier"))
    every, keep, purposes = source.take("every"), source.take("keep"), source.take("purposes")
    asset = _write_asset(source, own.clause("datasets", name), own)
    limit = [] if purposes is None else [purpose_limit(purposes, own)]
    supply = {
        "@id": own.clause("datasets", name, "every"),
        "@type": "odrl:Duty",
        "action": "concordat:supply",
        "target": asset,
        "assigner": [party for party in everyone if party != supplier],
        "assignee": [supplier],
        "constraint": [*period, constraint("odrl:timeInterval", "odrl:eq", duration(every)), *limit],
    }
    delete = {
        "@id": own.clause("datasets", name, "keep"),
        "@type": "odrl:Duty",
        "action": "odrl:delete",
        "target": own.clause("datasets", name),
        "assigner": [supplier],
        "assignee": everyone,
        "constraint": [
            constraint("odrl:event", "odrl:gt", {"@id": "concordat:receipt"}),
            constraint("odrl:delayPeriod", "odrl:lteq", duration(keep)),
        ],
    }
    return [supply, delete]


def purpose_limit(purposes: list[str], own: Names) -> Json:
    """Return the constraint that a use is for one of some purposes, or for a narrower one."""
    return any_of("odrl:purpose", references(own.clause("purposes", name) for name in purposes))


def read_purposes(limit: Node, own: Names) -> list[str]:
    """Return the purposes that such a constraint names."""
    return [own.clause_name("purposes", iri, limit.path) for iri in limit.members()]


def _write_asset(source: Source, iri: str, own: Names) -> Json:
    asset: Json = {
        "@id": iri,
        "@type": "odrl:Asset",
        "partOf": own.clause("datasets"),
        "conformsTo": names.artefact(source.take("schema")),
        "privacyUnit": source.or_default("privacy_unit", "person"),
    }
    asset |= optional(source.child("bounds"), per_person="perPerson")
    asset |= optional(source, **_TERMS)
    classes = source.take("data_classes")
    if classes is not None:
        asset["hasPersonalData"] = [_CLASSES[name] for name in classes]
    codes, levels = source.take("codes"), source.take("levels")
    if codes is not None:
        asset["codeList"] = [
            {"column": column, "conformsTo": names.artefact(codes[column])} for column in sorted(codes)
        ]
    if levels is not None:
        asset["levels"] = [{"column": column, "level": _write_levels(levels[column])} for column in sorted(levels)]
    return source.finish(asset)


def _write_levels(levels: Json) -> list[Json]:
    return [{"identifier": level, "conformsTo": names.artefact(levels[level])} for level in sorted(levels)]


def read(duties: list[Node], own: Names) -> Json:
    """Return the datasets as the document holds them."""
    deletes = {duty.text("target"): duty for duty in duties if duty.get("action") == "odrl:delete"}
    made: Json = {}
    for supply in duties:
        if supply.get("action") == "concordat:supply":
            asset = supply.node("target")
            iri = asset.text("@id")
            if iri not in deletes:
                raise other_shape(asset.path, "no duty says how long this is kept")
            made[own.clause_name("datasets", iri, asset.path)] = _read(supply, deletes[iri], asset, own)
    return made


def _read(supply: Node, delete: Node, asset: Node, own: Names) -> Json:
    made: Json = {
        "schema": _artefact(asset),
        "supplier": names.party_name(supply.only("assignee", "party"), supply.at("assignee")),
        "every": supply.constraint("odrl:timeInterval").text("rightOperand"),
        "keep": delete.constraint("odrl:delayPeriod").text("rightOperand"),
        "bounds": asset.said(per_person="perPerson"),
        **asset.said(**_TERMS),
    }
    if "privacy_unit" not in asset.left_out():
        made["privacy_unit"] = asset.text("privacyUnit")
    for limit in supply.constraints("odrl:purpose"):
        made["purposes"] = read_purposes(limit, own)
    if "hasPersonalData" in asset.value:
        path = asset.at("hasPersonalData")
        made["data_classes"] = [_class(term, path) for term in asset.texts("hasPersonalData")]
    if "codeList" in asset.value:
        made["codes"] = {node.text("column"): _artefact(node) for node in asset.nodes("codeList")}
    if "levels" in asset.value:
        made["levels"] = {
            node.text("column"): {level.text("identifier"): _artefact(level) for level in node.nodes("level")}
            for node in asset.nodes("levels")
        }
    return asset.finish(made)


def _artefact(node: Node) -> str:
    return names.artefact_name(node.text("conformsTo"), node.at("conformsTo"))


def _class(term: Any, path: str) -> str:
    if term not in _CLASS_OF:
        raise other_shape(path, "no class of data that Concordat knows")
    return _CLASS_OF[term]
