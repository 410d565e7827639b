"""Who may call what: tokens, roles, strangers, and what is public."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import jwt
import pytest

from connectors.tlog import open_checkpoint
from tests.support.server import count_request

ROUTES = [
    ("GET", "/v1/me"),
    ("GET", "/v1/agreements"),
    ("POST", "/v1/agreements"),
    ("GET", "{agreement}"),
    ("GET", "{agreement}/versions/1"),
    ("GET", "{agreement}/versions/1/page"),
    ("POST", "{agreement}/versions/1/signatures"),
    ("POST", "{agreement}/suspension"),
    ("POST", "{agreement}/termination"),
    ("POST", "{agreement}/withdrawal"),
    ("DELETE", "{agreement}/withdrawal"),
    ("GET", "{agreement}/purge"),
    ("GET", "{agreement}/datasets"),
    ("GET", "{agreement}/datasets/police-violence"),
    ("POST", "{agreement}/datasets/police-violence/extracts"),
    ("GET", "{agreement}/datasets/police-violence/extracts"),
    ("DELETE", "{agreement}/datasets/police-violence/extracts/x"),
    ("POST", "{agreement}/aggregates"),
    ("POST", "{agreement}/aggregates/preview"),
    ("GET", "{agreement}/releases"),
    ("GET", "{agreement}/releases/x"),
    ("GET", "{agreement}/budget"),
    ("POST", "{agreement}/simulate"),
    ("GET", "/v1/audit/entries"),
    ("GET", "/v1/audit/entries/0"),
    ("GET", "/v1/audit/entries/0/proof"),
    ("GET", "/v1/audit/consistency?from=0&to=1"),
    ("GET", "/v1/audit/export"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("token", [None, "nonsense", "Basic abc"])
def test_without_a_token_of_ours_there_is_nothing(filled, method, path, token):
    headers = {} if token is None else {"Authorization": token if " " in token else f"Bearer {token}"}
    url = filled.clients["base_url"] + path.format(agreement=filled.agreement)
    answer = httpx.request(method, url, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] in ("token_required", "invalid_token")


def test_a_token_from_a_signed_assertion_works(filled):
    party = filled.clients["parties"]["as-opcc"]
    claims = {
        "iss": party["client_id"], "sub": party["client_id"], "aud": filled.clients["issuer"],
        "exp": int(time.time()) + 60, "jti": "http-1",
    }  # fmt: skip
    assertion = jwt.encode(claims, Path(party["key_file"]).read_text(), algorithm="EdDSA")
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
        "scope": "analyst",
    }
    url = filled.clients["base_url"]
    answer = httpx.post(f"{url}/oauth/token", data=form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()["access_token"]
    me = httpx.get(f"{url}/v1/me", headers={"Authorization": f"Bearer {token}"}).json()
    assert (me["party"], me["roles"]) == ("as-opcc", ["analyst"])
    again = httpx.post(f"{url}/oauth/token", data=form)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert assertion not in again.text
    as_token = httpx.get(f"{url}/v1/me", headers={"Authorization": f"Bearer {assertion}"})
    assert as_token.status_code == 401


@pytest.mark.parametrize("role", ["supplier", "ig-lead", "steward"])
def test_only_analysts_ask(filled, role):
    with filled.http("as-opcc", role) as http:
        answer = http.post(f"{filled.agreement}/aggregates", json=count_request(), headers={"Idempotency-Key": "role"})
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")


def test_a_supplier_pushes_only_what_it_supplies(filled):
    for party in ("bri-ed", "as-opcc"):
        answer = filled.push(party, "police-violence", b"x", "not-mine")
        assert answer.status_code == 403, answer.text


def test_the_catalogue_tells_each_party_what_it_may_do(filled):
    with filled.http("bristol", "analyst") as http:
        shown = http.get(f"{filled.agreement}/datasets/police-violence").json()
    assert shown["you_may"]["push"] is False
    assert shown["you_may"]["ask"][0]["rows"] == {"lad": ["E06000023"]}
    fields = {field["name"]: field for field in shown["fields"]}
    assert fields["lad"]["codes"]["list"] == "lad-2025"
    assert fields["age"]["level_keys"]["sna-band"][0] == "0-9"
    assert "rows" not in shown
    assert "persons" not in shown


def test_the_checkpoint_is_signed_by_the_published_log_key(filled):
    base = filled.clients["base_url"]
    log = httpx.get(f"{base}/v1/keys").json()["log"]
    checkpoint = open_checkpoint(httpx.get(f"{base}/v1/audit/checkpoint").text, log["verifier_key"])
    assert checkpoint.origin == log["origin"]
    assert checkpoint.size > 0


def test_health_and_readiness(filled):
    base = filled.clients["base_url"]
    assert httpx.get(f"{base}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{base}/readyz").json() == {"status": "ready"}


def test_metrics_are_for_operators(filled):
    base = filled.clients["base_url"]
    token = (filled.state / "broker" / "keys" / "metrics-token").read_text()
    answer = httpx.get(f"{base}/metrics", headers={"Authorization": f"Bearer {token}"})
    assert "concordat_requests_total" in answer.text


def test_an_unknown_address_is_a_problem_too(filled):
    answer = httpx.get(f"{filled.clients['base_url']}/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_each_party_sees_its_own_entries_and_those_of_its_datasets(filled):
    request = count_request(by=[{"field": "lad"}], where=[{"field": "alcohol", "is": True}], reason="seen by suppliers")
    filled.ask(request | {"linked": [{"dataset": "ed-assaults", "has": True}]}, "seen")
    seen = {party: filled.entries(party) for party in ("as-opcc", "as-police", "bri-ed", "bristol", "swasft")}
    reasons = {
        party: [item for item in entries if item["entry"]["reason"] == "seen by suppliers"]
        for party, entries in seen.items()
    }
    assert len(reasons["as-opcc"]) == len(reasons["as-police"]) == len(reasons["bri-ed"]) == 1
    assert reasons["bristol"] == reasons["swasft"] == []
    pushes = {party: [i for i in entries if i["entry"]["kind"] == "pushed"] for party, entries in seen.items()}
    assert len(pushes["as-police"]) == 1
    assert pushes["as-opcc"] == []


def test_an_entry_that_is_not_mine_looks_like_one_that_is_not_there(filled):
    entries = filled.entries("as-police", kind="pushed")
    with filled.http("bristol", "ig-lead") as http:
        other = http.get(f"/v1/audit/entries/{entries[0]['n']}")
        nothing = http.get("/v1/audit/entries/999999")
    assert other.status_code == nothing.status_code == 404
    assert other.json() == nothing.json()


def test_another_partys_release_looks_like_one_that_is_not_there(filled):
    request = count_request(by=[{"field": "lad"}], where=[{"field": "domestic", "is": True}])
    release = filled.ask(request, "mine").json()["id"]
    time.sleep(0.15)
    with filled.http("as-opcc", "analyst") as own, filled.http("bristol", "analyst") as other:
        assert own.get(f"{filled.agreement}/releases/{release}").json()["id"] == release
        assert own.get(f"{filled.agreement}/releases").json()["releases"][0]["id"] == release
        refused = other.get(f"{filled.agreement}/releases/{release}")
        nothing = other.get(f"{filled.agreement}/releases/release-0")
    assert refused.status_code == nothing.status_code == 404
    assert refused.json() == nothing.json()
