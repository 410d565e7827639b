"""Under many grants a decision is what weighing every grant one by one comes to: the short cut changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from schemas.artefacts import Library
from service.errors import Malformed
from service.policy import nearest, needs
from service.policy.asked import Asked
from service.policy.decide import decide, ranked
from service.policy.decision import Decision
from tests.property import plain
from tests.property.agreements import (
    ARTEFACTS,
    LIBRARY,
    YEAR,
    agreement,
    aimed_cases,
    cases,
    grants,
    mostly,
    rarely,
    request,
)

Case = tuple[dict[str, Any], dict[str, Any], str, tuple[str, ...]]

often = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def every_slate_is_long(monkeypatch):
    """Take the short cut however few the grants are."""
    monkeypatch.setattr(needs, "FEW", 0)


@st.composite
def crowded(draw: st.DrawFn) -> Case:
    """Draw a case in which many grants of the dataset asked of, and of those linked with, are to the caller."""
    value, asked, party, roles = draw(st.one_of(cases(), aimed_cases()))
    own = [item for item in value["grants"] if item["dataset"] == asked["dataset"]] or value["grants"]
    limits = ("group_by", "filter_by", "measure", "rows", "combine", "most_fields", "link", "approval")
    made = []
    for other in draw(st.lists(grants(), max_size=7)):
        like = draw(st.sampled_from(value["grants"])) if draw(rarely) else own[0]
        mixed = {name: other[name] for name in limits if name in other and draw(st.booleans())}
        person = like["dataset"] != "calls"
        if not person:
            mixed = {name: said for name, said in mixed.items() if name not in ("link", "measure")}
        elif "link" in mixed:
            mixed["link"] = [name for name in ("crimes", "visits") if name != like["dataset"]]
        made.append(like | mixed)
    if draw(rarely):  # whoever may group by month may name whole months, whether or not a filter may
        asked |= {"by": [{"field": "day", "level": "month"}], "where": [{"field": "day", **YEAR}], "linked": []}
        for grant in (*own, *made):
            grant["filter_by"] = {name: said for name, said in grant["filter_by"].items() if name != "day"}
    if draw(rarely):
        made += [item | {"approval": ["police"]} for item in made]
    value["grants"] += made
    return value, asked, party, roles


def of(found: Decision | Malformed, asked: Asked) -> plain.Told:
    """Return of a decision what the plain form tells."""
    if isinstance(found, Malformed):
        return found.code, found.detail
    if found.allowed:
        return "allowed", found.clauses, found.approvals, found.plan
    first = next(ranked(asked)).candidate
    return found.code, found.reasons, first.grant


def outcome(asked: Asked) -> Decision | Malformed:
    try:
        return decide(asked.agreement, asked.library, asked.party, asked.request, asked.roles)
    except Malformed as error:
        return error


def reaches_grants(asked: Asked) -> bool:
    """Whether the question is decided by grants, rather than before they are weighed."""
    document, name = asked.agreement, asked.request.dataset
    known = asked.request.purpose in document.purposes and name in document.datasets
    return known and not asked.limited(name) and asked.party in document.privacy.shares


def posed(case: Case, library: Library = LIBRARY) -> Asked:
    value, wanted, party, roles = case
    return Asked(agreement(value), library, party, request(wanted), roles)


@often
@given(crowded())
def test_the_decision_is_that_of_weighing_every_grant(case):
    asked = posed(case)
    if not reaches_grants(asked) or not plain.candidates(asked, asked.request.dataset):
        return
    found = outcome(asked)
    event(found.code)
    assert of(found, asked) == plain.told(asked)


@often
@given(crowded())
def test_every_grant_that_could_cover_the_question_is_listed_as_weighed(case):
    asked = posed(case)
    found = outcome(asked)
    if isinstance(found, Malformed) or not reaches_grants(asked):
        return
    own = asked.request.dataset
    wanted = [item.path for item in plain.candidates(asked, own)]
    if not wanted:
        return
    for link in asked.request.linked:
        wanted += [item.path for item in plain.candidates(asked, link.dataset, own)]
    assert [path for path in found.weighed if path.startswith("grants/")] == list(dict.fromkeys(wanted))


@often
@given(crowded(), st.sampled_from([1, 2, 8]))
def test_the_nearest_request_is_that_of_the_few_grants_at_the_least_distance(case, few):
    asked = posed(case)
    found = outcome(asked)
    if isinstance(found, Malformed) or found.allowed or not reaches_grants(asked):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "FEW", few)
        assert nearest.nearest(asked) == plain.nearest_request(asked, few)


@often
@given(crowded())
def test_grants_come_in_the_order_of_the_reasons_against_them(case):
    asked = posed(case)
    if asked.request.dataset not in asked.agreement.datasets:
        return
    order = {item.path: place for place, item in enumerate(plain.candidates(asked, asked.request.dataset))}
    if not order:
        return
    came = [(one.distance, order[one.candidate.path]) for one in ranked(asked)]
    assert came == sorted(came)
    assert len(came) == len(order)


WRONG = [
    {"rows": {"nothing": ["A1"]}}, {"rows": {"area": ["Z9"]}}, {"group_by": {"person": ["as-is"]}},
    {"filter_by": {"area": ["parish"]}}, {"combine": {"age": 3}}, {"measure": {"count": True, "sum": ["area"]}},
]  # fmt: skip


@often
@given(st.data(), crowded())
def test_the_decision_is_the_same_where_a_grant_or_an_artefact_does_not_fit(data, case):
    value = case[0]
    if data.draw(mostly):
        data.draw(st.sampled_from(value["grants"])).update(data.draw(st.sampled_from(WRONG)))
    gone = data.draw(st.sampled_from([None, "area-side", "age-band", "areas", "crimes/v1"]))
    asked = posed(case, Library({name: item for name, item in ARTEFACTS.items() if name != gone}))
    if not reaches_grants(asked) or not plain.candidates(asked, asked.request.dataset):
        return
    assert of(outcome(asked), asked) == plain.told(asked)
