"""Decisions that explain themselves over HTTP: refusals, the catalogue by role, and simulation by stewards."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from schemas import strict_yaml
from tests.support.server import WORKED_EXAMPLE, Served, count_request, serve_here

STEWARDS = {
    "to": ["bristol"], "for": ["needs-assessment"], "roles": ["steward"], "dataset": "police-violence",
    "group_by": {"lad": ["force"]}, "filter_by": {"lad": ["as-is"]}, "measure": {"count": True},
    "combine": {"lad": 3}, "most_fields": 2, "approval": ["as-police"],
}  # fmt: skip


@pytest.fixture(scope="module")
def explained(tmp_path_factory) -> Iterator[Served]:
    """A broker whose agreement has a wider purpose, a limit on a dataset, and a grant to a council's stewards."""
    folder = tmp_path_factory.mktemp("explained")
    value: dict[str, Any] = strict_yaml.loads(WORKED_EXAMPLE.read_bytes())
    value["purposes"]["duty"] = copy.deepcopy(value["purposes"]["needs-assessment"])
    value["purposes"]["needs-assessment"]["parent"] = "duty"
    value["grants"][0]["for"] = ["duty"]
    value["datasets"]["street-crime"]["purposes"] = ["needs-assessment"]
    value["grants"].append(STEWARDS)
    path = folder / "edited.yaml"
    path.write_text(strict_yaml.dumps(value))
    with serve_here(folder, path) as made:
        yield made


def allowed(served: Served, party: str, role: str, dataset: str = "police-violence") -> list[dict[str, Any]]:
    with served.http(party, role) as http:
        found: list[dict[str, Any]] = http.get(f"{served.agreement}/datasets/{dataset}").json()["you_may"]["ask"]
    return found


def simulate(served: Served, body: Any, party: str = "as-police", role: str = "steward") -> httpx.Response:
    with served.http(party, role) as http:
        return http.post(f"{served.agreement}/simulate", json=body)


# --- refusals


def test_a_refusal_shows_the_nearest_question_that_would_be_allowed_and_that_one_is(explained):
    asked = count_request(by=[{"field": "age"}, {"field": "lad"}], where=[])
    for answer in (explained.ask(asked, "fine"), explained.preview(asked)):
        decision = answer.json()["decision"]
        assert decision["outcome"] == "refused"
        assert decision["nearest"]["changes"] == ["group age by sna-band instead of as it is"]
        assert {"clauses", "reasons", "weighed", "allowed_instead"} <= decision.keys()
    nearest = decision["nearest"]["request"]
    assert explained.preview(nearest).json()["decision"]["outcome"] == "allowed"
    assert explained.ask(nearest, "coarse").status_code == 200


def test_no_entry_of_the_log_holds_a_nearest_question(explained):
    explained.ask(count_request(by=[{"field": "age"}], where=[]), "logged")
    refused = explained.entries(kind="refused")
    assert refused
    assert all(set(item["entry"]["decision"]) == {"outcome", "code", "clauses"} for item in refused)
    assert "nearest" not in json.dumps(refused)


def test_where_nothing_can_be_asked_there_is_no_nearest_question(explained):
    answer = explained.ask(count_request(purpose="prevention-evaluation", dataset="street-crime", where=[]), "none")
    assert answer.status_code == 403
    decision = answer.json()["decision"]
    assert (decision["code"], decision["clauses"]) == ("forbidden", ["datasets/street-crime/purposes"])
    assert "nearest" not in decision


def test_who_has_a_role_that_a_grant_names_may_ask_and_other_roles_may_not(explained):
    asked = count_request(by=[{"field": "lad", "level": "force"}], where=[])
    for party, role, status, code in (
        ("bristol", "steward", 200, None),
        ("bristol", "ig-lead", 403, "role_missing"),
        ("bristol", "supplier", 403, "role_missing"),
        ("as-opcc", "steward", 403, "role_missing"),
        ("bristol", "analyst", 403, "forbidden"),
    ):
        with explained.http(party, role) as http:
            answer = http.post(f"{explained.agreement}/aggregates/preview", json=asked)
            decision = answer.json().get("decision")
            assert answer.status_code == (200 if code == "forbidden" else status), (party, role)
            found = answer.json().get("code") or (decision["code"] if decision["outcome"] == "refused" else None)
        assert found == code, (party, role)


# --- the catalogue


def test_the_catalogue_tells_each_role_exactly_what_it_may_do(explained):
    (own,) = allowed(explained, "bristol", "steward")
    assert own["clause"].startswith("grants/")
    assert (own["roles"], own["combine"], own["most_fields"]) == (["steward"], {"lad": 3}, 2)
    assert (own["approval"], own["group_by"], own["rows"]) == (["as-police"], {"lad": ["force"]}, {})
    (analysts,) = allowed(explained, "bristol", "analyst")
    assert analysts["rows"] == {"lad": ["E06000023"]}
    assert not {"combine", "most_fields", "approval"} & analysts.keys()
    assert allowed(explained, "bristol", "ig-lead") == []
    assert allowed(explained, "as-police", "analyst") == []


def test_the_catalogue_resolves_purposes_with_their_narrower_ones_and_datasets_limits(explained):
    (hub,) = allowed(explained, "as-opcc", "analyst")
    assert hub["purposes"] == ["duty", "needs-assessment"]
    (crime,) = allowed(explained, "as-opcc", "analyst", "street-crime")
    assert crime["purposes"] == ["needs-assessment"]


def test_the_catalogue_names_the_grants_that_a_link_needs(explained):
    (hub,) = allowed(explained, "as-opcc", "analyst")
    assert set(hub["links"]) == {"ed-assaults", "ambulance-calls", "school-exclusions", "youth-justice"}
    (link,) = hub["links"]["ed-assaults"]
    assert link["purposes"] == ["needs-assessment"]
    assert link["filter_by"]["arrived"] == ["month", "quarter", "year"]
    (council,) = allowed(explained, "bristol", "analyst")
    assert council["links"] == {}


# --- simulation


def test_a_steward_sees_what_the_policy_says_to_another_partys_question(explained):
    asked = count_request(by=[{"field": "age"}], where=[])
    answer = simulate(explained, {"as": "as-opcc", "request": asked})
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["agreement"] == explained.clients["agreement"] | {"digest": made["agreement"]["digest"]}
    assert (made["as"], made["roles"], made["decision"]["code"]) == ("as-opcc", ["analyst"], "forbidden")
    again = simulate(explained, {"as": "as-opcc", "request": made["decision"]["nearest"]["request"]})
    assert again.json()["decision"]["outcome"] == "allowed"
    stewards = {"as": "bristol", "roles": ["steward"], "request": count_request(by=[], where=[])}
    assert simulate(explained, stewards).json()["decision"]["approvals"] == ["as-police"]


def test_a_simulation_is_logged_by_what_was_simulated_and_charges_nothing(explained):
    asked = count_request(by=[{"field": "lad"}], where=[], reason="not to be logged")
    asked["by"].append({"field": "made_up"})
    with explained.http("as-opcc", "analyst") as http:
        before = http.get(f"{explained.agreement}/budget").json()["spent"]
    simulate(explained, {"as": "nobody-known", "roles": ["steward"], "request": asked})
    entry = explained.entries("as-police", kind="read")[-1]["entry"]
    assert (entry["charge"], entry["result"], entry["reason"], entry["purpose"]) == (None, None, None, None)
    assert entry["request"]["what"] == "simulate"
    simulated = entry["request"]["simulated"]
    assert (simulated["as"], simulated["roles"], simulated["outcome"]) == ("(unknown)", ["steward"], "refused")
    assert simulated["request"]["by"] == [{"field": "lad", "level": None}, {"field": "(unknown)", "level": None}]
    assert "made_up" not in json.dumps(entry)
    assert "not to be logged" not in json.dumps(entry)
    with explained.http("as-opcc", "analyst") as http:
        assert http.get(f"{explained.agreement}/budget").json()["spent"] == before


@pytest.mark.parametrize("role", ["analyst", "supplier", "ig-lead"])
def test_only_stewards_simulate_and_the_refusal_is_logged(explained, role):
    answer = simulate(explained, {"as": "as-opcc", "request": count_request()}, role=role)
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    assert explained.entries("as-police", kind="refused")[-1]["entry"]["request"] == {"what": "simulate"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"as": "as-opcc"}, 422, "malformed"),
        ({"as": "as-opcc", "request": {}, "extra": 1}, 422, "malformed"),
        ({"as": "as-opcc", "request": count_request(), "roles": ["king"]}, 422, "malformed"),
        ({"as": "as-opcc", "request": count_request(), "version": "7"}, 404, "not_found"),
        ({"as": "as-opcc", "request": count_request(), "version": 1}, 422, "malformed"),
        ({"as": "as-opcc", "request": count_request(where=[{"field": "lad", "in": ["x"]}])}, 422, "unknown_code"),
    ],
)
def test_a_simulation_that_makes_no_sense_is_refused(explained, body, status, code):
    answer = simulate(explained, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_draft_is_simulated_before_anybody_has_signed_it_by_its_parties_alone(served):
    value: dict[str, Any] = strict_yaml.loads((served.state / "agreement.yaml").read_bytes())
    value["version"] = "2"
    value["grants"][0]["group_by"]["age"] = ["sna-band", "as-is"]
    value["parties"] = [party for party in value["parties"] if party["id"] != "bristol"]
    value["grants"] = [grant | {"to": [to for to in grant["to"] if to != "bristol"]} for grant in value["grants"]]
    value["grants"] = [grant for grant in value["grants"] if grant["to"]]
    del value["privacy"]["shares"]["bristol"]
    with served.http("as-police", "steward") as http:
        headers = {"Content-Type": "application/yaml"}
        made = http.post("/v1/agreements", content=strict_yaml.dumps(value), headers=headers)
    assert made.status_code == 201, made.text
    asked = {"as": "as-opcc", "request": count_request(by=[{"field": "age"}], where=[])}
    found = [simulate(served, asked | version).json() for version in ({}, {"version": "1"}, {"version": "2"})]
    assert [item["decision"]["outcome"] for item in found] == ["refused", "refused", "allowed"]
    assert [item["agreement"]["version"] for item in found] == ["1", "1", "2"]
    hidden = simulate(served, asked | {"version": "2"}, party="bristol")
    assert (hidden.status_code, hidden.json()["code"]) == (404, "not_found")
