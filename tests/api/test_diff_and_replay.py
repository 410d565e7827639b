"""Before a version is signed: what changed, and which decisions it would turn. Nobody learns more than the log says."""

from __future__ import annotations

import copy
import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest

from connectors.client import Client
from connectors.sign_in import Token
from schemas import agreement as documents
from schemas import strict_yaml
from service.aggregates import replay as replays
from service.replaying import replay_file
from tests.support.server import Served, count_request

QUESTION = count_request(by=[{"field": "lad"}], where=[])
ED = {
    "purpose": "needs-assessment", "dataset": "ed-assaults", "measures": [{"count": {}}], "by": [{"field": "sex"}],
    "spend": {"share": "0.02"},
}  # fmt: skip
CALLS = ED | {"dataset": "ambulance-calls", "by": [{"field": "card"}]}


def document(served: Served) -> dict[str, Any]:
    value: dict[str, Any] = strict_yaml.loads((served.state / "agreement.yaml").read_bytes())
    return value


def propose(served: Served, edit: Callable[[dict[str, Any]], object], version: str = "2") -> dict[str, Any]:
    """Register a version that nobody has signed."""
    value = copy.deepcopy(document(served)) | {"version": version}
    edit(value)
    with served.http("as-police", "steward") as http:
        headers = {"Content-Type": "application/yaml"}
        made = http.post("/v1/agreements", content=strict_yaml.dumps(value), headers=headers)
    assert made.status_code == 201, made.text
    return value


def less_and_more(value: dict[str, Any]) -> None:
    """Take the hub's ED assaults away, and give the council ambulance calls."""
    hub, council = value["grants"][1], value["grants"][6]
    hub["to"] = ["bristol"]
    council["dataset"] = "ambulance-calls"
    council["group_by"] = {"card": ["as-is"]}
    council["filter_by"] = {}
    council.pop("rows")


def diff(served: Served, party: str, version: int = 2, base: int | None = None) -> Any:
    with served.http(party, "analyst") as http:
        params = {"from": base} if base is not None else {}
        return http.get(f"{served.agreement}/versions/{version}/diff", params=params)


def replay(served: Served, party: str, role: str = "ig-lead", version: int = 2, **params: Any) -> Any:
    time.sleep(0.15)  # a few ticks, so that the checkpoint covers what was just done
    with served.http(party, role) as http:
        return http.post(f"{served.agreement}/versions/{version}/replay", params=params)


def ask_around(served: Served) -> None:
    """Ask as both recipients: allowed, refused, previewed, repeated, malformed, unknown, over the budget."""
    for place, (party, question) in enumerate((
        ("as-opcc", QUESTION), ("as-opcc", QUESTION), ("as-opcc", ED), ("bristol", QUESTION), ("bristol", ED),
        ("bristol", CALLS), ("as-opcc", CALLS), ("as-opcc", ED | {"by": [{"field": "made_up"}]}),
        ("as-opcc", ED | {"purpose": "marketing"}), ("as-opcc", QUESTION | {"spend": {"share": "0.9"}}),
        ("bristol", count_request(where=[])),
    )):  # fmt: skip
        served.ask(question, f"key{place}", party)
    served.preview(ED)
    served.preview(CALLS, "bristol")
    served.ask(b"{", "key-malformed")


# --- diff


def test_a_proposed_version_is_compared_with_the_one_in_force(served):
    propose(served, less_and_more)
    answer = diff(served, "bristol").json()
    assert (answer["from"]["version"], answer["to"]["version"]) == ("1", "2")
    assert answer["from"]["digest"] == served.clients["agreement"].get("digest", answer["from"]["digest"])
    assert answer["effects"]["widens"] > 0
    assert answer["effects"]["narrows"] > 0
    assert all(set(change) == {"path", "kind", "words", "effect"} for change in answer["changes"])
    propose(served, lambda value: value.update(title="Another title"), "3")
    back = diff(served, "bristol", 3, base=2).json()
    assert {"title"} < {change["path"] for change in back["changes"]}
    assert back["effects"]["narrows"] > 0


def test_whoever_may_not_see_both_versions_compares_nothing(served):
    def without_bristol(value: dict[str, Any]) -> None:
        value["parties"] = [party for party in value["parties"] if party["id"] != "bristol"]
        value["grants"] = [grant for grant in value["grants"] if grant["to"] != ["bristol"]]
        for grant in value["grants"]:
            grant["to"] = [party for party in grant["to"] if party != "bristol"]
        del value["privacy"]["shares"]["bristol"]

    propose(served, without_bristol)
    for answer in (diff(served, "bristol"), replay(served, "bristol"), diff(served, "as-opcc", 3)):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert diff(served, "as-opcc").status_code == 200


def test_a_draft_with_nothing_in_force_before_it_is_compared_with_a_version_that_is_named(served):
    propose(served, lambda value: value.update(id="another-agreement"), "1")
    served.clients["agreement"] = {"id": "another-agreement", "version": "1"}
    answer = diff(served, "bristol", 1)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert diff(served, "bristol", 1, base=1).json()["changes"] == []
    assert replay(served, "bristol", version=1).json()["replayed"] == 0


# --- replay


def test_a_replay_tells_each_party_which_of_the_decisions_it_may_read_would_flip(served):
    ask_around(served)
    propose(served, less_and_more)
    hub = replay(served, "as-opcc").json()
    assert {(flip["party"], flip["dataset"], flip["before"], flip["after"]) for flip in hub["flips"]} == {
        ("as-opcc", "ed-assaults", "allowed", "refused"),
    }
    assert len(hub["flips"]) == 2, "the answer and the preview"
    assert all(flip["code"] == "not_granted" and flip["clauses"] and flip["words"] for flip in hub["flips"])
    assert hub["unreadable_because"] == {"a word that was not known when it was asked, which the log does not keep": 2}
    assert hub["not_replayed_because"] == {
        "no question": 1,
        "refused for the budget, which is no part of a version": 1,
    }
    council = replay(served, "bristol").json()
    assert [(flip["before"], flip["after"], flip["code"]) for flip in council["flips"]] == [
        ("refused", "allowed", "allowed"), ("refused", "allowed", "allowed"),
    ]  # fmt: skip
    assert {flip["dataset"] for flip in council["flips"]} == {"ambulance-calls"}
    supplier = replay(served, "swasft").json()
    assert {(flip["party"], flip["dataset"]) for flip in supplier["flips"]} == {("bristol", "ambulance-calls")}
    assert replay(served, "as-yjs").json()["replayed"] == 0


@pytest.mark.parametrize("party", ["as-opcc", "bristol", "as-police", "bri-ed", "swasft", "as-yjs", "hub-it"])
def test_a_replay_is_a_function_of_the_entries_that_the_party_can_read_anyway(served, tmp_path, party):
    """The same comes out of the party's own export of the log and the version, on its own machine."""
    ask_around(served)
    value = propose(served, less_and_more)
    time.sleep(0.15)
    with served.http(party, "ig-lead") as http:
        (tmp_path / "export.ndjson").write_bytes(http.get("/v1/audit/export").content)
        online = http.post(f"{served.agreement}/versions/2/replay").json()
    readable = {item["n"] for item in served.entries(party)}
    assert {flip["n"] for flip in online["flips"]} <= readable
    for mine in (party, None):
        offline = replay_file(tmp_path / "export.ndjson", documents.parse(value), mine, [])
        for name in set(online) - {"agreement", "next", "size"}:
            assert offline[name] == online[name], name


def test_a_replay_goes_page_by_page_to_the_same_sum(served):
    ask_around(served)
    propose(served, less_and_more)
    whole = replay(served, "as-opcc", limit=5000).json()
    assert whole["next"] is None
    page = replay(served, "as-opcc", limit=1).json()
    assert page["next"] is not None
    assert page["replayed"] + page["unreadable"] + page["not_replayed"] == 1
    token = Token(served.clients["parties"]["as-opcc"]["tokens"]["ig-lead"])
    for size in (1, 2, 1000):
        with Client(
            served.clients["base_url"], token, served.state / "client", issuer=served.clients["issuer"]
        ) as client:
            summed = client.replay(served.clients["agreement"]["id"], "2", page=size)
        for name in set(whole) - {"size"}:
            assert summed[name] == whole[name], name


def test_a_replay_covers_the_time_that_is_asked_for(served):
    ask_around(served)
    propose(served, less_and_more)
    assert replay(served, "as-opcc", until="2000-01-01").json()["replayed"] == 0
    assert replay(served, "as-opcc", since="2000-01-01").json()["replayed"] > 0
    assert replay(served, "as-opcc", since="yesterday").status_code == 422


@pytest.mark.parametrize(("role", "status"), [("analyst", 403), ("supplier", 403), ("steward", 200), ("ig-lead", 200)])
def test_stewards_and_ig_leads_replay(served, role, status):
    propose(served, less_and_more)
    answer = replay(served, "as-police", role)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "role_missing"


def test_a_replay_is_an_access_that_is_logged_charges_nothing_and_reads_no_data(served, monkeypatch):
    ask_around(served)
    propose(served, less_and_more)

    def money() -> list[Any]:
        control = sqlite3.connect(served.state / "broker" / "concordat.db")
        found = [
            control.execute(f"SELECT * FROM {name}").fetchall() for name in ("account", "charge", "intent", "release")
        ]
        control.close()
        return found

    before = money()
    engine = served.broker.completion.engine
    monkeypatch.setattr(type(engine), "totals", lambda *_: pytest.fail("a replay read data"))
    assert replay(served, "as-opcc").json()["flips"]
    assert money() == before
    (read,) = [item["entry"] for item in served.entries() if (item["entry"]["request"] or {}).get("what") == "replay"]
    assert (read["kind"], read["caller"]["party"], read["decision"]["outcome"]) == ("read", "as-opcc", "allowed")
    assert read["charge"] is None
    assert replay(served, "as-opcc", "analyst").status_code == 403
    refused = [item["entry"] for item in served.entries(kind="refused")][-1]
    assert (refused["request"], refused["decision"]["code"]) == ({"what": "replay"}, "role_missing")


def test_a_replay_under_the_version_in_force_flips_nothing(served):
    ask_around(served)
    made = replay(served, "as-opcc", version=1).json()
    assert made["flips"] == []
    assert made["replayed"] == made["same"] > 0


def test_every_code_of_a_refused_question_is_either_policys_or_told_why_not(served):
    with served.http("bri-ed", "ig-lead") as http:
        served.ask(QUESTION, "before")
        assert http.post(f"{served.agreement}/suspension").status_code == 200
        served.ask(QUESTION, "suspended")
        assert http.delete(f"{served.agreement}/suspension").status_code == 200
    served.ask(QUESTION | {"reason": "943 476 5919"}, "reason")
    propose(served, less_and_more)
    made = replay(served, "as-opcc").json()
    assert made["not_replayed_because"] == {replays.STANDING: 1, replays.OTHERWISE: 1}


# --- versions never change


def test_no_call_changes_a_version(served):
    second = propose(served, less_and_more)
    headers = {"Content-Type": "application/json"}
    with served.http("as-police", "steward") as http:
        shown = [http.get(f"{served.agreement}/versions/{number}").json() for number in (1, 2)]
        for value in (
            second,
            second | {"title": "Another"},
            document(served),
            document(served) | {"title": "Another"},
            document(served) | {"version": "9"},
        ):
            answer = http.post("/v1/agreements", content=json.dumps(value), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (409, "version_conflict"), answer.text
        for number in (1, 2):
            url = f"{served.agreement}/versions/{number}"
            for method in ("PUT", "PATCH", "DELETE", "POST"):
                assert http.request(method, url, content=json.dumps(second), headers=headers).status_code == 405
            for method in ("PUT", "PATCH", "DELETE"):
                assert http.request(method, f"{url}/signatures").status_code == 405
        signed = http.post(f"{served.agreement}/versions/1/signatures", json={"signature": "a..b"})
        assert (signed.status_code, signed.json()["code"]) == (409, "already_in_force")
        assert [http.get(f"{served.agreement}/versions/{number}").json() for number in (1, 2)] == shown
