"""What a new version, or a party that is gone, does to what was asked, suspended and drafted before."""

from __future__ import annotations

import json

import pytest

from schemas import agreement as documents
from schemas.artefacts import Library, load
from service.aggregates.asking import Ready
from service.errors import Conflict, Forbidden, NotFound
from tests.support.lifecycle import AGREEMENT, make_bench, small_extract
from tests.support.server import count_request
from tests.support.world import make_world

QUESTION = count_request(by=[{"field": "lad"}], where=[])


@pytest.fixture
def bench(tmp_path):
    made = make_bench(tmp_path)
    made.push("as-police", "police-violence", small_extract(tmp_path, "police-violence"))
    yield made
    made.close()


def amended(bench, change):
    """Put the next version into force, its grants to the hub on police violence changed."""
    value = bench.document()
    value["version"] = "2"
    for grant in value["grants"]:
        if grant["dataset"] == "police-violence" and "as-opcc" in grant["to"]:
            change(grant)
    bench.register(value)


def narrowed(grant):
    grant["rows"] = {"lad": ["E06000023"]}


def unchanged(grant):
    del grant["measure"]["sum"]


def code(call, *arguments, **named):
    with pytest.raises((Forbidden, Conflict, NotFound)) as caught:
        call(*arguments, **named)
    return caught.value.code


def test_a_question_in_flight_is_not_released_under_a_version_that_grants_less(bench):
    completion = bench.broker.completion
    computed = completion.compute(bench.pending(QUESTION, "running").intent)
    amended(bench, narrowed)
    assert code(completion.complete, computed) == "agreement_amended"
    assert "released" not in bench.kinds()
    assert bench.entries()[-1]["result"]["code"] == "agreement_amended"


def test_a_restart_completes_no_question_that_a_new_version_narrows(bench):
    bench.pending(QUESTION, "open")
    amended(bench, narrowed)
    bench.broker.completion.recover()
    assert "released" not in bench.kinds()
    assert len(bench.ask(QUESTION, "fresh")["rows"]) == 1


def test_a_key_replayed_after_an_amendment_gets_no_wider_answer(bench):
    assert len(bench.ask(QUESTION, "key")["rows"]) == 5
    amended(bench, narrowed)
    assert code(bench.prepare, QUESTION, "key") == "agreement_amended"


def test_a_repeats_key_replayed_after_an_amendment_gets_no_wider_answer(bench):
    bench.ask(QUESTION, "first")
    assert isinstance(bench.prepare(QUESTION, "repeat"), Ready)
    amended(bench, narrowed)
    assert code(bench.prepare, QUESTION, "repeat") == "agreement_amended"


def test_an_amendment_that_leaves_the_question_as_it_is_changes_nothing_for_it(bench):
    first = bench.ask(QUESTION, "key")
    running = bench.pending(count_request(by=[{"field": "lad"}], where=[{"field": "knife", "is": True}]), "running")
    amended(bench, unchanged)
    made = bench.prepare(QUESTION, "key")
    assert isinstance(made, Ready)
    assert json.loads(made.text)["id"] == first["id"]
    completion = bench.broker.completion
    assert json.loads(completion.complete(completion.compute(running.intent)))["repeat"] is False


def test_a_supplier_that_a_version_leaves_out_holds_nobody_up(bench):
    bench.suspend("swasft")
    value = bench.document()
    value["version"] = "2"
    gone = {name for name, entry in value["datasets"].items() if entry["supplier"] == "swasft"}
    value["datasets"] = {name: entry for name, entry in value["datasets"].items() if name not in gone}
    value["parties"] = [party for party in value["parties"] if party["id"] != "swasft"]
    value["grants"] = [
        grant | {"link": [name for name in grant.get("link", []) if name not in gone]}
        for grant in value["grants"]
        if grant["dataset"] not in gone
    ]
    for purpose in value["purposes"].values():
        purpose.get("legal_of", {}).pop("swasft", None)
    shipped = load()
    required = Library(shipped).required(documents.parse(value))
    value["pins"] = {name: shipped[name].digest for name in sorted(required)}
    bench.register(value, *(party["id"] for party in value["parties"]), "swasft")
    with bench.broker.store.read() as tx:
        status = bench.broker.registry.status(tx.agreements, AGREEMENT, None, bench.now)
    assert (status["version"], status["standing"], status["suspended_by"]) == ("2", "in_force", [])


def test_a_supplier_that_suspended_and_left_holds_nobody_up(bench):
    bench.suspend("bri-ed")
    assert code(bench.prepare, QUESTION, "held") == "agreement_suspended"
    bench.withdraw("bri-ed")
    assert bench.ask(QUESTION, "goes on")["rows"]


def test_a_party_that_left_reads_no_release_and_the_others_do(bench):
    release = bench.ask(QUESTION, "key")["id"]
    bench.broker.log.checkpoint_now(bench.now)
    reading, hub = bench.broker.reading, bench.caller("as-opcc")
    assert reading.release(hub, AGREEMENT, release)
    bench.withdraw("as-opcc")
    assert code(reading.release, hub, AGREEMENT, release) == "party_withdrawn"
    assert code(reading.releases, hub, AGREEMENT, 10, None) == "party_withdrawn"
    assert reading.releases(bench.caller("bristol"), AGREEMENT, 10, None) == []


def test_a_first_draft_takes_no_number_that_nothing_can_follow(tmp_path):
    world = make_world(tmp_path)
    value = world.document(lambda value: value.update(version="10000"))
    world.enrol(*(party["id"] for party in value["parties"]))
    assert code(world.register, value) == "version_conflict"
    world.database.close()


def test_a_partys_draft_locks_no_party_of_the_draft_before_it_out(tmp_path):
    world = make_world(tmp_path)
    first = world.document()
    world.enrol(*(party["id"] for party in first["parties"]))
    world.register(first)

    def alone(value):
        kept = {"as-police", "bristol", "hub-it"}
        value["version"] = "2"
        value["parties"] = [party for party in value["parties"] if party["id"] in kept]
        value["datasets"] = {"police-violence": value["datasets"]["police-violence"]}
        value["grants"] = [
            grant | {"link": []}
            for grant in value["grants"]
            if grant["dataset"] == "police-violence" and grant["to"] == ["bristol"]
        ]
        value["privacy"]["shares"] = {"bristol": "0.2"}
        shipped = load()
        value["pins"] = {}
        required = Library(shipped).required(documents.parse(value))
        value["pins"] = {name: shipped[name].digest for name in sorted(required)}

    world.register(world.document(alone), "bristol")
    world.register(world.document(lambda value: value.update(version="3")), "as-opcc")
    world.database.close()
