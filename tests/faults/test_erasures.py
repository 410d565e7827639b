"""Erasures that are killed, raced and repeated, on two brokers: all or nothing, nothing lost, nobody back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.api.broker import Broker
from service.errors import Conflict, EngineFailed
from service.identity.caller import Role
from service.intake.means import ERASURE_STEPS
from tests.support.lifecycle import AGREEMENT, ISSUER, Bench, make_bench, small_extract
from tests.support.persons import about, files_with, stored_rows, words_of
from tests.support.postgres import binaries, fresh_database, postgres

needs_postgres = pytest.mark.skipif(binaries() is None, reason="PostgreSQL's server is not installed")
ANN, BOB = "a1" * 32, "b2" * 32
PUSHED = (("as-police", "police-violence"), ("bri-ed", "ed-assaults"))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def bench(tmp_path) -> Iterator[Bench]:
    made = make_bench(tmp_path)
    yield filled(made, tmp_path)
    made.close()


def filled(bench: Bench, folder: Path) -> Bench:
    """Push two extracts about Ann and Bob, each with 30 rows of each."""
    for party, dataset in PUSHED:
        body = about(small_extract(folder, dataset, 60), ANN, BOB)
        bench.pushed[dataset] = bench.push(party, dataset, body, dataset)
    return bench


def version(bench: Bench, dataset: str) -> tuple[str, int]:
    with bench.broker.asking.store.read() as tx:
        found = tx.answers.data_version(AGREEMENT, dataset)
    return found.name, found.lake


def seen(bench: Bench, dataset: str, person: str) -> int:
    """How many rows of a person a question would see now."""
    files = bench.broker.completion.lake.files(AGREEMENT, dataset, version(bench, dataset)[1])
    rows = stored_rows(files, dataset)
    return sum(times for row, times in rows.items() if row[:4] == words_of(person))


def lake(bench: Bench) -> Path:
    return bench.broker.settings.lake


def kill(bench: Bench, step: str, who: str) -> None:
    command = [sys.executable, "-m", "tests.support.erasing", str(bench.broker.settings.state), ISSUER,
               bench.database_url, who, ANN, step]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


# --- kills

THEN = [("restarted", "as-opcc/steward"), ("retried", "as-police")]


@pytest.mark.parametrize(("then", "who"), THEN)
@pytest.mark.parametrize("step", ERASURE_STEPS)
def test_an_erasure_killed_at_any_step_is_completed_by_a_restart_or_a_retry_and_nothing_of_it_is_half_done(
    bench, step, who, then
):
    names = {dataset: version(bench, dataset)[0] for _, dataset in PUSHED}
    recorded = ERASURE_STEPS.index(step) >= ERASURE_STEPS.index("erasure-recorded")
    party, _, role = who.partition("/")
    reached = [dataset for supplier, dataset in PUSHED if role or supplier == party]
    kill(bench, step, who)
    for _, dataset in PUSHED:
        assert seen(bench, dataset, ANN) == (0 if recorded and dataset in reached else 30)
    if then == "restarted":
        if step == "erasure-listed":
            age_lists(bench)
        bench.replica()
        if step == "erasure-listed":
            assert "erased" not in bench.kinds()
            assert not list(lake(bench).rglob("*.list"))
        else:
            assert bench.kinds().count("erased") == 1, "the start completes what was intended"
    receipt = bench.erase(party, [ANN], "erase", Role(role or "supplier"))
    assert bench.erase(party, [ANN], "erase", Role(role or "supplier")) == receipt
    assert bench.kinds().count("erased") == 1
    if not role:
        assert receipt["datasets"] == [{"dataset": "police-violence", "rows": 30}]
    for _, dataset in PUSHED:
        assert seen(bench, dataset, ANN) == (0 if dataset in reached else 30)
        assert seen(bench, dataset, BOB) == 30
        assert (version(bench, dataset)[0] != names[dataset]) is (dataset in reached)
    if step == "erasure-listed" and then == "retried":
        age_lists(bench)
        bench.broker.erasures.recover()
    left = files_with(lake(bench), ANN)
    assert all("ed-assaults" in file for file in left) if not role else left == []


def age_lists(bench: Bench) -> None:
    """What was listed and never intended could be about to be, until it is an hour old."""
    (path,) = lake(bench).rglob("*.list")
    bench.broker.erasures.recover()
    assert path.exists(), "another broker may be about to store its intent"
    old = (bench.now - timedelta(hours=2)).timestamp()
    os.utime(path, (old, old))


@needs_postgres
def test_an_erasure_is_completed_on_postgresql_too(tmp_path, server):
    made = make_bench(tmp_path, database_url=fresh_database(server))
    try:
        filled(made, tmp_path)
        kill(made, "lake-after-erasure", "as-police")
        assert seen(made, "police-violence", ANN) == 30
        made.replica()
        assert seen(made, "police-violence", ANN) == 0
        receipt = made.erase("as-police", [ANN])
        assert made.erase("as-police", [ANN]) == receipt
        with pytest.raises(Conflict) as caught:
            made.erase("as-police", [BOB])
        assert caught.value.code == "idempotency_key_reused"
    finally:
        made.close()


# --- pushes that come before, between and after


class Stop(Exception):
    """Ends what a test interrupts, as a crash would."""


def stop_at(step: str) -> Callable[[str], None]:
    def fault(name: str) -> None:
        if name == step:
            raise Stop

    return fault


@pytest.mark.parametrize("step", ["push-intended", "lake-after-commit", "push-delta-committed"])
def test_a_push_that_was_interrupted_before_an_erasure_brings_nobody_back_behind_it(bench, tmp_path, step):
    body = about(small_extract(tmp_path, "police-violence", 60, seed=12), ANN, BOB)
    bench.faults = stop_at(step)
    with pytest.raises(Stop):
        bench.push("as-police", "police-violence", body, "interrupted")
    bench.faults = lambda _: None
    receipt = bench.erase("as-police", [ANN])
    assert receipt["datasets"] == [{"dataset": "police-violence", "rows": 60}]
    bench.push("as-police", "police-violence", body, "interrupted")
    bench.replica()
    assert (seen(bench, "police-violence", ANN), seen(bench, "police-violence", BOB)) == (0, 60)
    assert [file for file in files_with(lake(bench), ANN) if "police-violence" in file] == []


def test_a_replayed_push_gets_its_receipt_and_brings_nobody_back_and_a_new_one_does(bench, tmp_path):
    body = about(small_extract(tmp_path, "police-violence", 60), ANN, BOB)
    bench.erase("as-police", [ANN])
    assert bench.push("as-police", "police-violence", body, "police-violence") == bench.pushed["police-violence"]
    assert seen(bench, "police-violence", ANN) == 0
    bench.push("as-police", "police-violence", body, "another")
    assert seen(bench, "police-violence", ANN) == 30
    assert bench.erase("as-police", [ANN])["datasets"] == [{"dataset": "police-violence", "rows": 30}], "a replay"
    assert seen(bench, "police-violence", ANN) == 30
    bench.erase("as-police", [ANN], "another")
    assert seen(bench, "police-violence", ANN) == 0


def test_pushes_withdrawals_compactions_and_erasures_at_once_on_two_brokers_lose_nobody_and_bring_nobody_back(
    bench, tmp_path
):
    """Bob's rows are counted; Ann's are erased again and again while new ones come in."""
    brokers = [bench.broker, bench.replica()]
    bodies = [about(small_extract(tmp_path, "police-violence", 20, seed=seed), ANN, BOB) for seed in range(20, 28)]
    done, failed = threading.Event(), []

    def push(number: int) -> None:
        receipt = bench.push("as-police", "police-violence", bodies[number], f"p{number}", brokers[number % 2])
        if number % 4 == 3:
            caller = bench.caller("as-police", Role.SUPPLIER)
            brokers[number % 2].intake.withdraw(caller, AGREEMENT, "police-violence", receipt["extract"])

    def compact() -> None:
        while not done.is_set():
            for broker in brokers:
                broker.compaction.run()
            time.sleep(0.01)

    def erase(number: int) -> None:
        try:
            bench.erase("as-police", [ANN], f"e{number}", broker=brokers[number % 2])
        except Conflict as error:  # busy: the retry below completes it
            failed.append(error.code)

    with ThreadPoolExecutor(6) as pool:
        compacting = pool.submit(compact)
        work = [pool.submit(push, number) for number in range(len(bodies))]
        work += [pool.submit(erase, number) for number in range(6)]
        try:
            for item in work:
                item.result()
        finally:
            done.set()
        compacting.result()
    assert set(failed) <= {"in_progress"}
    for number in range(6):
        bench.erase("as-police", [ANN], f"e{number}")
    bench.erase("as-police", [ANN], "last")
    assert seen(bench, "police-violence", ANN) == 0
    assert seen(bench, "police-violence", BOB) == 30 + 6 * 10
    assert [file for file in files_with(lake(bench), ANN) if "police-violence" in file] == []
    assert bench.kinds().count("erased") == 7
    assert not list(lake(bench).rglob("*.list"))


def test_one_erasure_sent_to_two_brokers_at_once_is_one_erasure(bench):
    brokers = [bench.broker, bench.replica()]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: bench.erase("as-police", [ANN], broker=brokers[n % 2]), range(8)))
    assert len({json.dumps(receipt, sort_keys=True) for receipt in made}) == 1
    assert bench.kinds().count("erased") == 1
    assert not list(lake(bench).rglob("*.list"))


# --- open questions, failures, and the end of an agreement


def test_an_open_question_is_answered_over_what_it_was_charged_for_and_then_the_rows_go(bench):
    pending = bench.pending()
    bench.erase("as-police", [ANN])
    held = [file for file in files_with(lake(bench), ANN) if "police-violence" in file]
    assert held, "a question that was charged keeps what it pins"
    completion = bench.broker.completion
    release = json.loads(completion.complete(completion.compute(pending.intent)))
    assert release["data_version"] != version(bench, "police-violence")[0]
    bench.broker.intake.vacuum_all()
    assert [file for file in files_with(lake(bench), ANN) if "police-violence" in file] == []


def test_a_start_that_completes_an_open_question_leaves_none_of_the_rows_it_held(bench):
    bench.pending()
    bench.erase("as-police", [ANN])
    bench.replica()
    assert "released" in bench.kinds()
    assert [file for file in files_with(lake(bench), ANN) if "police-violence" in file] == []


def test_an_erasure_that_failed_stays_intended_and_is_completed_later_without_being_asked_again(bench):
    (path,) = lake(bench).rglob("police-violence/*.parquet")
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(EngineFailed):
        bench.erase("as-police", [ANN])
    assert "erased" not in bench.kinds()
    path.write_bytes(good)
    bench.broker.erasures.recover()
    assert bench.kinds().count("erased") == 1
    assert seen(bench, "police-violence", ANN) == 0


def damaged(bench: Bench, dataset: str) -> tuple[Path, bytes]:
    """Cut a dataset's file in two; return what it was."""
    (path,) = lake(bench).rglob(f"{dataset}/*.parquet")
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    return path, good


def failures(bench: Bench) -> list[Any]:
    return [entry for entry in bench.entries() if entry["kind"] == "failed"]


def test_a_damaged_dataset_of_one_supplier_keeps_no_person_in_those_of_the_others(bench):
    before = {dataset: version(bench, dataset)[0] for _, dataset in PUSHED}
    path, good = damaged(bench, "ed-assaults")
    with pytest.raises(EngineFailed):
        bench.erase("as-opcc", [ANN], "all", Role.STEWARD)
    assert (seen(bench, "police-violence", ANN), seen(bench, "police-violence", BOB)) == (0, 30)
    assert version(bench, "police-violence")[0] != before["police-violence"]
    assert version(bench, "ed-assaults")[0] == before["ed-assaults"]
    assert files_with(lake(bench) / AGREEMENT / "police-violence", ANN) == [], "nor on the disk"
    (told,) = failures(bench)
    assert told["decision"] == {"outcome": "failed", "code": "engine_failed", "clauses": []}
    assert told["result"] | {"erasure": ""} == {"erasure": "", "state": "intended", "datasets": ["police-violence"]}
    assert "erased" not in bench.kinds()
    for _ in range(3):
        bench.broker.erasures.recover()
    assert len(failures(bench)) == 1, "what fails again the same way is told once"
    path.write_bytes(good)
    bench.broker.erasures.recover()
    assert bench.kinds().count("erased") == 1
    assert files_with(lake(bench), ANN) == []
    assert [seen(bench, dataset, BOB) for _, dataset in PUSHED] == [30, 30]


def test_a_push_that_comes_in_while_another_dataset_is_damaged_stays_in(bench, tmp_path):
    path, good = damaged(bench, "ed-assaults")
    with pytest.raises(EngineFailed):
        bench.erase("as-opcc", [ANN], "all", Role.STEWARD)
    bench.push("as-police", "police-violence", about(small_extract(tmp_path, "police-violence", 20), BOB), "next")
    path.write_bytes(good)
    bench.broker.erasures.recover()
    assert (seen(bench, "police-violence", ANN), seen(bench, "police-violence", BOB)) == (0, 50)


def test_an_erasure_whose_list_is_lost_is_given_up_and_can_be_sent_again(bench):
    bench.faults = stop_at("erasure-intended")
    with pytest.raises(Stop):
        bench.erase("as-police", [ANN])
    bench.faults = lambda _: None
    (path,) = lake(bench).rglob("*.list")
    path.unlink()
    with pytest.raises(EngineFailed):
        bench.erase("as-police", [ANN])
    assert seen(bench, "police-violence", ANN) == 30
    (told,) = failures(bench)
    assert told["result"] | {"erasure": ""} == {"erasure": "", "state": "aborted", "datasets": []}
    assert bench.erase("as-police", [ANN])["datasets"] == [{"dataset": "police-violence", "rows": 30}]


def test_an_erasure_whose_list_is_lost_between_two_datasets_is_told_for_what_was_done_and_can_be_sent_again(
    bench, tmp_path
):
    lists: list[Path] = []

    def lose(step: str) -> None:
        if step == "lake-after-erasure" and not lists:
            lists.extend(lake(bench).rglob("*.list"))
            lists[0].unlink()

    bench.faults = lose
    before = version(bench, "ed-assaults")[0]
    with pytest.raises(EngineFailed):
        bench.erase("as-opcc", [ANN], "all", Role.STEWARD)
    bench.faults = lambda _: None
    (told,) = failures(bench)
    assert told["result"] | {"erasure": ""} == {"erasure": "", "state": "aborted", "datasets": ["ed-assaults"]}
    assert {"ed-assaults", "police-violence"} < set(told["request"]["datasets"])
    assert (seen(bench, "ed-assaults", ANN), seen(bench, "police-violence", ANN)) == (0, 30)
    assert version(bench, "ed-assaults")[0] != before
    bench.broker.erasures.recover()
    assert len(failures(bench)) == 1
    bench.erase("as-opcc", [ANN], "all", Role.STEWARD)
    assert files_with(lake(bench), ANN) == []
    assert [seen(bench, dataset, BOB) for _, dataset in PUSHED] == [30, 30]


def test_an_erasure_of_one_dataset_keeps_no_push_to_another_waiting(bench, tmp_path):
    body, waited = small_extract(tmp_path, "ed-assaults", 30, seed=4), []

    def push(step: str) -> None:
        if step == "lake-rewritten":
            thread = threading.Thread(target=lambda: bench.push("bri-ed", "ed-assaults", body, "other"))
            thread.start()
            thread.join(20)
            waited.append(thread.is_alive())

    bench.faults = push
    bench.erase("as-police", [ANN])
    bench.faults = lambda _: None
    assert waited == [False]


STOPS: dict[str, Callable[[Bench], Any]] = {
    "suspended": lambda bench: bench.suspend("bri-ed"),
    "terminated": lambda bench: bench.terminate(),
    "withdrawn": lambda bench: bench.withdraw("as-police"),
    "expired": lambda bench: setattr(bench, "now", bench.now + timedelta(days=800)),
}


@pytest.mark.parametrize("stop", STOPS)
def test_persons_are_erased_whether_or_not_the_agreement_is_in_force(bench, stop):
    STOPS[stop](bench)
    assert bench.erase("as-police", [ANN])["datasets"] == [{"dataset": "police-violence", "rows": 30}]
    bench.erase("as-opcc", [BOB], "all", Role.STEWARD)
    assert [file for file in files_with(lake(bench), ANN) if "police-violence" in file] == []
    assert files_with(lake(bench), BOB) == []


def test_after_a_purge_an_erasure_is_refused_and_one_that_was_made_still_gets_its_receipt(bench):
    receipt = bench.erase("as-police", [ANN])
    bench.terminate()
    bench.now += timedelta(days=31)
    assert bench.broker.purges.run()
    assert bench.erase("as-police", [ANN]) == receipt
    for party, roles in (("as-police", (Role.SUPPLIER,)), ("as-opcc", (Role.STEWARD,))):
        with pytest.raises(Conflict) as caught:
            bench.erase(party, [BOB], "late", *roles)
        assert caught.value.code == "records_purged"
    assert bench.files() == []


def test_an_erasure_that_a_purge_overtakes_is_completed_and_leaves_no_list(bench):
    bench.faults = stop_at("erasure-intended")
    with pytest.raises(Stop):
        bench.erase("as-police", [ANN])
    bench.faults = lambda _: None
    bench.terminate()
    bench.now += timedelta(days=31)
    bench.broker.purges.run()
    assert bench.files() == []
    broker: Broker = bench.replica()
    broker.erasures.recover()
    assert bench.kinds().count("erased") == 1
    assert bench.files() == []
