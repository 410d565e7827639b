"""A party withdraws: what it supplies and what it is granted stops at once, everything else goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.confirmations import TERMINATION_TYPE, WITHDRAWAL_TYPE
from schemas.request import parse
from service.errors import Conflict, Forbidden, NotFound
from service.identity.caller import Role
from tests.support.lifecycle import AGREEMENT, GRACE, make_bench, small_extract
from tests.support.server import count_request

LINKED = count_request(
    by=[{"field": "lad"}], where=[], linked=[{"dataset": "ed-assaults", "has": True}], measures=[{"persons": {}}]
)
ED = count_request(dataset="ed-assaults", by=[{"field": "lad"}], where=[])
FRESH = count_request(by=[{"field": "lad"}], where=[{"field": "knife", "is": True}])


@pytest.fixture
def bench(tmp_path):
    made = make_bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def police(tmp_path):
    return small_extract(tmp_path, "police-violence")


@pytest.fixture
def assaults(tmp_path):
    return small_extract(tmp_path, "ed-assaults")


def code(call, *arguments, **named):
    with pytest.raises((Forbidden, Conflict)) as caught:
        call(*arguments, **named)
    return caught.value.code


def test_what_a_withdrawn_supplier_supplies_is_neither_taken_nor_asked_of_nor_linked_with(bench, police, assaults):
    replica = bench.replica()
    bench.push("as-police", "police-violence", police)
    bench.push("bri-ed", "ed-assaults", assaults)
    assert bench.ask(LINKED, "linked")["rows"]
    assert bench.ask(ED, "ed")["rows"]
    bench.withdraw("bri-ed")
    for broker in (bench.broker, replica):
        assert code(bench.push, "bri-ed", "ed-assaults", assaults, "again", broker=broker) == "supplier_withdrawn"
        for request, key in ((ED, "ed"), (ED, "ed-anew"), (LINKED, "linked"), (LINKED, "linked-anew")):
            assert code(bench.prepare, request, key, broker=broker) == "supplier_withdrawn", key
        shown = broker.asking.preview(bench.caller("as-opcc"), AGREEMENT, parse(ED))
        assert shown["decision"]["code"] == "supplier_withdrawn"
        assert shown["decision"]["clauses"] == ["datasets/ed-assaults/supplier"]
    assert bench.ask(FRESH, "other", broker=replica)["rows"], "everything else goes on"
    assert bench.push("as-police", "police-violence", police, "more", broker=replica)["rows"] == 300


def test_grants_to_a_withdrawn_party_give_nothing(bench, police):
    replica = bench.replica()
    bench.push("as-police", "police-violence", police)
    bench.ask(FRESH, "before")
    bench.withdraw("as-opcc")
    for broker in (bench.broker, replica):
        for key in ("before", "after"):
            assert code(bench.prepare, FRESH, key, broker=broker) == "party_withdrawn"
    assert bench.ask(FRESH, "theirs", party="bristol", broker=replica)["rows"]


def test_a_refusal_is_logged_with_its_clause(bench, police):
    bench.push("as-police", "police-violence", police)
    bench.withdraw("as-opcc")
    assert code(bench.prepare, FRESH, "after") == "party_withdrawn"
    entry = bench.entries()[-1]
    assert entry["kind"] == "refused"
    assert entry["decision"] == {"outcome": "refused", "code": "party_withdrawn", "clauses": ["parties/as-opcc"]}


def test_the_catalogue_says_what_is_withdrawn(bench):
    bench.withdraw("bri-ed")
    with bench.broker.store.read() as tx:
        found = bench.broker.catalogue.datasets(tx, bench.caller("bri-ed"), AGREEMENT, bench.now)
        shown = {item["dataset"]: item for item in found}
        assert shown["ed-assaults"]["standing"] == "supplier_withdrawn"
        assert shown["ed-assaults"]["you_may"] == {"push": False, "ask": []}
        assert shown["police-violence"]["standing"] == "in_force"
        asked = bench.broker.catalogue.dataset(tx, bench.caller("as-opcc"), AGREEMENT, "ed-assaults", bench.now)
        assert asked["you_may"] == {"push": False, "ask": []}
        other = bench.broker.catalogue.dataset(tx, bench.caller("as-opcc"), AGREEMENT, "police-violence", bench.now)
        assert other["you_may"]["ask"]
        status = bench.broker.catalogue.agreement(tx, bench.caller("as-opcc"), AGREEMENT, None, bench.now)
        assert (status["in_force"], status["withdrawn"]) == (True, ["bri-ed"])


def test_a_question_that_is_running_is_not_released_when_its_supplier_or_its_asker_withdraws(bench, police):
    bench.push("as-police", "police-violence", police)
    completion = bench.broker.completion
    for party, expected in (("as-police", "supplier_withdrawn"), ("as-opcc", "party_withdrawn")):
        computed = completion.compute(bench.pending(FRESH, party).intent)
        bench.withdraw(party)
        assert code(completion.complete, computed) == expected
        assert bench.entries()[-1]["result"]["code"] == expected
        bench.rescind(party)
    assert "released" not in bench.kinds()
    assert bench.kinds().count("charged") == bench.kinds().count("failed") == 2
    assert bench.ask(FRESH, "as-opcc")["rows"], "the same key completes it once the withdrawal is rescinded"
    assert bench.kinds().count("charged") == 2


def test_a_push_that_is_running_is_not_taken_when_its_supplier_withdraws(bench, police):
    def withdraw(step):
        if step == "push-staged":
            bench.withdraw("as-police")

    bench.faults = withdraw
    assert code(bench.push, "as-police", "police-violence", police) == "supplier_withdrawn"
    assert "pushed" not in bench.kinds()
    assert not [name for name in bench.files() if name.endswith(".parquet")]


@pytest.mark.parametrize("act", ["suspend", "terminate"])
def test_a_push_that_is_running_is_not_taken_when_the_agreement_stops(bench, police, act):
    def stop(step):
        if step == "push-staged":
            getattr(bench, act)()

    bench.faults = stop
    expected = {"suspend": "agreement_suspended", "terminate": "agreement_terminated"}[act]
    assert code(bench.push, "as-police", "police-violence", police) == expected
    assert "pushed" not in bench.kinds()


def test_a_withdrawal_needs_the_partys_own_signature_over_this_agreement(bench):
    right = bench.confirmation("as-police", WITHDRAWAL_TYPE)
    leaving, store = bench.broker.leaving, bench.broker.store
    for jws in (
        bench.confirmation("bri-ed", WITHDRAWAL_TYPE),
        bench.confirmation("as-police", TERMINATION_TYPE),
        right[:-4] + "AAAA",
        "",
    ):
        with store.write() as tx, pytest.raises(Forbidden) as caught:
            leaving.withdraw(tx, bench.caller("as-police"), AGREEMENT, jws, bench.now)
        assert caught.value.code == "bad_signature"
    with store.write() as tx, pytest.raises(Forbidden) as caught:
        leaving.withdraw(tx, bench.caller("as-police", Role.SUPPLIER), AGREEMENT, right, bench.now)
    assert caught.value.code == "role_missing"
    with store.write() as tx, pytest.raises(NotFound):
        leaving.withdraw(tx, bench.caller("stranger"), AGREEMENT, right, bench.now)
    assert bench.ask(FRESH, "still")["rows"]


def test_nobody_ends_an_agreement_with_a_withdrawal_or_withdraws_another_party(bench):
    jws = bench.confirmation("as-police", WITHDRAWAL_TYPE)
    with bench.broker.store.write() as tx, pytest.raises(Forbidden):
        bench.broker.registry.terminate(tx, bench.caller("as-police"), AGREEMENT, jws, bench.now)
    with bench.broker.store.write() as tx, pytest.raises(Forbidden):
        bench.broker.leaving.withdraw(tx, bench.caller("bri-ed"), AGREEMENT, jws, bench.now)


def test_a_party_rescinds_its_own_withdrawal_until_the_grace_is_over(bench, police):
    bench.push("as-police", "police-violence", police)
    final = bench.withdraw("as-police")
    assert final == bench.now + GRACE
    assert code(bench.withdraw, "as-police") == "already_withdrawn"
    assert code(bench.rescind, "bri-ed") == "not_withdrawn"
    bench.now = final - timedelta(milliseconds=1)
    bench.rescind("as-police")
    assert bench.ask(FRESH, "back")["rows"]
    assert code(bench.rescind, "as-police") == "not_withdrawn"
    again = bench.withdraw("as-police")
    bench.now = again
    assert code(bench.rescind, "as-police") == "grace_over"
    kinds = [kind for kind in bench.kinds() if "withdraw" in kind]
    assert kinds == ["party-withdrawn", "withdrawal-rescinded", "party-withdrawn"]


def test_nobody_withdraws_from_an_agreement_that_has_ended(bench):
    bench.terminate()
    assert code(bench.withdraw, "bri-ed") == "agreement_terminated"
