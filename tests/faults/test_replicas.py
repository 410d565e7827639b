"""Two brokers over one database and one lake: what stops is stopped on both at once, also for who is on the way."""

from __future__ import annotations

import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy

from schemas.confirmations import TERMINATION_TYPE, WITHDRAWAL_TYPE, termination_payload, withdrawal_payload
from schemas.jws import sign
from schemas.request import parse
from service.aggregates.asking import Pending
from service.agreements import standing as standings
from service.agreements.standing import State, visible
from service.api.broker import Broker
from service.errors import Conflict, Forbidden
from service.storage.keyfiles import signing_key
from tests.support.lifecycle import AGREEMENT, GRACE, ISSUER, Bench, make_bench, small_extract
from tests.support.postgres import binaries, postgres
from tests.support.server import Process, count_request, start_process

needs_postgres = pytest.mark.skipif(binaries() is None, reason="PostgreSQL's server is not installed")
both = pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=needs_postgres)])
Fresh = Callable[..., Bench]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def fresh(request, tmp_path) -> Iterator[Fresh]:
    """Make a bench on a fresh database of a kind."""
    made: list[Bench] = []

    def make(kind: str, edit: Callable[[dict[str, Any]], None] = lambda _: None) -> Bench:
        url = ""
        if kind == "postgres":
            base = request.getfixturevalue("server")
            name = f"c{uuid.uuid4().hex}"
            engine = sqlalchemy.create_engine(base, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
            engine.dispose()
            url = base.rsplit("/", 1)[0] + f"/{name}"
        made.append(make_bench(tmp_path, database_url=url, edit=edit))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


# --- in flight

LADS = ("E06000022", "E06000023", "E06000024", "E06000025", "E06000066")
QUESTIONS = [
    count_request(by=[{"field": "lad"}], where=[{"field": "lad", "in": list(lads)}, *flags], spend={"share": "0.01"})
    for flags in ([], [{"field": "knife", "is": True}])
    for size in range(1, 5)
    for lads in itertools.combinations(LADS, size)
]
"""Sixty questions, no two alike."""
ENDS = {"terminate": "terminated", "suspend": "suspended", "withdraw": "party-withdrawn"}


@both
@pytest.mark.parametrize("act", ENDS)
def test_a_question_that_races_an_end_has_its_release_stored_before_it_or_is_refused(fresh, tmp_path, kind, act):
    bench = fresh(kind)
    brokers = [bench.broker, bench.replica()]
    bench.push("as-police", "police-violence", small_extract(tmp_path, "police-violence"))
    released, refused, enough = [], [], threading.Event()
    bench.faults = lambda step: time.sleep(random.uniform(0, 0.03)) if step == "before-release-commit" else None  # noqa: S311 - a pause

    def ask(number: int) -> None:
        try:
            bench.ask(QUESTIONS[number], f"q{number}", broker=brokers[number % 2])
            released.append(number)
        except Forbidden as error:
            refused.append(error.code)
        if len(released) >= 12:
            enough.set()

    def end() -> None:
        enough.wait(60)
        getattr(bench, act)("as-police", broker=brokers[1])

    ender = threading.Thread(target=end)
    ender.start()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(len(QUESTIONS))))
    ender.join()
    kinds = bench.kinds()
    at = kinds.index(ENDS[act])
    assert kinds[:at].count("released") == len(released) >= 12
    assert refused
    assert not {"released", "charged", "repeated"} & set(kinds[at:])
    assert kinds.count("charged") == kinds.count("released") + kinds.count("failed")
    codes = {"terminate": "agreement_terminated", "suspend": "agreement_suspended", "withdraw": "supplier_withdrawn"}
    assert set(refused) == {codes[act]}


@pytest.mark.parametrize(
    ("day", "expected"),
    [(date(2027, 4, 1), "agreement_review_overdue"), (date(2028, 4, 1), "agreement_expired")],
)
def test_a_question_that_is_running_when_the_agreements_day_comes_is_not_released(fresh, tmp_path, day, expected):
    bench = fresh("sqlite")
    bench.push("as-police", "police-violence", small_extract(tmp_path, "police-violence"))
    bench.now = bench.now.replace(year=day.year, month=3, day=31, hour=23, minute=59, second=59)
    if day.year == 2028:  # a version that is reviewed in time, and expires
        value = bench.document()
        value["version"] = "2"
        value["period"]["review_by"] = "2028-03-31"
        bench.register(value)
    completion = bench.replica().completion
    computed = completion.compute(bench.pending(QUESTIONS[0]).intent)
    bench.now += timedelta(seconds=1)
    assert bench.now.date() == day
    with pytest.raises(Forbidden) as caught:
        completion.complete(computed)
    assert caught.value.code == expected
    assert bench.kinds()[-1] == "failed"
    assert "released" not in bench.kinds()


# --- the same on both


class Memory:
    """What a broker remembers of agreements, as if it were a process of its own."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str, str], State] = {}

    @contextmanager
    def here(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(standings, "STATES", self.states)
            yield


def seen(bench: Bench, broker: Broker) -> tuple[Any, ...]:
    """Return what a broker says: standing, who has withdrawn, and what it would answer to two questions."""
    with broker.store.read() as tx:
        try:
            found = visible(tx.agreements, AGREEMENT, bench.now.date(), ISSUER, "as-opcc")
            standing: tuple[Any, ...] = ("in_force", found.version, found.row.withdrawn)
        except Forbidden as error:
            standing = (error.code,)
    return (*standing, *(_decided(bench, broker, name) for name in ("police-violence", "ed-assaults")))


def _decided(bench: Bench, broker: Broker, dataset: str) -> str:
    request = parse(count_request(dataset=dataset, by=[{"field": "lad"}], where=[]))
    try:
        shown = broker.asking.preview(bench.caller("as-opcc"), AGREEMENT, request)
    except Forbidden as error:
        return error.code
    return str(shown["decision"]["code"])


class Model:
    """What is true, by the rules alone."""

    def __init__(self) -> None:
        self.version = 1
        self.suspended: set[str] = set()
        self.withdrawn: dict[str, Any] = {}
        self.ended: Any = None
        self.purged = False

    def expected(self) -> tuple[Any, ...]:
        stops = (
            (self.purged, "agreement_purged"),
            (self.ended is not None, "agreement_terminated"),
            (bool(self.suspended - set(self.withdrawn)), "agreement_suspended"),
        )
        for stopped, code in stops:
            if stopped:
                return (code,) * 3
        decided = ["allowed", "allowed"]
        for place, supplier in enumerate(("as-police", "bri-ed")):
            if supplier in self.withdrawn:
                decided[place] = "supplier_withdrawn"
        if "as-opcc" in self.withdrawn:
            decided = ["party_withdrawn"] * 2
        return ("in_force", self.version, tuple(sorted(self.withdrawn)), *decided)


ACTS = ("suspend", "resume", "withdraw", "rescind", "wait", "amend", "purge", "terminate")
WEIGHTS = (3, 6, 3, 4, 3, 1, 2, 0.4)
PARTIES = ("as-police", "bri-ed", "as-opcc")


@both
@pytest.mark.parametrize("seed", range(3))
def test_two_replicas_never_disagree_on_whether_an_agreement_is_in_force(fresh, kind, seed, monkeypatch):
    bench = fresh(kind)
    brokers = [bench.broker, bench.replica()]
    memories = [Memory(), Memory()]
    dice, model = random.Random(seed), Model()  # noqa: S311 - a test's dice
    told: list[tuple[str, str, Any]] = []
    for _ in range(40):
        act, party, who = dice.choices(ACTS, WEIGHTS)[0], dice.choice(PARTIES), dice.randrange(2)
        with memories[who].here(monkeypatch):
            _do(bench, brokers[who], model, act, party)
        for broker, memory in zip(brokers, memories, strict=True):
            with memory.here(monkeypatch):
                assert seen(bench, broker) == model.expected(), (act, party, told)
        with Memory().here(monkeypatch):
            assert seen(bench, brokers[who]) == model.expected()
        told.append((act, party, model.expected()[0]))
    assert len({standing for _, _, standing in told}) > 1


def _do(bench: Bench, broker: Broker, model: Model, act: str, party: str) -> None:
    """Do an act by the rules and in the model; what the rules refuse changes neither."""
    with suppress(Conflict, Forbidden):
        if act == "suspend":
            bench.suspend(party, broker)
            model.suspended.add(party)
        elif act == "resume":
            bench.resume(party, broker)
            model.suspended.discard(party)
        elif act == "withdraw":
            bench.withdraw(party, broker)
            model.withdrawn[party] = bench.now
        elif act == "rescind":
            bench.rescind(party, broker)
            assert bench.now < model.withdrawn.pop(party) + GRACE
        elif act == "wait":
            bench.now += timedelta(days=5)
        elif act == "amend":
            bench.register(bench.document() | {"version": str(model.version + 1)})
            model.version += 1
        elif act == "purge":
            broker.purges.run()
            model.purged = model.purged or (model.ended is not None and bench.now >= model.ended + GRACE)
        else:
            bench.terminate(party, broker)
            model.ended = bench.now


@both
def test_an_extract_that_several_brokers_and_questions_expire_at_once_expires_once(fresh, tmp_path, kind):
    bench = fresh(kind, kept_a_day)
    for number in range(3):
        body = small_extract(tmp_path, "police-violence", 40, seed=number)
        bench.push("as-police", "police-violence", body, f"push-{number}")
    bench.broker.compaction.run()
    bench.now += timedelta(days=1)
    bench.push("as-police", "police-violence", small_extract(tmp_path, "police-violence", 40, seed=9), "last")
    bench.now += timedelta(days=1)
    brokers = [bench.broker, bench.replica()]

    def ask(number: int) -> str:
        request = QUESTIONS[number] | {"spend": {"share": "0.001"}}
        made = bench.prepare(request, f"ask-{number}", broker=brokers[number % 2])
        assert isinstance(made, Pending)
        return made.intent.pinned

    with ThreadPoolExecutor(8) as pool:
        removed = [pool.submit(brokers[number % 2].retention.run) for number in range(4)]
        pinned = [pool.submit(ask, number) for number in range(6)]
        expired = [item.extract for future in removed for item in future.result()]
        names = {future.result() for future in pinned}
    assert len(expired) == len(set(expired)) <= 3
    assert bench.kinds().count("expired") == 3
    with bench.broker.store.read() as tx:
        version = tx.answers.data_version(AGREEMENT, "police-violence")
    assert len(names) == 1, "no question was charged before all three had gone"
    assert version.name in names.pop()


def kept_a_day(value: dict[str, Any]) -> None:
    value["datasets"]["police-violence"]["keep"] = "P1D"


@both
def test_what_a_version_left_out_is_purged_once_by_several_brokers(fresh, tmp_path, kind):
    bench = fresh(kind)
    everyone = [party["id"] for party in bench.document()["parties"]]
    for party, dataset in (("as-police", "police-violence"), ("bri-ed", "ed-assaults")):
        bench.push(party, dataset, small_extract(tmp_path, dataset, 40), dataset)
    value = bench.document() | {"version": "2"}
    value["parties"] = [party for party in value["parties"] if party["id"] != "bri-ed"]
    del value["datasets"]["ed-assaults"]
    value["grants"] = [grant for grant in value["grants"] if grant["dataset"] != "ed-assaults"]
    for grant in value["grants"]:
        grant["link"] = [name for name in grant.get("link", ()) if name != "ed-assaults"]
    bench.register(value, *everyone)
    brokers = [bench.broker, bench.replica()]
    bench.now += GRACE - timedelta(milliseconds=1)
    assert brokers[1].purges.run() == []
    bench.now += timedelta(milliseconds=1)
    with ThreadPoolExecutor(6) as pool:
        done = [plan for made in pool.map(lambda n: brokers[n % 2].purges.run(), range(6)) for plan in made]
    assert [(plan.party, plan.datasets) for plan in done] == [("bri-ed", ("ed-assaults",))]
    assert bench.kinds().count("purged") == 1
    receipts = {bench.broker.purges.receipt(tx, bench.caller("bri-ed"), AGREEMENT) for tx in each_tx(brokers)}
    assert len(receipts) == 1
    assert all(name.split("/")[1] == "police-violence" for name in bench.files())


def each_tx(brokers: list[Broker]) -> Iterator[Any]:
    for broker in brokers:
        with broker.store.read() as tx:
            yield tx


@pytest.fixture
def processes(tmp_path) -> Iterator[list[Process]]:
    made = [start_process(tmp_path), start_process(tmp_path)]
    yield made
    for process in made:
        process.kill()


def test_what_one_process_stops_another_refuses_at_once(processes):
    one, other = (process.served for process in processes)
    with one.http("as-police", "ig-lead") as http:
        digest = http.get(one.agreement).json()["digest"]
        key = signing_key(one.state / "keys" / "as-police.signing.pem")

        def signed(payload: Callable[[str, str, str], dict[str, str]], typ: str) -> dict[str, str]:
            value = payload(one.clients["agreement"]["id"], digest, one.clients["issuer"])
            return {"confirmation": sign(value, key, typ=typ)}

        asked = count_request(by=[{"field": "lad"}], where=[])
        leaving, ending = signed(withdrawal_payload, WITHDRAWAL_TYPE), signed(termination_payload, TERMINATION_TYPE)
        steps: list[tuple[str, str, dict[str, str] | None, int, str | None]] = [
            ("POST", "suspension", None, 403, "agreement_suspended"),
            ("DELETE", "suspension", None, 200, None),
            ("POST", "withdrawal", leaving, 403, "supplier_withdrawn"),
            ("DELETE", "withdrawal", None, 200, None),
            ("POST", "termination", ending, 403, "agreement_terminated"),
        ]
        assert other.ask(asked, "before").status_code == 200
        for number, (method, what, body, status, code) in enumerate(steps):
            answer = http.request(method, f"{one.agreement}/{what}", json=body)
            assert answer.status_code == 200, answer.text
            begun = time.monotonic()
            answer = other.ask(asked, f"after{number}")
            assert time.monotonic() - begun < 1
            assert (answer.status_code, answer.json().get("code")) == (status, code)
