"""Of 10,000 grants to one party, for one purpose, of one dataset, a question weighs a few and lists all."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import clauses
from schemas.request import parse
from service.errors import Malformed
from service.policy import decide as deciding
from service.policy.decide import decide
from service.policy.decision import Decision
from service.policy.nearest import explained

LEAST_AND_A_FEW = 40
"""Weighed in full by a refusal with its nearest request: the nearest few, and what each of them is mended to."""


@pytest.fixture(scope="module")
def crowd():
    return clauses.ONE.agreement()


@pytest.fixture
def weighed(monkeypatch):
    """Count the grants that are weighed in full."""
    found: list[str] = []
    covering = deciding.covering

    def counted(asked, candidate):
        found.append(candidate.path)
        return covering(asked, candidate)

    monkeypatch.setattr(deciding, "covering", counted)
    return found


@pytest.fixture
def shown(crowd):
    """Decide a question under them as a caller is shown it."""

    def made(**fields: Any) -> Decision:
        asked = {"purpose": "purpose-0", "dataset": "dataset-0", "measures": [{"count": {}}], "spend": {"share": "1"}}
        arguments = (*crowd, "party-0", parse(asked | fields))
        return explained(decide(*arguments), *arguments)

    return made


YEAR = {"field": "called", "from": "2026-04-01", "to": "2027-03-31"}


def test_an_allowed_question_weighs_one_grant_and_lists_all(shown, weighed):
    found = shown(by=[{"field": "hour", "level": "three-hours"}], where=[YEAR, {"field": "conveyed", "is": True}])
    assert found.allowed
    assert len(weighed) == 1
    assert {path for path in found.weighed if path.startswith("grants/")} == {f"grants/{n}" for n in range(10_000)}


@pytest.mark.parametrize(
    "fields",
    [
        {"by": [{"field": "ward"}]},
        {"by": [{"field": "sex"}], "where": [{"field": "called", "from": "2026-04-02"}]},
        {"where": [{"field": "lad", "in": ["E06000022", "E06000023", "E06000024", "E06000025"]}]},
        {"where": [{"field": "lad", "level": "force", "in": ["E23000036"]}]},
        {"by": [{"field": "called", "level": "month"}]},
        {"measures": [{"sum": {"field": "age"}}], "bounds": {"per_person": 900}},
        {"by": [{"field": "card"}, {"field": "age"}, {"field": "ward"}], "where": [YEAR, {"field": "hour", "from": 3}]},
    ],
)
def test_a_refused_question_weighs_a_few_grants_for_its_reasons_and_the_nearest_request(shown, weighed, fields):
    found = shown(**fields)
    assert not found.allowed
    assert found.nearest is not None
    assert len(found.weighed) > 10_000
    assert 0 < len(weighed) <= LEAST_AND_A_FEW


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ({"field": "lad", "in": ["E06000023", "Z99"]}, "unknown_code"),
        ({"field": "called", "in": ["2026"]}, "wrong_operator"),
    ],
)
def test_a_question_that_makes_no_sense_under_any_grant_is_told_so_by_the_first(shown, weighed, where, code):
    with pytest.raises(Malformed) as caught:
        shown(where=[where])
    assert caught.value.code == code
    assert len(weighed) == 1


def test_a_grant_that_measures_nothing_is_passed_over_for_the_nearest_that_does(small, library, ask):
    """However many such grants are nearer."""
    grant: dict[str, Any] = {"to": ["as-opcc"], "for": ["needs-assessment"], "dataset": "police-violence"}
    idle = [grant | {"group_by": {"sex": ["as-is"]}, "rows": {"lad": [code]}} for code in ("E06000022", "E06000023")]
    idle += [one | {"filter_by": {"age": [level]}} for one in idle for level in ("sna-band", "under-25")] + [
        one | {"filter_by": {"sex": ["as-is"]}, "most_fields": most} for one in idle for most in (3, 4, 5)
    ]
    agreement = small(*idle, grant | {"measure": {"persons": True}})
    arguments = (agreement, library, "as-opcc", ask(by=[{"field": "sex"}]))
    found = explained(decide(*arguments), *arguments)
    assert found.clauses[0].endswith("/measure/count")
    assert found.nearest is not None
    assert found.nearest.as_json()["request"]["measures"] == [{"persons": {}}]
