"""Purging: what goes and when, on whose signature, what each supplier is told, and what a crash leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy

from schemas.jws import public_key, verify
from service.agreements.purging import PURGE_STEPS
from service.errors import ConcordatError, Conflict, Forbidden, NotFound
from service.identity.caller import Role
from service.operating import purge
from tests.support.lifecycle import AGREEMENT, GRACE, ISSUER, SUPPLIERS, make_bench, small_extract
from tests.support.server import count_request

OPEN = count_request(by=[{"field": "lad"}], where=[{"field": "knife", "is": True}])
STORED = count_request(by=[{"field": "lad"}], where=[])
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def bench(tmp_path):
    made = make_bench(tmp_path)
    for party, dataset, rows in (("as-police", "police-violence", 300), ("bri-ed", "ed-assaults", 200)):
        made.pushed[dataset] = made.push(party, dataset, small_extract(tmp_path, dataset, rows))
    yield made
    made.close()


def run(bench):
    return [(plan.party, plan.reason) for plan in bench.broker.purges.run()]


def code(call, *arguments, **named):
    with pytest.raises(ConcordatError) as caught:
        call(*arguments, **named)
    return caught.value.code


# --- when, and on whose signature


def test_nothing_is_purged_before_the_grace_is_over(bench):
    before = bench.files()
    bench.terminate()
    ended = bench.now
    for moment in (ended, ended + timedelta(days=29), ended + GRACE - MOMENT):
        bench.now = moment
        assert run(bench) == []
        assert bench.files() == before
    assert [plan.due for plan in bench.broker.purges.planned()] == [ended + GRACE]
    bench.now = ended + GRACE
    assert run(bench) == [("", "terminated")]
    assert bench.files() == []
    assert bench.broker.purges.planned() == []


def test_nothing_is_purged_without_a_suppliers_signed_confirmation(bench):
    """The operator marks the agreement as ended in the database: it stops, and nothing is removed, ever."""
    before = bench.files()
    with bench.broker.store.write() as tx:
        tx.agreements.set_terminated(AGREEMENT, "2026-11-22T12:00:00.000Z")
    bench.now += timedelta(days=400)
    assert run(bench) == []
    assert bench.files() == before
    assert [(plan.reason, plan.due) for plan in bench.broker.purges.planned()] == [("terminated", None)]
    bench.terminate()
    bench.now += GRACE
    assert run(bench) == [("", "terminated")]


@pytest.mark.parametrize("table", ["termination", "party_withdrawal"])
@pytest.mark.parametrize("forged", ["jws", "digest", "thumbprint", "party"])
def test_nothing_is_purged_on_a_forged_confirmation(bench, table, forged):
    """The operator edits what was signed, or makes it up from another party's signature: it holds nothing."""
    if table == "termination":
        bench.terminate()
    else:
        bench.withdraw("as-police")
    with bench.broker.store.read() as tx:
        other = tx.agreements.pinned_key("bri-ed").thumbprint
    value = {
        "jws": bench.confirmation("bri-ed"),
        "digest": "sha256:" + "0" * 64,
        "thumbprint": other,
        "party": "swasft",
    }[forged]
    before = bench.files()
    with bench.broker.store.write() as tx:
        tx.agreements._connection.execute(sqlalchemy.text(f"UPDATE {table} SET {forged} = :value"), {"value": value})
    bench.now += GRACE
    assert run(bench) == []
    assert bench.files() == before


def test_nothing_is_purged_on_the_confirmation_of_a_party_that_supplies_nothing(bench):
    """The broker takes no end from a recipient; the operator puts the recipient's own signature in the database."""
    bench.terminate()
    with bench.broker.store.write() as tx:
        values = {
            "jws": bench.confirmation("as-opcc"),
            "party": "as-opcc",
            "thumbprint": tx.agreements.pinned_key("as-opcc").thumbprint,
        }
        forged = "UPDATE termination SET jws = :jws, party = :party, thumbprint = :thumbprint"
        tx.agreements._connection.execute(sqlalchemy.text(forged), values)
    bench.now += GRACE
    assert run(bench) == []
    assert [plan.due for plan in bench.broker.purges.planned()] == [None]


def test_an_agreement_that_expired_is_purged_after_its_grace(bench):
    end = datetime(2028, 4, 1, tzinfo=UTC)
    bench.now = end - MOMENT
    assert bench.broker.purges.planned() == []
    bench.now = end + GRACE - MOMENT
    assert run(bench) == []
    assert code(bench.prepare, STORED) == "agreement_expired"
    bench.now = end + GRACE
    assert run(bench) == [("", "expired")]
    assert bench.files() == []
    assert bench.receipt("as-police")["reason"] == "expired"


def test_an_agreement_that_was_renewed_is_not_purged(bench):
    value = bench.document()
    value["version"] = "2"
    value["period"] |= {"end": "2029-03-31", "review_by": "2028-12-31"}
    bench.register(value)
    bench.now = datetime(2028, 5, 2, tzinfo=UTC)
    assert run(bench) == []
    assert bench.ask(OPEN)["rows"]


def test_the_grace_is_the_one_the_agreement_states(tmp_path):
    bench = make_bench(tmp_path, edit=lambda value: value["obligations"].update(grace="P1M"))
    bench.push("as-police", "police-violence", small_extract(tmp_path, "police-violence"))
    bench.now = datetime(2026, 12, 31, 8, tzinfo=UTC)
    bench.terminate()
    bench.now = datetime(2027, 1, 31, 7, 59, tzinfo=UTC)
    assert run(bench) == []
    bench.now = datetime(2027, 1, 31, 8, tzinfo=UTC)
    assert run(bench) == [("", "terminated")]
    bench.close()


def test_ending_again_does_not_put_the_purge_off(bench):
    bench.terminate()
    ended = bench.now
    bench.now += timedelta(days=29)
    assert code(bench.terminate, "bri-ed") == "agreement_terminated"
    bench.now = ended + GRACE
    assert run(bench) == [("", "terminated")]


def test_a_key_that_is_revoked_later_takes_no_confirmation_back(bench):
    from service.agreements.keys import revoke
    from service.agreements.revocation import Reason

    bench.terminate()
    bench.now += GRACE
    with bench.broker.store.write() as tx:
        key = tx.agreements.pinned_key("as-police").thumbprint
        revoke(tx, "as-police", key, Reason.COMPROMISED, ISSUER, bench.now)
    assert run(bench) == [("", "terminated")]


# --- what each supplier is told


def ended(bench):
    bench.terminate()
    bench.now += GRACE
    bench.broker.purges.run()


def test_each_supplier_gets_a_signed_receipt_of_its_own_records_alone(bench, tmp_path):
    more = bench.push("as-police", "police-violence", small_extract(tmp_path, "police-violence", 100, seed=5), "more")
    with bench.broker.store.read() as tx:
        digest = tx.agreements.versions(AGREEMENT)[0].digest
    ended(bench)
    receipts = {party: bench.receipt(party) for party in SUPPLIERS}
    police = receipts["as-police"]
    assert {name: police[name] for name in police if name not in ("audit", "signature")} == {
        "type": "concordat/purge-receipt/v1",
        "agreement": {"id": AGREEMENT, "version": "1", "digest": digest},
        "party": "as-police",
        "reason": "terminated",
        "datasets": [
            {
                "dataset": "police-violence",
                "extracts": [bench.pushed["police-violence"]["extract"], more["extract"]],
                "rows": 400,
            }
        ],
        "purged": "2026-12-22T12:00:00.000Z",
    }
    assert receipts["bri-ed"]["datasets"] == [
        {"dataset": "ed-assaults", "extracts": [bench.pushed["ed-assaults"]["extract"]], "rows": 200}
    ]
    assert receipts["swasft"]["datasets"] == []
    key = public_key(bench.broker.keys["keys"][0])
    entry = bench.entries()[police["audit"]["index"]]
    assert entry["kind"] == "purged"
    assert entry["result"] == {"reason": "terminated"}
    for receipt in receipts.values():
        told = {name: value for name, value in receipt.items() if name != "signature"}
        verify(told, receipt["signature"], key, typ="concordat-purge-receipt+jws")


def test_a_receipt_is_read_by_its_supplier_alone(bench):
    ended(bench)
    purges, store = bench.broker.purges, bench.broker.store
    with store.read() as tx:
        for party in ("as-opcc", "bristol", "stranger"):
            with pytest.raises(NotFound):
                purges.receipt(tx, bench.caller(party), AGREEMENT)
        with pytest.raises(NotFound):
            purges.receipt(tx, bench.caller("as-police"), "another-agreement")
        with pytest.raises(Forbidden):
            purges.receipt(tx, bench.caller("as-police", Role.ANALYST), AGREEMENT)
        assert purges.receipt(tx, bench.caller("as-police", Role.IG_LEAD), AGREEMENT)


def test_there_is_no_receipt_before_the_purge(bench):
    bench.terminate()
    with bench.broker.store.read() as tx, pytest.raises(NotFound):
        bench.broker.purges.receipt(tx, bench.caller("as-police"), AGREEMENT)


# --- what is left


def test_after_the_purge_nothing_is_answered_taken_signed_or_computed(bench, tmp_path):
    stored = bench.ask(STORED, "stored")
    open_question = bench.pending(OPEN, "open").intent
    computed = bench.broker.completion.compute(open_question)
    ended(bench)
    ran: list[str] = []
    bench.faults = ran.append
    for key, request in (("stored", STORED), ("again", STORED), ("open", OPEN)):
        assert code(bench.prepare, request, key) == "agreement_purged"
        assert bench.entries()[-1]["decision"]["code"] == "agreement_purged"
    assert bench.broker.completion.compute(open_question).failure.code == "agreement_purged"
    assert "after-engine" not in ran, "no question is run over data that is not there"
    assert code(bench.broker.completion.complete, computed) == "agreement_purged"
    assert bench.broker.completion.recover() == 0
    assert bench.kinds().count("released") == 1
    assert code(bench.push, "as-police", "police-violence", small_extract(tmp_path, "police-violence"), "new") == (
        "agreement_purged"
    )
    assert bench.files() == []
    value = bench.document() | {"version": "2"}
    assert code(bench.register, value) == "agreement_purged"
    with bench.broker.store.read() as tx:
        status = bench.broker.catalogue.agreement(tx, bench.caller("as-police"), AGREEMENT, None, bench.now)
        assert (status["in_force"], status["standing"]) == (False, "agreement_purged")
        version = tx.answers.data_version(AGREEMENT, "police-violence")
        assert version.name.startswith("purged-")
        assert version.lake == -1
        assert tx.answers.covered(AGREEMENT, "police-violence") == []
    listed = bench.broker.intake.listed(bench.caller("as-police"), AGREEMENT, "police-violence", 10, None)
    assert [item["state"] for item in listed] == ["purged"]
    assert stored["rows"]


def test_a_version_that_was_waiting_for_signatures_brings_no_purged_agreement_back(bench):
    value = bench.document()
    value["version"] = "2"
    value["period"] |= {"end": "2029-03-31", "review_by": "2028-12-31"}
    parties = [party["id"] for party in value["parties"]]
    bench.register(value, *parties[:-1])
    bench.now = datetime(2028, 5, 1, tzinfo=UTC)
    bench.broker.purges.run()
    with pytest.raises(Conflict) as caught:
        sign_last(bench, value, parties[-1])
    assert caught.value.code == "agreement_purged"


def sign_last(bench, value, party):
    from schemas.agreement import SIGNATURE_TYPE, signature_payload
    from schemas.jws import sign
    from service.storage.keyfiles import signing_key

    key = signing_key(bench.state / "keys" / f"{party}.signing.pem")
    jws = sign(signature_payload(value, ISSUER), key, typ=SIGNATURE_TYPE)
    with bench.broker.store.write() as tx:
        bench.broker.registry.sign(tx, bench.caller(party), AGREEMENT, 2, jws, bench.now)


def test_a_supplier_that_left_has_its_own_records_purged_and_no_others(bench):
    bench.pending(OPEN, "open")
    final = bench.withdraw("as-police")
    bench.now = final - MOMENT
    assert run(bench) == []
    bench.now = final
    assert run(bench) == [("as-police", "withdrawn")]
    assert {Path(name).parts[1] for name in bench.files()} == {"ed-assaults"}
    assert bench.receipt("as-police")["datasets"][0]["rows"] == 300
    with bench.broker.store.read() as tx, pytest.raises(NotFound):
        bench.broker.purges.receipt(tx, bench.caller("bri-ed"), AGREEMENT)
    assert code(bench.rescind, "as-police") == "grace_over"
    assert code(bench.prepare, OPEN, "open") == "supplier_withdrawn"
    assert bench.broker.completion.recover() == 0
    ed = count_request(dataset="ed-assaults", by=[{"field": "lad"}], where=[])
    assert bench.ask(ed, "ed")["rows"], "everything else goes on"
    with bench.broker.store.read() as tx:
        shown = bench.broker.catalogue.dataset(tx, bench.caller("bri-ed"), AGREEMENT, "police-violence", bench.now)
    assert (shown["standing"], shown["covered"]) == ("purged", [])
    entry = next(entry for entry in bench.entries() if entry["kind"] == "purged")
    assert entry["result"] == {"reason": "withdrawn", "party": "as-police"}
    first = bench.receipt("as-police")
    bench.terminate("bri-ed")
    bench.now += GRACE
    assert run(bench) == [("", "terminated")]
    assert bench.receipt("as-police") == first
    assert bench.receipt("bri-ed")["datasets"][0]["rows"] == 200
    assert bench.files() == []


def test_a_party_that_supplied_nothing_leaves_nothing_to_purge(bench):
    before = bench.files()
    bench.now = bench.withdraw("as-opcc")
    assert run(bench) == []
    assert bench.files() == before
    assert code(bench.rescind, "as-opcc") == "grace_over"
    with bench.broker.store.read() as tx, pytest.raises(NotFound):
        bench.broker.purges.receipt(tx, bench.caller("as-opcc"), AGREEMENT)


def test_another_agreements_records_stay(bench):
    other = bench.broker.settings.lake / "another-agreement" / "police-violence"
    other.mkdir(parents=True)
    (other / "kept").write_text("x")
    ended(bench)
    assert bench.files() == ["another-agreement/police-violence/kept"]


def test_an_extract_that_was_staged_and_never_committed_does_not_come_back(bench, tmp_path):
    class Crash(BaseException):
        pass

    def crash(step):
        if step == "push-intended":
            raise Crash

    bench.faults = crash
    with pytest.raises(Crash):
        bench.push("as-police", "police-violence", small_extract(tmp_path, "police-violence", 50, 3), "crashed")
    bench.faults = lambda _: None
    ended(bench)
    with bench.broker.store.read() as tx:
        assert tx.extracts.live_rows(AGREEMENT, "police-violence") == 0
    bench.broker.intake.recover()
    assert bench.files() == []
    assert [item["rows"] for item in bench.receipt("as-police")["datasets"]] == [300]


# --- crashes, and several at once


@pytest.mark.parametrize("step", PURGE_STEPS)
@pytest.mark.parametrize("act", ["terminate", "withdraw"])
def test_a_purge_killed_at_any_step_is_completed_once_by_the_next(bench, step, act):
    getattr(bench, act)("as-police")
    bench.now += GRACE
    arguments = [str(bench.broker.settings.state), ISSUER, bench.now.isoformat(), step, "purges"]
    killed = subprocess.run([sys.executable, "-m", "tests.support.purging", *arguments], cwd=Path(__file__).parents[3])
    assert killed.returncode == -signal.SIGKILL
    recorded = step == "purge-recorded"
    first = bench.receipt("as-police") if recorded else None
    bench.replica()  # what starts to serve recovers, whatever the purge left
    bench.now += timedelta(hours=1)
    who = {"terminate": ("", "terminated"), "withdraw": ("as-police", "withdrawn")}[act]
    assert run(bench) == ([] if recorded else [who])
    receipt = bench.receipt("as-police")
    assert first in (None, receipt)
    assert run(bench) == []
    assert bench.receipt("as-police") == receipt
    assert receipt["datasets"][0]["rows"] == 300
    assert bench.kinds().count("purged") == 1
    left = {Path(name).parts[1] for name in bench.files()}
    assert left == (set() if act == "terminate" else {"ed-assaults"})


def test_two_brokers_that_purge_at_once_purge_once(bench):
    from concurrent.futures import ThreadPoolExecutor

    brokers = [bench.broker, bench.replica()]
    bench.terminate()
    bench.now += GRACE
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda n: brokers[n % 2].purges.run(), range(6)))
    assert sum(len(plans) for plans in done) == 1
    assert bench.kinds().count("purged") == 1
    assert bench.files() == []


def test_what_fails_is_told_and_done_by_the_next_run(bench):
    bench.terminate()
    bench.now += GRACE

    def full(step):
        if step == "lake-put-aside":
            raise OSError("disk")

    bench.faults = full
    assert code(bench.broker.purges.run) == "purge_incomplete"
    bench.faults = lambda _: None
    assert run(bench) == [("", "terminated")]
    assert bench.files() == []


def test_the_operators_command_purges_by_the_machines_clock(bench):
    bench.now = datetime.now(UTC) - GRACE + timedelta(days=1)
    bench.terminate()
    done, planned = purge(bench.broker.settings)
    assert (done, [plan.due for plan in planned]) == (
        [],
        [bench.now.replace(microsecond=bench.now.microsecond // 1000 * 1000) + GRACE],
    )
    with bench.broker.store.write() as tx:
        tx.agreements._connection.execute(
            sqlalchemy.text("UPDATE termination SET at = :at"), {"at": "2026-01-01T00:00:00.000Z"}
        )
    done, planned = purge(bench.broker.settings)
    assert [(plan.party, plan.reason) for plan in done] == [("", "terminated")]
    assert planned == []
