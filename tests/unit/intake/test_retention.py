"""Retention: from the instant at which its time is over no question sees an extract; it goes for good, once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import sqlalchemy

from schemas.calendar import Duration
from schemas.jws import public_key, verify
from schemas.request import parse
from service.aggregates.asking import Pending, Ready
from service.agreements.keeping import expiry
from service.errors import ConcordatError, EngineFailed
from service.intake.means import EXPIRY_STEPS
from service.intake.retention import Expired
from service.operating import expire
from tests.support.lifecycle import AGREEMENT, GRACE, ISSUER, make_bench, small_extract
from tests.support.server import count_request

POLICE = "police-violence"
OPEN = count_request(by=[{"field": "lad"}], where=[{"field": "knife", "is": True}])
ALL = count_request(by=[{"field": "lad"}], where=[])
MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)
ENDS = datetime(2026, 12, 23, tzinfo=UTC)
"""When what was received on 22 November at noon, and is kept for a month, goes."""
ALL_END = datetime(2027, 1, 3, tzinfo=UTC)
"""The same of what was received on 2 December."""


def kept_a_month(value):
    value["datasets"][POLICE]["keep"] = "P1M"


@pytest.fixture
def bench(tmp_path):
    """Two extracts of police violence, ten days apart, and one of ED assaults that is kept for longer."""
    made = make_bench(tmp_path, edit=kept_a_month)
    made.pushed["old"] = made.push("as-police", POLICE, small_extract(tmp_path, POLICE), "old")
    made.pushed["ed"] = made.push("bri-ed", "ed-assaults", small_extract(tmp_path, "ed-assaults", 200), "ed")
    made.now += 10 * DAY
    made.pushed["new"] = made.push("as-police", POLICE, small_extract(tmp_path, POLICE, 100, seed=5), "new")
    yield made
    made.close()


def run(bench, broker=None):
    return [item.extract for item in (broker or bench.broker).retention.run()]


def code(call, *arguments, **named):
    with pytest.raises(ConcordatError) as caught:
        call(*arguments, **named)
    return caught.value.code


def rows(bench, version, dataset=POLICE):
    """Return every row that a question at a version of the lake reads, in order."""
    paths = bench.broker.completion.lake.files(AGREEMENT, dataset, version)
    if not paths:
        return []
    with duckdb.connect() as connection:
        read = "SELECT COLUMNS(lambda c: c <> '_extract') FROM read_parquet(?, union_by_name = true) ORDER BY ALL"
        return connection.execute(read, [paths]).fetchall()


def data_version(bench, dataset=POLICE):
    with bench.broker.store.read() as tx:
        return tx.answers.data_version(AGREEMENT, dataset)


def now_rows(bench, dataset=POLICE):
    return rows(bench, data_version(bench, dataset).lake, dataset)


def pinned_rows(bench, intent, dataset=POLICE):
    return rows(bench, json.loads(intent.pinned)[dataset]["lake"], dataset)


def states(bench, dataset=POLICE, party="as-police"):
    listed = bench.broker.intake.listed(bench.caller(party), AGREEMENT, dataset, 50, None)
    return {item["extract"]: item["state"] for item in listed}


def on_disk(bench, dataset=POLICE):
    folder = bench.broker.settings.lake / AGREEMENT / dataset
    return sorted(path.stem for path in folder.glob("*.parquet"))


def amend(bench, keep, version="2"):
    value = bench.document() | {"version": version}
    value["datasets"][POLICE]["keep"] = keep
    bench.register(value)


def old(bench):
    return bench.pushed["old"]["extract"]


def new(bench):
    return bench.pushed["new"]["extract"]


# --- the instant


def test_no_question_sees_an_extract_from_the_instant_at_which_its_time_is_over(bench):
    """No job has run: the question itself removes what it may not see."""
    bench.now = ENDS - MOMENT
    before = bench.pending(ALL, "before").intent
    assert len(pinned_rows(bench, before)) == 400
    bench.now = ENDS
    after = bench.pending(ALL, "after").intent
    assert len(pinned_rows(bench, after)) == 100
    assert bench.broker.completion.compute(after).release is not None
    assert states(bench) == {old(bench): "expired", new(bench): "committed"}


def test_the_job_removes_nothing_before_its_time_and_everything_at_it(bench):
    bench.now = ENDS - MOMENT
    before = bench.files()
    assert run(bench) == []
    assert bench.files() == before
    bench.now = ENDS
    assert run(bench) == [old(bench)]
    assert on_disk(bench) == [new(bench)]
    assert run(bench) == []
    bench.now = ALL_END
    assert run(bench) == [new(bench)]
    assert on_disk(bench) == []
    assert len(on_disk(bench, "ed-assaults")) == 1


def test_a_linked_dataset_is_settled_too(bench):
    linked = [{"dataset": POLICE, "has": True, "where": []}]
    request = count_request(dataset="ed-assaults", by=[{"field": "lad"}], where=[], linked=linked)
    bench.now = ENDS
    intent = bench.pending(request, "linked").intent
    assert len(pinned_rows(bench, intent)) == 100
    assert len(pinned_rows(bench, intent, "ed-assaults")) == 200


def test_a_question_of_another_dataset_removes_nothing(bench):
    bench.now = ENDS
    bench.pending(count_request(dataset="ed-assaults", by=[{"field": "lad"}], where=[]), "ed")
    assert states(bench)[old(bench)] == "committed"


def test_a_refused_question_and_a_preview_remove_nothing(bench):
    bench.now = ENDS
    before = bench.files()
    assert code(bench.prepare, count_request(by=[{"field": "offence"}], where=[]), "refused")
    bench.broker.asking.preview(bench.caller("as-opcc"), AGREEMENT, parsed(ALL))
    assert bench.files() == before
    assert states(bench)[old(bench)] == "committed"


def test_only_what_would_be_charged_waits_for_a_removal(bench):
    """How long a removal takes depends on the rows; a refusal, and an answer that is stored, come at once."""
    bench.now = ENDS - MOMENT
    stored = bench.ask(ALL, "stored")
    bench.now = ENDS
    assert json.loads(bench.prepare(ALL, "stored").text) == stored
    assert code(bench.prepare, ALL | {"spend": {"epsilon": "7"}}, "dear").startswith("over_")
    assert states(bench)[old(bench)] == "committed"
    charges = bench.kinds().count("charged")
    bench.prepare(ALL, "anew")
    assert states(bench)[old(bench)] == "expired"
    assert bench.kinds().count("charged") == charges + 1


def parsed(request):
    return parse(request)


def test_the_days_that_only_an_expired_extract_covered_are_covered_no_longer(bench):
    with bench.broker.store.read() as tx:
        assert tx.answers.covered(AGREEMENT, POLICE)
    bench.now = ALL_END
    run(bench)
    with bench.broker.store.read() as tx:
        assert tx.answers.covered(AGREEMENT, POLICE) == []
    assert bench.ask(ALL, "empty")["rows"], "noisy zeros, no refusal"


def test_a_question_is_not_charged_while_rows_that_are_kept_no_longer_cannot_be_removed(bench):
    bench.now = ENDS

    def full(step):
        if step == "lake-before-withdrawal":
            raise EngineFailed("no disk")

    bench.faults = full
    charged = bench.kinds().count("charged")
    assert code(bench.prepare, ALL) == "engine_failed"
    assert bench.kinds().count("charged") == charged
    bench.faults = lambda _: None
    assert len(pinned_rows(bench, bench.pending(ALL).intent)) == 100


def test_a_question_is_not_charged_where_nothing_has_settled_its_datasets(bench):
    """A version with a shorter keep comes into force after the question settled: it has to try again."""
    bench.now = ENDS
    careless = replace(bench.broker.asking, settle=lambda *_: None)
    caller = bench.caller("as-opcc")
    assert code(careless.prepare, caller, AGREEMENT, "key", parsed(ALL)) == "in_progress"
    assert "charged" not in bench.kinds()


# --- what stays as it is


def test_every_other_row_stays_bit_identical(bench):
    everything, ed = now_rows(bench), now_rows(bench, "ed-assaults")
    with duckdb.connect() as connection:
        path = bench.broker.settings.lake / AGREEMENT / POLICE / f"{new(bench)}.parquet"
        kept = connection.execute("SELECT * FROM read_parquet(?) ORDER BY ALL", [str(path)]).fetchall()
    bench.now = ENDS
    run(bench)
    assert now_rows(bench) == kept
    assert now_rows(bench, "ed-assaults") == ed
    assert set(kept) < set(everything)


@pytest.mark.parametrize("compactions", [1, 2])
def test_an_extract_leaves_a_compacted_file_and_no_file_on_the_disk_holds_its_rows(bench, tmp_path, compactions):
    gone = rows_of_file(bench, old(bench))
    kept = rows_of_file(bench, new(bench))
    for number in range(compactions):
        bench.broker.compaction.run()
        if number + 1 < compactions:
            bench.push("as-police", POLICE, small_extract(tmp_path, POLICE, 50, seed=9), "more")
            kept = sorted(kept + rows_of_file(bench, on_newest(bench)))
    bench.now = ENDS
    assert run(bench) == [old(bench)]
    assert now_rows(bench) == kept
    words = {row[0] for row in gone} - {row[0] for row in kept}
    assert words
    for path in bench.broker.settings.lake.rglob("*.parquet"):
        if path.parent.name == POLICE:
            with duckdb.connect() as connection:
                read = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
                assert not words & {row[0] for row in read.fetchall()}


def test_a_merged_file_is_written_anew_once_for_all_extracts_that_fall_due_in_it(tmp_path):
    bench = make_bench(tmp_path, edit=kept_a_month)
    written = []
    for number in range(5):
        bench.push("as-police", POLICE, small_extract(tmp_path, POLICE, 40, seed=number + 1), f"due-{number}")
    bench.now += timedelta(days=5)
    bench.push("as-police", POLICE, small_extract(tmp_path, POLICE, 40, seed=50), "stays")
    bench.broker.compaction.run()
    bench.faults = lambda step: written.append(step) if step == "lake-rewritten" else None
    bench.now += timedelta(days=28)
    assert len(run(bench)) == 5
    assert len(written) == 1
    assert sorted(states(bench).values()) == ["committed"] + ["expired"] * 5
    assert bench.kinds().count("expired") == 5, "each has its entry, and its supplier's receipt"
    assert len(now_rows(bench)) == 40
    assert len(on_disk(bench)) == 1
    bench.close()


def test_extracts_that_left_a_merged_file_together_are_recorded_by_the_next_run_where_a_crash_came_between(tmp_path):
    bench = make_bench(tmp_path, edit=kept_a_month)
    for number in range(3):
        bench.push("as-police", POLICE, small_extract(tmp_path, POLICE, 40, seed=number + 1), f"due-{number}")
    bench.broker.compaction.run()

    def crash(step):
        if step == "expiry-recorded":
            raise RuntimeError("the process ends")

    bench.now += timedelta(days=32)
    bench.faults = crash
    assert code(run, bench) == "retention_incomplete"
    bench.faults = lambda _: None
    assert bench.kinds().count("expired") == 1
    assert len(now_rows(bench)) == 0
    assert len(run(bench)) == 2
    assert set(states(bench).values()) == {"expired"}
    assert run(bench) == []
    bench.close()


def on_newest(bench):
    listed = bench.broker.intake.listed(bench.caller("as-police"), AGREEMENT, POLICE, 1, None)
    return listed[0]["extract"]


def rows_of_file(bench, extract):
    path = bench.broker.settings.lake / AGREEMENT / POLICE / f"{extract}.parquet"
    with duckdb.connect() as connection:
        return connection.execute("SELECT * FROM read_parquet(?) ORDER BY ALL", [str(path)]).fetchall()


def test_an_open_question_keeps_its_answer_and_its_rows_until_it_is_answered(bench):
    bench.now = ENDS - MOMENT
    intent = bench.pending(ALL, "open").intent
    before = pinned_rows(bench, intent)
    bench.now = ENDS
    assert run(bench) == [old(bench)]
    assert on_disk(bench) == sorted([new(bench), old(bench)])
    assert pinned_rows(bench, intent) == before
    completion = bench.broker.completion
    assert json.loads(completion.complete(completion.compute(intent)))["rows"]
    assert run(bench) == []
    assert on_disk(bench) == [new(bench)], "the next run removes what the question held"


def test_a_repeat_is_free_before_and_charged_anew_after_an_expiry(bench):
    bench.now = ENDS - MOMENT
    first = bench.ask(ALL, "first")
    assert isinstance(bench.prepare(ALL, "again"), Ready)
    assert preview(bench)["repeat"] is True
    bench.now = ENDS
    assert preview(bench)["repeat"] is False, "the question itself will find other rows"
    charges = bench.kinds().count("charged")
    assert isinstance(bench.prepare(ALL, "anew"), Pending)
    assert bench.kinds().count("charged") == charges + 1
    same = bench.prepare(ALL, "first")
    assert isinstance(same, Ready)
    assert json.loads(same.text) == first, "what was answered once is answered again to its own key"


def preview(bench):
    return bench.broker.asking.preview(bench.caller("as-opcc"), AGREEMENT, parsed(ALL))


# --- which keep


def test_a_shorter_keep_takes_at_once_what_is_older(bench):
    bench.now = datetime(2026, 12, 5, tzinfo=UTC)
    assert run(bench) == []
    amend(bench, "P7D")
    assert len(pinned_rows(bench, bench.pending(ALL).intent)) == 100
    assert states(bench) == {old(bench): "expired", new(bench): "committed"}
    assert shown(bench, old(bench))["expiry"]["retention"]["keep"] == "P7D"


def test_a_longer_keep_keeps_what_is_there_and_brings_nothing_back(bench):
    bench.now = ENDS
    run(bench)
    amend(bench, "P3Y")
    bench.now = ENDS + 40 * DAY
    assert run(bench) == []
    assert states(bench) == {old(bench): "expired", new(bench): "committed"}
    assert len(pinned_rows(bench, bench.pending(ALL).intent)) == 100


def test_what_has_begun_to_go_goes_by_the_version_it_began_under(bench):
    bench.now = ENDS

    def crash(step):
        if step == "expiry-intended":
            raise KeyboardInterrupt

    bench.faults = crash
    with pytest.raises(KeyboardInterrupt):
        run(bench)
    bench.faults = lambda _: None
    amend(bench, "P3Y")
    assert run(bench) == [old(bench)]
    assert shown(bench, old(bench))["expiry"]["retention"]["agreement"]["version"] == "1"


def test_a_draft_that_not_all_have_signed_takes_nothing(bench):
    bench.now = datetime(2026, 12, 5, tzinfo=UTC)
    value = bench.document() | {"version": "2"}
    value["datasets"][POLICE]["keep"] = "P1D"
    bench.register(value, "as-police", "bri-ed")
    assert run(bench) == []


@pytest.mark.parametrize("act", ["suspend", "terminate"])
def test_neither_a_suspension_nor_the_end_is_a_hold(bench, act):
    getattr(bench, act)()
    bench.now = ENDS
    assert run(bench) == [old(bench)]


# --- what the supplier is told


def shown(bench, extract):
    return bench.broker.intake.one(bench.caller("as-police"), AGREEMENT, POLICE, extract)


def test_the_supplier_sees_how_long_each_extract_is_kept_and_gets_a_signed_receipt(bench):
    assert shown(bench, old(bench))["kept_until"] == "2026-12-23T00:00:00.000Z"
    assert shown(bench, new(bench))["kept_until"] == "2027-01-03T00:00:00.000Z"
    bench.now = ENDS + timedelta(hours=2)
    run(bench)
    item = shown(bench, old(bench))
    assert item["state"] == "expired"
    assert "kept_until" not in item
    receipt = item["expiry"]
    told = {name: value for name, value in receipt.items() if name != "signature"}
    verify(told, receipt["signature"], public_key(bench.broker.keys["keys"][0]), typ="concordat-receipt+jws")
    pushed = bench.pushed["old"]
    assert {name: receipt[name] for name in ("extract", "digest", "rows", "received")} == {
        name: pushed[name] for name in ("extract", "digest", "rows", "received")
    }
    assert receipt["expired"] == "2026-12-23T02:00:00.000Z"
    assert receipt["retention"] == {
        "agreement": pushed["agreement"],
        "keep": "P1M",
        "kept_until": "2026-12-23T00:00:00.000Z",
    }
    entry = bench.entries()[receipt["audit"]["index"]]
    assert entry["kind"] == "expired"
    assert entry["caller"] == {"client": None, "party": "as-police", "role": None}
    assert entry["decision"] == {
        "outcome": "allowed",
        "code": "expired",
        "clauses": [f"datasets/{POLICE}/keep"],
    }
    assert entry["result"] == {"extract": old(bench), "digest": pushed["digest"]}
    assert bench.kinds().count("expired") == 1


def test_an_expired_extract_is_neither_withdrawn_nor_replaced_and_its_key_takes_nothing(bench, tmp_path):
    bench.now = ENDS
    run(bench)
    caller = bench.caller("as-police")
    assert code(bench.broker.intake.withdraw, caller, AGREEMENT, POLICE, old(bench)) == "not_withdrawable"
    again = bench.push("as-police", POLICE, small_extract(tmp_path, POLICE), "old")
    assert again == bench.pushed["old"], "the same key is answered with the receipt of then"
    assert states(bench)[old(bench)] == "expired"
    assert len(now_rows(bench)) == 100


# --- others that are at it meanwhile


def test_a_withdrawal_that_was_interrupted_is_completed_as_one(bench):
    def crash(step):
        if step == "withdrawal-intended":
            raise KeyboardInterrupt

    bench.faults = crash
    with pytest.raises(KeyboardInterrupt):
        bench.broker.intake.withdraw(bench.caller("as-police"), AGREEMENT, POLICE, old(bench))
    bench.faults = lambda _: None
    bench.now = ENDS
    assert run(bench) == []
    assert states(bench)[old(bench)] == "withdrawn"
    assert on_disk(bench) == [new(bench)]


def test_a_push_that_was_interrupted_until_its_time_was_over_is_seen_by_nobody(bench, tmp_path):
    def crash(step):
        if step == "push-delta-committed":
            raise KeyboardInterrupt

    bench.faults = crash
    with pytest.raises(KeyboardInterrupt):
        bench.push("as-police", POLICE, small_extract(tmp_path, POLICE, 70, seed=8), "crashed")
    bench.faults = lambda _: None
    crashed = next(extract for extract, state in states(bench).items() if state == "staged")
    bench.now = ALL_END
    assert pinned_rows(bench, bench.pending(ALL).intent) == []
    assert states(bench)[crashed] == "expired"
    assert on_disk(bench) == []


def test_a_replacement_that_is_under_way_is_taken_and_what_it_replaces_goes(bench, tmp_path):
    """The replaced extract's time is over while the replacement is staged: nobody sees it, and nothing is lost."""
    bench.now = ENDS - MOMENT
    reached, go = threading.Event(), threading.Event()

    def hold(step):
        if step == "lake-before-commit" and threading.current_thread() is not threading.main_thread():
            reached.set()
            go.wait(60)

    made = {}

    def correct():
        body = small_extract(tmp_path, POLICE, 120, seed=6)
        made["receipt"] = bench.push("as-police", POLICE, body, "correct", bench.replica(), replaces=old(bench))

    bench.faults = hold
    worker = threading.Thread(target=correct)
    worker.start()
    assert reached.wait(60)
    bench.now = ENDS
    assert len(pinned_rows(bench, bench.pending(ALL, "meanwhile").intent)) == 100
    go.set()
    worker.join(60)
    assert len(pinned_rows(bench, bench.pending(ALL, "after").intent)) == 220
    assert states(bench) == {made["receipt"]["extract"]: "committed", old(bench): "expired", new(bench): "committed"}


def test_a_purge_takes_what_was_just_expiring_and_leaves_nothing_undone(bench):
    bench.terminate()
    bench.now = ENDS

    def crash(step):
        if step == "expiry-intended":
            raise KeyboardInterrupt

    bench.faults = crash
    with pytest.raises(KeyboardInterrupt):
        run(bench)
    bench.faults = lambda _: None
    bench.now += GRACE
    bench.broker.purges.run()
    assert set(bench.receipt("as-police")["datasets"][0]["extracts"]) == {old(bench), new(bench)}
    assert run(bench) == []
    assert bench.files() == []
    assert set(states(bench).values()) == {"purged"}


def test_a_purge_that_comes_in_while_an_extract_expires_is_no_failure(bench):
    bench.terminate()
    bench.now = ENDS + GRACE

    def purge_first(step):
        if step == "expiry-intended":
            bench.faults = lambda _: None
            bench.broker.purges.run()

    bench.faults = purge_first
    assert run(bench) == []
    assert bench.kinds().count("expired") == 0
    assert set(states(bench).values()) == {"purged"}


# --- crashes


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("step", [*EXPIRY_STEPS, "lake-rewritten"])
def test_an_expiry_killed_at_any_step_is_completed_once_by_the_next(bench, step, compacted):
    if compacted:
        bench.broker.compaction.run()
    elif step == "lake-rewritten":
        step = EXPIRY_STEPS[0]
    kept = 100
    bench.now = ENDS
    arguments = [str(bench.broker.settings.state), ISSUER, bench.now.isoformat(), step, "retention"]
    killed = subprocess.run([sys.executable, "-m", "tests.support.purging", *arguments], cwd=Path(__file__).parents[3])
    assert killed.returncode == -signal.SIGKILL
    replica = bench.replica()
    assert len(pinned_rows(bench, bench.pending(ALL).intent)) == kept
    assert bench.kinds().count("expired") == 1
    first = shown(bench, old(bench))
    assert first["state"] == "expired"
    assert run(bench, replica) == []
    assert shown(bench, old(bench)) == first
    assert len(on_disk(bench)) == 1


def test_what_fails_is_told_and_done_by_the_next_run(bench, tmp_path):
    ed = bench.document() | {"version": "2"}
    ed["datasets"]["ed-assaults"]["keep"] = "P1M"
    bench.register(ed)
    bench.now = ENDS
    failed: list[str] = []

    def full(step):
        if step == "lake-before-withdrawal" and not failed:
            failed.append(step)
            raise OSError("disk")

    bench.faults = full
    assert code(bench.broker.retention.run) == "retention_incomplete"
    left = [extract for extract, state in (states(bench) | states(bench, "ed-assaults", "bri-ed")).items()
            if state == "expiring"]  # fmt: skip
    assert len(left) == 1, "the other was done"
    assert run(bench) == left


def test_the_operators_command_expires_by_the_machines_clock(bench):
    at = datetime.now(UTC) - timedelta(days=20)
    with bench.broker.store.write() as tx:
        for extract, received in ((old(bench), at - timedelta(days=40)), (new(bench), at)):
            tx.agreements._connection.execute(
                sqlalchemy.text("UPDATE extract SET received_at = :at WHERE id = :id"),
                {"at": received.isoformat(), "id": extract},
            )
    assert expiry(at, Duration(1, 0)) > datetime.now(UTC)
    assert expire(bench.broker.settings) == [Expired(AGREEMENT, POLICE, old(bench))]
    assert expire(bench.broker.settings) == []


def test_a_question_that_waits_for_the_lock_over_the_instant_is_charged_for_what_is_kept_then(bench):
    bench.now = ENDS - MOMENT
    asking, store = bench.broker.asking, bench.broker.asking.store

    class Late:
        read = store.read

        def write(self):
            bench.now = max(bench.now, ENDS + timedelta(seconds=20))  # another transaction held the lock so long
            return store.write()

    made = replace(asking, store=Late()).prepare(bench.caller("as-opcc"), AGREEMENT, "late", parsed(ALL))
    assert isinstance(made, Pending)
    assert on_disk(bench) == [new(bench)]
    assert len(pinned_rows(bench, made.intent)) == 100
