"""Questions that wait for stewards: who decides, what an approval is good for, and what it is not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.aggregates import approvals
from service.api.broker import Broker
from tests.api.test_rules_of_asking import agreement_file, document, register, spent
from tests.support.server import DAYS, Served, count_request, serve_here

BOTH = ["as-police", "bri-ed"]


@dataclass
class Time:
    """How far the broker's time is ahead of this machine's."""

    shift: timedelta = timedelta(0)


@contextmanager
def waiting_world(
    folder: Path, needs: list[str], edit: Callable[[dict[str, Any]], None] = lambda _: None
) -> Iterator[tuple[Served, Time]]:
    """Serve the worked agreement, in which each question of police violence needs approval."""
    time = Time()

    def with_approval(value: dict[str, Any]) -> None:
        for grant in value["grants"]:
            if grant["dataset"] == "police-violence":
                grant["approval"] = list(needs)
        edit(value)

    def clock() -> datetime:
        return datetime.now(UTC) + time.shift

    def tune(broker: Broker) -> Broker:
        return replace(
            broker,
            asking=replace(broker.asking, clock=clock),
            completion=replace(broker.completion, clock=clock),
            approvals=replace(broker.approvals, clock=clock),
        )

    with serve_here(folder, agreement_file(folder, with_approval), tune) as served:
        yield served, time


@pytest.fixture
def world(tmp_path) -> Iterator[Served]:
    with waiting_world(tmp_path, BOTH) as (served, _):
        yield served


def question(**changes: Any) -> dict[str, Any]:
    return count_request(by=[{"field": "lad"}], where=[], reason="to plan the summer") | changes


def decide(
    served: Served, party: str, approval: str, decision: str = "approve", *, role: str = "steward", reason: str = ""
) -> httpx.Response:
    with served.http(party, role) as http:
        body = {"decision": decision, "reason": reason}
        return http.post(f"{served.agreement}/approvals/{approval}", json=body)


def shown(served: Served, party: str, approval: str = "", role: str = "steward") -> httpx.Response:
    with served.http(party, role) as http:
        return http.get(f"{served.agreement}/approvals/{approval}".rstrip("/"))


def waits(answer: httpx.Response) -> str:
    assert answer.status_code == 202, answer.text
    return str(answer.json()["approval"])


def approve_all(served: Served, approval: str) -> None:
    for party in BOTH:
        assert decide(served, party, approval).status_code == 200


def test_a_question_waits_until_a_steward_of_each_named_party_approves_and_is_charged_only_then(world):
    first = world.ask(question(), "key")
    approval = waits(first)
    assert first.json() == {"standing": "waiting", "approval": approval, "needs": BOTH, "has": []}
    assert decide(world, "bri-ed", approval, reason="agreed in the data group").json()["standing"] == "waiting"
    again = world.ask(question(), "key")
    assert again.json() == {"standing": "waiting", "approval": approval, "needs": BOTH, "has": ["bri-ed"]}
    assert spent(world) == 0
    assert decide(world, "as-police", approval).json()["standing"] == "approved"
    answered = world.ask(question(), "key")
    assert answered.status_code == 200, answer_words(answered)
    assert spent(world) == Decimal(answered.json()["guarantee"]["rho"]) > 0
    assert world.ask(question(), "key").text == answered.text


def answer_words(answer: httpx.Response) -> str:
    return answer.text[:500]


def test_every_step_is_in_the_log(world):
    approval = waits(world.ask(question(), "key"))
    decide(world, "bri-ed", approval, reason="agreed")
    decide(world, "as-police", approval, "refuse", reason="too fine")
    world.ask(question(), "key")
    asked = world.entries(kind="approval-requested")
    assert [item["entry"]["result"] for item in asked] == [{"approval": approval}]
    assert asked[0]["entry"]["decision"]["code"] == "needs_approval"
    assert asked[0]["entry"]["charge"] is None
    assert asked[0]["entry"]["reason"] == "to plan the summer"
    decided = world.entries("as-police", kind="approval-decided")
    assert [(item["entry"]["caller"]["party"], item["entry"]["result"]["verdict"]) for item in decided] == [
        ("bri-ed", "approve"), ("as-police", "refuse"),
    ]  # fmt: skip
    assert [item["entry"]["reason"] for item in decided] == ["agreed", "too fine"]
    refused = world.entries(kind="refused")[-1]["entry"]["decision"]
    assert refused == {"outcome": "refused", "code": "approval_refused", "clauses": ["grants/0/approval"]}


def test_a_steward_sees_the_question_after_policy_with_purpose_reason_and_cost_as_previewed(world):
    cost = world.preview(question()).json()["cost"]
    approval = waits(world.ask(question(), "key"))
    seen = shown(world, "as-police", approval).json()
    assert seen["question"]["measures"] == ["count"]
    assert seen["question"]["by"] == [{"field": "lad", "level": "as-is"}]
    councils = ["E06000022", "E06000023", "E06000024", "E06000025", "E06000066"]
    assert seen["question"]["filters"] == [{"field": "lad", "codes": councils}], "the forced scope is shown too"
    assert seen["cost"] == cost
    assert seen["measures"][0]["half_width"] > 0
    assert (seen["purpose"], seen["reason"]) == ("needs-assessment", "to plan the summer")
    assert (seen["party"], seen["you_may_decide"]) == ("as-opcc", True)
    assert shown(world, "as-opcc", approval, "analyst").json()["you_may_decide"] is False


def test_a_preview_says_that_approval_is_needed_and_stays_free(world):
    before = world.preview(question()).json()
    assert before["needs_approval"] == {"needs": BOTH, "standing": "not-asked"}
    approval = waits(world.ask(question(), "key"))
    assert world.preview(question()).json()["needs_approval"]["standing"] == "waiting"
    approve_all(world, approval)
    assert world.preview(question()).json()["needs_approval"]["standing"] == "approved"
    told = world.entries(kind="previewed")[-1]["entry"]["decision"]
    assert (told["outcome"], told["clauses"]) == ("allowed", ["grants/0", "grants/0/approval"])
    assert len(world.entries(kind="approval-requested")) == 1, "previews ask nobody"
    assert spent(world) == 0


def test_a_refusal_is_final_and_names_the_party_that_refused(world):
    approval = waits(world.ask(question(), "key"))
    refused = decide(world, "bri-ed", approval, "refuse").json()
    assert (refused["standing"], refused["refused_by"]) == ("refused", "bri-ed")
    answer = world.ask(question(), "key")
    assert (answer.status_code, answer.json()["code"]) == (403, "approval_refused")
    assert answer.json()["decision"]["refused_by"] == "bri-ed"
    assert "bri-ed" in answer.json()["detail"]
    for party in BOTH:
        late = decide(world, party, approval)
        assert (late.status_code, late.json()["code"]) == (409, "already_decided")
    assert world.ask(question(), "another").status_code == 403
    assert world.preview(question()).json()["needs_approval"]["refused_by"] == "bri-ed"
    assert spent(world) == 0


CHANGED: dict[str, dict[str, Any]] = {
    "another_measure": {"measures": [{"persons": {}}]},
    "another_grouping": {"by": [{"field": "sex"}]},
    "a_narrower_filter": {"where": [{"field": "knife", "is": True}]},
    "another_bound": {"bounds": {"per_person": 1}},
    "a_link": {"linked": [{"dataset": "ed-assaults", "has": True}]},
    "a_higher_cost": {"spend": {"share": "0.05"}},
}


@pytest.mark.parametrize("name", CHANGED)
def test_an_approval_lets_no_other_question_pass(world, name):
    approve_all(world, waits(world.ask(question(), "key")))
    other = world.ask(question(**CHANGED[name]), "other")
    waits(other)
    assert other.json()["has"] == []
    assert spent(world) == 0


def test_an_approval_of_one_dataset_is_none_of_another_of_the_same_source(tmp_path):
    def edit(value: dict[str, Any]) -> None:
        value["datasets"]["old-violence"] = copy.deepcopy(value["datasets"]["police-violence"])
        grant = next(grant for grant in value["grants"] if grant["dataset"] == "police-violence")
        value["grants"].append(copy.deepcopy(grant) | {"dataset": "old-violence", "link": []})

    with waiting_world(tmp_path, BOTH, edit) as (served, _):
        approve_all(served, waits(served.ask(question(), "key")))
        assert served.ask(question(dataset="old-violence"), "old").json()["has"] == []
        assert served.ask(question(), "key").status_code == 200


def test_an_approval_lets_the_same_question_pass_at_a_lower_cost_in_another_order_and_with_new_data(world, extracts):
    two: dict[str, Any] = {"measures": [{"count": {}}, {"persons": {}}]}
    approve_all(world, waits(world.ask(question(**two), "key")))
    turned = question(measures=two["measures"][::-1], spend={"share": "0.01"})
    assert world.ask(turned, "cheaper").status_code == 200
    pushed = world.push("as-police", "police-violence", extracts["police-violence"].read_bytes())
    assert pushed.status_code == 201
    before = spent(world)
    assert world.ask(question(**two), "later").status_code == 200
    assert spent(world) > before, "the approval is no free pass: new data are charged anew"


def test_an_approval_is_good_for_its_party_and_purpose_alone(tmp_path):
    def edit(value: dict[str, Any]) -> None:
        value["purposes"]["another"] = copy.deepcopy(value["purposes"]["needs-assessment"])
        grant = next(grant for grant in value["grants"] if grant["dataset"] == "police-violence")
        grant["to"] = ["as-opcc", "bristol"]
        grant["for"] = ["needs-assessment", "another"]
        value["grants"] = [grant]
        grant["link"] = []

    with waiting_world(tmp_path, BOTH, edit) as (served, _):
        approve_all(served, waits(served.ask(question(), "key")))
        waits(served.ask(question(), "key", "bristol"))
        waits(served.ask(question(purpose="another"), "purpose"))
        assert served.ask(question(), "key").status_code == 200


def test_only_a_steward_of_a_named_party_decides(world):
    approval = waits(world.ask(question(), "key"))
    own = decide(world, "as-opcc", approval)
    assert (own.status_code, own.json()["code"]) == (403, "not_an_approver")
    stranger = decide(world, "bristol", approval)
    assert (stranger.status_code, stranger.json()["code"]) == (404, "not_found")
    assert shown(world, "bristol", approval).status_code == 404
    for role in ("analyst", "ig-lead", "supplier"):
        answer = decide(world, "as-police", approval, role=role)
        assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    assert shown(world, "as-police", approval, "supplier").status_code == 403
    assert shown(world, "as-police", approval).json()["has"] == []


def test_whoever_asks_does_not_approve_even_where_its_party_is_named(tmp_path):
    with waiting_world(tmp_path, ["as-opcc"]) as (served, _):
        approval = waits(served.ask(question(), "key"))
        answer = decide(served, "as-opcc", approval)
        assert (answer.status_code, answer.json()["code"]) == (403, "own_question")
        waits(served.ask(question(), "key"))


def test_lists_hold_what_a_party_may_decide_and_its_own(world):
    approval = waits(world.ask(question(), "key"))

    def listed(party: str) -> list[str]:
        return [item["approval"] for item in shown(world, party).json()["approvals"]]

    assert listed("as-police") == listed("bri-ed") == listed("as-opcc") == [approval]
    assert listed("bristol") == []
    decide(world, "as-police", approval)
    assert listed("as-police") == []
    assert listed("bri-ed") == listed("as-opcc") == [approval]


def test_of_racing_decisions_of_one_party_one_holds(world):
    approval = waits(world.ask(question(), "key"))

    def race(number: int) -> httpx.Response:
        return decide(world, "as-police", approval, ("approve", "refuse")[number % 2])

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(race, range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 11
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"already_decided"}
    won = next(answer.json() for answer in answers if answer.status_code == 200)
    seen = shown(world, "as-police", approval).json() if won["standing"] == "refused" else won
    assert len(seen["decisions"]) == len(world.entries("as-police", kind="approval-decided")) == 1


def test_of_a_race_between_asking_and_the_last_approval_the_question_is_charged_once(world):
    approval = waits(world.ask(question(), "key"))
    decide(world, "bri-ed", approval)

    def race(number: int) -> int:
        if number == 5:
            return int(decide(world, "as-police", approval).status_code)
        return int(world.ask(question(), "key").status_code)

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(race, range(12))) <= {200, 202}
    assert world.ask(question(), "key").status_code == 200
    assert len(world.entries(kind="charged")) == 1


def test_a_question_asked_at_once_with_many_keys_waits_once(world):
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: world.ask(question(), f"k{number}"), range(12)))
    assert len({waits(answer) for answer in answers}) == 1
    assert len(shown(world, "as-police").json()["approvals"]) == 1


def test_nothing_is_approved_or_asked_once_the_agreement_is_stopped(world):
    approval = waits(world.ask(question(), "key"))
    decide(world, "bri-ed", approval)
    with world.http("as-police", "ig-lead") as http:
        assert http.post(f"{world.agreement}/suspension").status_code == 200
        for answer in (decide(world, "as-police", approval), world.ask(question(), "key"), shown(world, "as-police")):
            assert (answer.status_code, answer.json()["code"]) == (403, "agreement_suspended")
        assert http.delete(f"{world.agreement}/suspension").status_code == 200
    assert shown(world, "as-police", approval).json()["has"] == ["bri-ed"]


def test_an_approval_lapses_with_its_agreement_version(world):
    approval = waits(world.ask(question(), "key"))
    decide(world, "bri-ed", approval)
    other = waits(world.ask(question(spend={"share": "0.03"}), "other"))
    approve_all(world, other)
    value = document(world)
    value["version"] = "2"
    register(world, value)
    late = decide(world, "as-police", approval)
    assert (late.status_code, late.json()["code"]) == (409, "approval_lapsed")
    assert shown(world, "as-police", approval).json()["standing"] == "lapsed"
    fresh = world.ask(question(spend={"share": "0.03"}), "other")
    assert waits(fresh) not in (approval, other)
    assert fresh.json()["has"] == []


def test_an_approval_lapses_after_90_days(tmp_path):
    with waiting_world(tmp_path, BOTH) as (served, time):
        early = waits(served.ask(question(), "key"))
        approve_all(served, early)
        time.shift = approvals.LIFE - timedelta(minutes=5)
        answer = served.ask(question(), "in-time")
        assert answer.status_code == 200, answer.text
        time.shift = approvals.LIFE + timedelta(minutes=5)
        assert waits(served.ask(question(), "too-late")) != early
        waits(served.ask(question(), "in-time"))
        assert timedelta(days=90) == approvals.LIFE


def test_a_stored_answer_is_not_given_again_without_approval(tmp_path):
    with waiting_world(tmp_path, [], lambda _: None) as (served, _):
        assert served.ask(question(), "key").status_code == 200
        value = document(served)
        value["version"] = "2"
        for grant in value["grants"]:
            grant["approval"] = list(BOTH)
        register(served, value)
        for key in ("key", "fresh"):
            assert "rows" not in served.ask(question(), key).json()
            waits(served.ask(question(), key))


def test_approval_of_a_linked_grant_is_needed_too(tmp_path):
    def edit(value: dict[str, Any]) -> None:
        for grant in value["grants"]:
            if grant["dataset"] == "ed-assaults":
                grant["approval"] = ["bri-ed"]

    with waiting_world(tmp_path, ["as-police"], edit) as (served, _):
        linked = question(linked=[{"dataset": "ed-assaults", "has": True}])
        assert served.ask(question(), "plain").json()["needs"] == ["as-police"]
        assert served.ask(linked, "linked").json()["needs"] == BOTH


def test_a_key_that_waits_takes_no_other_question(world):
    waits(world.ask(question(), "key"))
    other = world.ask(question(measures=[{"persons": {}}]), "key")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


def test_a_stewards_reason_is_screened_as_reasons_are(world):
    approval = waits(world.ask(question(), "key"))
    answer = decide(world, "as-police", approval, reason="he is 943 476 5919")
    assert (answer.status_code, answer.json()["code"]) == (422, "reason_identifier")
    assert "943" not in answer.text
    odd: list[Any] = [
        {"decision": "maybe"},
        {"decision": "approve", "more": 1},
        {},
        [],
        {"decision": "approve", "reason": 1},
    ]
    with world.http("as-police", "steward") as http:
        for body in odd:
            answer = http.post(f"{world.agreement}/approvals/{approval}", json=body)
            assert answer.status_code == 422
    assert shown(world, "as-police", approval).json()["decisions"] == []


def test_few_questions_of_a_party_wait_at_once(world, monkeypatch):
    monkeypatch.setattr(approvals, "MOST_WAITING", 2)
    for place, name in enumerate(("knife", "alcohol", "domestic")):
        answer = world.ask(question(where=[{"field": name, "is": True}]), f"k{place}")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_waiting")
    assert waits(world.ask(question(where=[{"field": "knife", "is": True}]), "k0"))


def test_a_question_without_named_parties_waits_for_nobody(tmp_path):
    with waiting_world(tmp_path, []) as (served, _):
        assert "needs_approval" not in served.preview(question(where=[{"field": "occurred", **DAYS}])).json()
        assert served.ask(question(), "key").status_code == 200
