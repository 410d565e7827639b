"""A dataset that a new version leaves out: nobody asks of it, its grace, its purge, and what may bring it back."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy

from schemas.agreement import SIGNATURE_TYPE, signature_payload
from schemas.jws import public_key, sign, verify
from service.agreements.purging import PURGE_STEPS
from service.errors import ConcordatError, NotFound
from service.identity.caller import Role
from service.operating import purge
from service.storage.keyfiles import signing_key
from tests.support.lifecycle import AGREEMENT, GRACE, ISSUER, make_bench, small_extract
from tests.support.server import count_request

ED, POLICE, STREETS = "ed-assaults", "police-violence", "street-crime"
ED_QUESTION = count_request(dataset=ED, by=[{"field": "lad"}], where=[])
POLICE_QUESTION = count_request(by=[{"field": "lad"}], where=[])
LINKED = count_request(
    by=[{"field": "lad"}], where=[], linked=[{"dataset": ED, "has": True, "where": []}], spend={"share": "0.02"}
)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def bench(tmp_path):
    made = make_bench(tmp_path)
    for party, dataset, rows in (("as-police", POLICE, 300), ("bri-ed", ED, 200), ("as-police", STREETS, 100)):
        made.pushed[dataset] = made.push(party, dataset, small_extract(tmp_path, dataset, rows), dataset)
    yield made
    made.close()


def without(value, *datasets, party=None):
    """Leave datasets out of a document, with all that names them, and a party."""
    value["datasets"] = {name: held for name, held in value["datasets"].items() if name not in datasets}
    value["grants"] = [grant for grant in value["grants"] if grant["dataset"] not in datasets]
    for grant in value["grants"]:
        if "link" in grant:
            grant["link"] = [name for name in grant["link"] if name not in datasets]
    value["parties"] = [held for held in value["parties"] if held["id"] != party]
    return value


def parties(bench):
    return [party["id"] for party in bench.document()["parties"]]


def leave_out(bench, *datasets, party=None, version="2", change=lambda _: None):
    """Put a version into force that has the datasets no more, signed by all of it and of the one before."""
    value = without(bench.document(), *datasets, party=party) | {"version": version}
    change(value)
    bench.register(value, *parties(bench))


def take_back(bench, version="3"):
    bench.register(bench.document() | {"version": version})


def run(bench, broker=None):
    return [(plan.party, plan.reason, plan.datasets) for plan in (broker or bench.broker).purges.run()]


def code(call, *arguments, **named):
    with pytest.raises(ConcordatError) as caught:
        call(*arguments, **named)
    return caught.value.code


def datasets_on_disk(bench):
    return {Path(name).parts[1] for name in bench.files()}


def listed(bench, party="bri-ed", dataset=ED):
    return bench.broker.intake.listed(bench.caller(party), AGREEMENT, dataset, 10, None)


def receipt_of(bench, party, left_out_by=None):
    import json

    with bench.broker.store.read() as tx:
        return json.loads(bench.broker.purges.receipt(tx, bench.caller(party), AGREEMENT, left_out_by))


# --- the grace


def test_nothing_of_a_supplier_that_is_left_out_can_be_asked_during_its_grace(bench):
    computed = bench.broker.completion.compute(bench.pending(ED_QUESTION, "running").intent)
    leave_out(bench, ED, party="bri-ed")
    assert code(bench.prepare, ED_QUESTION, "new") == "not_granted"
    assert code(bench.prepare, LINKED, "linked") in ("not_granted", "forbidden")
    assert code(bench.prepare, ED_QUESTION, "running") == "not_granted"
    assert code(bench.broker.completion.complete, computed) == "agreement_amended"
    assert "released" not in bench.kinds()
    assert bench.ask(POLICE_QUESTION, "police")["rows"], "everything else goes on"


def test_during_its_grace_the_supplier_reads_its_extracts_and_pushes_nothing(bench, tmp_path):
    leave_out(bench, ED, party="bri-ed")
    bench.now += GRACE - MOMENT
    assert run(bench) == []
    assert [item["state"] for item in listed(bench)] == ["committed"]
    one = bench.broker.intake.one(bench.caller("bri-ed"), AGREEMENT, ED, bench.pushed[ED]["extract"])
    assert one["receipt"] == bench.pushed[ED]
    assert code(bench.push, "bri-ed", ED, small_extract(tmp_path, ED, 50, seed=4), "more") == "not_found"
    assert code(receipt_of, bench, "bri-ed") == "not_found"


def test_the_supplier_withdraws_at_once_what_it_likes_during_its_grace(bench):
    leave_out(bench, ED, party="bri-ed")
    receipt = bench.broker.intake.withdraw(bench.caller("bri-ed"), AGREEMENT, ED, bench.pushed[ED]["extract"])
    assert receipt["withdrawn"]
    assert not [name for name in bench.files() if name.endswith(".parquet") and Path(name).parts[1] == ED]
    bench.now += GRACE
    assert run(bench) == [("bri-ed", "left-out", (ED,))]
    assert receipt_of(bench, "bri-ed")["datasets"] == []


def test_the_purge_comes_when_the_grace_is_over_that_begins_with_the_last_signature(bench):
    value = without(bench.document(), ED, party="bri-ed") | {"version": "2"}
    everyone = parties(bench)
    bench.register(value, *everyone[:-1])
    bench.now += timedelta(days=60)
    assert bench.broker.purges.planned() == []
    sign_as(bench, value, everyone[-1])
    begun = bench.now
    assert [(plan.whose, plan.due) for plan in bench.broker.purges.planned()] == [(f"bri-ed {ED}", begun + GRACE)]
    before = bench.files()
    bench.now = begun + GRACE - MOMENT
    assert run(bench) == []
    assert bench.files() == before
    bench.now = begun + GRACE
    assert run(bench) == [("bri-ed", "left-out", (ED,))]
    assert run(bench) == []
    assert datasets_on_disk(bench) == {POLICE, STREETS}


def sign_as(bench, value, party):
    key = signing_key(bench.state / "keys" / f"{party}.signing.pem")
    jws = sign(signature_payload(value, ISSUER), key, typ=SIGNATURE_TYPE)
    with bench.broker.store.write() as tx:
        bench.broker.registry.sign(tx, bench.caller(party), AGREEMENT, int(value["version"]), jws, bench.now)


def test_the_grace_of_a_version_that_starts_later_begins_with_its_start(bench):
    start = datetime(2027, 1, 10, tzinfo=UTC)
    leave_out(bench, ED, party="bri-ed", change=lambda value: value["period"].update(start="2027-01-10"))
    assert [plan.due for plan in bench.broker.purges.planned()] == [start + GRACE]


def test_the_grace_is_the_one_that_the_left_out_supplier_signed(bench):
    """A later version, which it does not sign, makes its grace neither shorter nor longer."""
    leave_out(bench, ED, party="bri-ed", change=lambda value: value["obligations"].update(grace="P60D"))
    begun = bench.now
    value = without(bench.document(), ED, party="bri-ed") | {"version": "3"}
    value["obligations"]["grace"] = "P1D"
    bench.register(value)
    assert [plan.due for plan in bench.broker.purges.planned()] == [begun + timedelta(days=60)]
    bench.now = begun + timedelta(days=60)
    assert run(bench) == [("bri-ed", "left-out", (ED,))]


# --- the purge


def test_the_left_out_supplier_alone_reads_a_signed_receipt_of_its_own_records(bench):
    before = {name for name in bench.files() if Path(name).parts[1] != ED}
    leave_out(bench, ED, party="bri-ed")
    bench.now += GRACE
    run(bench)
    receipt = receipt_of(bench, "bri-ed")
    assert receipt == receipt_of(bench, "bri-ed", 2)
    assert code(receipt_of, bench, "bri-ed", 3) == "not_found"
    told = {name: value for name, value in receipt.items() if name != "signature"}
    verify(told, receipt["signature"], public_key(bench.broker.keys["keys"][0]), typ="concordat-purge-receipt+jws")
    with bench.broker.store.read() as tx:
        second = tx.agreements.versions(AGREEMENT)[1].digest
    assert receipt["agreement"] == {"id": AGREEMENT, "version": "2", "digest": second}
    assert (receipt["party"], receipt["reason"]) == ("bri-ed", "left-out")
    assert receipt["datasets"] == [{"dataset": ED, "extracts": [bench.pushed[ED]["extract"]], "rows": 200}]
    entry = bench.entries()[receipt["audit"]["index"]]
    assert entry["kind"] == "purged"
    assert entry["result"] == {"reason": "left-out", "party": "bri-ed", "datasets": [ED]}
    assert [item["state"] for item in listed(bench)] == ["purged"]
    for party in ("as-police", "as-opcc", "bristol"):
        assert code(receipt_of, bench, party) == "not_found"
    assert set(bench.files()) == before, "nothing of others' was touched"
    assert [item["state"] for item in listed(bench, "as-police", POLICE)] == ["committed"]


def test_one_dataset_of_a_supplier_goes_and_its_other_stays(bench):
    leave_out(bench, STREETS)
    bench.now += GRACE
    assert run(bench) == [("as-police", "left-out", (STREETS,))]
    assert datasets_on_disk(bench) == {POLICE, ED}
    assert [item["state"] for item in listed(bench, "as-police", POLICE)] == ["committed"]
    assert [item["state"] for item in listed(bench, "as-police", STREETS)] == ["purged"]
    assert bench.ask(POLICE_QUESTION, "police")["rows"]
    with bench.broker.store.read() as tx:
        shown = bench.broker.catalogue.dataset(tx, bench.caller("as-police"), AGREEMENT, POLICE, bench.now)
    assert shown["standing"] == "in_force"


def test_each_version_that_leaves_something_out_has_its_own_receipt_and_the_end_the_rest(bench):
    leave_out(bench, STREETS)
    bench.now += GRACE
    run(bench)
    first = receipt_of(bench, "as-police", 2)
    bench.terminate("bri-ed")
    bench.now += GRACE
    assert run(bench) == [("", "terminated", ())]
    assert receipt_of(bench, "as-police", 2) == first
    assert [item["dataset"] for item in receipt_of(bench, "as-police")["datasets"]] == [POLICE]
    assert bench.files() == []


def test_a_party_that_has_withdrawn_and_is_left_out_is_purged_once(bench):
    bench.withdraw("bri-ed")
    bench.now += timedelta(days=5)
    leave_out(bench, ED, party="bri-ed")
    bench.now += GRACE
    assert run(bench) == [("bri-ed", "withdrawn", ())]
    assert receipt_of(bench, "bri-ed")["datasets"][0]["rows"] == 200
    bench.now += GRACE
    assert run(bench) == []


@pytest.mark.parametrize("forged", ["jws", "signers"])
def test_nothing_is_purged_without_the_left_out_suppliers_own_signature(bench, forged):
    """The operator makes a version up that all but the supplier have signed, and marks it as signed by all."""
    leave_out(bench, ED, party="bri-ed")
    gone = "DELETE FROM agreement_signature WHERE party = 'bri-ed' AND version = 2"
    signers = "UPDATE agreement_completion SET signers = replace(signers, '\"bri-ed\", ', '') WHERE version = 2"
    other = (
        "UPDATE agreement_signature SET jws = (SELECT jws FROM agreement_signature WHERE party = 'bri-ed' "
        "AND version = 1) WHERE party = 'bri-ed' AND version = 2"
    )
    with bench.broker.store.write() as tx:
        connection = tx.agreements._connection
        for table in ("agreement_signature", "agreement_completion"):
            found = connection.execute(
                sqlalchemy.text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"),
                {"table": table},
            ).scalars()
            for name in [name for name in found if "revision" not in name]:
                connection.execute(sqlalchemy.text(f"DROP TRIGGER {name}"))
        for statement in (gone, signers) if forged == "signers" else (other,):
            assert connection.execute(sqlalchemy.text(statement)).rowcount == 1
    bench.now += GRACE
    assert run(bench) == []
    assert ED in datasets_on_disk(bench)


# --- back again


def test_a_version_that_takes_a_dataset_back_within_its_grace_keeps_its_records(bench):
    leave_out(bench, ED, party="bri-ed")
    bench.now += GRACE - MOMENT
    take_back(bench)
    bench.now += 2 * GRACE
    assert bench.broker.purges.planned() == []
    assert run(bench) == []
    assert [item["state"] for item in listed(bench)] == ["committed"]
    assert bench.ask(ED_QUESTION, "back")["rows"]
    begun = bench.now
    leave_out(bench, ED, party="bri-ed", version="4")
    assert [plan.due for plan in bench.broker.purges.planned()] == [begun + GRACE], "the grace begins anew"


@pytest.mark.parametrize("purged", [True, False])
def test_a_dataset_whose_grace_is_over_is_not_taken_back(bench, purged):
    """Whether or not the purge has run: not by a version that is registered then, nor by one that is signed then."""
    leave_out(bench, ED, party="bri-ed")
    back = bench.document() | {"version": "3"}
    everyone = parties(bench)
    bench.register(back, *everyone[:-1])
    bench.now += GRACE
    if purged:
        run(bench)
    assert code(sign_as, bench, back, everyone[-1]) == "dataset_purged"
    assert code(take_back, bench, "4") == "dataset_purged"
    if purged:
        bench.now -= timedelta(days=1)
        assert code(take_back, bench, "4") == "dataset_purged", "a clock that is behind brings nothing back"
        bench.now += timedelta(days=1)
    assert purged or run(bench) == [("bri-ed", "left-out", (ED,))]
    assert ED not in datasets_on_disk(bench)


def test_the_supplier_comes_back_with_a_new_name(bench, tmp_path):
    leave_out(bench, ED, party="bri-ed")
    bench.now += GRACE
    run(bench)
    value = bench.document() | {"version": "3"}
    value["datasets"]["ed-assaults-b"] = value["datasets"].pop(ED)
    for grant in value["grants"]:
        grant["dataset"] = "ed-assaults-b" if grant["dataset"] == ED else grant["dataset"]
        if "link" in grant:
            grant["link"] = ["ed-assaults-b" if name == ED else name for name in grant["link"]]
    bench.register(value)
    bench.push("bri-ed", "ed-assaults-b", small_extract(tmp_path, ED, 60, seed=3), "back")
    assert run(bench) == []
    assert datasets_on_disk(bench) == {POLICE, STREETS, "ed-assaults-b"}
    assert bench.ask(ED_QUESTION | {"dataset": "ed-assaults-b"}, "back")["rows"]


# --- crashes, and several at once


@pytest.mark.parametrize("step", PURGE_STEPS)
def test_a_purge_killed_at_any_step_is_completed_once_by_the_next(bench, step):
    leave_out(bench, ED, party="bri-ed")
    bench.now += GRACE
    arguments = [str(bench.broker.settings.state), ISSUER, bench.now.isoformat(), step, "purges"]
    killed = subprocess.run([sys.executable, "-m", "tests.support.purging", *arguments], cwd=Path(__file__).parents[3])
    assert killed.returncode == -signal.SIGKILL
    recorded = step == "purge-recorded"
    bench.replica()
    assert run(bench) == ([] if recorded else [("bri-ed", "left-out", (ED,))])
    assert receipt_of(bench, "bri-ed")["datasets"][0]["rows"] == 200
    assert run(bench) == []
    assert bench.kinds().count("purged") == 1
    assert datasets_on_disk(bench) == {POLICE, STREETS}


def test_two_brokers_that_purge_at_once_purge_once(bench):
    brokers = [bench.broker, bench.replica()]
    leave_out(bench, ED, STREETS, party="bri-ed")
    bench.now += GRACE
    with ThreadPoolExecutor(6) as pool:
        done = [plan for made in pool.map(lambda number: run(bench, brokers[number % 2]), range(6)) for plan in made]
    assert sorted(done) == [("as-police", "left-out", (STREETS,)), ("bri-ed", "left-out", (ED,))]
    assert bench.kinds().count("purged") == 2
    assert datasets_on_disk(bench) == {POLICE}


def test_an_end_that_follows_a_purge_that_was_begun_takes_the_rest(bench):
    leave_out(bench, ED, party="bri-ed")
    bench.terminate()
    bench.now += GRACE

    def crash(step):
        if step == "purge-begun":
            raise KeyboardInterrupt

    bench.now -= timedelta(days=1)
    assert run(bench) == []
    bench.now += timedelta(days=1)
    bench.faults = crash
    with pytest.raises(KeyboardInterrupt):
        run(bench)
    bench.faults = lambda _: None
    assert ("", "terminated", ()) in run(bench)
    assert bench.files() == []
    with pytest.raises(NotFound):
        receipt_of(bench, "as-opcc")
    for party in ("as-police", "bri-ed"):
        assert receipt_of(bench, party)["datasets"]


def test_the_operators_command_says_what_is_left_out_and_when_it_goes(bench):
    bench.now = datetime.now(UTC) - GRACE + timedelta(days=1)
    leave_out(bench, ED, party="bri-ed")
    done, planned = purge(bench.broker.settings)
    assert done == []
    assert [(plan.whose, plan.reason) for plan in planned] == [(f"bri-ed {ED}", "left-out")]


@pytest.mark.parametrize("grace", ["P100Y", "P1D"])
def test_a_later_version_that_the_withdrawn_party_does_not_sign_moves_its_grace_neither_way(bench, grace):
    bench.withdraw("bri-ed")
    begun = bench.now
    leave_out(bench, ED, party="bri-ed")  # this one bri-ed signs
    value = without(bench.document(), ED, party="bri-ed") | {"version": "3"}
    value["obligations"]["grace"] = grace
    bench.register(value)  # and this one it does not
    assert {plan.due for plan in bench.broker.purges.planned()} == {begun + GRACE}
    bench.now = begun + GRACE - MOMENT
    assert run(bench) == []
    bench.now = begun + GRACE
    assert [party for party, _, _ in run(bench)] == ["bri-ed"]


# --- erasures and the purge of what was left out

ANN, BOB = "a1" * 32, "b2" * 32


def purged(bench):
    leave_out(bench, ED)
    bench.now += GRACE
    assert run(bench) == [("bri-ed", "left-out", (ED,))]


def test_an_erasure_from_what_was_left_out_and_purged_is_refused_and_moves_nothing(bench):
    receipt = bench.erase("bri-ed", [ANN], "before")
    purged(bench)
    with bench.broker.store.read() as tx:
        before = tx.answers.data_version(AGREEMENT, ED)
    assert code(bench.erase, "bri-ed", [BOB], "after") == "records_purged"
    with bench.broker.store.read() as tx:
        assert tx.answers.data_version(AGREEMENT, ED) == before
    assert bench.erase("bri-ed", [ANN], "before") == receipt, "one that was made still gets its receipt"


def test_a_stewards_erasure_reaches_what_is_left_after_the_purge_of_what_was_left_out(bench):
    purged(bench)
    bench.erase("as-opcc", [ANN], "all", Role.STEWARD)
    (entry,) = [entry for entry in bench.entries() if entry["kind"] == "erased"]
    assert POLICE in entry["request"]["datasets"]
    assert ED not in entry["request"]["datasets"]


def test_an_erasure_that_the_purge_by_another_broker_overtakes_is_completed_and_leaves_no_file(bench):
    leave_out(bench, ED, party="bri-ed")
    other = bench.replica()
    done: list[tuple[str, str, tuple[str, ...]]] = []
    bench.now += GRACE - MOMENT

    def overtake(step):
        if step == "lake-rewritten" and not done:
            bench.now += MOMENT
            done.extend(run(bench, other))

    bench.faults = overtake
    assert bench.erase("bri-ed", [ANN])["datasets"] == [{"dataset": ED, "rows": 0}]
    assert done == [("bri-ed", "left-out", (ED,))]
    assert ED not in datasets_on_disk(bench)
    with bench.broker.store.read() as tx:
        assert tx.erasures.pending() == []
