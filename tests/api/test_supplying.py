"""Pushing over HTTP: receipts, idempotency, digests, refusals, withdrawal and replacement."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from schemas.jws import public_key, verify
from service.app import build
from service.settings import PushDigest, Settings
from tests.support.server import DAYS, count_request, serve_here


@pytest.fixture
def body(extracts) -> bytes:
    found: bytes = extracts["police-violence"].read_bytes()
    return found


def total(served, key):
    """Return the noisy sum of the counts, which many thousand rows move far beyond the noise."""
    rows = served.ask(count_request(by=[], where=[{"field": "occurred", **DAYS}]), key).json()["rows"]
    return rows[0]["measures"]["count"]["value"]


def changed(body, column, value, row=3):
    rows = list(csv.reader(io.StringIO(body.decode())))
    rows[row][rows[0].index(column)] = value
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def test_a_push_gets_a_signed_receipt_for_its_supplier(served, body):
    receipt = served.push("as-police", "police-violence", body).json()
    assert set(receipt) >= {
        "extract", "agreement", "dataset", "digest", "rows", "persons", "covers", "received", "audit", "signature",
    }  # fmt: skip
    assert receipt["rows"] == body.count(b"\n") - 1
    assert receipt["digest"] == "sha256:" + hashlib.sha256(body).hexdigest()
    assert receipt["covers"] == DAYS
    with served.http("as-police", "supplier") as http:
        jwk = http.get("/v1/keys").json()["keys"][0]
        held = http.get(f"{served.agreement}/datasets/police-violence/extracts").json()["extracts"]
    unsigned = {name: value for name, value in receipt.items() if name != "signature"}
    verify(unsigned, receipt["signature"], public_key(jwk), typ="concordat-receipt+jws")
    assert [item["extract"] for item in held] == [receipt["extract"]]


def test_a_replay_gets_the_same_receipt_and_another_body_a_409(served, body):
    first = served.push("as-police", "police-violence", body, "one")
    again = served.push("as-police", "police-violence", body, "one")
    assert (again.status_code, again.json()) == (201, first.json())
    other = served.push("as-police", "police-violence", body + b"", "one", params={"to": "2026-07-31"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    cut = served.push("as-police", "police-violence", body[: body.rindex(b"\n", 0, -1) + 1], "one")
    assert (cut.status_code, cut.json()["code"]) == (409, "idempotency_key_reused")


def test_20_concurrent_pushes_with_one_key_are_one_extract(served, body):
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: served.push("as-police", "police-violence", body, "same"), range(20)))
    receipts = {json.dumps(answer.json(), sort_keys=True) for answer in answers if answer.status_code == 201}
    assert len(receipts) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    with served.http("as-police", "supplier") as http:
        assert len(http.get(f"{served.agreement}/datasets/police-violence/extracts").json()["extracts"]) == 1


def test_content_digest_is_honoured(served, body):
    good = base64.b64encode(hashlib.sha256(body).digest()).decode()
    bad = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    refused = served.push("as-police", "police-violence", body, headers={"Content-Digest": f"sha-256=:{bad}:"})
    assert (refused.status_code, refused.json()["code"]) == (422, "content_digest_mismatch")
    taken = served.push("as-police", "police-violence", body, headers={"Content-Digest": f"sha-256=:{good}:"})
    assert taken.status_code == 201


def test_a_push_that_names_another_agreement_digest_is_refused(served, body):
    headers = {"Concordat-Agreement-Digest": "sha256:" + "0" * 64}
    answer = served.push("as-police", "police-violence", body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "agreement_changed")
    with served.http("as-police", "supplier") as http:
        known = http.get(served.agreement).json()["digest"]
    taken = served.push("as-police", "police-violence", body, headers={"Concordat-Agreement-Digest": known})
    assert taken.status_code == 201


def test_a_push_that_names_no_agreement_digest_is_told_under_which_it_was_taken(served, body):
    receipt = served.push("as-police", "police-violence", body).json()
    with served.http("as-police", "supplier") as http:
        in_force = http.get(served.agreement).json()
    assert receipt["agreement"] == {name: in_force[name] for name in ("id", "version", "digest")}
    (pushed,) = served.entries("as-police", kind="pushed")
    assert pushed["entry"]["agreement"] == receipt["agreement"]
    assert pushed["n"] == receipt["audit"]["index"]


def test_where_the_broker_requires_it_a_push_that_names_no_agreement_digest_is_refused_and_logged(tmp_path, body):
    def strict(broker):
        return replace(broker, intake=replace(broker.intake, digest=PushDigest.REQUIRED))

    with serve_here(tmp_path, tune=strict) as served:
        refused = served.push("as-police", "police-violence", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "agreement_digest_required")
        with served.http("as-police", "supplier") as http:
            known = http.get(served.agreement).json()["digest"]
            assert http.get(f"{served.agreement}/datasets/police-violence/extracts").json() == {"extracts": []}
        (entry,) = served.entries("as-police", kind="push-refused")
        assert entry["entry"]["decision"]["code"] == "agreement_digest_required"
        assert entry["entry"]["agreement"]["digest"] == known
        for digest, status in (("sha256:" + "0" * 64, 409), (known, 201)):
            answer = served.push("as-police", "police-violence", body, headers={"Concordat-Agreement-Digest": digest})
            assert answer.status_code == status, answer.text


@pytest.mark.parametrize("digest", PushDigest)
def test_what_the_broker_asks_of_a_push_is_its_setting(tmp_path, digest):
    broker = build(Settings(state=tmp_path, issuer="https://broker.example", push_digest=digest))
    assert broker.intake.digest is digest
    broker.close()


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("person", "not-a-pseudonym", "pattern"),
        ("person", "", "required"),
        ("occurred", "2026-02-30", "date"),
        ("occurred", "2027-01-01", "outside_period"),
        ("lad", "E06999999", "enum"),
        ("knife", "yes", "flag"),
        ("gravity", "9", "maximum"),
        ("gravity", "1e1", "integer"),
        ("age", "-1", "minimum"),
    ],
)
def test_each_rule_is_named_with_column_count_and_row_and_never_a_value(served, body, column, value, rule):
    answer = served.push("as-police", "police-violence", changed(body, column, value))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "extract_refused"), rule
    assert [(item["column"], item["count"], item["rows"]) for item in problem["errors"]] == [(column, 1, [3])]
    assert not value or f'"{value}"' not in answer.text
    with served.http("as-police", "supplier") as http:
        assert http.get(f"{served.agreement}/datasets/police-violence/extracts").json()["extracts"] == []


def test_an_nhs_number_in_any_column_is_refused_by_name_and_not_by_value(served, body):
    rows = list(csv.reader(io.StringIO(body.decode())))
    place = rows[0].index("outcome_group")
    for row in rows[1:]:
        row[place] = "943 476 5919"
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    answer = served.push("as-police", "police-violence", text.getvalue().encode())
    assert answer.status_code == 422
    assert any(item["rule"].startswith("identifier") for item in answer.json()["errors"])
    assert "943 476 5919" not in answer.text
    assert "5919" not in json.dumps(served.entries("as-police"))


def test_a_withdrawn_extract_is_gone_from_answers_and_from_the_disk(served, body):
    receipt = served.push("as-police", "police-violence", body).json()
    before = total(served, "w1")
    assert before > 4000
    with served.http("as-police", "supplier") as http:
        url = f"{served.agreement}/datasets/police-violence/extracts/{receipt['extract']}"
        gone = http.delete(url)
        assert gone.status_code == 200
        assert http.delete(url).json() == gone.json()
    assert total(served, "w2") < 500
    assert not list((served.state / "broker" / "lake").rglob("*.parquet"))


def test_a_replacement_takes_the_place_of_the_extract_at_once(served, body):
    first = served.push("as-police", "police-violence", body).json()
    lines = body.splitlines(keepends=True)
    half = b"".join(lines[: len(lines) // 2])
    answer = served.push("as-police", "police-violence", half, "fix", params={"replaces": first["extract"]})
    assert answer.status_code == 201, answer.text
    assert abs(total(served, "r1") - answer.json()["rows"] * 0.8) < answer.json()["rows"] * 0.35
    again = served.push("as-police", "police-violence", half, "again", params={"replaces": first["extract"]})
    assert again.status_code in (404, 409)


def test_another_data_version_is_another_question(served, body):
    served.push("as-police", "police-violence", body, "one")
    request = count_request(by=[{"field": "lad"}], where=[])
    first = served.ask(request, "v1").json()
    lines = body.splitlines(keepends=True)
    served.push("as-police", "police-violence", b"".join(lines[:2]), "two")
    second = served.ask(request, "v2").json()
    assert second["repeat"] is False
    assert second["data_version"] != first["data_version"]


def test_oversized_or_malformed_pushes_leave_nothing(served, body):
    for content, media in (
        (b"", "text/csv"),
        (b"\x00" * 100, "text/csv"),
        (b"PAR1nonsensePAR1", "application/vnd.apache.parquet"),
        (b"nonsense", "application/vnd.apache.arrow.stream"),
        (b"{}\n[1]\n", "application/x-ndjson"),
        (b'"unclosed', "text/csv"),
    ):
        answer = served.push("as-police", "police-violence", content, media=media)
        assert answer.status_code == 422, (media, answer.text)
    assert served.push("as-police", "police-violence", body, media="application/zip").status_code == 415
    assert not list((served.state / "broker" / "lake").rglob("*.parquet"))
    assert not [path for path in (served.state / "broker" / "spool").rglob("*") if path.is_file()]


def test_a_push_needs_its_days_and_its_key(served, body):
    with served.http("as-police", "supplier") as http:
        url = f"{served.agreement}/datasets/police-violence/extracts"
        headers = {"Content-Type": "text/csv", "Idempotency-Key": "k"}
        no_days = http.post(url, content=body, headers=headers)
        no_key = http.post(url, params=DAYS, content=body, headers={"Content-Type": "text/csv"})
    assert (no_days.status_code, no_days.json()["code"]) == (422, "covers_required")
    assert (no_key.status_code, no_key.json()["code"]) == (422, "idempotency_key_required")
