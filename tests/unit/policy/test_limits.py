"""What narrows a grant: purposes, datasets' limits, roles, levels, codes combined, columns used, approval."""

from __future__ import annotations

import pytest

from schemas import agreement as documents
from schemas.errors import DocumentError
from service.errors import Malformed
from service.policy.coherence import findings
from service.policy.decide import decide
from service.policy.plan import CodeFilter

GRANT = {
    "to": ["as-opcc"],
    "for": ["needs-assessment"],
    "dataset": "police-violence",
    "group_by": {"lad": ["as-is", "force"], "ethnicity": ["group"], "occurred": ["month"], "age": ["sna-band"]},
    "filter_by": {"lad": ["as-is", "force"], "ethnicity": ["group"], "occurred": ["month"], "knife": ["as-is"]},
    "measure": {"count": True},
    "link": ["ed-assaults"],
}
ED = {
    "to": ["as-opcc"],
    "for": ["needs-assessment"],
    "dataset": "ed-assaults",
    "measure": {"count": True},
    "filter_by": {"sex": ["as-is"], "lad": ["as-is"], "age": ["sna-band"]},
    "link": ["police-violence"],
}
BRISTOL, BATH, LEEDS = "E06000023", "E06000022", "E08000035"
LEEDS_FORCE = {"field": "lad", "level": "force", "in": ["west-yorkshire"]}


@pytest.fixture
def purposes(change):
    """The worked agreement with grants of the test's own, where needs-assessment is a part of a wider duty."""

    def made(*grants, **limits):
        def edit(value):
            value["grants"] = list(grants)
            value["purposes"]["duty"] = value["purposes"]["needs-assessment"]
            value["purposes"]["needs-assessment"] = value["purposes"]["duty"] | {"parent": "duty"}
            for name, limit in limits.items():
                value["datasets"][name.replace("_", "-")]["purposes"] = limit

        return change(edit)

    return made


def test_a_grant_for_a_purpose_covers_its_narrower_ones_and_never_a_wider_one(purposes, library, ask):
    wide = purposes(GRANT | {"for": ["duty"]})
    assert decide(wide, library, "as-opcc", ask(purpose="needs-assessment")).allowed
    assert not decide(wide, library, "as-opcc", ask(purpose="prevention-evaluation")).allowed
    narrow = purposes(GRANT)
    assert decide(narrow, library, "as-opcc", ask(purpose="duty")).clauses == ("grants",)


def test_a_datasets_purposes_hold_whatever_a_grant_says(purposes, library, ask):
    limited = purposes(GRANT, police_violence=["prevention-evaluation"])
    decision = decide(limited, library, "as-opcc", ask())
    assert (decision.code, decision.clauses) == ("forbidden", ("datasets/police-violence/purposes",))
    assert decide(purposes(GRANT, police_violence=["duty"]), library, "as-opcc", ask()).allowed


def test_a_linked_datasets_purposes_hold_too(purposes, library, ask):
    linked = ask(linked=[{"dataset": "ed-assaults", "has": True}])
    decision = decide(purposes(GRANT, ED, ed_assaults=["prevention-evaluation"]), library, "as-opcc", linked)
    assert (decision.code, decision.clauses) == ("forbidden", ("datasets/ed-assaults/purposes",))
    assert decide(purposes(GRANT, ED, ed_assaults=["duty"]), library, "as-opcc", linked).allowed


@pytest.mark.parametrize("roles", [("steward",), ("supplier",), (), ("ig-lead", "supplier")])
def test_a_grant_speaks_only_to_the_roles_it_names(small, library, ask, roles):
    decision = decide(small(GRANT), library, "as-opcc", ask(), roles)
    assert (decision.code, decision.clauses) == ("not_granted", ("grants/0/roles",))
    assert "grants/0" in decision.weighed


def test_a_role_of_several_suffices_and_a_linked_grant_has_roles_of_its_own(small, library, ask):
    stewards = small(GRANT | {"roles": ["steward", "ig-lead"]}, ED)
    assert decide(stewards, library, "as-opcc", ask(), ("supplier", "steward")).allowed
    linked = ask(linked=[{"dataset": "ed-assaults", "has": True}])
    assert not decide(stewards, library, "as-opcc", linked, ("steward",)).allowed
    assert decide(stewards, library, "as-opcc", linked, ("steward", "analyst")).allowed


# --- combine


def combined(small, least, **more):
    return small(GRANT | {"combine": {"lad": least}} | more)


@pytest.mark.parametrize(
    ("where", "allowed"),
    [
        ([], True),
        ([{"field": "knife", "is": True}], True),
        ([{"field": "lad", "in": [BRISTOL]}], False),
        ([{"field": "lad", "in": [BRISTOL, BATH]}], True),
        ([{"field": "lad", "in": [BRISTOL, "unknown"]}], False),
        ([{"field": "lad", "in": ["unknown"]}], True),
        ([{"field": "lad", "level": "force", "in": ["avon-and-somerset"]}], True),
        ([{"field": "lad", "in": [BRISTOL, BATH]}, {"field": "lad", "in": [BATH, LEEDS]}], False),
        ([{"field": "lad", "in": [BRISTOL, LEEDS]}, LEEDS_FORCE], False),
    ],
)
def test_a_filter_combines_codes_enough_after_levels_are_resolved(small, library, ask, where, allowed):
    decision = decide(combined(small, 2), library, "as-opcc", ask(where=where))
    assert decision.allowed == allowed
    if not allowed:
        assert (decision.code, decision.clauses) == ("forbidden", ("grants/0/combine/lad",))


def test_the_forced_scope_counts_for_what_a_filter_combines(small, library, ask):
    scoped = combined(small, 2, rows={"lad": [BRISTOL, LEEDS]})
    assert decide(scoped, library, "as-opcc", ask()).allowed
    forces = [{"field": "lad", "level": "force", "in": ["west-yorkshire"]}]
    assert decide(scoped, library, "as-opcc", ask(where=forces)).clauses == ("grants/0/combine/lad",)


@pytest.mark.parametrize(
    ("least", "level", "where", "allowed"),
    [
        (2, None, [], False),
        (2, "force", [], True),
        (5, "force", [], True),
        (6, "force", [], False),
        (2, "force", [{"field": "lad", "in": [BRISTOL, BATH]}], True),
        (2, "force", [{"field": "lad", "in": [BRISTOL, BATH, LEEDS]}], False),
    ],
)
def test_every_group_of_a_coarser_level_combines_codes_enough(small, library, ask, least, level, where, allowed):
    by = [{"field": "lad"} | ({"level": level} if level else {})]
    decision = decide(combined(small, least), library, "as-opcc", ask(by=by, where=where))
    assert decision.allowed == allowed
    if not allowed:
        assert decision.clauses == ("grants/0/combine/lad",)


def test_a_linked_grants_combination_limits_the_links_conditions(small, library, ask):
    agreement = small(GRANT, ED | {"combine": {"lad": 2}})
    for codes, allowed in (([BRISTOL], False), ([BRISTOL, BATH], True)):
        linked = [{"dataset": "ed-assaults", "has": True, "where": [{"field": "lad", "in": codes}]}]
        assert decide(agreement, library, "as-opcc", ask(linked=linked)).allowed == allowed


def test_what_cannot_be_combined_is_found_when_the_agreement_is_registered(small, library):
    found = findings(small(GRANT | {"combine": {"age": 3, "lsoa": 2, "nothing": 2, "lad": 2}}), library)
    assert [(item.rule, item.column) for item in found] == [
        ("not_combinable", f"grants/0/combine/{name}") for name in ("age", "lsoa", "nothing")
    ]


# --- columns


@pytest.mark.parametrize(
    ("most", "allowed"),
    [(1, False), (2, False), (3, False), (4, True)],
)
def test_a_question_uses_no_more_columns_than_its_grants_let_it(small, library, ask, most, allowed):
    question = ask(
        by=[{"field": "lad"}],
        where=[{"field": "lad", "in": [BRISTOL]}, {"field": "knife", "is": True}],
        linked=[
            {"dataset": "ed-assaults", "has": True, "where": [{"field": "lad", "in": [BRISTOL]}]},
            {"dataset": "ed-assaults", "has": False, "where": [{"field": "sex", "in": ["female"]}]},
        ],
    )
    own = decide(small(GRANT | {"most_fields": most}, ED), library, "as-opcc", question)
    other = decide(small(GRANT, ED | {"most_fields": most}), library, "as-opcc", question)
    assert own.allowed == other.allowed == allowed
    if not allowed:
        assert own.clauses == ("grants/0/most_fields",)
        assert "grants/1/most_fields" in other.clauses


# --- levels


@pytest.mark.parametrize(
    ("where", "allowed"),
    [
        ([{"field": "ethnicity", "level": "group", "in": ["white"]}], True),
        ([{"field": "ethnicity", "in": ["W1"]}], False),
        ([{"field": "ethnicity", "level": "as-is", "in": ["W1"]}], False),
        ([{"field": "occurred", "from": "2026-04-01", "to": "2026-04-30"}], True),
        ([{"field": "occurred", "from": "2026-01-01", "to": "2026-12-31"}], True),
        ([{"field": "occurred", "from": "2026-04-02"}], False),
        ([{"field": "occurred", "to": "2026-04-29"}], False),
        ([{"field": "occurred", "from": "2026-04-30", "to": "2026-04-30"}], False),
        ([{"field": "occurred", "level": "day", "from": "2026-04-01", "to": "2026-04-30"}], False),
    ],
)
def test_a_filter_is_never_finer_than_the_grants_level(small, library, ask, where, allowed):
    assert decide(small(GRANT), library, "as-opcc", ask(where=where)).allowed == allowed


@pytest.mark.parametrize(
    ("where", "allowed"),
    [
        ([{"field": "age", "level": "sna-band", "in": ["18-24"]}], True),
        ([{"field": "age", "level": "under-25", "in": ["18-24"]}], True),
        ([{"field": "age", "from": 18, "to": 24}], False),
        ([{"field": "age", "from": 18, "to": 18}], False),
    ],
)
def test_a_number_is_filtered_by_whole_bands(small, library, ask, where, allowed):
    grant = GRANT | {"filter_by": {"age": ["sna-band", "under-25"]}}
    keys = library.hierarchy("age-under-25").keys
    where = [item | ({"in": [keys[0]]} if item.get("level") == "under-25" else {}) for item in where]
    assert decide(small(grant), library, "as-opcc", ask(where=where)).allowed == allowed


def test_two_levels_of_one_column_do_not_cross_into_a_finer_one(small, library, ask):
    grant = GRANT | {"filter_by": {"age": ["sna-band", "under-25"]}}
    keys = {level: library.hierarchy(f"age-{level}").keys[0] for level in ("sna", "under-25")}
    where = [
        {"field": "age", "level": "sna-band", "in": [keys["sna"]]},
        {"field": "age", "level": "under-25", "in": [keys["under-25"]]},
    ]
    decision = decide(small(grant), library, "as-opcc", ask(where=where))
    assert (decision.code, decision.clauses) == ("forbidden", ("grants/0/filter_by/age",))


@pytest.fixture
def areas(change, library):
    """The worked agreement whose open small areas are bound to councils' codes and forces."""

    def made(grant):
        def edit(value):
            value["grants"] = [grant]
            value["datasets"]["police-violence"] |= {
                "codes": {"lsoa": "lad-2025"},
                "levels": {"lsoa": {"force": "lad-force"}},
            }

        return change(edit)

    return made


def test_a_bound_hierarchy_limits_filters_and_groups_as_the_schemas_own(areas, library, ask):
    agreement = areas(GRANT | {"group_by": {"lsoa": ["force"]}, "filter_by": {"lsoa": ["force"]}})
    assert findings(agreement, library) == []
    by_force = ask(by=[{"field": "lsoa", "level": "force"}])
    assert decide(agreement, library, "as-opcc", by_force).allowed
    assert decide(agreement, library, "as-opcc", ask(by=[{"field": "lsoa"}])).code == "forbidden"
    one = ask(where=[{"field": "lsoa", "in": [BRISTOL]}])
    assert decide(agreement, library, "as-opcc", one).code == "forbidden"
    force = ask(where=[{"field": "lsoa", "level": "force", "in": ["west-yorkshire"]}])
    plan = decide(agreement, library, "as-opcc", force).plan
    assert plan is not None
    assert isinstance(plan.filters[0], CodeFilter)
    assert len(plan.filters[0].codes) == 5
    assert dict(plan.pins).keys() >= {"lad-force", "lad-2025"}


def test_a_level_that_is_not_said_is_the_finest_whatever_the_grant_would_allow(small, library, ask):
    """Else a grant that loses a level would allow what it did not before."""
    for levels in (["force"], ["as-is", "force"]):
        agreement = small(GRANT | {"group_by": {"lad": levels}, "filter_by": {"lad": levels}})
        assert decide(agreement, library, "as-opcc", ask(by=[{"field": "lad"}])).allowed == ("as-is" in levels)
        where = [{"field": "lad", "in": [BRISTOL]}]
        assert decide(agreement, library, "as-opcc", ask(where=where)).allowed == ("as-is" in levels)


# --- approval, weighing


def test_the_approvals_of_all_grants_that_a_decision_rests_on_are_asked_for(small, library, ask):
    agreement = small(GRANT | {"approval": ["bristol", "as-police"]}, ED | {"approval": ["bri-ed", "as-police"]})
    alone = decide(agreement, library, "as-opcc", ask())
    assert (alone.allowed, alone.approvals) == (True, ("as-police", "bristol"))
    linked = decide(agreement, library, "as-opcc", ask(linked=[{"dataset": "ed-assaults", "has": True}]))
    assert linked.approvals == ("as-police", "bri-ed", "bristol")
    assert linked.as_json()["approvals"] == ["as-police", "bri-ed", "bristol"]


def test_among_grants_that_cover_a_question_the_one_that_fewer_have_to_approve_decides(small, library, ask):
    for grants in ((GRANT, GRANT | {"approval": ["as-police"]}), (GRANT | {"approval": ["as-police"]}, GRANT)):
        assert decide(small(*grants), library, "as-opcc", ask()).approvals == ()


def test_a_question_that_makes_no_sense_under_one_grant_may_under_another(small, library, ask):
    question = ask(where=[{"field": "lad", "level": "force", "in": ["west-yorkshire"]}])
    grants = [GRANT | {"rows": {"lad": [BRISTOL]}}, GRANT | {"rows": {"lad": [LEEDS]}}]
    for order in (grants, grants[::-1]):
        assert decide(small(*order), library, "as-opcc", question).allowed
    with pytest.raises(Malformed):
        decide(small(grants[0]), library, "as-opcc", question)


def test_every_clause_that_was_weighed_is_told(small, library, ask):
    decision = decide(small(GRANT, ED), library, "as-opcc", ask(linked=[{"dataset": "ed-assaults", "has": True}]))
    assert decision.weighed == (
        "purposes/needs-assessment", "datasets/police-violence", "privacy/shares", "grants/0", "grants/1",
    )  # fmt: skip


def test_a_purpose_that_is_a_part_of_itself_is_not_read_however_long_the_chain(document):
    many = {f"p{n}": document["purposes"]["needs-assessment"] | {"parent": f"p{n + 1}"} for n in range(3000)}
    many["p3000"] = document["purposes"]["needs-assessment"]
    value = document | {"purposes": document["purposes"] | many}
    assert documents.parse(value).wider("p0")[-1] == "p3000"
    many["p3000"] = many["p3000"] | {"parent": "p7"}
    with pytest.raises(DocumentError, match="no part of itself"):
        documents.parse(document | {"purposes": document["purposes"] | many})
