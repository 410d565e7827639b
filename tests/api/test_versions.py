"""Budgets over versions, dataset names and agreement ids: nothing restarts what was spent."""

from __future__ import annotations

import copy
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from schemas import strict_yaml
from schemas.agreement import SIGNATURE_TYPE, signature_payload
from schemas.jws import sign
from schemas.request import parse
from service.errors import Forbidden
from service.identity.caller import Caller, Role
from service.storage.keyfiles import signing_key
from tests.support.server import count_request


def document(served):
    return strict_yaml.loads((served.state / "agreement.yaml").read_bytes())


def register(served, value):
    """Register a document and sign it as every party, over HTTP."""
    first = value["parties"][0]["id"]
    with served.http(first, "steward") as http:
        made = http.post(
            "/v1/agreements", content=strict_yaml.dumps(value), headers={"Content-Type": "application/yaml"}
        )
    assert made.status_code == 201, made.text
    payload = signature_payload(value, served.clients["issuer"])
    for party in served.clients["parties"]:
        key = signing_key(served.state / "keys" / f"{party}.signing.pem")
        with served.http(party, "ig-lead") as http:
            url = f"/v1/agreements/{value['id']}/versions/{value['version']}/signatures"
            answer = http.post(url, json={"signature": sign(payload, key, typ=SIGNATURE_TYPE)})
            assert answer.status_code == 201, answer.text
    assert answer.json()["unsigned"] == []


def budget(served, agreement=None):
    with served.http("as-opcc", "analyst") as http:
        return http.get(f"/v1/agreements/{agreement or served.clients['agreement']['id']}/budget").json()


def test_a_new_version_or_dataset_name_restarts_nothing(served):
    request = count_request(by=[{"field": "lad"}], where=[], spend={"share": "0.10"})
    assert served.ask(request, "one").status_code == 200
    spent = Decimal(budget(served)["spent"]["rho"])
    assert spent > 0

    value = document(served)
    value["version"] = "2"
    value["datasets"]["violence"] = value["datasets"].pop("police-violence")
    for grant in value["grants"]:
        grant["dataset"] = {"police-violence": "violence"}.get(grant["dataset"], grant["dataset"])
        grant["link"] = [{"police-violence": "violence"}.get(name, name) for name in grant.get("link", [])]
    register(served, value)
    after = budget(served)
    assert after["agreement"]["version"] == "2"
    assert Decimal(after["spent"]["rho"]) == spent
    old = served.ask(request, "two")
    assert (old.status_code, old.json()["code"]) == (403, "not_granted")
    new = served.ask(request | {"dataset": "violence"}, "three")
    assert new.status_code == 200
    assert new.json()["agreement"]["version"] == "2"


def rename(value, old, new):
    """Call a dataset otherwise, wherever it is named."""
    value["datasets"][new] = value["datasets"].pop(old)
    for grant in value["grants"]:
        grant["dataset"] = new if grant["dataset"] == old else grant["dataset"]
        grant["link"] = [new if name == old else name for name in grant.get("link", [])]


def accounts(served):
    """Return every account's sum as it is stored."""
    control = sqlite3.connect(served.state / "broker" / "concordat.db")
    found = dict(control.execute("SELECT key, rho_nano FROM account").fetchall())
    control.close()
    return found


FLAGS = ("knife", "firearm", "domestic", "alcohol", "primary")


def spend_all(served, dataset="police-violence", key="spend"):
    """Ask until as-opcc has spent half of its share; each question is a new one."""
    for place, name in enumerate(FLAGS):
        where = [{"field": name, "is": True}]
        request = count_request(dataset=dataset, by=[{"field": "lad"}], where=where, spend={"share": "0.10"})
        answer = served.ask(request, f"{key}{place}")
        assert answer.status_code == 200, answer.text


def test_what_was_spent_under_version_1_counts_under_version_2_by_person(served):
    """Version 2 renames the dataset, rewrites the grants and gives out other shares: nothing is forgotten."""
    spend_all(served)
    before, held = budget(served), accounts(served)
    spent = Decimal(before["spent"]["rho"])
    assert spent > 0

    value = document(served) | {"version": "2"}
    rename(value, "police-violence", "violence")
    value["grants"].reverse()
    hub = next(grant for grant in value["grants"] if grant["dataset"] == "violence" and grant["to"] == ["as-opcc"])
    hub["to"] = ["as-opcc", "as-yjs"]
    hub["for"] = ["needs-assessment"]
    hub.pop("rows")
    value["privacy"]["shares"] = {"as-opcc": "0.2", "bristol": "0.2", "as-yjs": "0.6"}
    register(served, value)

    after = budget(served)
    assert after["agreement"]["version"] == "2"
    assert Decimal(after["spent"]["rho"]) == spent
    assert Decimal(after["lifetime"]["spent"]["rho"]) == Decimal(before["lifetime"]["spent"]["rho"]) == spent
    assert accounts(served) == held

    # as-opcc has spent 0.3 of the budget under version 1, more than its whole share under version 2
    smallest = count_request(dataset="violence", by=[{"field": "sex"}], where=[], spend={"share": "0.01"})
    refused = served.ask(smallest, "more")
    assert (refused.status_code, refused.json()["code"]) == (403, "over_budget")
    assert refused.json()["decision"]["clauses"] == ["privacy/shares/as-opcc"]

    # the others are held by what is left of the whole: 0.7 for them both, of which as-yjs may take 0.6
    for place in range(10):
        where = [{"field": "lad", "in": ["E06000022"]}] if place % 2 else []
        request = count_request(
            dataset="violence", by=[{"field": ("age", "sex", "role", "knife", "hour")[place // 2]}], where=where,
            spend={"share": "0.10"},
        )  # fmt: skip
        if place // 2 in (0, 4):
            request["by"][0]["level"] = "sna-band" if place // 2 == 0 else "three-hours"
        answer = served.ask(request, f"yjs{place}", "as-yjs")
        assert answer.status_code == 200, answer.text
    whole = budget(served)
    cap = Decimal(whole["cap"]["rho"])
    assert Decimal("0.89") < Decimal(whole["spent"]["rho"]) / cap < Decimal("0.91")
    now = accounts(served)
    assert all(now[key] >= rho for key, rho in held.items())
    assert {key.split("|")[1] for key in now} == {"person"}, "one ledger for all persons, whatever a dataset is called"

    # and version 3, with more epsilon and everything for as-opcc, still starts from what is spent
    third = copy.deepcopy(value) | {"version": "3"}
    rename(third, "violence", "police-violence")
    third["privacy"]["shares"] = {"as-opcc": "1"}
    third["privacy"]["per_request"]["share"] = "1"
    register(served, third)
    assert Decimal(budget(served)["spent"]["rho"]) == Decimal(whole["spent"]["rho"])
    for share, status in (("0.2", 403), ("0.05", 200)):
        answer = served.ask(count_request(spend={"share": share}), f"third{share}")
        assert answer.status_code == status, answer.text


def test_a_new_agreement_id_restarts_nothing(served):
    where = [[], *([{"field": name, "is": True}] for name in ("knife", "firearm", "domestic", "alcohol", "primary"))]
    for place, condition in enumerate(where):
        request = count_request(by=[{"field": "lad"}], where=condition, spend={"share": "0.10"})
        assert served.ask(request, f"one{place}").status_code == 200
    value = copy.deepcopy(document(served))
    value["id"] = "another-agreement"
    value["privacy"]["shares"] = {"as-opcc": "1"}
    value["privacy"]["per_request"]["share"] = "1"
    for grant in value["grants"]:
        grant["to"] = ["as-opcc"]
    register(served, value)
    served.clients["agreement"] = {"id": "another-agreement", "version": "1"}
    own = Decimal(budget(served)["cap"]["rho"])
    refused = served.ask(count_request(spend={"share": "1"}), "whole")
    assert (refused.status_code, refused.json()["code"]) == (403, "over_budget")
    rest = served.ask(count_request(spend={"share": "0.6"}), "rest")
    assert rest.status_code == 200, rest.text
    sources = budget(served)["sources"]["as-police/police-violence"]
    assert set(sources) == {"here", "under_other_agreements"}
    assert Decimal(sources["under_other_agreements"]) > 0
    assert sum(Decimal(rho) for rho in sources.values()) <= own


def test_a_new_agreement_id_with_another_name_for_the_source_narrows_both(served):
    """Whatever an agreement calls a dataset, its supplier and kind of data tell that it is the same source."""
    first = dict(served.clients["agreement"])
    spend_all(served)
    value = copy.deepcopy(document(served)) | {"id": "another-agreement"}
    rename(value, "police-violence", "harm")
    rename(value, "ed-assaults", "police-violence-of-old")
    register(served, value)
    served.clients["agreement"] = {"id": "another-agreement", "version": "1"}
    spend_all(served, "harm", "other")
    spent = Decimal(budget(served, "another-agreement")["spent"]["rho"])
    sources = budget(served, "another-agreement")["sources"]["as-police/police-violence"]
    assert Decimal(sources["here"]) == spent
    assert Decimal(sources["under_other_agreements"]) == Decimal(budget(served, first["id"])["spent"]["rho"])

    def remaining(agreement, dataset, by):
        served.clients["agreement"] = {"id": agreement, "version": "1"}
        shown = served.preview(count_request(dataset=dataset, by=[{"field": by}], where=[], spend={"share": "0.01"}))
        return Decimal(shown.json()["remaining_after"]["rho"])

    # each has spent 0.3 of its cap, of the same source: 0.4 is left under either, and as-opcc's share leaves it 0.3
    cap = Decimal(budget(served, first["id"])["cap"]["rho"])
    assert Decimal("0.29") < spent / cap < Decimal("0.31")
    for agreement, dataset in ((first["id"], "police-violence"), ("another-agreement", "harm")):
        assert remaining(agreement, dataset, "sex") <= cap * Decimal("0.3")

    # with the whole budget as its share, the source's 0.4 is all there is under the new id; another source's is 0.7
    value["version"] = "2"
    value["privacy"]["shares"] = {"as-opcc": "1"}
    value["privacy"]["per_request"]["share"] = "1"
    register(served, value)
    assert Decimal("0.38") < remaining("another-agreement", "harm", "sex") / cap < Decimal("0.41")
    assert Decimal("0.68") < remaining("another-agreement", "police-violence-of-old", "sex") / cap < Decimal("0.71")
    served.clients["agreement"] = {"id": "another-agreement", "version": "2"}
    refused = served.ask(count_request(dataset="harm", spend={"share": "0.45"}), "too-much")
    assert (refused.status_code, refused.json()["code"]) == (403, "over_budget")


@pytest.mark.parametrize("edit", ["key", "pin", "version", "anchor", "unknown key"])
def test_whoever_registers_a_changed_document_gets_nothing(served, edit):
    value = document(served)
    value["version"] = "2"
    if edit == "key":
        value["parties"][0]["key"] = "x" * 43
    elif edit == "pin":
        value["pins"]["lad-2025"] = "sha256:" + "0" * 64
    elif edit == "version":
        value["version"] = "4"
    elif edit == "anchor":
        value["privacy"]["budget"]["from"] = "2026-11-01"
    else:
        value["extra"] = 1
    with served.http("as-police", "steward") as http:
        answer = http.post(
            "/v1/agreements", content=strict_yaml.dumps(value), headers={"Content-Type": "application/yaml"}
        )
    assert answer.status_code in (403, 409, 422), answer.text
    assert budget(served)["agreement"]["version"] == "1"


def test_a_document_that_gives_a_party_another_kind_is_refused_with_the_place_and_the_mend(served):
    value = document(served) | {"version": "2"}
    place = next(at for at, party in enumerate(value["parties"]) if party["id"] == "bri-ed")
    value["parties"][place]["kind"] = "police"
    with served.http("bri-ed", "steward") as http:
        refused = http.post(
            "/v1/agreements", content=strict_yaml.dumps(value), headers={"Content-Type": "application/yaml"}
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "other_party")
        (found,) = refused.json()["errors"]
        assert found["column"] == f"parties/{place}/kind"
        assert "`concordat party correct bri-ed --kind police`" in found["detail"]
        assert http.get(f"/v1/agreements/{value['id']}/versions/2").status_code == 404


def test_a_suspension_stops_answers_and_pushes_at_once(served):
    with served.http("bri-ed", "ig-lead") as http:
        assert http.post(f"{served.agreement}/suspension").status_code == 200
    asked = served.ask(count_request(), "s1")
    assert (asked.status_code, asked.json()["code"]) == (403, "agreement_suspended")
    pushed = served.push("as-police", "police-violence", b"x")
    assert (pushed.status_code, pushed.json()["code"]) == (403, "agreement_suspended")
    with served.http("bri-ed", "ig-lead") as http:
        assert http.delete(f"{served.agreement}/suspension").status_code == 200
    assert served.ask(count_request(), "s2").status_code == 200


def test_a_suspension_keeps_back_the_release_of_a_question_that_is_running(served):
    asking, completion = served.broker.asking, served.broker.completion
    caller = Caller("as-opcc-client", "as-opcc", frozenset({Role.ANALYST}))
    pending = asking.prepare(caller, served.clients["agreement"]["id"], "running", parse(count_request()))
    computed = completion.compute(pending.intent)
    with served.http("bri-ed", "ig-lead") as http:
        assert http.post(f"{served.agreement}/suspension").status_code == 200
    with pytest.raises(Forbidden) as caught:
        completion.complete(computed)
    assert caught.value.code == "agreement_suspended"
    assert [item["entry"]["kind"] for item in served.entries() if item["entry"]["charge"]] == ["charged"]
    assert not served.entries(kind="released")


HOSTILE = {
    "duplicate keys": b"a: 1\na: 2\n",
    "aliases": b"a: &x [1]\nb: *x\n",
    "billion laughs": b"a: &a [x,x]\nb: &b [*a,*a]\n",
    "too deep": b"[" * 5000,
    "too deep in blocks": b"".join(b" " * n + b"a:\n" for n in range(200)),
    "a tag": b"a: !!python/object:os.system x\n",
    "two documents": b"a: 1\n---\nb: 2\n",
    "not UTF-8": b"\xff\xfe\x00",
    "a fraction": b"privacy: {epsilon: 0.5}\n",
    "a list": b"- 1\n",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_refused_in_well_under_a_second(filled, name):
    with filled.http("as-opcc", "steward") as http:
        begun = datetime.now(UTC)
        answer = http.post("/v1/agreements", content=HOSTILE[name], headers={"Content-Type": "application/yaml"})
        assert datetime.now(UTC) - begun < timedelta(seconds=1)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"]


def test_an_agreement_larger_than_a_mebibyte_is_refused(filled):
    with filled.http("as-opcc", "steward") as http:
        answer = http.post(
            "/v1/agreements", content=b"a" * (1024 * 1024 + 1), headers={"Content-Type": "application/yaml"}
        )
    assert answer.status_code == 413


def test_an_agreement_is_read_back_as_it_was_signed(filled):
    with filled.http("bristol", "analyst") as http:
        shown = http.get(filled.agreement).json()
    assert shown["document"] == document(filled)
    assert shown["in_force"] is True
    assert shown["unsigned"] == []
    assert {item["party"] for item in shown["signatures"]} == set(filled.clients["parties"])
    stranger = httpx.get(filled.clients["base_url"] + filled.agreement)
    assert stranger.status_code == 401


def test_registering_tells_what_the_legal_check_finds_and_refuses_nothing_by_it(served):
    value = document(served)
    value["version"] = "2"
    for purpose in value["purposes"].values():
        purpose["legal"]["gateway"] = ["pcsc-2022-s16"]
    for dataset in value["datasets"].values():
        dataset.pop("gateway", None)
    with served.http("as-police", "steward") as http:
        answer = http.post(
            "/v1/agreements", content=strict_yaml.dumps(value), headers={"Content-Type": "application/yaml"}
        )
    assert answer.status_code == 201, answer.text
    check = answer.json()["check"]
    assert "not legal advice" in check["disclaimer"]
    errors = [item for item in check["findings"] if item["severity"] == "error"]
    assert len(errors) == check["counts"]["error"] > 0
    assert any("16" in item["source"] for item in errors)
    assert all(item["path"] and item["words"] and item["mend"] for item in errors)
    (entry,) = [
        item["entry"]
        for item in served.entries("as-police", kind="registered")
        if item["entry"]["agreement"]["version"] == "2"
    ]
    assert entry["result"]["check"] == check["counts"]


def test_the_worked_agreement_is_registered_without_an_error_of_the_check(served):
    (entry,) = [item["entry"] for item in served.entries("as-police", kind="registered")]
    assert entry["result"]["check"]["error"] == 0
