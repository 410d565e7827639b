"""Budgets over versions, dataset names and agreement ids: nothing restarts what was spent."""

from __future__ import annotations

import copy
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
    asking = served.broker.asking
    caller = Caller("as-opcc-client", "as-opcc", frozenset({Role.ANALYST}))
    pending = asking.prepare(caller, served.clients["agreement"]["id"], "running", parse(count_request()))
    computed = asking.compute(pending.intent)
    with served.http("bri-ed", "ig-lead") as http:
        assert http.post(f"{served.agreement}/suspension").status_code == 200
    with pytest.raises(Forbidden) as caught:
        asking.complete(computed)
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
