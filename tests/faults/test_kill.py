"""``kill -9`` at each step of ask and push: nothing is lost, nothing is given for nothing, a retry completes."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from connectors.synth import World, write_csv
from service.intake.means import COMPACTION_STEPS
from tests.support.postgres import binaries, fresh_database, postgres
from tests.support.server import Process, Served, count_request, schema, start_process

ASK_STEPS = (
    "before-charge-commit",
    "after-charge-commit",
    "after-engine",
    "before-release-commit",
    "after-release-commit",
)

needs_postgres = pytest.mark.skipif(binaries() is None, reason="PostgreSQL's server is not installed")


@pytest.fixture(scope="module")
def extract(tmp_path_factory) -> bytes:
    path: Path = tmp_path_factory.mktemp("extract") / "police.csv"
    write_csv(path, schema("police-violence/v1"), 2000, world=World(3), period=(date(2026, 4, 1), date(2026, 6, 30)))
    return path.read_bytes()


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    made: list[Process] = []
    yield made
    for process in made:
        if process.process.poll() is None:
            process.kill()


def restart(processes: list[Process], folder: Path, crash_at: str = "") -> Served:
    if processes and processes[-1].process.poll() is None:
        processes[-1].kill()
    processes.append(start_process(folder, crash_at=crash_at))
    return processes[-1].served


def spent(served: Served) -> Decimal:
    with served.http("as-opcc", "analyst") as http:
        return Decimal(http.get(f"{served.agreement}/budget").json()["spent"]["rho"])


def assert_nothing_was_released_unpaid(served: Served) -> None:
    """Read the database as the kill left it, before anything recovers it."""
    with sqlite3.connect(served.state / "broker" / "concordat.db") as control:
        unpaid = control.execute(
            "SELECT count(*) FROM release LEFT JOIN charge USING (intent) WHERE charge.intent IS NULL"
        ).fetchone()
        released = control.execute("SELECT coalesce(sum(rho_nano), 0) FROM release").fetchone()
        spent_there = control.execute("SELECT coalesce(max(rho_nano), 0) FROM account").fetchone()
    control.close()
    assert unpaid == (0,)
    assert released <= spent_there


@pytest.mark.parametrize("step", ASK_STEPS)
def test_kill_at_each_step_of_ask_gives_one_release_for_one_charge(tmp_path, extract, processes, step):
    served = restart(processes, tmp_path)
    assert served.push("as-police", "police-violence", extract).status_code == 201
    served = restart(processes, tmp_path, crash_at=step)
    with pytest.raises(httpx.TransportError):
        served.ask(count_request(), "survives")
    assert processes[-1].process.wait(20) == -9
    assert_nothing_was_released_unpaid(served)

    served = restart(processes, tmp_path)
    kinds = [item["entry"]["kind"] for item in served.entries()]
    released, charged = kinds.count("released"), kinds.count("charged")
    assert released <= charged, "never released without its charge"
    if step == "before-charge-commit":
        assert charged == 0
        assert spent(served) == Decimal(0)
    else:
        assert (charged, released) == (1, 1), "the start completes what was charged"

    answer = served.ask(count_request(), "survives")
    assert answer.status_code == 200, answer.text
    assert served.ask(count_request(), "survives").json() == answer.json()
    kinds = [item["entry"]["kind"] for item in served.entries()]
    assert (kinds.count("charged"), kinds.count("released")) == (1, 1)
    assert spent(served) == Decimal(answer.json()["guarantee"]["rho"])


def accounts(served: Served) -> dict[str, tuple[int, int]]:
    """Return, by account, what was spent and what is held, as the database has it."""
    with sqlite3.connect(served.state / "broker" / "concordat.db") as control:
        found = control.execute("SELECT key, rho_nano, held_nano FROM account").fetchall()
    control.close()
    return {key: (spent_there, held) for key, spent_there, held in found}


@pytest.mark.parametrize("step", ["before-charge-commit", "after-charge-commit", "before-release-commit"])
def test_a_kill_while_a_question_draws_on_a_reservation_loses_and_doubles_nothing(tmp_path, processes, step):
    served = restart(processes, tmp_path)
    wanted = {"purpose": "needs-assessment", "datasets": ["police-violence"], "share": "0.1"}
    with served.http("as-opcc", "analyst") as http:
        made = http.post(f"{served.agreement}/reservations", json=wanted, headers={"Idempotency-Key": "r"}).json()
    reserved = {held for _, held in accounts(served).values()}
    assert len(reserved) == 1
    served = restart(processes, tmp_path, crash_at=step)
    headers = {"Idempotency-Key": "drawn", "Concordat-Reservation": made["reservation"]}
    with served.http("as-opcc", "analyst") as http, pytest.raises(httpx.TransportError):
        http.post(f"{served.agreement}/aggregates", json=count_request(), headers=headers)
    assert processes[-1].process.wait(20) == -9
    assert {sum(account) for account in accounts(served).values()} == reserved, "spent or held, and nothing twice"
    drawn = {account[0] for account in accounts(served).values()}
    assert (drawn == {0}) == (step == "before-charge-commit")

    served = restart(processes, tmp_path)
    with served.http("as-opcc", "analyst") as http:
        answer = http.post(f"{served.agreement}/aggregates", json=count_request(), headers=headers)
        left = http.get(f"{served.agreement}/reservations/{made['reservation']}").json()["left"]["rho"]
    assert answer.status_code == 200, answer.text
    assert kinds_of(served) == (1, 1)
    assert {sum(account) for account in accounts(served).values()} == reserved
    rho = Decimal(answer.json()["guarantee"]["rho"])
    assert Decimal(left) + rho == Decimal(made["reserved"]["rho"])
    assert spent(served) == rho


def kinds_of(served: Served) -> tuple[int, int]:
    """Return how many charges and how many releases the log holds."""
    kinds = [item["entry"]["kind"] for item in served.entries()]
    return kinds.count("charged"), kinds.count("released")


def ask_at_once(brokers: list[Served], key: str, times: int = 8) -> set[str]:
    """Retry a question at several brokers at once; return the different answers."""
    with ThreadPoolExecutor(times) as pool:
        answers = list(pool.map(lambda n: brokers[n % len(brokers)].ask(count_request(), key), range(times)))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    return {answer.text for answer in answers}


def test_a_crash_after_the_charge_then_a_retry_on_processes_started_since_is_one_release_and_one_charge(
    tmp_path, extract, processes
):
    served = restart(processes, tmp_path)
    served.push("as-police", "police-violence", extract)
    first = restart(processes, tmp_path, crash_at="after-charge-commit")
    with pytest.raises(httpx.TransportError):
        first.ask(count_request(), "both")
    processes += [start_process(tmp_path), start_process(tmp_path)]
    assert len(ask_at_once([processes[-1].served, processes[-2].served], "both")) == 1
    assert kinds_of(processes[-1].served) == (1, 1)


@dataclass
class Replicas:
    """Brokers on one state folder and one control database; one of them is about to crash, all run."""

    start: Callable[..., Process]
    doomed: Process

    def crash_after_the_charge(self, key: str, extract: bytes) -> None:
        """Push and ask at the doomed process, which dies after the charge."""
        assert self.doomed.served.push("as-police", "police-violence", extract).status_code == 201
        with pytest.raises(httpx.TransportError):
            self.doomed.served.ask(count_request(), key)
        assert self.doomed.process.wait(20) == -9


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=needs_postgres)])
def replicas(request, tmp_path, processes) -> Replicas:
    """Replicas on either database."""
    database = "" if request.param == "sqlite" else fresh_database(request.getfixturevalue("server"))

    def start(**more: Any) -> Process:
        made = start_process(tmp_path, database=database, **more)
        processes.append(made)
        return made

    return Replicas(start, start(crash_at="after-charge-commit"))


def test_a_crash_after_the_charge_then_a_retry_on_another_process_is_one_release_and_one_charge(replicas, extract):
    """The other process ran all along, so no start has completed the question: the retry does."""
    other = replicas.start().served
    replicas.crash_after_the_charge("retried", extract)
    assert kinds_of(other) == (1, 0), "charged, and nobody has completed it yet"
    (answer,) = ask_at_once([other], "retried")
    assert other.ask(count_request(), "retried").text == answer
    assert kinds_of(other) == (1, 1)
    assert spent(other) == Decimal(json.loads(answer)["guarantee"]["rho"])


def test_a_retry_that_overtakes_a_starting_process_is_one_release_and_one_charge(replicas, extract):
    """The starting process has drawn its noise when the other answers: what it drew is thrown away."""
    other = replicas.start().served
    replicas.crash_after_the_charge("raced", extract)
    starting = replicas.start(hold_at="before-release-commit")
    starting.wait_until_held()
    (answer,) = ask_at_once([other], "raced")
    starting.let_go()
    assert ask_at_once([other, starting.served], "raced") == {answer}
    assert kinds_of(other) == (1, 1)
    assert spent(other) == Decimal(json.loads(answer)["guarantee"]["rho"])


def test_a_retry_that_a_starting_process_overtakes_is_one_release_and_one_charge(replicas, extract):
    """The other process has drawn its noise when the starting one releases: it answers with what was released."""
    other = replicas.start(hold_at="before-release-commit")
    assert other.served.clients
    replicas.crash_after_the_charge("raced", extract)
    with ThreadPoolExecutor(1) as pool:
        retry = pool.submit(other.served.ask, count_request(), "raced")
        other.wait_until_held()
        starting = replicas.start().served
        assert kinds_of(starting) == (1, 1), "the start has completed it"
        other.let_go()
        answer = retry.result().text
    assert ask_at_once([other.served, starting], "raced") == {answer}
    assert kinds_of(starting) == (1, 1)
    assert spent(starting) == Decimal(json.loads(answer)["guarantee"]["rho"])


def test_processes_that_start_at_once_and_retries_elsewhere_are_one_release_and_one_charge(replicas, extract):
    """Nothing is held: two starts and eight retries come as they come."""
    other = replicas.start().served
    replicas.crash_after_the_charge("raced", extract)
    with ThreadPoolExecutor(3) as pool:
        starts = [pool.submit(replicas.start) for _ in range(2)]
        (answer,) = ask_at_once([other], "raced")
        started = [start.result().served for start in starts]
    assert ask_at_once([other, *started], "raced") == {answer}
    assert kinds_of(other) == (1, 1)


def test_a_start_after_a_killed_withdrawal_removes_its_rows_from_the_disk(tmp_path, extract, processes):
    served = restart(processes, tmp_path)
    receipt = served.push("as-police", "police-violence", extract).json()
    served = restart(processes, tmp_path, crash_at="withdrawal-recorded")
    lake = served.state / "broker" / "lake"
    with pytest.raises(httpx.TransportError), served.http("as-police", "supplier") as http:
        http.delete(f"{served.agreement}/datasets/police-violence/extracts/{receipt['extract']}")
    assert processes[-1].process.wait(20) == -9
    assert len(list(lake.rglob("police-violence/*.parquet"))) == 1
    restart(processes, tmp_path)
    assert not list(lake.rglob("police-violence/*.parquet"))


@pytest.mark.parametrize("step", COMPACTION_STEPS)
def test_kill_at_each_step_of_a_compaction_loses_no_row_and_changes_no_name(
    tmp_path, extract, processes, monkeypatch, step
):
    header, *lines = extract.splitlines(keepends=True)
    parts = [b"".join([header, *lines[part::3]]) for part in range(3)]
    monkeypatch.setenv("COMPACT_FILES", "0")
    served = restart(processes, tmp_path)
    for part in (0, 1):
        assert served.push("as-police", "police-violence", parts[part], f"part-{part}").status_code == 201
    monkeypatch.setenv("COMPACT_FILES", "2")
    served = restart(processes, tmp_path, crash_at=step)
    assert served.push("as-police", "police-violence", parts[2], "part-2").status_code == 201, "the receipt comes first"
    assert processes[-1].process.wait(20) == -9

    served = restart(processes, tmp_path)
    before = served.ask(count_request(), "before").json()
    assert served.push("as-police", "police-violence", parts[2], "part-2").status_code == 201
    folder = served.state / "broker" / "lake" / served.clients["agreement"]["id"] / "police-violence"
    deadline = time.monotonic() + 20
    while len(list(folder.glob("*.parquet"))) > 1:
        assert time.monotonic() < deadline, "the next push, though a repeated one, completes the compaction"
        time.sleep(0.05)
    after = served.ask(count_request(), "after").json()
    assert after["repeat"] is True
    assert (after["rows"], after["data_version"]) == (before["rows"], before["data_version"])
    with duckdb.connect() as connection:
        found = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(folder / "*.parquet")]).fetchone()
    assert found == (2000,)
