"""The decision: closed by default, one grant covers a question, each refusal names its clause."""

from __future__ import annotations

import pytest

from service.errors import Malformed
from service.policy.decide import decide
from service.policy.plan import CodeFilter, CodeKeys, DateFilter, DateKeys, NumberKeys

GRANT = {
    "to": ["as-opcc"],
    "for": ["needs-assessment"],
    "dataset": "police-violence",
    "group_by": {"occurred": ["month", "quarter"], "lad": ["as-is"], "age": ["sna-band"]},
    "filter_by": {"occurred": ["month"], "lad": ["as-is"], "knife": ["as-is"], "age": ["sna-band"]},
    "measure": {"count": True, "persons": False, "mean": ["gravity"]},
    "rows": {"lad": ["E06000022", "E06000023"]},
    "link": ["ed-assaults"],
}
ED = {
    "to": ["as-opcc"],
    "for": ["needs-assessment"],
    "dataset": "ed-assaults",
    "measure": {"count": True},
    "filter_by": {"sex": ["as-is"]},
    "link": ["police-violence"],
}
APRIL_TO_JUNE = {"field": "occurred", "from": "2026-04-01", "to": "2026-06-30"}


def test_a_covered_question_is_allowed_and_names_its_grant(small, library, ask):
    decision = decide(small(GRANT), library, "as-opcc", ask())
    assert decision.allowed
    assert decision.clauses == ("grants/0",)


@pytest.mark.parametrize(
    ("party", "fields", "clause"),
    [
        ("bristol", {}, "grants"),
        ("nobody", {}, "grants"),
        ("as-opcc", {"purpose": "prevention-evaluation"}, "grants"),
        ("as-opcc", {"purpose": "marketing"}, "purposes/marketing"),
        ("as-opcc", {"dataset": "school-exclusions"}, "grants"),
        ("as-opcc", {"dataset": "tax-returns"}, "datasets/tax-returns"),
        ("as-opcc", {"by": [{"field": "sex"}]}, "grants/0/group_by/sex"),
        ("as-opcc", {"by": [{"field": "no_such_field"}]}, "grants/0/group_by/no_such_field"),
        ("as-opcc", {"where": [{"field": "sex", "in": ["female"]}]}, "grants/0/filter_by/sex"),
        ("as-opcc", {"measures": [{"sum": {"field": "gravity"}}]}, "grants/0/measure/sum"),
        ("as-opcc", {"measures": [{"mean": {"field": "age"}}]}, "grants/0/measure/mean"),
    ],
)
def test_what_no_grant_names_is_not_granted(small, library, ask, party, fields, clause):
    decision = decide(small(GRANT), library, party, ask(**fields))
    assert (decision.code, decision.clauses) == ("not_granted", (clause,))
    assert decision.plan is None


@pytest.mark.parametrize(
    ("fields", "clause"),
    [
        (
            {"by": [{"field": "occurred", "level": "day"}], "where": [APRIL_TO_JUNE]},
            "grants/0/group_by/occurred",
        ),
        (
            {"where": [{"field": "occurred", "from": "2026-04-02", "to": "2026-06-30"}]},
            "grants/0/filter_by/occurred",
        ),
        ({"where": [{"field": "lad", "in": ["E06000023", "E06000024"]}]}, "grants/0/rows/lad"),
        ({"measures": [{"persons": {}}]}, "grants/0/measure/persons"),
        ({"linked": [{"dataset": "ambulance-calls", "has": True}]}, "grants/0/link"),
        ({"bounds": {"per_person": 900}}, "datasets/police-violence/bounds/per_person"),
    ],
)
def test_what_a_grant_says_otherwise_is_forbidden(small, library, ask, fields, clause):
    decision = decide(small(GRANT, ED), library, "as-opcc", ask(**fields))
    assert decision.code == "forbidden"
    assert clause in decision.clauses
    assert decision.reasons[0].words


def test_a_refusal_tells_what_the_nearest_grant_allows(small, library, ask):
    decision = decide(small(GRANT), library, "as-opcc", ask(by=[{"field": "sex"}]))
    assert decision.as_json()["allowed_instead"]["group_by"] == GRANT["group_by"]


def test_a_party_without_a_budget_share_is_refused(small, library, ask):
    decision = decide(small(GRANT | {"to": ["as-police"]}), library, "as-police", ask())
    assert decision.clauses == ("privacy/shares",)


def test_grants_are_never_united(small, library, ask):
    by_lad = GRANT | {"group_by": {"lad": ["as-is"]}, "rows": {}}
    by_age = GRANT | {"group_by": {"age": ["sna-band"]}, "rows": {}}
    both = ask(by=[{"field": "lad"}, {"field": "age", "level": "sna-band"}])
    assert decide(small(by_lad, by_age), library, "as-opcc", both).code == "not_granted"


def test_the_order_of_grants_does_not_change_the_plan(small, library, ask):
    narrow, wide = GRANT, GRANT | {"rows": {}}
    one = decide(small(narrow, wide), library, "as-opcc", ask())
    other = decide(small(wide, narrow), library, "as-opcc", ask())
    assert one.plan == other.plan
    assert one.plan is not None
    assert one.plan.filters == ()


def test_the_forced_row_scope_is_in_every_plan(small, library, ask):
    decision = decide(small(GRANT), library, "as-opcc", ask(by=[{"field": "lad"}]))
    assert decision.plan is not None
    assert decision.plan.filters == (CodeFilter("lad", ("E06000022", "E06000023")),)
    assert isinstance(decision.plan.by[0], CodeKeys)
    assert decision.plan.by[0].keys == ("E06000022", "E06000023")


def test_the_key_set_of_a_date_is_fixed_by_from_and_to(small, library, ask):
    request = ask(by=[{"field": "occurred", "level": "month"}], where=[APRIL_TO_JUNE])
    plan = decide(small(GRANT), library, "as-opcc", request).plan
    assert plan is not None
    assert isinstance(plan.by[0], DateKeys)
    assert [day.isoformat() for day in plan.by[0].starts] == ["2026-04-01", "2026-05-01", "2026-06-01"]


def test_grouping_a_date_without_from_and_to_is_malformed(small, library, ask):
    with pytest.raises(Malformed) as caught:
        decide(small(GRANT), library, "as-opcc", ask(by=[{"field": "occurred", "level": "month"}]))
    assert caught.value.code == "date_range_needed"


def test_who_may_group_by_month_may_name_whole_months(small, library, ask):
    grant = GRANT | {"filter_by": {}}
    grouped = ask(by=[{"field": "occurred", "level": "month"}], where=[APRIL_TO_JUNE])
    assert decide(small(grant), library, "as-opcc", grouped).allowed
    assert not decide(small(grant), library, "as-opcc", ask(where=[APRIL_TO_JUNE])).allowed


def test_a_filter_by_band_becomes_ranges_of_numbers(small, library, ask):
    request = ask(
        by=[{"field": "age", "level": "sna-band"}],
        where=[{"field": "age", "level": "sna-band", "in": ["18-24", "65+"]}],
    )
    plan = decide(small(GRANT), library, "as-opcc", request).plan
    assert plan is not None
    assert isinstance(plan.by[0], NumberKeys)
    assert plan.by[0].keys == ("18-24", "65+")


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({"field": "lad", "in": ["E06999999"]}, "unknown_code"),
        ({"field": "lad", "is": True}, "wrong_operator"),
        ({"field": "knife", "in": ["true"]}, "wrong_operator"),
        ({"field": "occurred", "in": ["2026-04"]}, "wrong_operator"),
    ],
)
def test_a_filter_that_does_not_suit_its_column_is_malformed(small, library, ask, condition, code):
    with pytest.raises(Malformed) as caught:
        decide(small(GRANT), library, "as-opcc", ask(where=[condition]))
    assert caught.value.code == code


def test_two_filters_on_one_field_hold_together(small, library, ask):
    where = [APRIL_TO_JUNE, {"field": "occurred", "from": "2026-05-01"}]
    plan = decide(small(GRANT), library, "as-opcc", ask(where=where)).plan
    assert plan is not None
    dates = [item for item in plan.filters if isinstance(item, DateFilter)]
    assert [(str(item.first), str(item.last)) for item in dates] == [("2026-05-01", "2026-06-30")]


LINK = {"linked": [{"dataset": "ed-assaults", "has": True, "where": [{"field": "sex", "in": ["female"]}]}]}


def test_a_link_needs_the_linked_datasets_own_grant(small, library, ask):
    assert decide(small(GRANT, ED), library, "as-opcc", ask(**LINK)).clauses == ("grants/0", "grants/1")


@pytest.mark.parametrize(
    "ed",
    [
        None,
        ED | {"to": ["bristol"]},
        ED | {"for": ["prevention-evaluation"]},
        ED | {"link": []},
        ED | {"filter_by": {}},
    ],
    ids=["no grant", "another recipient", "another purpose", "no link back", "no such filter"],
)
def test_a_linked_dataset_without_its_own_grant_is_refused(small, library, ask, ed):
    grants = [GRANT] if ed is None else [GRANT, ed]
    decision = decide(small(*grants), library, "as-opcc", ask(**LINK))
    assert not decision.allowed
    assert decision.plan is None


def test_the_linked_datasets_row_scope_is_forced_too(small, library, ask):
    ed = ED | {"rows": {"sex": ["female"]}}
    plan = decide(small(GRANT, ed), library, "as-opcc", ask(linked=[{"dataset": "ed-assaults", "has": False}])).plan
    assert plan is not None
    assert plan.links[0].filters == (CodeFilter("sex", ("female",)),)
    assert not plan.links[0].has


def test_the_same_question_reordered_or_renamed_is_the_same_question(small, library, ask):
    one = ask(
        measures=[{"count": {}}, {"mean": {"field": "gravity"}}],
        by=[{"field": "lad"}, {"field": "age", "level": "sna-band"}],
        where=[{"field": "knife", "is": True}, APRIL_TO_JUNE],
        reason="one",
    )
    other = ask(
        measures=[{"mean": {"field": "gravity"}}, {"count": {}}],
        by=[{"field": "age", "level": "sna-band"}, {"field": "lad"}],
        where=[APRIL_TO_JUNE, {"field": "knife", "is": True}],
        reason="another",
        spend={"share": "0.01"},
    )
    plans = [decide(small(GRANT), library, "as-opcc", request).plan for request in (one, other)]
    assert None not in plans
    names = {plan.identity({"police-violence": "v1"}) for plan in plans if plan is not None}
    assert len(names) == 1


def test_another_data_version_filter_bound_or_level_is_another_question(small, library, ask):
    versions = {"police-violence": "v1"}
    base = decide(small(GRANT), library, "as-opcc", ask()).plan
    assert base is not None
    others = [
        ask(where=[{"field": "knife", "is": True}]),
        ask(bounds={"per_person": 1}),
        ask(by=[{"field": "lad"}]),
        ask(measures=[{"mean": {"field": "gravity"}}]),
    ]
    plans = [decide(small(GRANT), library, "as-opcc", request).plan for request in others]
    names = {plan.identity(versions) for plan in plans if plan is not None}
    assert len(names) == 4
    assert base.identity(versions) not in names
    assert base.identity({"police-violence": "v2"}) != base.identity(versions)
