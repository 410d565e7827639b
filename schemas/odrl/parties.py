"""Parties: their role and status in DPV's terms, the rest about them beside it."""

from __future__ import annotations

from schemas.odrl import names
from schemas.odrl.reading import Json, Node, other_shape
from schemas.odrl.writing import Source, optional

ROLES = {
    "controller": "hasDataController",
    "joint-controller": "hasJointDataControllers",
    "processor": "hasDataProcessor",
    "recipient": "hasRecipient",
}
_STATUS = {
    "independent-controller": "dpv:DataController",
    "joint-controller": "dpv:JointDataControllers",
    "processor": "dpv:DataProcessor",
}
_STATUS_OF = {term: status for status, term in _STATUS.items()}
_TERMS = {"name": "hasName", "kind": "kind", "key": "key", "capacity": "capacity", "registration": "hasIdentifier"}
_POSTS = {
    "dpo": "hasDataProtectionOfficer",
    "signatory": "hasRepresentative",
    "siro": "accountableOfficer",
    "caldicott_guardian": "caldicottGuardian",
}
_CONTACT = {"post": "post", "name": "hasName", "contact": "hasContact"}


def write(parties: list[Json]) -> Json:
    """Return what the policy says of its parties: the list, and who is what."""
    made: Json = {"parties": [_write(value) for value in parties]}
    for role, term in ROLES.items():
        found = [names.party(value["id"]) for value in parties if value["role"] == role]
        if found:
            made[term] = found
    return made


def _write(value: Json) -> Json:
    source = Source(value)
    source.take("role")  # said by the policy
    node: Json = {"@id": names.party(source.take("id")), "@type": ["odrl:Party"]}
    status = source.take("controller_status")
    if status is not None:
        node["@type"].append(_STATUS[status])
    node |= optional(source, **_TERMS)
    for key, term in _POSTS.items():
        post = source.take(key)
        if post is not None:
            contact = Source(post)
            node[term] = contact.finish(optional(contact, **_CONTACT))
    return source.finish(node)


def read(policy: Node) -> list[Json]:
    """Return the parties as the document lists them."""
    roles = {iri: role for role, term in ROLES.items() if term in policy.value for iri in policy.texts(term)}
    return [_read(node, roles) for node in policy.nodes("parties")]


def _read(node: Node, roles: dict[str, str]) -> Json:
    iri = node.text("@id")
    if iri not in roles:
        raise other_shape(node.path, "nothing says what this party is")
    made: Json = {"id": names.party_name(iri, node.path), "role": roles[iri]}
    status = [_STATUS_OF[term] for term in node.types() if term in _STATUS_OF]
    if status:
        made["controller_status"] = status[0]
    made |= node.said(**_TERMS)
    for key, term in _POSTS.items():
        if term in node.value:
            contact = node.node(term)
            made[key] = contact.finish(contact.said(**_CONTACT))
    return node.finish(made)
