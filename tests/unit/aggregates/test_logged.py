"""Which entries a question can be read from, and what is said of those from which it cannot."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from schemas import agreement as documents
from schemas.agreement import Agreement
from schemas.request import parse
from service.aggregates.intents import log_request
from service.aggregates.logged import NO_QUESTION, OTHER_FORM, UNKNOWN_WORD, Unreadable, asked
from service.aggregates.replay import BUDGET, OTHERWISE, STANDING, STEWARD, Replay
from tests.support.requests import AGREEMENT, LIBRARY, VALUE

QUESTION: dict[str, Any] = {
    "purpose": "needs-assessment",
    "dataset": "police-violence",
    "measures": [
        {"count": {}}, {"mean": {"field": "gravity"}}, {"histogram": {"field": "age", "level": "sna-band"}},
        {"histogram": {"field": "gravity", "cuts": ["2.50", 4]}}, {"variance": {"field": "gravity"}},
        {"quantile": {"field": "gravity", "q": ["0.50", "0.9"], "grid": [2, "4"]}},
        {"sum": {"field": "gravity"}}, {"share": {"of": "sum_gravity"}}, {"rolling": {"of": "count", "periods": 3}},
        {"change": {"of": "sum_gravity", "periods": 12}},
    ],
    "by": [{"field": "lad"}, {"field": "age", "level": "sna-band"}],
    "where": [{"field": "knife", "is": True}],
    "linked": [{"dataset": "ed-assaults", "has": False, "where": [{"field": "sex", "in": ["female"]}]}],
    "bounds": {"per_person": 2},
    "spend": {"share": "0.02"},
}  # fmt: skip


def entry(**changes: Any) -> dict[str, Any]:
    """Return an entry of a question, changed."""
    request = parse(QUESTION | changes.pop("question", {}))
    made: dict[str, Any] = {
        "kind": "previewed",
        "caller": {"client": "c", "party": "as-opcc", "role": "analyst steward"},
        "agreement": {"id": "a", "version": "1", "digest": "sha256:0"},
        "purpose": request.purpose if request.purpose in AGREEMENT.purposes else None,
        "reason": None,
        "request": log_request(request, AGREEMENT, LIBRARY.words),
        "decision": {"outcome": "allowed", "code": "allowed", "clauses": ["grants/0"]},
    }
    return made | changes


def test_the_callers_roles_come_with_the_question() -> None:
    found = asked(entry())
    assert (found.party, found.roles) == ("as-opcc", frozenset({"analyst", "steward"}))
    assert found.request == parse(QUESTION)
    assert asked(entry(caller={"client": "c", "party": "as-opcc", "role": None})).roles == frozenset()


@pytest.mark.parametrize(
    "question",
    [
        {"purpose": "marketing"},
        {"dataset": "tax-returns"},
        {"measures": [{"sum": {"field": "income"}}]},
        {"measures": [{"variance": {"field": "income"}}]},
        {"measures": [{"quantile": {"field": "income", "q": ["0.5"], "grid": [5]}}]},
        {"measures": [{"sum": {"field": "income"}}, {"change": {"of": "sum_income", "periods": 2}}]},
        {"measures": [{"histogram": {"field": "income", "level": "sna-band"}}]},
        {"measures": [{"histogram": {"field": "income", "cuts": [5]}}]},
        {"measures": [{"histogram": {"field": "age", "level": "decade"}}]},
        {"by": [{"field": "income"}]},
        {"by": [{"field": "lad", "level": "street"}]},
        {"where": [{"field": "income", "from": 1, "to": 2}]},
        {"where": [{"field": "lad", "in": ["E06000023", "E09999999"]}]},
        {"where": [{"field": "age", "level": "decade", "in": ["18-24"]}]},
        {"linked": [{"dataset": "tax-returns", "has": True}]},
        {"linked": [{"dataset": "ed-assaults", "has": True, "where": [{"field": "income", "is": True}]}]},
    ],
)
def test_a_word_that_was_not_known_is_not_guessed(question: dict[str, Any]) -> None:
    with pytest.raises(Unreadable) as caught:
        asked(entry(question=question))
    assert caught.value.why == UNKNOWN_WORD


@pytest.mark.parametrize("request_", [None, {"what": "budget"}, {"dataset": "police-violence"}])
def test_what_is_no_question_is_called_none(request_: Any) -> None:
    with pytest.raises(Unreadable) as caught:
        asked(entry(request=request_))
    assert caught.value.why == NO_QUESTION


def damaged(path: str, item: Any) -> dict[str, Any]:
    made = copy.deepcopy(entry())
    *way, last = path.split("/")
    at: Any = made
    for part in way:
        at = at[int(part)] if isinstance(at, list) else at[part]
    at[last] = item
    return made


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("request/measures", ["median_gravity"]),
        ("request/measures", 7),
        ("request/shapes", 7),
        ("request/shapes", {}),
        ("request/shapes/histogram_gravity", {"histogram": {"field": "gravity"}}),
        ("request/shapes/histogram_gravity", 7),
        ("request/shapes/quantile_gravity", {"quantile": {"field": "gravity", "q": ["0.5"]}}),
        ("request/by", [7]),
        ("request/spend", {"share": "a lot"}),
        ("request/spend", {"share": "NaN"}),
        ("request/spend", {"share": "1E+3"}),
        ("request/spend", {}),
        ("request/bounds", {"per_person": -1}),
        ("request/more", 1),
        ("caller/party", None),
        ("caller", None),
    ],
)
def test_an_entry_of_another_form_is_unreadable_and_no_fault(path: str, item: Any) -> None:
    with pytest.raises(Unreadable) as caught:
        asked(damaged(path, item))
    assert caught.value.why == OTHER_FORM


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("over_budget", BUDGET),
        ("over_lifetime_budget", BUDGET),
        ("over_request_cap", BUDGET),
        ("no_budget_share", BUDGET),
        ("agreement_suspended", STANDING),
        ("agreement_expired", STANDING),
        ("artefact_changed", STANDING),
        ("approval_refused", STEWARD),
        ("idempotency_key_reused", OTHERWISE),
        ("within_not_for_mean", OTHERWISE),
    ],
)
def test_what_no_version_decides_is_not_replayed_and_says_why(code: str, why: str) -> None:
    made = Replay()
    made.add(1, entry(kind="refused", decision={"outcome": "refused", "code": code, "clauses": []}), AGREEMENT, LIBRARY)
    assert made.as_json()["not_replayed_because"] == {why: 1}
    assert made.as_json()["replayed"] == 0


@pytest.mark.parametrize("kind", ["released", "failed", "read", "signed", "pushed"])
def test_an_answers_second_entry_and_other_accesses_are_not_counted(kind: str) -> None:
    made = Replay()
    made.add(1, entry(kind=kind), AGREEMENT, LIBRARY)
    assert made == Replay()


def test_a_question_that_makes_no_sense_is_decided_again_too() -> None:
    question = {"by": [{"field": "occurred", "level": "month"}], "where": [], "linked": [], "measures": [{"count": {}}]}
    refused = {"outcome": "refused", "code": "date_range_needed", "clauses": []}
    made = Replay()
    made.add(1, entry(kind="refused", question=question, decision=refused), AGREEMENT, LIBRARY)
    assert made.same == 1
    made.add(2, entry(question=question), AGREEMENT, LIBRARY)
    assert (made.flips[0]["after"], made.flips[0]["code"], made.flips[0]["clauses"]) == (
        "refused",
        "date_range_needed",
        [],
    )


# --- approval


PLAIN: dict[str, Any] = {"linked": [], "where": [], "by": [{"field": "lad"}], "measures": [{"count": {}}]}


def approved_by(*parties: str) -> Agreement:
    """Return the next version, in which every grant of the data asked of needs these parties' approval."""
    value = copy.deepcopy(VALUE) | {"version": "2"}
    for grant in value["grants"]:
        if grant["dataset"] == "police-violence":
            grant["approval"] = list(parties)
    return documents.parse(value)


def plain(outcome: str, code: str, *clauses: str, kind: str = "charged") -> dict[str, Any]:
    """Return an entry of a question that the worked agreement allows, decided in some way."""
    return entry(kind=kind, question=PLAIN, decision={"outcome": outcome, "code": code, "clauses": list(clauses)})


ALLOWED = plain("allowed", "allowed", "grants/0")
APPROVED = plain("allowed", "allowed", "grants/0", "grants/0/approval")
WAITED = plain("waiting", "needs_approval", "grants/0", kind="approval-requested")


def replayed(proposed: Agreement, *told: dict[str, Any]) -> Replay:
    made = Replay()
    for n, item in enumerate(told):
        made.add(n, item, proposed, LIBRARY)
    return made


def test_a_version_that_wants_approval_flips_what_was_allowed_without_and_names_the_stewards() -> None:
    (flip,) = replayed(approved_by("as-police", "bristol"), ALLOWED, APPROVED, WAITED).flips
    assert (flip["n"], flip["before"], flip["after"], flip["code"]) == (0, "allowed", "waiting", "needs_approval")
    assert flip["words"] == "allowed once a steward of as-police and of bristol has approved it"
    assert [clause for clause in flip["clauses"] if clause.endswith("/approval")]


def test_a_version_that_wants_no_approval_flips_what_had_to_be_approved() -> None:
    flips = replayed(AGREEMENT, ALLOWED, APPROVED, WAITED).flips
    assert [(flip["n"], flip["before"], flip["after"]) for flip in flips] == [
        (1, "waiting", "allowed"), (2, "waiting", "allowed"),
    ]  # fmt: skip


def test_a_question_that_waited_and_may_no_longer_be_asked_flips_to_refused() -> None:
    value = copy.deepcopy(VALUE) | {"version": "2"}
    value["grants"] = [grant for grant in value["grants"] if grant["dataset"] != "police-violence"]
    (flip,) = replayed(documents.parse(value), WAITED).flips
    assert (flip["before"], flip["after"], flip["code"]) == ("waiting", "refused", "not_granted")


def test_an_approval_that_was_asked_for_in_unknown_words_is_unreadable() -> None:
    strange = copy.deepcopy(WAITED)
    strange["purpose"] = None
    assert replayed(AGREEMENT, strange).as_json()["unreadable_because"] == {UNKNOWN_WORD: 1}


@pytest.mark.parametrize(
    "question",
    [
        {"measures": [{"count": {}}, {"rolling": {"of": "count", "periods": 2}}], "by": []},
        {"measures": [{"count": {}}, {"change": {"of": "count", "periods": 2}}], "by": [{"field": "lad"}]},
    ],
)
def test_what_makes_no_sense_under_a_version_is_decided_again_under_another(question: dict[str, Any]) -> None:
    replay = Replay()
    refused = {"outcome": "refused", "code": "no_periods", "clauses": []}
    changes = {"where": [], "linked": [], "purpose": "needs-assessment"}
    replay.add(3, entry(question=question | changes, decision=refused), AGREEMENT, LIBRARY)
    assert (replay.same, replay.flips, replay.not_replayed.total()) == (1, [], 0)
