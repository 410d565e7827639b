"""What a serving broker does by itself goes on, whatever goes wrong in one turn; readiness tells when it does not."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import pytest
from sqlalchemy.exc import OperationalError

from service.api import background
from service.api.broker import Broker
from service.errors import ConcordatError, EngineFailed
from tests.support.lifecycle import Bench, make_bench, small_extract
from tests.support.persons import about, files_with
from tests.support.server import Served, serve_here

ANN, BOB = "a1" * 32, "b2" * 32
SECRET = "server closed the connection to 10.1.2.3"


class Flaky:
    """A store whose reads fail for a while, as those of a database that is restarted."""

    def __init__(self, store: Any, fails: Callable[[int], bool]) -> None:
        self._store, self._fails, self.reads = store, fails, 0
        self.write = store.write

    def read(self) -> AbstractContextManager[Any]:
        self.reads += 1
        if self._fails(self.reads):
            raise OperationalError("select", {}, Exception(SECRET))
        held: AbstractContextManager[Any] = self._store.read()
        return held


def second(number: int) -> bool:
    return number == 2


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def with_flaky(part: str, kept: list[Flaky], broker: Broker) -> Broker:
    broker = replace(broker, settings=replace(broker.settings, purge_every=timedelta(seconds=0.1)))
    held = getattr(broker, part)
    kept.append(Flaky(held.store, second))
    return replace(broker, **{part: replace(held, store=kept[0])})


@pytest.mark.parametrize("part", ["retention", "erasures", "purges", "completion", "intake", "log"])
def test_a_database_hiccup_ends_no_job_and_the_log_goes_on_being_checkpointed(tmp_path, part, caplog):
    kept: list[Flaky] = []
    with serve_here(tmp_path, tune=partial(with_flaky, part, kept)) as served:
        wait_for(lambda: kept[0].reads > 5)
        before = checkpoint(served)
        served.preview({})
        wait_for(lambda: checkpoint(served) != before)
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert told, "what went wrong is told"
    assert SECRET not in caplog.text


def checkpoint(served: Served) -> str:
    with served.http("as-police", "ig-lead") as http:
        return http.get("/v1/audit/checkpoint").text


def test_a_broker_that_signs_no_checkpoints_is_not_ready_until_it_does(tmp_path, monkeypatch):
    monkeypatch.setattr(background, "LATE", 0.3)
    down = False
    monkeypatch.setattr(background, "QUIET", 0.0)

    def tune(broker: Broker) -> Broker:
        return replace(broker, log=replace(broker.log, store=Flaky(broker.log.store, lambda _: down)))

    with serve_here(tmp_path, tune=tune) as served, served.http("as-police", "ig-lead") as http:
        assert http.get("/readyz").status_code == 200
        down = True
        wait_for(lambda: http.get("/readyz").status_code == 503)
        assert http.get("/readyz").json()["code"] == "checkpoints_failing"
        assert http.get("/healthz").status_code == 200
        down = False
        wait_for(lambda: http.get("/readyz").status_code == 200)


# --- one job


class Enough(BaseException):
    """Ends a job that would go on for ever."""


def turns(steps: background.Steps, number: int) -> None:
    left = [None] * (number - 1)

    async def pause(_: float) -> None:
        if not left:
            raise Enough
        left.pop()

    with pytest.raises(Enough):
        anyio.run(partial(background.for_ever, steps, 1.0, pause=pause))


@pytest.mark.parametrize("error", [OperationalError("x", {}, Exception(SECRET)), OSError(SECRET), MemoryError()])
def test_a_step_that_fails_keeps_neither_the_next_step_nor_the_next_turn_from_being_done(error):
    done: list[str] = []

    def fails() -> None:
        done.append("first")
        raise error

    turns([("first", fails), ("second", lambda: done.append("second"))], 3)
    assert done == ["first", "second"] * 3


def test_a_failure_that_repeats_itself_is_told_once_a_minute_by_its_type_alone(caplog):
    now = 0.0
    failures = background.Failures("checkpoint", lambda: now)
    for tick in range(121):
        now = float(tick)
        failures.tell(OSError(SECRET))
    assert len(caplog.records) == 3
    assert "OSError" in caplog.text
    assert SECRET not in caplog.text
    failures.over()
    failures.tell(ConcordatError("not completed: ed-assaults; run it again"))
    assert "ed-assaults" in caplog.records[-1].getMessage(), "a new failure is told at once, and ours in words"


def test_a_broker_whose_last_checkpoint_is_a_minute_old_is_not_ready():
    now = 0.0
    health = background.Health(lambda: now)
    now = background.LATE
    health.check()
    now += 0.1
    with pytest.raises(EngineFailed):
        health.check()
    health.noted()
    health.check()


# --- questions that nobody answers any more


@pytest.fixture
def bench(tmp_path):
    made = make_bench(tmp_path)
    for party, dataset in (("as-police", "police-violence"), ("bri-ed", "ed-assaults")):
        made.push(party, dataset, about(small_extract(tmp_path, dataset, 60), ANN, BOB), dataset)
    yield made
    made.close()


def leftovers(bench: Bench) -> None:
    for _, step in background.leftovers(bench.broker):
        step()


def test_rows_that_an_abandoned_question_holds_go_without_a_restart_once_it_is_answered_for_its_asker(bench):
    pending = bench.pending()
    bench.erase("as-police", [ANN])
    bench.now += timedelta(days=2)
    leftovers(bench)
    assert bench.kinds().count("released") == 1
    assert [file for file in files_with(bench.broker.settings.lake, ANN) if "police-violence" in file] == []
    completion = bench.broker.completion
    release = json.loads(completion.complete(completion.compute(pending.intent)))
    assert bench.ask()["id"] == release["id"]
    assert bench.kinds().count("released") == 1


def test_a_question_that_somebody_may_be_about_to_answer_is_left_to_them(bench):
    pending = bench.pending()
    computed = bench.broker.completion.compute(pending.intent)
    bench.now += timedelta(seconds=2 * bench.broker.settings.engine_deadline)
    leftovers(bench)
    assert "released" not in bench.kinds()
    release = json.loads(bench.broker.completion.complete(computed))
    bench.now += timedelta(days=1)
    leftovers(bench)
    assert bench.ask()["id"] == release["id"]
    assert bench.kinds().count("released") == 1
