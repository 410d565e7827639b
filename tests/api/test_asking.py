"""Asking over HTTP: decisions, charges, repeats, idempotency, and the forms of an answer."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pyarrow as pa
import pytest

from schemas.jws import public_key, verify
from tests.support.server import DAYS, count_request, serve_here


def spent(served, party="as-opcc"):
    with served.http(party, "analyst") as http:
        shares = http.get(f"{served.agreement}/budget").json()["shares"]
    return Decimal(shares[party]["spent"]["rho"])


def test_an_answer_is_a_signed_release_with_its_guarantee(filled):
    before = spent(filled)
    answer = filled.ask(count_request(measures=[{"count": {}}, {"persons": {}}, {"mean": {"field": "gravity"}}]), "a1")
    assert answer.status_code == 200, answer.text
    release = answer.json()
    assert release["columns"] == ["occurred_month", "lad", "count", "persons", "mean_gravity"]
    assert len(release["rows"]) == 3 * 5
    assert release["rows"][0]["keys"] == {"occurred_month": "2026-04", "lad": "E06000022"}
    cell = release["rows"][1]["measures"]["count"]
    assert set(cell) == {"value", "unrounded", "noise_interval", "usable"}
    assert cell["noise_interval"][0] < cell["unrounded"] < cell["noise_interval"][1]
    guarantee = release["guarantee"]
    assert set(guarantee) == {"unit", "mechanism", "scale", "rho", "epsilon", "delta", "share", "words"}
    assert guarantee["mechanism"] == "discrete_gaussian"
    assert spent(filled) - before == Decimal(guarantee["rho"])
    assert release["bounded"] == {"per_person": 3, "form": "scaling", "bias": "not estimated"}
    assert release["covered"] == {"police-violence": [DAYS]}
    assert release["repeat"] is False
    with filled.http("as-opcc", "analyst") as http:
        jwk = http.get("/v1/keys").json()["keys"][0]
    unsigned = {name: value for name, value in release.items() if name != "signature"}
    verify(unsigned, release["signature"], public_key(jwk), typ="concordat-release+jws")


def test_the_charge_is_in_the_log_before_the_answer_and_the_release_after(filled):
    release = filled.ask(
        count_request(where=[{"field": "occurred", **DAYS}, {"field": "sex", "in": ["female"]}]), "a2"
    ).json()
    entries = {item["n"]: item["entry"] for item in filled.entries()}
    charged = entries[release["audit"]["index"]]
    assert charged["kind"] == "charged"
    assert charged["charge"]["rho_nano"] == int(Decimal(release["guarantee"]["rho"]) * 10**9)
    released = [entry for entry in entries.values() if entry["kind"] == "released"][-1]
    assert released["result"]["release"] == release["id"]
    assert released["result"]["intent"] == charged["charge"]["intent"]


def test_averaging_by_repeats_gets_the_same_noise_and_pays_once(filled):
    request = count_request(by=[{"field": "lad"}], where=[])
    first = filled.ask(request, "a3").json()
    before = spent(filled)
    again = filled.ask(request | {"reason": "once more", "purpose": "prevention-evaluation"}, "a4").json()
    assert again["repeat"] is True
    assert again["rows"] == first["rows"]
    assert spent(filled) == before


def test_the_same_question_reordered_or_renamed_is_the_same_question_over_http(filled):
    one = count_request(
        measures=[{"count": {}}, {"persons": {}}],
        where=[{"field": "occurred", **DAYS}, {"field": "knife", "is": True}],
    )
    other = one | {
        "measures": one["measures"][::-1],
        "by": one["by"][::-1],
        "where": one["where"][::-1],
        "reason": "another",
    }
    first, second = filled.ask(one, "a5").json(), filled.ask(other, "a6").json()
    assert second["repeat"] is True
    assert second["columns"] == ["lad", "occurred_month", "persons", "count"]
    held = {tuple(sorted(row["keys"].items())): row["measures"] for row in first["rows"]}
    assert {tuple(sorted(row["keys"].items())): row["measures"] for row in second["rows"]} == held


def test_asking_for_less_noise_than_is_stored_is_charged_in_full(filled):
    request = count_request(by=[{"field": "lad"}], where=[{"field": "knife", "is": True}])
    filled.ask(request | {"spend": {"share": "0.01"}}, "a7")
    before = spent(filled)
    answer = filled.ask(request | {"spend": {"share": "0.02"}}, "a8").json()
    assert answer["repeat"] is False
    assert spent(filled) - before == Decimal(answer["guarantee"]["rho"])
    cheaper = filled.ask(request | {"spend": {"share": "0.01"}}, "a9").json()
    assert cheaper["repeat"] is True
    assert cheaper["rows"] == answer["rows"]


def test_an_idempotency_key_gets_the_same_answer_again_and_never_another(filled):
    request = count_request(by=[{"field": "lad"}], where=[{"field": "role", "in": ["victim"]}])
    first = filled.ask(request, "a10")
    assert filled.ask(request, "a10").json() == first.json()
    other = filled.ask(request | {"spend": {"share": "0.01"}}, "a10")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


def test_another_callers_idempotency_key_gets_nothing(filled):
    request = count_request(by=[{"field": "lad"}], where=[{"field": "primary", "is": True}])
    own = filled.ask(request, "a11").json()
    other = filled.ask(count_request(where=[], by=[{"field": "lad"}]), "a11", party="bristol")
    assert other.status_code == 200
    assert other.json()["id"] != own["id"]
    assert {row["keys"]["lad"] for row in other.json()["rows"]} == {"E06000023"}
    same = filled.ask(request, "a11", party="bristol")
    assert (same.status_code, same.json()["code"]) == (409, "idempotency_key_reused"), "its own key, not the other's"
    fresh = count_request(by=[{"field": "lad"}], where=[{"field": "primary", "is": False}])
    own = filled.ask(fresh, "a11b").json()
    other = filled.ask(fresh, "a11b", party="bristol").json()
    assert other["id"] != own["id"]
    assert {row["keys"]["lad"] for row in other["rows"]} == {"E06000023"}, "the same body asks within its own rows"


def test_an_idempotency_key_is_required(filled):
    with filled.http("as-opcc", "analyst") as http:
        answer = http.post(f"{filled.agreement}/aggregates", json=count_request())
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_required")


def test_a_preview_is_free_and_tells_cost_error_and_what_remains(filled):
    before = spent(filled)
    shown = filled.preview(count_request(spend={"within": 40, "confidence": "0.95"})).json()
    assert shown["decision"]["outcome"] == "allowed"
    assert shown["measures"][0]["half_width"] <= 40
    assert Decimal(shown["cost"]["rho"]) > 0
    assert set(shown["remaining_after"]) == {"rho", "share", "epsilon"}
    assert spent(filled) == before


def test_a_refused_preview_is_200_with_its_decision(filled):
    answer = filled.preview(count_request(by=[{"field": "occurred", "level": "day"}]))
    assert answer.status_code == 200
    assert answer.json()["decision"]["code"] == "forbidden"
    assert answer.json()["decision"]["clauses"]


def test_a_refusal_is_403_with_the_clauses_and_is_in_the_log(filled):
    answer = filled.ask(count_request(by=[{"field": "lsoa"}]), "a12")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_granted")
    assert answer.json()["decision"]["clauses"] == ["grants/0/group_by/lsoa"]
    assert answer.headers["content-type"] == "application/problem+json"
    last = filled.entries(kind="refused")[-1]["entry"]
    assert last["decision"] == {"outcome": "refused", "code": "not_granted", "clauses": ["grants/0/group_by/lsoa"]}


def test_a_laplace_answer_charges_half_epsilon_squared(filled):
    shown = filled.preview(count_request(spend={"epsilon": "0.1"})).json()
    assert {item["mechanism"] for item in shown["alternatives"]} == {"discrete_gaussian", "discrete_laplace"}
    laplace = next(item for item in shown["alternatives"] if item["mechanism"] == "discrete_laplace")
    assert Decimal("0.0049") <= Decimal(laplace["rho"]) <= Decimal("0.005")


MALFORMED: dict[str, str | bytes] = {
    "numbers_as_strings": json.dumps(count_request(bounds={"per_person": "2"})),
    "booleans_as_numbers": json.dumps(count_request(bounds={"per_person": True})),
    "a_float_as_share": json.dumps(count_request(spend={"share": 0.02})),
    "nan": json.dumps(count_request()).replace('"0.02"', "NaN"),
    "numbers_as_booleans_in_a_share": json.dumps(count_request(spend={"share": True})),
    "infinity": json.dumps(count_request()).replace('"0.02"', "Infinity"),
    "1e999": json.dumps(count_request(bounds={"per_person": 7})).replace("7", "1e999"),
    "duplicate_keys": json.dumps(count_request()).replace('"spend"', '"dataset": "x", "spend"'),
    "unknown_keys": json.dumps(count_request(extra=1)),
    "not_json": "{",
    "not_utf8": b"\xff\xfe",
    "lone_surrogate": json.dumps(count_request(reason="\ud800")),
    "too_deep": "[" * 60_000,
    "empty": "",
    "two_measures_in_one": json.dumps(count_request(measures=[{"count": {}, "persons": {}}])),
    "a_reason_too_long": json.dumps(count_request(reason="x" * 201)),
    "a_reason_with_an_identifier": json.dumps(count_request(reason="about 943 476 5919")),
}


CODES = {
    "nan": "not_a_number",
    "infinity": "not_a_number",
    "1e999": "not_a_number",
    "duplicate_keys": "duplicate_key",
    "not_json": "not_json",
    "not_utf8": "not_json",
    "too_deep": "too_deep",
    "empty": "not_json",
    "a_reason_with_an_identifier": "reason_identifier",
}
"""Why each is refused; the others are ``malformed``."""


@pytest.mark.parametrize("name", MALFORMED)
def test_numbers_as_strings_booleans_nan_1e999_and_duplicate_keys_are_422_and_no_charge(filled, name):
    before = spent(filled)
    body = MALFORMED[name]
    answer = filled.ask(body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass"), "bad")
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == CODES.get(name, "malformed")
    assert "943" not in answer.text
    assert spent(filled) == before


def test_oversized_bodies_are_cut_off(filled):
    answer = filled.ask(b" " * (1024 * 1024 + 1), "bad")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_an_answer_as_csv_and_as_arrow(filled):
    request = count_request(by=[{"field": "lad"}], where=[{"field": "knife", "is": True}])
    body = filled.ask(request | {"spend": {"share": "0.01"}}, "a20").json()
    with filled.http("as-opcc", "analyst") as http:
        url = f"{filled.agreement}/aggregates"
        headers = {"Content-Type": "application/json", "Idempotency-Key": "a20"}
        content = json.dumps(request | {"spend": {"share": "0.01"}})
        text = http.post(url, content=content, headers=headers | {"Accept": "text/csv"})
        arrow = http.post(url, content=content, headers=headers | {"Accept": "application/vnd.apache.arrow.stream"})
        odd = http.post(url, content=content, headers=headers | {"Accept": "image/png"})
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert [row["lad"] for row in rows] == [row["keys"]["lad"] for row in body["rows"]]
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table["count"].to_pylist() == [row["measures"]["count"]["value"] for row in body["rows"]]
    assert text.headers["concordat-release"] == arrow.headers["concordat-release"] == body["id"]
    assert odd.status_code == 415


def test_no_rows_yet_is_not_a_refusal(filled):
    request = count_request(
        dataset="school-exclusions",
        by=[{"field": "started", "level": "quarter"}],
        where=[{"field": "started", **DAYS}],
    )
    answer = filled.ask(request, "a21")
    assert answer.status_code == 200
    assert answer.json()["covered"] == {"school-exclusions": []}
    assert len(answer.json()["rows"]) == 1


def test_empty_filter_and_full_filter_give_the_same_shape_over_http(filled):
    full = filled.ask(count_request(spend={"share": "0.015"}), "a22").json()
    where = [
        {"field": "occurred", **DAYS},
        {"field": "firearm", "is": True},
        {"field": "age", "level": "sna-band", "in": ["0-9"]},
    ]
    empty = filled.ask(count_request(where=where, spend={"share": "0.015"}), "a23").json()
    assert [row["keys"] for row in empty["rows"]] == [row["keys"] for row in full["rows"]]
    assert set(empty) == set(full)


def test_a_refusal_never_depends_on_data(tmp_path, extracts, filled):
    """The same refused, malformed and unaffordable requests on an empty broker and on a filled one."""
    requests = [
        count_request(by=[{"field": "lsoa"}]),
        count_request(spend={"share": "0.5"}),
        count_request(dataset="nothing"),
        count_request(where=[{"field": "lad", "in": ["E08000032"]}]),
        count_request(spend={"within": "0.0001", "confidence": "0.95"}),
    ]
    with serve_here(tmp_path) as empty:
        for place, request in enumerate(requests):
            seen = [served.ask(request, f"r{place}") for served in (empty, filled)]
            bodies = [answer.json() for answer in seen]
            assert seen[0].status_code == seen[1].status_code >= 400
            assert bodies[0] == bodies[1]


def test_40_concurrent_asks_against_a_budget_for_5_give_exactly_5_answers(tmp_path, extracts):
    """Races: each asks another question at a tenth of the share... of which the last five fit."""
    with serve_here(tmp_path) as served:
        served.push("as-police", "police-violence", extracts["police-violence"].read_bytes())
        fields = ("knife", "firearm", "domestic", "alcohol", "primary")
        for place, name in enumerate(fields):
            request = count_request(by=[{"field": "lad"}], where=[{"field": name, "is": True}], spend={"share": "0.10"})
            assert served.ask(request, f"first{place}").status_code == 200

        def question(place):
            where = [{"field": name, "is": bool(place >> bit & 1)} for bit, name in enumerate((*fields, "primary"))][:5]
            by = [{"field": "lad"}] if place < 32 else [{"field": "sex"}]
            return served.ask(count_request(by=by, where=where, spend={"share": "0.10"}), f"race{place}")

        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(question, range(40)))
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [403] * 35
        assert {answer.json()["code"] for answer in answers if answer.status_code == 403} == {"over_budget"}
        with served.http("as-opcc", "analyst") as http:
            own = http.get(f"{served.agreement}/budget").json()["shares"]["as-opcc"]
        assert Decimal(own["spent"]["rho"]) <= Decimal(own["cap"]["rho"])


def test_a_question_asked_at_once_under_many_keys_gets_the_same_noise_and_pays_once(tmp_path, extracts):
    with serve_here(tmp_path) as served:
        served.push("as-police", "police-violence", extracts["police-violence"].read_bytes())
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda number: served.ask(count_request(), f"key-{number}"), range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({json.dumps(answer.json()["rows"], sort_keys=True) for answer in answers}) == 1
        assert len(served.entries(kind="charged")) == len(served.entries(kind="released")) == 1
        again = served.ask(count_request(), "key-7")
        assert again.json()["rows"] == answers[0].json()["rows"]


def test_40_concurrent_asks_with_one_key_are_one_question(tmp_path, extracts):
    with serve_here(tmp_path) as served:
        served.push("as-police", "police-violence", extracts["police-violence"].read_bytes())
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: served.ask(count_request(), "one"), range(40)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text for answer in answers}) == 1
        assert len(served.entries(kind="charged")) == 1
        assert len(served.entries(kind="released")) == 1
