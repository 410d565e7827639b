"""Code lists and hierarchies that an agreement binds to columns: keys, filters and scope are public lists alone."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from schemas import agreement as documents
from schemas import artefacts
from schemas.artefacts import Library, artefact
from service.errors import Malformed
from service.policy.coherence import findings
from service.policy.decide import decide
from service.policy.plan import CodeFilter, CodeKeys, _plain

LIST = {
    "concordat:codelist": "areas", "title": "Areas", "source": "made up",
    "codes": [{"code": code, "label": code} for code in ("E01000001", "E01000002", "E01000003", "unknown")],
}  # fmt: skip
WARDS = {
    "concordat:hierarchy": "wards", "title": "Wards", "source": "made up", "kind": "map",
    "map": {"E01000001": "E05000001", "E01000002": "E05000001", "unknown": "unknown"}, "labels": {},
}  # fmt: skip
LOST = WARDS | {"concordat:hierarchy": "lost", "map": {"E01000001": "E05000001", "unknown": "elsewhere"}}


@pytest.fixture(scope="module")
def known() -> Library:
    made = [artefact(value) for value in (LIST, WARDS, LOST)]
    return Library(artefacts.load() | {item.name: item for item in made})


@pytest.fixture
def agreement(document, known):
    def made(**grant: Any) -> documents.Agreement:
        value = copy.deepcopy(document)
        value["datasets"]["police-violence"] |= {
            "codes": {"lsoa": "areas"}, "levels": {"lsoa": {"ward": "wards", "lost": "lost"}},
        }  # fmt: skip
        levels = ["as-is", "ward", "lost"]
        value["grants"] = [
            {
                "to": ["as-opcc"], "for": ["needs-assessment"], "dataset": "police-violence",
                "group_by": {"lsoa": levels}, "filter_by": {"lsoa": levels}, "measure": {"count": True},
            } | grant
        ]  # fmt: skip
        value["pins"] |= {name: known.digest(name) for name in ("areas", "wards", "lost")}
        return documents.parse(value)

    return made


def keys_of(agreement: documents.Agreement, known: Library, request: Any) -> CodeKeys:
    plan = decide(agreement, known, "as-opcc", request).plan
    assert plan is not None
    found = plan.by[0]
    assert isinstance(found, CodeKeys)
    return found


def test_the_agreement_fits_what_it_binds(agreement, known):
    assert findings(agreement(), known) == []


@pytest.mark.parametrize(
    ("level", "keys", "others"),
    [
        ("as-is", ("E01000001", "E01000002", "E01000003", "unknown"), "unknown"),
        ("ward", ("E05000001", "unknown"), "unknown"),
        ("lost", ("E05000001", "elsewhere", "unknown"), "elsewhere"),
    ],
)
def test_codes_outside_the_list_go_where_unknown_goes(agreement, known, ask, level, keys, others):
    found = keys_of(agreement(), known, ask(by=[{"field": "lsoa", "level": level}]))
    assert (found.keys, found.others) == (keys, others)


def test_a_filter_or_a_scope_without_unknown_leaves_them_out(agreement, known, ask):
    by = [{"field": "lsoa", "level": "ward"}]
    filtered = ask(by=by, where=[{"field": "lsoa", "level": "ward", "in": ["E05000001"]}])
    for made, request in ((agreement(), filtered), (agreement(rows={"lsoa": ["E01000001"]}), ask(by=by))):
        found = keys_of(made, known, request)
        assert (found.keys, found.others) == (("E05000001",), None)
        plan = decide(made, known, "as-opcc", request).plan
        assert plan is not None
        assert [item.but for item in plan.filters if isinstance(item, CodeFilter)] == [None]


def test_a_filter_that_keeps_unknown_keeps_all_but_the_listed_codes_that_it_leaves_out(agreement, known, ask):
    request = ask(where=[{"field": "lsoa", "level": "ward", "in": ["unknown"]}])
    plan = decide(agreement(), known, "as-opcc", request).plan
    assert plan is not None
    assert plan.filters == (CodeFilter("lsoa", ("E01000003", "unknown"), ("E01000001", "E01000002")),)


def test_a_scope_and_a_filter_keep_unknown_only_where_both_do(agreement, known, ask):
    made = agreement(rows={"lsoa": ["E01000001", "unknown"]})
    both = decide(made, known, "as-opcc", ask(where=[{"field": "lsoa", "level": "ward", "in": ["unknown"]}])).plan
    assert both is not None
    assert both.filters == (CodeFilter("lsoa", ("unknown",), ("E01000001", "E01000002", "E01000003")),)
    one = decide(made, known, "as-opcc", ask(where=[{"field": "lsoa", "level": "ward", "in": ["E05000001"]}])).plan
    assert one is not None
    assert one.filters == (CodeFilter("lsoa", ("E01000001",)),)


def test_a_code_that_is_in_no_list_is_no_filter(agreement, known, ask):
    with pytest.raises(Malformed) as caught:
        decide(agreement(), known, "as-opcc", ask(where=[{"field": "lsoa", "level": "as-is", "in": ["E01999999"]}]))
    assert caught.value.code == "unknown_code"


def test_columns_that_their_schema_closes_take_no_others(agreement, known, ask):
    value = agreement(group_by={"sex": ["as-is"]})
    found = keys_of(value, known, ask(by=[{"field": "sex"}]))
    assert found.others is None


def test_a_plan_without_other_codes_is_named_as_it_was_before_there_were_any(agreement, known, ask):
    plan = decide(agreement(group_by={"sex": ["as-is"]}), known, "as-opcc", ask(by=[{"field": "sex"}])).plan
    assert plan is not None
    assert set(_plain(plan.by[0])) == {"type", "field", "level", "keys", "mapping"}
    assert set(_plain(CodeFilter("sex", ("female",)))) == {"type", "field", "codes"}


def test_two_questions_that_differ_in_other_codes_alone_are_two(agreement, known, ask):
    request = ask(where=[{"field": "lsoa", "in": ["E01000001", "unknown"]}])
    plan = decide(agreement(), known, "as-opcc", request).plan
    assert plan is not None
    names = {"police-violence": "x"}
    closed = replace(plan, filters=tuple(CodeFilter(item.field, item.codes) for item in plan.filters))  # type: ignore[union-attr]
    assert closed.identity(names) != plan.identity(names)
