"""Grants: each a permission to derive noised statistics, with everything that narrows it."""

from __future__ import annotations

import re

from schemas.clauses.measures import FIELDS, FLAGS
from schemas.odrl import names
from schemas.odrl.datasets import purpose_limit, read_purposes
from schemas.odrl.names import Names
from schemas.odrl.reading import Json, Node, other_shape
from schemas.odrl.writing import Source, any_of, constraint, references

_AREA = "http://statistics.data.gov.uk/id/statistical-geography/"
_GSS_CODE = re.compile(r"[EWSNK][0-9]{8}\Z")
_COLUMNS = {"group_by": "concordat:groupBy", "filter_by": "concordat:filterBy"}


def write(index: int, value: Json, supplier: str, own: Names, period: list[Json]) -> Json:
    """Return the permission that a grant is.

    Args:
        index: Its place in the document, which is the clause that decisions cite.
        value: What the document says.
        supplier: The party that supplies its dataset.
        own: The names within the agreement.
        period: The constraints of when the agreement holds.
    """
    source = Source(value)
    roles = source.or_default("roles", ["analyst"])
    dataset = own.clause("datasets", source.take("dataset"))
    limits = [*period, purpose_limit(source.take("for"), own)]
    limits += [any_of(left, _write_columns(source.take(key) or {})) for key, left in _COLUMNS.items()]
    linked = [own.clause("datasets", name) for name in source.take("link") or ()]
    limits.append(any_of("concordat:linkedWith", references(linked)))
    combine = source.take("combine") or {}
    limits += [
        constraint("concordat:codesCombined", "odrl:gteq", combine[column], column=column) for column in sorted(combine)
    ]
    most = source.take("most_fields")
    if most is not None:
        limits.append(constraint("concordat:columnsUsed", "odrl:lteq", most))
    node: Json = {
        "@id": own.clause("grants", index),
        "@type": "odrl:Permission",
        "target": _write_rows(source.take("rows"), dataset),
        "assigner": [names.party(supplier)],
        "assignee": [_people(party, roles) for party in source.take("to")],
        "action": {
            "value": "odrl:derive",
            "refinement": [any_of("concordat:measure", _write_measures(source.child("measure")))],
        },
        "constraint": limits,
    }
    approval = source.take("approval")
    if approval is not None:
        node["duty"] = [_write_approval(party) for party in approval]
    return source.finish(node)


def _people(party: str, roles: list[str]) -> Json:
    """Return a party's people in some roles: a collection of which only those who have one are meant."""
    return {
        "@type": "odrl:PartyCollection",
        "source": names.party(party),
        "refinement": [any_of("concordat:role", roles)],
    }


def _write_approval(party: str) -> Json:
    return {"@type": "odrl:Duty", "action": "odrl:obtainConsent", "consentingParty": [names.party(party)]}


def _write_columns(columns: Json) -> list[str]:
    """Return ``column:level`` for each level allowed; the column alone where none is."""
    return [
        token
        for column in sorted(columns)
        for token in ([f"{column}:{level}" for level in columns[column]] or [column])
    ]


def _write_measures(source: Source) -> list[str]:
    flags = [name for name in FLAGS if source.if_true(name)]
    return [*flags, *(f"{name}:{field}" for name in FIELDS for field in source.take(name) or ())]


def _write_rows(rows: Json | None, dataset: str) -> Json | str:
    """Return the asset, as the collection of those of its rows that the grant reaches where it is narrowed."""
    if rows is None:
        return dataset
    refinement = [_write_scope(column, rows[column]) for column in sorted(rows)]
    return {"@type": "odrl:AssetCollection", "source": dataset, "refinement": refinement}


def _write_scope(column: str, codes: list[str]) -> Json:
    """Return a column's scope: as areas where all codes are of the ONS's geography, else as the codes they are."""
    if all(_GSS_CODE.match(code) for code in codes):
        return any_of("odrl:spatial", references(_AREA + code for code in codes), column=column)
    return any_of("concordat:row", codes, column=column)


def read(permission: Node, own: Names) -> Json:
    """Return a grant as the document holds it."""
    made: Json = {"to": [], "for": read_purposes(permission.constraint("odrl:purpose"), own)}
    for people in permission.nodes("assignee"):
        made["to"].append(names.party_name(people.text("source"), people.at("source")))
        if "roles" not in permission.left_out():
            made["roles"] = people.constraint("concordat:role", key="refinement").members()
    _read_target(permission, own, made)
    for key, left in _COLUMNS.items():
        columns = _read_columns(permission.constraint(left))
        if columns:
            made[key] = columns
    linked = permission.constraint("concordat:linkedWith")
    if linked.members():
        made["link"] = [own.clause_name("datasets", iri, linked.path) for iri in linked.members()]
    measures = permission.node("action").constraint("concordat:measure", key="refinement")
    if measures.members():
        made["measure"] = _read_measures(measures)
    for combine in permission.constraints("concordat:codesCombined"):
        made.setdefault("combine", {})[combine.text("column")] = combine.get("rightOperand")
    for most in permission.constraints("concordat:columnsUsed"):
        made["most_fields"] = most.get("rightOperand")
    for duty in permission.nodes("duty"):
        parties = [names.party_name(iri, duty.path) for iri in duty.texts("consentingParty")]
        made["approval"] = [*made.get("approval", ()), *parties]
    return permission.finish(made)


def _read_target(permission: Node, own: Names, made: Json) -> None:
    target = permission.get("target")
    if isinstance(target, dict):
        node = permission.node("target")
        target = node.text("source")
        made["rows"] = {scope.text("column"): _read_scope(scope) for scope in node.nodes("refinement")}
    if not isinstance(target, str):
        raise other_shape(permission.at("target"), "a dataset is expected")
    made["dataset"] = own.clause_name("datasets", target, permission.at("target"))


def _read_scope(scope: Node) -> list[str]:
    if scope.text("leftOperand") == "odrl:spatial":
        return [iri.removeprefix(_AREA) for iri in scope.members()]
    return scope.members()


def _read_columns(limit: Node) -> Json:
    made: dict[str, list[str]] = {}
    for token in limit.members():
        column, _, level = token.partition(":")
        levels = made.setdefault(column, [])
        if level:
            levels.append(level)
    return made


def _read_measures(measures: Node) -> Json:
    flags: Json = {}
    fields: dict[str, list[str]] = {}
    for token in measures.members():
        name, colon, field = token.partition(":")
        if colon:
            fields.setdefault(name, []).append(field)
        else:
            flags[name] = True
    return flags | fields
