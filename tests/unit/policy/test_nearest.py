"""The nearest request that would be allowed: mended clause by clause, in plain words, and allowed indeed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.request import parse
from service.policy import nearest
from service.policy.decide import decide
from service.policy.decision import Nearest
from service.policy.nearest import explained
from service.policy.repair import Draft

GRANT: dict[str, Any] = {
    "to": ["as-opcc"],
    "for": ["needs-assessment"],
    "dataset": "police-violence",
    "group_by": {"occurred": ["month", "quarter"], "lad": ["as-is", "force"], "age": ["sna-band"], "sex": ["as-is"]},
    "filter_by": {"occurred": ["month"], "lad": ["as-is", "force"], "age": ["sna-band"], "ethnicity": ["group"]},
    "measure": {"count": True, "mean": ["gravity"]},
    "link": ["ed-assaults"],
}
ED: dict[str, Any] = {
    "to": ["as-opcc"],
    "for": ["needs-assessment"],
    "dataset": "ed-assaults",
    "measure": {"count": True},
    "filter_by": {"sex": ["as-is"], "arrived": ["month"]},
    "link": ["police-violence"],
}
BRISTOL, BATH, LEEDS = "E06000023", "E06000022", "E08000035"
NOT_IN_ED: dict[str, Any] = {"dataset": "ed-assaults", "has": False}


@pytest.fixture
def near(small, library, ask):
    """Decide a question under grants, and return the nearest one with its changes; it is allowed, or a test fails."""

    def made(*grants, roles=("analyst",), party="as-opcc", **fields) -> Nearest | None:
        agreement, question = small(*(grants or (GRANT, ED))), ask(**fields)
        decision = decide(agreement, library, party, question, roles)
        assert not decision.allowed
        found = explained(decision, agreement, library, party, question, roles).nearest
        if found is not None:
            assert decide(agreement, library, party, found.request, roles).allowed
        return found

    return made


def said(found: Nearest | None, part: str) -> Any:
    assert found is not None
    return found.as_json()["request"].get(part)


@pytest.mark.parametrize(
    ("fields", "part", "value", "words"),
    [
        (
            {"by": [{"field": "age"}]}, "by", [{"field": "age", "level": "sna-band"}],
            "group age by sna-band instead of as it is",
        ),
        (
            {"by": [{"field": "occurred", "level": "day"}],
             "where": [{"field": "occurred", "from": "2026-04-01", "to": "2026-06-30"}]},
            "by", [{"field": "occurred", "level": "month"}], "group occurred by month instead of day",
        ),
        ({"by": [{"field": "sex"}, {"field": "role"}]}, "by", [{"field": "sex"}], "do not group by role"),
        (
            {"where": [{"field": "occurred", "from": "2026-04-02", "to": "2026-06-15"}]}, "where",
            [{"field": "occurred", "from": "2026-04-01", "to": "2026-06-30"}],
            "filter occurred by whole months, from 2026-04-01 to 2026-06-30",
        ),
        (
            {"where": [{"field": "age", "from": 18, "to": 30}]}, "where",
            [{"field": "age", "level": "sna-band", "in": ["18-24", "25-34"]}], "filter age by sna-band: 18-24, 25-34",
        ),
        ({"where": [{"field": "knife", "is": True}]}, "where", None, "do not filter by knife"),
        (
            {"measures": [{"count": {}}, {"persons": {}}]}, "measures", [{"count": {}}], "do not ask for the persons",
        ),
        (
            {"measures": [{"sum": {"field": "gravity"}}]}, "measures", [{"count": {}}],
            "ask for the count instead",
        ),
        ({"bounds": {"per_person": 900}}, "bounds", {"per_person": 3}, "let each person count for at most 3"),
        ({"linked": [{"dataset": "street-crime", "has": True}]}, "linked", None, "do not link with street-crime"),
        (
            {"linked": [NOT_IN_ED | {"where": [{"field": "arrived", "from": "2026-04-09"}]}]},
            "linked", [NOT_IN_ED | {"where": [{"field": "arrived", "from": "2026-04-01"}]}],
            "of ed-assaults: filter arrived by whole months, from 2026-04-01 to the end",
        ),
    ],
)  # fmt: skip
def test_each_part_that_a_grant_does_not_cover_is_mended_and_said(near, fields, part, value, words):
    found = near(**fields)
    assert said(found, part) == value
    assert words in found.changes


def test_fine_codes_become_the_keys_that_hold_them(near, library):
    found = near(where=[{"field": "ethnicity", "in": ["W1", "M1", "W2"]}])
    keys = [library.hierarchy("ethnicity-5").map[code] for code in ("W1", "M1", "W2")]
    assert said(found, "where") == [{"field": "ethnicity", "level": "group", "in": list(dict.fromkeys(keys))}]


def test_codes_outside_the_forced_scope_are_left_out(near):
    scoped = GRANT | {"rows": {"lad": [BRISTOL, BATH]}}
    found = near(scoped, where=[{"field": "lad", "in": [BRISTOL, LEEDS]}])
    assert said(found, "where") == [{"field": "lad", "in": [BRISTOL]}]
    outside = near(scoped, where=[{"field": "lad", "in": [LEEDS]}])
    assert said(outside, "where") is None


def test_a_filter_is_widened_until_it_combines_codes_enough_by_those_that_lie_together(near, library):
    found = near(GRANT | {"combine": {"lad": 3}}, where=[{"field": "lad", "in": [LEEDS]}])
    (widened,) = said(found, "where")
    assert len(widened["in"]) == 3
    assert LEEDS in widened["in"]
    assert {library.hierarchy("lad-force").map[code] for code in widened["in"]} == {"west-yorkshire"}


def test_a_group_that_combines_too_few_codes_becomes_coarser_or_goes(near):
    coarser = near(GRANT | {"combine": {"lad": 5}}, by=[{"field": "lad"}])
    assert said(coarser, "by") == [{"field": "lad", "level": "force"}]
    gone = near(GRANT | {"combine": {"lad": 6}}, by=[{"field": "lad"}])
    assert said(gone, "by") is None


def test_columns_beyond_the_most_are_left_out_the_last_first(near):
    found = near(GRANT | {"most_fields": 1}, by=[{"field": "sex"}], where=[{"field": "lad", "in": [BRISTOL]}])
    assert said(found, "by") == [{"field": "sex"}]
    assert said(found, "where") is None
    assert found.changes == ("leave lad of police-violence out: a question uses at most 1 columns",)


def test_the_grant_that_asks_for_fewest_changes_is_taken(near):
    by_sex = GRANT | {"group_by": {"sex": ["as-is"]}}
    by_role = GRANT | {"group_by": {"role": ["as-is"], "sex": ["as-is"]}}
    found = near(by_sex, by_role, by=[{"field": "role"}, {"field": "sex"}, {"field": "lad"}])
    assert said(found, "by") == [{"field": "role"}, {"field": "sex"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"party": "hub-it"}, {"purpose": "marketing"}, {"purpose": "prevention-evaluation"},
        {"dataset": "youth-justice"}, {"dataset": "tax-returns"}, {"roles": ("steward",)},
    ],
)  # fmt: skip
def test_where_nothing_can_be_asked_there_is_no_nearest_request(near, fields):
    assert near(**fields) is None


def test_a_purpose_is_never_changed_to_make_a_question_allowed(near, small, library, ask):
    """It says what an answer is for: a broker that proposes another one invites a lie."""
    assert near(GRANT | {"for": ["prevention-evaluation"]}) is None


def test_what_is_shown_can_be_asked_as_it_is_and_repeats_no_reason(near):
    found = near(by=[{"field": "age"}], reason="for a colleague")
    shown = found.as_json()
    assert parse(json.loads(json.dumps(shown["request"]))).by == found.request.by
    assert "reason" not in shown["request"]
    assert shown["request"]["spend"] == {"share": "0.02"}


def test_an_allowed_decision_has_no_nearest_request(small, library, ask):
    agreement, question = small(GRANT), ask()
    decision = decide(agreement, library, "as-opcc", question)
    shown = explained(decision, agreement, library, "as-opcc", question)
    assert shown is decision
    assert "nearest" not in shown.as_json()


def test_a_proposal_that_is_not_allowed_is_never_shown(near, monkeypatch):
    """Were mending wrong, deciding again is what keeps it from being told."""

    def unmended(asked, candidate):
        made = asked.request.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return Draft({"by": [], "where": [], "linked": []} | made, ["nothing at all"])

    monkeypatch.setattr(nearest, "repaired", unmended)
    found = near(by=[{"field": "age"}])
    assert said(found, "by") is None
    assert found.changes == ("nothing at all", "ask for the total of what the grant covers")
    assert near(measures=[{"persons": {}}]) is None
