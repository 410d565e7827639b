"""What is exported conforms to ODRL's information model and uses published terms; what is broken does not conform."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from rdflib.namespace import ODRL2

import agreements
from schemas import agreement as documents
from schemas.odrl.context import CONTEXT
from schemas.odrl.document import export
from schemas.odrl.terms import PREFIXES, PROFILE, PUBLISHED
from tests.unit.schemas.renderings.documents import agreements as generated
from tests.unit.schemas.renderings.vocabulary import as_rdf, iris, profile, violations

pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # rdflib's own use


def example(name: str = "avon-somerset") -> Any:
    return export(documents.load(agreements.path(name).read_bytes()))


@pytest.mark.parametrize("name", agreements.names())
def test_a_worked_agreement_conforms_to_the_information_model(name):
    assert violations(example(name)) == ""


@settings(max_examples=4)
@given(generated())
def test_every_agreement_conforms_to_the_information_model(value):
    assert violations(export(value)) == ""


def drop(*path: str | int) -> Any:
    def work(policy: Any) -> None:
        inner = policy
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]

    return work


def put(value: Any, *path: str | int) -> Any:
    def work(policy: Any) -> None:
        inner = policy
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value

    return work


BROKEN = {
    "no assigner": drop("permission", 0, "assigner"),
    "no assignee": drop("permission", 0, "assignee"),
    "a duty without an assignee": drop("obligation", 0, "assignee"),
    "no action": drop("permission", 0, "action"),
    "two actions": put(["odrl:use", "odrl:derive"], "permission", 0, "action"),
    "an action of nobody's": put("odrl:befriend", "prohibition", 0, "action"),
    "an action that is another profile's": put("urn:elsewhere:act", "obligation", 0, "action"),
    "no target": drop("permission", 0, "target"),
    "a prohibition of nothing": drop("prohibition", 0, "target"),
    "a rule of two kinds": put(["odrl:Permission", "odrl:Prohibition"], "permission", 0, "@type"),
    "no left operand": drop("permission", 0, "constraint", 0, "leftOperand"),
    "a left operand of nobody's": put("odrl:weather", "permission", 0, "constraint", 0, "leftOperand"),
    "no operator": drop("permission", 0, "constraint", 0, "operator"),
    "two operators": put(["odrl:lt", "odrl:gt"], "permission", 0, "constraint", 0, "operator"),
    "an operator of nobody's": put("odrl:almost", "permission", 0, "constraint", 0, "operator"),
    "no right operand": drop("permission", 0, "constraint", 0, "rightOperand"),
    "two right operands": put(["2026-04-01", "2026-04-02"], "permission", 0, "constraint", 0, "rightOperand"),
    "one value where a list is compared": put("age", "permission", 0, "constraint", 3, "rightOperand"),
    "a list where one value is compared": put({"@list": ["a"]}, "permission", 0, "constraint", 0, "rightOperand"),
    "a date that is a text": put("2026-04-01", "permission", 0, "constraint", 0, "rightOperand"),
    "a date that no calendar has": put(
        {"@value": "2026-02-31", "@type": "xsd:date"}, "permission", 0, "constraint", 0, "rightOperand"
    ),
    "a refined action without its action": drop("permission", 0, "action", "value"),
    "a refined collection without its source": drop("permission", 0, "target", "source"),
    "a refined collection with a name of its own": put("urn:x:y", "permission", 0, "target", "@id"),
    "people of nobody": drop("permission", 0, "assignee", 0, "source"),
    "no uid": drop("uid"),
    "two uids": put(["urn:a:b", "urn:c:d"], "uid"),
    "no profile": drop("profile"),
    "a conflict strategy of nobody's": put("odrl:whoever", "conflict"),
    "no purpose": drop("hasPurpose"),
    "a purpose without a legal basis": drop("hasPurpose", 0, "hasLegalBasis"),
    "a party that is none": put("urn:concordat:party:stranger", "obligation", 0, "assignee", 0),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_broken_document_does_not_conform(damage):
    policy = example()
    damage(policy)
    assert "Conforms: False" in violations(policy)


def test_no_rules_at_all_do_not_conform():
    policy = {key: value for key, value in example().items() if key not in ("permission", "prohibition", "obligation")}
    assert "2.1: a policy has at least one" in violations(policy)


def terms(vocabulary: str) -> set[str]:
    lists = (value for value in PUBLISHED[vocabulary].values() if isinstance(value, list))
    return {term for listed in lists for term in listed}


@settings(max_examples=10)
@given(generated())
def test_every_term_used_is_published_or_the_profiles(value):
    graph = as_rdf(export(value))
    for vocabulary in PUBLISHED:
        assert iris(graph, PREFIXES[vocabulary]) <= terms(vocabulary)
    assert iris(graph, PROFILE) - {""} <= iris(profile(), PROFILE)


def test_every_term_of_the_context_is_published_or_the_profiles():
    named = [value["@id"] if isinstance(value, dict) else value for key, value in CONTEXT.items() if key[0] != "@"]
    for name in named:
        prefix, _, term = str(name).partition(":")
        if prefix in PUBLISHED:
            assert term in terms(prefix), name
        elif prefix == "concordat":
            assert term in iris(profile(), PROFILE), name


def test_the_list_of_odrls_terms_is_what_w3c_publishes():
    """rdflib's list was generated from the published vocabulary; words of Python's are not in it."""
    published = set(ODRL2.__annotations__)
    assert terms("odrl") - published == {"and", "or"}
    assert {"deprecated", "timedCount"} & terms("odrl") == set()


def test_every_vocabulary_says_where_its_terms_were_read():
    assert all(listed["source"] and listed["namespace"] for listed in PUBLISHED.values())


def test_nothing_of_an_export_is_lost_to_rdf():
    """Each key is a term of the context, so no reader of RDF passes a statement over."""
    unknown: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            unknown.update(key for key in value if key not in CONTEXT and key[0] != "@")
            for key, inner in value.items():
                if key not in ("asWritten", "@context"):
                    walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    policy = example()
    walk(policy)
    assert not unknown
    assert len(as_rdf(policy)) > 1000
