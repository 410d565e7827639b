"""Compaction under a broker that serves: no question, price, name or receipt notices; withdrawn rows leave the disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.request import parse
from service.aggregates.asking import Pending
from service.aggregates.engine import Engine, Table
from service.api.broker import Broker
from service.errors import EngineFailed
from service.identity.caller import Caller, Role
from service.policy.plan import EffectivePlan
from service.storage.compacted import made_from
from tests.support.server import Served, count_request, serve_here

ANALYST = Caller("as-opcc-client", "as-opcc", frozenset({Role.ANALYST}))
DATASET = "police-violence"


@dataclass
class Watched:
    """The broker's engine, watched; fails while ``error`` is set."""

    inner: Engine
    totals_seen: list[dict[str, list[int]]] = field(default_factory=list)
    files: list[list[str]] = field(default_factory=list)
    error: Exception | None = None

    def totals(self, plan: EffectivePlan, tables: Mapping[str, Table]) -> dict[str, list[int]]:
        if self.error is not None:
            raise self.error
        self.files.append(sorted(Path(file).stem for file in tables[DATASET].files))
        self.totals_seen.append(self.inner.totals(plan, tables))
        return self.totals_seen[-1]


@contextmanager
def watched(folder: Path, **changes: Any) -> Iterator[tuple[Served, Broker, Watched]]:
    engines: list[Watched] = []

    def tune(broker: Broker) -> Broker:
        engines.append(Watched(broker.completion.engine))
        completion = replace(broker.completion, engine=engines[0])
        return replace(broker, completion=completion, compaction=replace(broker.compaction, **changes))

    with serve_here(folder, tune=tune) as served:
        assert served.broker is not None
        yield served, served.broker, engines[0]


def push_in_parts(served: Served, body: bytes, parts: int) -> list[dict[str, Any]]:
    header, *lines = body.splitlines(keepends=True)
    receipts = []
    for part in range(parts):
        answer = served.push("as-police", DATASET, b"".join([header, *lines[part::parts]]), f"part-{part}")
        assert answer.status_code == 201, answer.text
        receipts.append(answer.json())
    return receipts


def on_disk(served: Served) -> list[str]:
    return sorted(path.stem for path in (served.state / "broker" / "lake").rglob(f"{DATASET}/*.parquet"))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def spent(served: Served) -> Decimal:
    with served.http("as-opcc", "analyst") as http:
        return Decimal(http.get(f"{served.agreement}/budget").json()["lifetime"]["spent"]["rho"])


def log_size(broker: Broker) -> int:
    with broker.store.read() as tx:
        return tx.log.size()


def small(**changes: Any) -> dict[str, Any]:
    return count_request(by=[{"field": "lad"}], where=[]) | changes


@pytest.fixture
def body(extracts) -> bytes:
    found: bytes = extracts[DATASET].read_bytes()
    return found


def test_a_repeat_after_a_compaction_is_free_and_identical_and_a_fresh_answer_has_the_same_exact_totals(tmp_path, body):
    with watched(tmp_path) as (served, broker, engine):
        push_in_parts(served, body, 4)
        first = served.ask(small(), "one").json()
        before, size = spent(served), log_size(broker)
        (outcome,) = broker.compaction.run()
        assert (outcome.before, outcome.after) == (4, 1)
        assert log_size(broker) == size, "a compaction is no entry in the log"

        again = served.ask(small(), "two").json()
        assert again["repeat"] is True
        assert (again["rows"], again["data_version"]) == (first["rows"], first["data_version"])
        assert spent(served) == before
        assert len(engine.files) == 1, "no row was read"

        fresh = served.ask(small(spend={"share": "0.04"}), "three").json()
        assert fresh["repeat"] is False
        assert fresh["data_version"] == first["data_version"]
        assert engine.totals_seen[1] == engine.totals_seen[0]
        assert sum(engine.totals_seen[0]["count.count"]) > 1000 * 1024
        assert [len(files) for files in engine.files] == [4, 1]
        assert made_from(engine.files[1][0]) is not None


def test_a_question_pinned_before_a_compaction_is_answered_after_it(tmp_path, body):
    with watched(tmp_path) as (served, broker, engine):
        push_in_parts(served, body, 3)
        name = served.clients["agreement"]["id"]
        pending = broker.asking.prepare(ANALYST, name, broker.conceal("held"), parse(small()))
        assert isinstance(pending, Pending)
        pinned = json.loads(pending.intent.pinned)[DATASET]
        broker.compaction.run()
        release = json.loads(broker.completion.complete(broker.completion.compute(pending.intent)))
        assert release["data_version"] == pinned["name"]
        assert len(engine.files[0]) == 3, "what an open question pins stays on the disk"
        assert served.ask(small(), "held").json() == release
        assert served.ask(small(), "other").json()["repeat"] is True
        broker.compaction.run()
        assert len(on_disk(served)) == 1, "and leaves it once the question is answered"


def test_a_question_that_failed_before_a_compaction_is_completed_after_it(tmp_path, body):
    with watched(tmp_path) as (served, broker, engine):
        push_in_parts(served, body, 3)
        engine.error = EngineFailed("no answer within its limits")
        assert served.ask(small(), "one").status_code == 503
        before = spent(served)
        broker.compaction.run()
        assert len(on_disk(served)) == 1
        engine.error = None
        answer = served.ask(small(), "one")
        assert answer.status_code == 200, answer.text
        assert spent(served) == before
        assert sum(engine.totals_seen[0]["count.count"]) > 1000 * 1024


def test_an_extract_is_withdrawn_out_of_a_compacted_file_and_its_rows_leave_the_disk(tmp_path, body):
    with watched(tmp_path) as (served, broker, engine):
        receipts = push_in_parts(served, body, 3)
        broker.compaction.run()
        held = on_disk(served)
        for left, receipt in zip((2, 1, 0), receipts, strict=True):
            with served.http("as-police", "supplier") as http:
                gone = http.delete(f"{served.agreement}/datasets/{DATASET}/extracts/{receipt['extract']}")
            assert gone.status_code == 200, gone.text
            assert set(on_disk(served)).isdisjoint(held)
            assert len(on_disk(served)) == (1 if left else 0)
            answer = served.ask(small(), f"left-{left}").json()
            assert answer["repeat"] is False
        assert engine.totals_seen[-1]["count.count"] == [0] * 5


def test_a_broker_compacts_by_itself_after_a_push_and_the_supplier_gets_its_receipt_first(tmp_path, body):
    reached: list[str] = []

    def slow(step: str) -> None:
        reached.append(step)
        time.sleep(0.5 if step == "compaction-committed" else 0)

    with watched(tmp_path, most_files=2, fault=slow) as (served, _, _):
        push_in_parts(served, body, 3)
        assert "compaction-recorded" not in reached
        wait_for(lambda: len(on_disk(served)) == 1)
        assert made_from(on_disk(served)[0]) is not None


def test_a_compaction_that_fails_fails_no_push_and_its_words_go_nowhere(tmp_path, body, caplog):
    def fail(step: str) -> None:
        raise OSError(f"SECRET at {step}")

    with watched(tmp_path, most_files=1, fault=fail) as (served, broker, _):
        push_in_parts(served, body, 3)
        wait_for(lambda: "failed with OSError" in caplog.text)
        answer = served.ask(small(), "one")
        assert answer.status_code == 200, answer.text
        assert "SECRET" not in caplog.text
        name = answer.json()["data_version"]
        (outcome,) = replace(broker.compaction, fault=lambda _: None).run()
        assert outcome.after == 1
        assert served.ask(small(), "two").json()["data_version"] == name
