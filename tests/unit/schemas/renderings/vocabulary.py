"""The vocabularies as a graph that shapes look classes up in, and JSON-LD read as RDF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyshacl
from rdflib import RDF, Graph, Namespace, URIRef

import schemas.odrl
from schemas.odrl.terms import PUBLISHED

FOLDER = Path(schemas.odrl.__file__).parent
ODRL = Namespace(PUBLISHED["odrl"]["namespace"])
KINDS = {"actions": "Action", "leftOperands": "LeftOperand", "operators": "Operator", "conflictTerms": "ConflictTerm"}


def profile() -> Graph:
    return Graph().parse(FOLDER / "profile.ttl")


def vocabulary() -> Graph:
    """Return what is a term of what kind, of ODRL and of the profile."""
    made = profile()
    for kind, name in KINDS.items():
        for term in PUBLISHED["odrl"][kind]:
            made.add((ODRL[term], RDF.type, ODRL[name]))
    return made


def as_rdf(value: Any) -> Graph:
    return Graph().parse(data=json.dumps(value), format="json-ld")


def violations(value: Any) -> str:
    """Return what the shapes say of a JSON-LD document; empty where it conforms."""
    shapes = Graph().parse(FOLDER / "shapes.ttl")
    conforms, _, told = pyshacl.validate(as_rdf(value) + vocabulary(), shacl_graph=shapes)
    return "" if conforms else str(told)


def iris(graph: Graph, namespace: str) -> set[str]:
    """Return the names of a namespace that a graph uses anywhere."""
    used = {str(term) for triple in graph for term in triple if isinstance(term, URIRef)}
    return {iri.removeprefix(namespace) for iri in used if iri.startswith(namespace)}
