"""Import of what is exported gives an equal document, said in ODRL's and DPV's terms; nothing else is imported."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agreements
from schemas import agreement as documents
from schemas import strict_json
from schemas.errors import DocumentError
from schemas.model import InvalidDocument
from schemas.odrl.document import export, read
from tests.unit.schemas.renderings.documents import agreements as generated


def loaded(name: str = "avon-somerset") -> Any:
    return documents.load(agreements.path(name).read_bytes())


def through_a_file(policy: Any) -> Any:
    return strict_json.loads(json.dumps(policy).encode(), max_bytes=10**8, max_depth=100)


@pytest.mark.parametrize("name", agreements.names())
def test_a_worked_agreement_comes_back_equal(name):
    assert read(through_a_file(export(loaded(name)))) == loaded(name)


@settings(max_examples=40)
@given(generated())
def test_every_agreement_comes_back_equal_as_json(value):
    before = copy.deepcopy(value)
    back = read(through_a_file(export(value)))
    assert json.dumps(back, sort_keys=True) == json.dumps(before, sort_keys=True)
    assert value == before


@settings(max_examples=20)
@given(generated(), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(value, random):
    def shuffled(part: Any) -> Any:
        if isinstance(part, dict):
            keys = list(part)
            random.shuffle(keys)
            return {key: shuffled(part[key]) for key in keys}
        return [shuffled(inner) for inner in part] if isinstance(part, list) else part

    assert json.dumps(export(shuffled(value)), sort_keys=True) == json.dumps(export(value), sort_keys=True)


def residues(value: Any) -> Iterator[Any]:
    """Yield what is kept as it was written, wherever it stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "asWritten":
                yield inner
            elif key != "@context":
                yield from residues(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from residues(inner)


@pytest.mark.parametrize("name", agreements.names())
def test_of_a_worked_agreement_everything_is_said_in_terms(name):
    assert not list(residues(export(loaded(name))))


@settings(max_examples=40)
@given(generated())
def test_what_is_kept_as_written_says_nothing_or_is_the_parties_own(value):
    """No clause of the model hides in a literal: of those keys only null, false and empty values are left."""
    own = set(value["legal"]) if "legal" in value else set()
    clauses = set(documents.Agreement.model_fields) | {"legal_of", "group_by", "filter_by", "rows", "link", "gateway"}
    for residue in residues(export(value)):
        for key, kept in residue.items():
            if key in clauses - own - {"legal"} and not isinstance(kept, dict):
                assert kept in (None, False, [], {}), key


def test_facts_stand_where_a_reader_of_odrl_and_dpv_looks_for_them():
    policy = export(loaded())
    permission = policy["permission"][5]
    (scope,) = permission["target"]["refinement"]
    assert permission["assigner"] == ["urn:concordat:party:as-police"]
    assert permission["assignee"][0]["source"] == "urn:concordat:party:bristol"
    assert scope["leftOperand"] == "odrl:spatial"
    assert scope["rightOperand"]["@list"][0]["@id"].endswith("/E06000023")
    councils = ("bath-and-north-east-somerset", "bristol", "north-somerset", "south-gloucestershire", "somerset")
    assert policy["hasRecipient"] == [f"urn:concordat:party:{party}" for party in ("as-opcc", *councils)]
    assert policy["hasDataProcessor"] == ["urn:concordat:party:hub-it"]
    purpose = policy["hasPurpose"][0]
    assert purpose["@type"] == ["dpv:Purpose", "dpv:PublicBenefit"]
    assert purpose["hasLegalBasis"][0]["@type"] == ["dpv:LegalBasis", "eu-gdpr:A6-1-e", "eu-gdpr:A9-2-g"]
    forbidden = {rule["action"] for rule in policy["prohibition"]}
    assert forbidden == {"concordat:reidentify", "odrl:distribute"}
    owed = {rule["@id"].partition("#")[2] for rule in policy["obligation"]}
    assert {"period/review_by", "privacy/budget", "obligations/breach_notice", "obligations/grace"} <= owed


@pytest.mark.parametrize("publish", ["allowed", "needs-approval", "forbidden"])
def test_whether_releases_may_be_published_is_a_rule(publish):
    value = loaded()
    value["obligations"]["publish"] = publish
    policy = export(value)
    kind = "prohibition" if publish == "forbidden" else "permission"
    (rule,) = [rule for rule in policy[kind] if str(rule["target"]).endswith("#releases")]
    assert ("duty" in rule) == (publish == "needs-approval")
    assert read(policy) == value


def test_what_an_analyst_may_spend_and_the_delta_for_good_are_limits_of_duties():
    value = loaded()
    value["privacy"] |= {"analysts": {"as-opcc": "0.25"}}
    value["privacy"]["lifetime"] |= {"delta_selection": "4e-7"}
    policy = export(value)
    duties = {duty["@id"].partition("#")[2]: duty for duty in policy["obligation"]}
    (quota,) = duties["privacy/analysts/as-opcc"]["action"]["refinement"]
    assert (quota["leftOperand"], quota["rightOperand"]["@value"]) == ("concordat:shareOfAnalyst", "0.25")
    (ever,) = [
        limit
        for limit in duties["privacy/budget"]["action"]["refinement"]
        if limit["leftOperand"] == "concordat:lifetimeDeltaOfSelection"
    ]
    assert (ever["operator"], ever["rightOperand"]["@value"]) == ("odrl:lteq", "4e-7")
    assert not list(residues(policy))
    assert read(policy) == value


def test_only_an_agreement_is_exported():
    with pytest.raises(InvalidDocument):
        export(loaded() | {"period": {}})


@pytest.mark.parametrize(
    "value",
    [None, [], "text", {}, {"@context": "https://www.w3.org/ns/odrl.jsonld", "@type": "Agreement"}],
)
def test_json_ld_of_others_is_refused(value):
    with pytest.raises(DocumentError) as caught:
        read(value)
    assert caught.value.code == "odrl_not_ours"


def test_a_profile_of_others_is_refused():
    with pytest.raises(DocumentError) as caught:
        read(export(loaded()) | {"profile": "urn:other"})
    assert caught.value.code == "odrl_not_ours"


def damaged(path: tuple[str | int, ...], new: Any) -> Any:
    policy = export(loaded())
    inner: Any = policy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return policy


SECRET = "Mallory-was-here"


@pytest.mark.parametrize(
    ("path", "new", "code", "where"),
    [
        (("permission",), SECRET, "odrl_shape", "permission"),
        (("permission", 0), SECRET, "odrl_shape", "permission/0"),
        (("permission", 0, "constraint"), [], "odrl_shape", "permission/0/constraint"),
        (("permission", 0, "target"), SECRET, "odrl_shape", "permission/0/target"),
        (("permission", 0, "assigner"), [SECRET], "odrl_differs", "permission/0/assigner/0"),
        (("permission", 0, SECRET), SECRET, "odrl_differs", "permission/0"),
        (
            ("permission", 0, "constraint", 0, "operator"),
            "odrl:lt",
            "odrl_differs",
            "permission/0/constraint/0/operator",
        ),
        (("prohibition", 1), {SECRET: 1}, "odrl_shape", "prohibition/1/target"),
        (("obligation", 0, "assignee"), [], "odrl_shape", "obligation/0/assignee"),
        (("obligation", 0, "target", "conformsTo"), SECRET, "odrl_shape", "obligation/0/target/conformsTo"),
        (("uid",), SECRET, "odrl_differs", "uid"),
        (("conflict",), "odrl:perm", "odrl_differs", "conflict"),
        (("hasRecipient",), [], "odrl_shape", "parties/5"),
        (("asWritten",), {"title": SECRET}, "odrl_shape", "asWritten"),
        (("title",), 7, "invalid_document", "title"),
        (("extra",), SECRET, "odrl_differs", ""),
    ],
)
def test_another_shape_is_refused_with_its_place_and_without_its_words(path, new, code, where):
    with pytest.raises(DocumentError) as caught:
        read(damaged(path, new))
    assert (caught.value.code, caught.value.path) == (code, where)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("times", [0, 2])
def test_a_share_of_the_budget_without_one_recipient_is_refused(times):
    policy = export(loaded())
    (index,) = [n for n, duty in enumerate(policy["obligation"]) if duty["@id"].endswith("#privacy/shares/as-opcc")]
    policy["obligation"][index]["assignee"] *= times
    with pytest.raises(DocumentError) as caught:
        read(policy)
    assert (caught.value.code, caught.value.path) == ("odrl_shape", f"obligation/{index}/assignee")


def test_a_rule_too_many_is_refused():
    policy = export(loaded())
    policy["permission"] = [*policy["permission"], policy["permission"][0] | {"@id": "urn:x:y"}]
    with pytest.raises(DocumentError):
        read(policy)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "@context":
                yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


PLACES = [path for path in places(export(loaded())) if path]


@settings(max_examples=200)
@given(
    st.sampled_from(PLACES),
    st.sampled_from([None, True, 7, "x", "odrl:use", "urn:concordat:party:bristol", [], ["x"], [[]], {}, {"@id": 1}]),
)
def test_whatever_is_changed_is_read_as_it_stands_or_refused(path, new):
    """A change either is an agreement of its own, which exports to just this, or is refused: nothing falls through."""
    policy = damaged(path, new)
    told = "read"
    try:
        assert export(read(policy)) == policy
    except DocumentError as error:
        told = error.code
    assert told in ("read", "odrl_not_ours", "odrl_shape", "odrl_differs", "invalid_document")
