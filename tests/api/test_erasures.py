"""Erasing over HTTP: how far it reaches, what its receipt, its entry and its time say, and what it costs afterwards."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import agreements
from schemas.erasure import MAX_PERSONS
from schemas.jws import public_key, verify
from schemas.request import parse
from service.aggregates.asking import Pending
from service.api.broker import Broker
from service.identity.caller import Caller, Role
from tests.support.lifecycle import small_extract
from tests.support.persons import about, files_with, stored_rows, words_of
from tests.support.server import Served, count_request, serve_here

ANN, BOB, CAT, NOBODY = ("a1" * 32, "b2" * 32, "c3" * 32, "d4" * 32)
POLICE, ED = "police-violence", "ed-assaults"
SUPPLIERS = {POLICE: "as-police", ED: "bri-ed"}


def erase(
    served: Served, persons: Any, key: str = "erase", party: str = "as-police", role: str = "supplier", **more: Any
) -> httpx.Response:
    body = {"persons": persons, "reason": "an objection was upheld"} | more
    with served.http(party, role) as http:
        return http.post(f"{served.agreement}/erasures", json=body, headers={"Idempotency-Key": key})


def everywhere(served: Served, persons: list[str], key: str = "erase", **more: Any) -> httpx.Response:
    return erase(served, persons, key, "as-opcc", "steward", **more)


def fill(served: Served, folder: Path, persons: dict[str, tuple[str, ...]]) -> None:
    """Push an extract of sixty rows about some persons to each dataset."""
    for dataset, people in persons.items():
        body = about(small_extract(folder, dataset, 60), *people)
        answer = served.push(SUPPLIERS[dataset], dataset, body, dataset)
        assert answer.status_code == 201, answer.text


@pytest.fixture
def both(served: Served, tmp_path: Path) -> Served:
    """A broker to which two suppliers have pushed Ann, Bob and Cat, twenty rows of each."""
    fill(served, tmp_path, {POLICE: (ANN, BOB, CAT), ED: (ANN, BOB, CAT)})
    return served


def lake(served: Served) -> Path:
    return served.state / "broker" / "lake"


def rows(served: Served, dataset: str) -> Any:
    """The rows that a question would see."""
    assert served.broker is not None
    agreement = served.clients["agreement"]["id"]
    with served.broker.asking.store.read() as tx:
        version = tx.answers.data_version(agreement, dataset).lake
    return stored_rows(served.broker.completion.lake.files(agreement, dataset, version), dataset)


def names(served: Served) -> dict[str, str]:
    """Every dataset's data version by its name."""
    assert served.broker is not None
    agreement = served.clients["agreement"]["id"]
    with served.broker.asking.store.read() as tx:
        datasets = json.loads(tx.agreements.versions(agreement)[-1].document)["datasets"]
        return {name: tx.answers.data_version(agreement, name).name for name in datasets}


def budget(served: Served) -> Any:
    with served.http("as-opcc", "analyst") as http:
        return http.get(f"{served.agreement}/budget").json()["spent"]


def erased_entries(served: Served, party: str) -> list[dict[str, Any]]:
    return [item["entry"] for item in served.entries(party) if item["entry"]["kind"] == "erased"]


def shape(value: Any) -> Any:
    """A value with every number, time, digest and id replaced by its kind."""
    text = re.sub(r'"[0-9T:.-]{23}Z"', '"<time>"', json.dumps(value, sort_keys=True))
    text = re.sub(r'"signature": "[^"]*"', '"signature": "<jws>"', text)
    text = re.sub(r"erasure-[0-9a-f]{20}", "<erasure>", text)
    text = re.sub(r'"nonce": "[0-9a-f]{32}"', '"nonce": "<nonce>"', text)
    text = re.sub(r"sha256:[0-9a-f]{64}", "<digest>", text)
    return re.sub(r'"index": \d+', '"index": <n>', text)


# --- how far it reaches


@pytest.mark.parametrize("merged", [False, True], ids=["plain", "compacted"])
def test_an_erasure_reaches_only_the_callers_own_datasets_and_nobody_elses_rows(both, tmp_path, merged):
    assert both.broker is not None
    second = about(small_extract(tmp_path, POLICE, 60, seed=12), ANN, BOB, CAT)
    assert both.push("as-police", POLICE, second, "second").status_code == 201
    if merged:
        both.broker.compaction.run()
    before = {dataset: rows(both, dataset) for dataset in SUPPLIERS}
    receipt = erase(both, [ANN])
    assert receipt.status_code == 201, receipt.text
    assert receipt.json()["datasets"] == [{"dataset": POLICE, "rows": 40}]
    gone = words_of(ANN)
    assert rows(both, POLICE) == {row: times for row, times in before[POLICE].items() if row[:4] != gone}
    assert sum(before[POLICE].values()) - sum(rows(both, POLICE).values()) == 40
    assert rows(both, ED) == before[ED]
    left = files_with(lake(both), ANN)
    assert left
    assert all(f"/{ED}/" in file for file in left)


@pytest.mark.parametrize("merged", [False, True], ids=["plain", "compacted"])
def test_a_stewards_erasure_leaves_a_person_in_no_file_of_the_lake(both, merged):
    assert both.broker is not None
    if merged:
        both.broker.compaction.run()
    assert len(files_with(lake(both), ANN)) == 2
    assert everywhere(both, [ANN, BOB]).status_code == 201
    assert files_with(lake(both), ANN) == files_with(lake(both), BOB) == []
    assert len(files_with(lake(both), CAT)) == 2
    assert [sum(rows(both, dataset).values()) for dataset in SUPPLIERS] == [20, 20]


def test_a_serving_broker_removes_what_a_question_held_and_completes_what_failed_by_itself(tmp_path):
    def tune(broker: Broker) -> Broker:
        return replace(broker, settings=replace(broker.settings, purge_every=timedelta(seconds=0.2)))

    with serve_here(tmp_path, tune=tune) as served:
        fill(served, tmp_path, {POLICE: (ANN, BOB)})
        assert served.broker is not None
        asking, completion = served.broker.asking, served.broker.completion
        analyst = Caller("as-opcc-client", "as-opcc", frozenset({Role.ANALYST}))
        pending = asking.prepare(analyst, served.clients["agreement"]["id"], "held", parse(count_request()))
        assert isinstance(pending, Pending)
        assert erase(served, [ANN]).status_code == 201
        time.sleep(0.5)
        assert files_with(lake(served), ANN), "an open question keeps what it was charged for"
        completion.complete(completion.compute(pending.intent))
        wait_for(lambda: files_with(lake(served), ANN) == [])

        (path,) = lake(served).rglob("*.parquet")
        good = path.read_bytes()
        path.write_bytes(good[: len(good) // 2])
        failed = erase(served, [BOB], "fails")
        assert (failed.status_code, failed.json()["code"]) == (503, "engine_failed")
        path.write_bytes(good)
        wait_for(lambda: files_with(lake(served), BOB) == [])
        assert erase(served, [BOB], "fails").json()["datasets"] == [{"dataset": POLICE, "rows": 30}]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


# --- what is told


def test_a_suppliers_receipt_answer_and_log_say_nothing_of_other_suppliers(tmp_path):
    """The same erasure where another supplier holds the person too, and where it does not."""
    told = []
    for folder, others in ((tmp_path / "with", (ANN, BOB)), (tmp_path / "without", (BOB, CAT))):
        folder.mkdir()
        with serve_here(folder) as served:
            fill(served, folder, {POLICE: (ANN, BOB, CAT), ED: others})
            answer = erase(served, [ANN])
            assert answer.status_code == 201, answer.text
            headers = sorted((name, value) for name, value in answer.headers.items() if name != "date")
            told.append((shape(answer.json()), headers, shape(erased_entries(served, "as-police"))))
            assert len(erased_entries(served, "as-police")) == 1
            assert erased_entries(served, "bri-ed") == erased_entries(served, "as-opcc") == []
            assert served.broker is not None
            assert not any(ED in str(item) for item in told[-1])
    assert told[0] == told[1]


def test_a_stewards_receipt_is_constant_whether_or_not_anybody_was_there(both):
    found, missed = everywhere(both, [ANN], "one"), everywhere(both, [NOBODY], "two")
    assert (found.status_code, missed.status_code) == (201, 201)
    assert shape(found.json()) == shape(missed.json())
    assert len(found.content) == len(missed.content)
    assert set(found.json()) == {
        "type", "erasure", "agreement", "reach", "persons", "erased", "audit", "signature",
    }  # fmt: skip
    first, second = erased_entries(both, "bri-ed")
    assert shape(first) == shape(second)


def test_a_stewards_erasure_writes_the_same_files_whether_or_not_anybody_was_there(tmp_path):
    """So that neither the work nor what lies on the disk tells: all of every dataset, once."""
    made = []
    for folder, person in ((tmp_path / "there", ANN), (tmp_path / "nowhere", NOBODY)):
        folder.mkdir()
        with serve_here(folder) as served:
            fill(served, folder, {POLICE: (ANN, BOB), ED: (BOB, CAT)})
            before = {path.name for path in lake(served).rglob("*.parquet")}
            assert everywhere(served, [person]).status_code == 201
            after = list(lake(served).rglob("*.parquet"))
            assert not before & {path.name for path in after}
            made.append(sorted(path.parent.name for path in after))
    assert made[0] == made[1] == sorted([POLICE, ED])


def test_answers_appear_on_the_tick(both):
    """An erasure of so few rows takes a fraction of two seconds, and is answered just after them all the same."""
    assert both.broker is not None
    object.__setattr__(both.broker.settings, "answer_time_step", 2.0)
    for number, made in enumerate((erase, everywhere, everywhere)):
        begun = time.monotonic()
        assert made(both, [(NOBODY, ANN, NOBODY)[number]], f"tick-{number}").status_code == 201
        taken = time.monotonic() - begun
        assert taken >= 2
        assert taken % 2 < 1


def test_the_receipts_are_signed_and_name_their_entry_in_the_log(both):
    for answer, reader in ((erase(both, [ANN]), "as-police"), (everywhere(both, [BOB]), "as-opcc")):
        receipt = answer.json()
        with both.http("as-police", "supplier") as http:
            jwk = http.get("/v1/keys").json()["keys"][0]
        unsigned = {name: value for name, value in receipt.items() if name != "signature"}
        verify(unsigned, receipt["signature"], public_key(jwk), typ="concordat-erasure-receipt+jws")
        (entry,) = [item for item in both.entries(reader) if item["n"] == receipt["audit"]["index"]]
        assert entry["entry"]["kind"] == "erased"
        assert entry["entry"]["result"] == {"erasure": receipt["erasure"]}
        assert entry["entry"]["request"]["persons"] == receipt["persons"] == 1


def test_a_stewards_entry_is_seen_by_every_supplier_and_a_suppliers_by_itself_alone(both):
    erase(both, [ANN], "own")
    everywhere(both, [BOB], "all")
    seen = {
        party: [entry["request"]["reach"] for entry in erased_entries(both, party)] for party in both.clients["parties"]
    }
    assert seen["as-police"] == ["own", "agreement"]
    assert seen["bri-ed"] == seen["as-opcc"] == ["agreement"]
    assert seen["bristol"] == []


def test_no_pseudonym_nor_digest_of_one_is_in_the_log_or_the_database(both):
    erase(both, [ANN, NOBODY])
    everywhere(both, [BOB])
    erase(both, ["not a pseudonym", CAT], "bad")
    text = json.dumps([both.entries(party) for party in both.clients["parties"]])
    assert text.count('"erased"') >= 3
    everything = b"".join(path.read_bytes() for path in (both.state / "broker").glob("concordat.db*"))
    for person in (ANN, BOB, CAT, NOBODY):
        body = json.dumps({"persons": [person], "reason": "an objection was upheld"}, separators=(",", ":"))
        for held in (person, hashlib.sha256(person.encode()).hexdigest(), hashlib.sha256(body.encode()).hexdigest()):
            assert held not in text
            assert held.encode() not in everything
            assert bytes.fromhex(held) not in everything
    assert not list(lake(both).rglob(".erasing/*"))


# --- data versions and money


def test_data_versions_move_on_every_accepted_erasure_whether_or_not_a_row_matched(both):
    seen = [names(both)]
    for number, made in enumerate((erase, everywhere)):
        assert made(both, [NOBODY], f"key-{number}").status_code == 201
        seen.append(names(both))
        moved = {name for name in seen[-1] if seen[number][name] != seen[number + 1][name]}
        assert moved == ({POLICE} if number == 0 else set(seen[-1]) - {"street-crime"}), "also those without a row"
    assert all(re.fullmatch(r"data-[0-9a-f]{20}", seen[-1][name]) for name in moved), "opaque"
    replayed = erase(both, [NOBODY], "key-0")
    assert replayed.status_code == 201
    assert names(both) == seen[-1], "a replay is not accepted anew"
    assert erase(both, ["nobody"], "three").status_code == 422
    assert names(both) == seen[-1]


def test_erasing_does_not_refund_and_a_repeat_afterwards_is_charged_anew(both):
    first = both.ask(count_request(), "one").json()
    free = both.ask(count_request(), "two").json()
    assert free["repeat"] is True
    spent = budget(both)
    assert erase(both, [NOBODY]).status_code == 201
    assert budget(both) == spent
    again = both.ask(count_request(), "three").json()
    assert again["repeat"] is False
    assert again["data_version"] != first["data_version"]
    assert float(budget(both)["rho"]) == pytest.approx(2 * float(spent["rho"]), rel=1e-9)
    assert both.ask(count_request(), "one").json() == first, "what was released stays released"


# --- keys


def test_a_replay_gets_the_same_receipt_and_another_body_a_409(both):
    first = erase(both, [ANN])
    assert erase(both, [ANN]).json() == first.json()
    for again in (erase(both, [BOB]), erase(both, [ANN], reason="another reason"), erase(both, [ANN, BOB])):
        assert (again.status_code, again.json()["code"]) == (409, "idempotency_key_reused")
    assert erase(both, [ANN], "new").json()["datasets"] == [{"dataset": POLICE, "rows": 0}]


def test_a_key_is_authorised_anew_and_belongs_to_its_party_and_its_reach(both):
    first = erase(both, [ANN], "same").json()
    assert erase(both, [ANN], "same", "as-police", "analyst").json()["code"] == "role_missing"
    other = erase(both, [ANN], "same", "bri-ed").json()
    assert other["datasets"] == [{"dataset": ED, "rows": 20}]
    assert other["erasure"] != first["erasure"]
    wider = erase(both, [ANN], "same", "as-police", "steward")
    assert (wider.status_code, wider.json()["code"]) == (409, "idempotency_key_reused"), "one client, another reach"


def test_20_concurrent_erasures_with_one_key_are_one_erasure(both):
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: erase(both, [ANN]), range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len(erased_entries(both, "as-police")) == 1


# --- who may not, and what is refused


@pytest.mark.parametrize(
    ("party", "role", "status", "code"),
    [
        ("as-police", "analyst", 403, "role_missing"),
        ("as-police", "ig-lead", 403, "role_missing"),
        ("as-opcc", "analyst", 403, "role_missing"),
        ("as-opcc", "supplier", 403, "not_a_supplier"),
        ("bristol", "supplier", 403, "not_a_supplier"),
    ],
)
def test_nobody_but_suppliers_and_stewards_erases_and_the_refusal_is_logged(both, party, role, status, code):
    before = names(both)
    answer = erase(both, [ANN], "refused", party, role)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    logged = [item["entry"] for item in both.entries(party) if item["entry"]["request"] == {"what": "erase"}]
    assert [(item["kind"], item["decision"]["code"]) for item in logged] == [("refused", code)]
    assert names(both) == before
    assert len(files_with(lake(both), ANN)) == 2


def test_an_agreement_that_is_not_the_callers_does_not_exist(both):
    with both.http("as-police", "supplier") as http:
        body = {"persons": [ANN], "reason": "an order"}
        answer = http.post("/v1/agreements/no-such/erasures", json=body, headers={"Idempotency-Key": "k"})
        nobody = httpx.post(str(http.base_url.join(f"{both.agreement}/erasures")), json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (nobody.status_code, nobody.json()["code"]) == (401, "token_required")


def raw(content: bytes, **headers: str) -> Callable[[Served], httpx.Response]:
    def send(served: Served) -> httpx.Response:
        with served.http("as-police", "supplier") as http:
            sent = {"Content-Type": "application/json", "Idempotency-Key": "k"} | headers
            return http.post(f"{served.agreement}/erasures", content=content, headers=sent)

    return send


def body(**changes: Any) -> bytes:
    return json.dumps({"persons": [ANN], "reason": "an order"} | changes).encode()


SECRET = "943 476 5919"
MALFORMED: dict[str, tuple[int, str, Callable[[Served], httpx.Response]]] = {
    "nobody": (422, "malformed", raw(body(persons=[]))),
    "no list": (422, "malformed", raw(body(persons=ANN))),
    "an identifier": (422, "malformed", raw(body(persons=[SECRET, ANN]))),
    "capitals": (422, "malformed", raw(body(persons=["A1" * 32]))),
    "a short pseudonym": (422, "malformed", raw(body(persons=[ANN[1:]]))),
    "a line's end": (422, "malformed", raw(body(persons=[ANN + "\n"]))),
    "a number": (422, "malformed", raw(body(persons=[9434765919]))),
    "a person twice": (422, "malformed", raw(body(persons=[ANN, BOB, ANN]))),
    "too many": (422, "malformed", raw(body(persons=[f"{n:064x}" for n in range(MAX_PERSONS + 1)]))),
    "another key": (422, "malformed", raw(body(**{SECRET: ANN}))),
    "no persons": (422, "malformed", raw(json.dumps({"reason": "an order"}).encode())),
    "a key twice": (422, "duplicate_key", raw(f'{{"persons": ["{ANN}"], "persons": ["{BOB}"]}}'.encode())),
    "no JSON": (422, "not_json", raw(f'{{"persons": [{SECRET}'.encode())),
    "another type": (415, "unsupported_media_type", raw(ANN.encode(), **{"Content-Type": "text/csv"})),
    "too large": (413, "too_large", raw(b" " * (1024 * 1024 + 1))),
    "no key": (422, "idempotency_key_required", raw(body(), **{"Idempotency-Key": ""})),
    "a long reason": (422, "malformed", raw(body(reason="x" * 201))),
    "a reason that names": (422, "reason_identifier", raw(body(reason=f"the objection of {SECRET}"))),
    "a reason with a pseudonym": (422, "reason_identifier", raw(body(reason=f"for {ANN}"))),
    "a reason with a control": (422, "reason_characters", raw(body(reason="an\u0007order"))),
}


@pytest.fixture(scope="module")
def idle(tmp_path_factory) -> Iterator[Served]:
    """A broker to which malformed erasures are sent."""
    with serve_here(tmp_path_factory.mktemp("idle")) as made:
        yield made


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_erasure_is_refused_logged_and_said_nothing_of_back(idle, name):
    status, code, send = MALFORMED[name]
    before = names(idle)
    answer = send(idle)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    for secret in (ANN, BOB, SECRET, ANN.upper()):
        assert secret not in answer.text
    entries = [item["entry"] for item in idle.entries("as-police")]
    refused = [entry for entry in entries if entry["request"] == {"what": "erase"}]
    assert refused[-1]["decision"]["code"] == code
    assert ANN not in json.dumps(entries)
    assert SECRET not in json.dumps(entries)
    assert names(idle) == before


def test_the_largest_erasure_is_taken(both):
    persons = [ANN, *(f"{n:064x}" for n in range(MAX_PERSONS - 1))]
    answer = erase(both, persons)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["persons"], answer.json()["datasets"]) == (MAX_PERSONS, [{"dataset": POLICE, "rows": 20}])


def test_a_supplier_is_told_which_of_its_datasets_hold_no_pseudonyms(both):
    assert erase(both, [ANN]).json()["records"] == ["street-crime"]


def test_a_supplier_of_records_alone_is_refused(tmp_path):
    with serve_here(tmp_path, agreements.path("west-yorkshire")) as served:
        answer = erase(served, [ANN], party="wy-fire")
        assert (answer.status_code, answer.json()["code"]) == (409, "no_person_dataset")
