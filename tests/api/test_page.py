"""The page of an agreement over HTTP: for its parties alone, logged, and unable to run anything."""

from __future__ import annotations

import httpx
import pytest

from schemas import strict_yaml
from schemas.page.render import CONTENT_SECURITY_POLICY


def read(served, party="bristol", role="analyst", version=1):
    with served.http(party, role) as http:
        return http.get(f"{served.agreement}/versions/{version}/page")


@pytest.mark.parametrize("party", ["as-police", "bristol", "hub-it"])
def test_each_party_reads_the_page_with_who_has_signed(filled, party):
    answer = read(filled, party, "ig-lead")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    with filled.http(party, "ig-lead") as http:
        known = http.get(f"{filled.agreement}/versions/1").json()
    assert known["digest"] in answer.text
    assert all(item["key"] in answer.text for item in known["signatures"])
    assert "not yet" not in answer.text
    assert "Standing: <strong>in force</strong>" in answer.text
    assert 'id="grants/3/group_by/reason_1"' in answer.text


def test_the_page_runs_nothing_and_is_kept_nowhere(filled):
    headers = read(filled).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_reading_the_page_is_logged(filled):
    before = [item for item in filled.entries("bristol") if item["entry"]["request"] == {"what": "page"}]
    read(filled)
    after = [item for item in filled.entries("bristol") if item["entry"]["request"] == {"what": "page"}]
    assert len(after) == len(before) + 1
    assert after[-1]["entry"]["kind"] == "read"
    assert after[-1]["entry"]["agreement"]["id"] == filled.clients["agreement"]["id"]


def test_a_version_or_agreement_that_is_none_of_the_callers_is_not_found(filled):
    assert read(filled, version=9).status_code == 404
    with filled.http("bristol", "analyst") as http:
        answer = http.get("/v1/agreements/another/versions/1/page")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert httpx.get(f"{filled.clients['base_url']}{filled.agreement}/versions/1/page").status_code == 401


def test_a_stranger_to_an_agreement_learns_nothing_of_its_page(served):
    value = strict_yaml.loads((served.state / "agreement.yaml").read_bytes()) | {"id": "without-bristol"}
    value["parties"] = [party for party in value["parties"] if party["id"] != "bristol"]
    value["grants"] = [grant for grant in value["grants"] if grant["to"] == ["as-opcc"]]
    del value["privacy"]["shares"]["bristol"]
    with served.http("as-police", "steward") as http:
        body, kind = strict_yaml.dumps(value), {"Content-Type": "application/yaml"}
        assert http.post("/v1/agreements", content=body, headers=kind).status_code == 201
        draft = http.get("/v1/agreements/without-bristol/versions/1/page")
    assert draft.status_code == 200
    assert draft.text.count("not yet") == len(value["parties"])
    with served.http("bristol", "steward") as http:
        refused = http.get("/v1/agreements/without-bristol/versions/1/page")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
