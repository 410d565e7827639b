"""One question gets no filter finer than a grant's levels, nor round `combine`: by groups, or by several links."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from schemas import agreement as documents
from schemas import artefacts
from schemas.agreement import Agreement
from schemas.artefacts import Library, artefact
from service.policy.decide import decide
from service.policy.decision import Decision
from service.policy.levels import nest
from service.policy.nearest import explained

ODD = {
    "concordat:hierarchy": "age-odd", "title": "bands of a test", "source": "made up", "kind": "bands",
    "bands": [
        {"code": "0-11", "from": 0, "to": 11}, {"code": "12-15", "from": 12, "to": 15},
        {"code": "16+", "from": 16, "to": 120},
    ],
}  # fmt: skip
LIBRARY = Library(artefacts.load() | {"age-odd": artefact(ODD)})
BANDS = ["sna-band", "under-25", "odd"]
DAYS = {"field": "occurred", "from": "2026-04-01", "to": "2026-05-31"}
GRANT: dict[str, Any] = {
    "to": ["as-opcc"], "for": ["needs-assessment"], "dataset": "police-violence", "measure": {"count": True},
    "group_by": {"age": BANDS, "occurred": ["quarter"]}, "filter_by": {"age": BANDS, "occurred": ["month"]},
    "link": ["ed-assaults"],
}  # fmt: skip
ED: dict[str, Any] = {
    "to": ["as-opcc"], "for": ["needs-assessment"], "dataset": "ed-assaults", "measure": {"count": True},
    "filter_by": {"age": BANDS, "method": ["as-is"], "sex": ["as-is"], "arrived": ["month", "quarter"]},
    "link": ["police-violence"],
}  # fmt: skip
METHODS = [code.code for code in LIBRARY.codelist("assault-method").codes if code.code != "unknown"]

Asking = Callable[..., Decision]


@pytest.fixture
def agreement(document) -> Callable[..., Agreement]:
    def made(*grants: dict[str, Any]) -> Agreement:
        value = copy.deepcopy(document)
        value["grants"] = list(grants)
        for name in ("police-violence", "ed-assaults"):
            value["datasets"][name]["levels"] = {"age": {"odd": "age-odd"}}
        return documents.parse(value)

    return made


@pytest.fixture
def asking(agreement, ask) -> Asking:
    """Ask a question under grants; a refusal comes with the nearest request, which is allowed."""

    def made(*grants: dict[str, Any], **fields: Any) -> Decision:
        held, question = agreement(*(grants or (GRANT, ED))), ask(**fields)
        found = explained(decide(held, LIBRARY, "as-opcc", question), held, LIBRARY, "as-opcc", question)
        if found.nearest is not None:
            assert decide(held, LIBRARY, "as-opcc", found.nearest.request).allowed
        return found

    return made


def aged(level: str, *keys: str) -> dict[str, Any]:
    return {"field": "age", "level": level, "in": list(keys)}


def link(has: bool, *where: dict[str, Any]) -> dict[str, Any]:
    return {"dataset": "ed-assaults", "has": has, "where": list(where)}


def by_method(*codes: str) -> dict[str, Any]:
    return {"field": "method", "in": list(codes)}


def nearest(found: Decision, part: str) -> Any:
    assert found.nearest is not None
    return found.nearest.as_json()["request"].get(part)


def test_levels_nest_where_of_two_keys_that_meet_one_holds_the_other(document):
    value = copy.deepcopy(document)
    value["datasets"]["police-violence"]["levels"] = {"age": {"odd": "age-odd"}}
    schema = LIBRARY.bound(documents.parse(value).datasets["police-violence"])
    age = schema.column("age")
    assert nest(age, "sna-band", "under-25", LIBRARY)
    assert nest(age, "under-25", "sna-band", LIBRARY)
    assert nest(age, "odd", "odd", LIBRARY)
    assert not nest(age, "sna-band", "odd", LIBRARY)
    assert not nest(age, "odd", "under-25", LIBRARY)
    assert nest(schema.column("occurred"), "month", "quarter", LIBRARY)


@pytest.mark.parametrize(
    ("group", "condition", "allowed"),
    [
        ("sna-band", aged("odd", "12-15"), False),  # the group 15-17 would be those of 15 alone
        ("odd", aged("sna-band", "15-17"), False),
        ("sna-band", aged("sna-band", "15-17"), True),
        ("sna-band", aged("under-25", "10-17"), True),
        ("under-25", aged("sna-band", "15-17"), True),
    ],
)
def test_a_group_is_not_cut_by_a_filter_at_a_level_that_crosses_its_own(asking, group, condition, allowed):
    by = [{"field": "age", "level": group}]
    found = asking(by=by, where=[condition])
    assert found.allowed == allowed
    if not allowed:
        assert (found.code, found.clauses) == ("forbidden", ("grants/0/filter_by/age",))
        assert nearest(found, "where") == [condition]
        assert nearest(found, "by") != by
    finest = GRANT | {"filter_by": {"age": ["as-is", *BANDS]}}
    assert asking(finest, by=by, where=[condition]).allowed, "who may filter by each year may have it"


def test_a_grouping_goes_where_no_level_of_it_will_do(asking):
    only = GRANT | {"group_by": {"age": ["sna-band"]}}
    found = asking(only, by=[{"field": "age", "level": "sna-band"}], where=[aged("odd", "12-15")])
    assert nearest(found, "by") is None
    assert nearest(found, "where") == [aged("odd", "12-15")]
    assert found.nearest is not None
    assert found.nearest.changes == ("do not group by age",)


def test_whole_months_may_be_grouped_by_quarter(asking):
    assert asking(by=[{"field": "occurred", "level": "quarter"}], where=[DAYS]).allowed


@pytest.mark.parametrize(
    ("one", "other", "allowed"),
    [
        (aged("sna-band", "15-17"), aged("odd", "16+"), False),  # would leave those of 15
        (aged("odd", "12-15"), aged("sna-band", "10-14"), False),
        (aged("sna-band", "15-17"), aged("sna-band", "18-24"), True),
        (aged("under-25", "10-17"), aged("sna-band", "10-14"), True),
        (aged("odd", "12-15"), {"field": "sex", "in": ["female"]}, True),
        (
            {"field": "arrived", "from": "2026-01-01", "to": "2026-03-31"},
            {"field": "arrived", "from": "2026-02-01", "to": "2026-02-28"}, True,
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("second", [False, True])
def test_two_links_to_a_dataset_do_not_cross_levels_of_a_column(asking, one, other, allowed, second):
    linked = [link(True, one), link(second, other)]
    found = asking(linked=linked)
    assert found.allowed == allowed
    if not allowed:
        assert (found.code, found.clauses) == ("forbidden", ("grants/1/filter_by/age",))
        assert nearest(found, "linked") == linked[:1]
        assert found.nearest is not None
        assert found.nearest.changes == ("do not link with ed-assaults a second time",)
    finest = ED | {"filter_by": ED["filter_by"] | {"age": ["as-is", *BANDS]}}
    assert asking(GRANT, finest, linked=linked).allowed


@pytest.mark.parametrize("second", [False, True])
def test_two_links_to_a_dataset_do_not_both_use_a_column_of_which_codes_are_combined(asking, second):
    combined = ED | {"combine": {"method": 3}}
    linked = [link(True, by_method(*METHODS[:3])), link(second, by_method(*METHODS[1:4]))]
    assert asking(linked=linked).allowed
    found = asking(GRANT, combined, linked=linked)
    assert (found.code, found.clauses) == ("forbidden", ("grants/1/combine/method",))
    assert nearest(found, "linked") == linked[:1]
    apart = [linked[0], link(second, {"field": "sex", "in": ["female"]})]
    assert asking(GRANT, combined, linked=apart).allowed


@pytest.mark.parametrize(("out", "allowed"), [(len(METHODS) - 1, False), (len(METHODS) - 3, True)])
def test_a_link_without_rows_leaves_codes_enough(asking, out, allowed):
    """Whoever has a row, and none of all methods but one, has a row of that one."""
    linked = [link(True), link(False, by_method(*METHODS[:out]))]
    found = asking(GRANT, ED | {"combine": {"method": 3}}, linked=linked)
    assert found.allowed == allowed
    if not allowed:
        assert (found.code, found.clauses) == ("forbidden", ("grants/1/combine/method",))
        assert nearest(found, "linked") == [{"dataset": "ed-assaults", "has": True}]


def test_links_to_a_dataset_rest_on_one_of_its_grants(asking):
    """One grant's level of each link would make a finer one of both: grants are never united."""
    parts = [ED | {"filter_by": {"age": [level]}} for level in ("sna-band", "odd")]
    linked = [link(True, aged("sna-band", "15-17")), link(False, aged("odd", "16+"))]
    assert all(asking(GRANT, *parts, linked=[one]).allowed for one in linked)
    assert not asking(GRANT, *parts, linked=linked).allowed


@pytest.mark.parametrize("part", ["by", "where"])
def test_a_level_that_was_left_out_is_told(asking, part):
    only = GRANT | {"group_by": {"age": ["sna-band"]}, "filter_by": {"age": ["sna-band"]}}
    asked = {"by": [{"field": "age"}], "where": [{"field": "age", "from": 18, "to": 24}]}[part]
    found = asking(only, **{part: asked})
    assert found.code == "forbidden"
    assert "no level means as-is, so say level: sna-band" in found.reasons[0].words
    assert nearest(found, part)[0]["level"] == "sna-band"
