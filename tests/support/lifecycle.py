"""A whole broker without HTTP whose clock a test sets, its parties' acts, and replicas over the same state."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from connectors.synth import World, write_csv
from schemas import agreement as documents
from schemas import strict_yaml
from schemas.agreement import SIGNATURE_TYPE, signature_payload
from schemas.confirmations import TERMINATION_TYPE, WITHDRAWAL_TYPE, termination_payload, withdrawal_payload
from schemas.erasure import ErasureRequest
from schemas.jws import sign
from schemas.request import parse
from service import dev
from service.aggregates.approvals import Waiting
from service.aggregates.asking import Pending, Ready
from service.api.broker import Broker
from service.app import build, no_fault
from service.identity.caller import Caller, Role
from service.intake.service import Delivery
from service.settings import Settings
from service.storage.keyfiles import signing_key
from tests.support.server import DAYS, WORKED_EXAMPLE, count_request, schema

ISSUER = "http://127.0.0.1:1"
AGREEMENT = "avon-somerset-serious-violence"
GRACE = timedelta(days=30)
SUPPLIERS = ("as-police", "as-yjs", "bri-ed", "bristol-education", "swasft")


@dataclass
class Bench:
    """A broker and what its parties do; ``now`` is its time, which stands still until a test moves it."""

    state: Path
    now: datetime
    database_url: str = ""
    faults: Callable[[str], None] = no_fault
    brokers: list[Broker] = field(default_factory=list)
    pushed: dict[str, Any] = field(default_factory=dict)
    """Receipts of what a fixture has pushed, by dataset."""

    @property
    def broker(self) -> Broker:
        return self.brokers[0]

    def clock(self) -> datetime:
        return self.now

    def build(self, settings: Settings) -> Broker:
        settings = replace(settings, database_url=self.database_url)
        made = build(settings, clock=self.clock, fault=self._fault)
        self.brokers.append(made)
        return made

    def _fault(self, step: str) -> None:
        self.faults(step)

    def replica(self) -> Broker:
        """Open another broker over the same database and lake."""
        return self.build(self.broker.settings)

    def close(self) -> None:
        for broker in self.brokers:
            broker.close()

    # --- parties

    def caller(self, party: str, *roles: Role) -> Caller:
        return Caller(f"{party}-client", party, frozenset(roles or Role))

    def confirmation(self, party: str, typ: str = TERMINATION_TYPE) -> str:
        payload = {TERMINATION_TYPE: termination_payload, WITHDRAWAL_TYPE: withdrawal_payload}[typ]
        with self.broker.store.read() as tx:
            versions = tx.agreements.versions(AGREEMENT)
            completed = {row.version for row in tx.agreements.completions(AGREEMENT)}
        decides = [row for row in versions if row.version in completed][-1]
        key = signing_key(self.state / "keys" / f"{party}.signing.pem")
        return sign(payload(AGREEMENT, decides.digest, ISSUER), key, typ=typ)

    def terminate(self, party: str = "as-police", broker: Broker | None = None) -> None:
        jws, broker = self.confirmation(party), broker or self.broker
        with broker.store.write() as tx:
            broker.registry.terminate(tx, self.caller(party), AGREEMENT, jws, self.now)

    def withdraw(self, party: str, broker: Broker | None = None) -> datetime:
        jws, broker = self.confirmation(party, WITHDRAWAL_TYPE), broker or self.broker
        with broker.store.write() as tx:
            return broker.leaving.withdraw(tx, self.caller(party), AGREEMENT, jws, self.now)

    def rescind(self, party: str, broker: Broker | None = None) -> None:
        broker = broker or self.broker
        with broker.store.write() as tx:
            broker.leaving.rescind(tx, self.caller(party), AGREEMENT, self.now)

    def suspend(self, party: str = "bri-ed", broker: Broker | None = None) -> None:
        broker = broker or self.broker
        with broker.store.write() as tx:
            broker.registry.suspend(tx, self.caller(party), AGREEMENT, self.now)

    def resume(self, party: str = "bri-ed", broker: Broker | None = None) -> None:
        broker = broker or self.broker
        with broker.store.write() as tx:
            broker.registry.resume(tx, self.caller(party), AGREEMENT, self.now)

    def document(self) -> dict[str, Any]:
        value: dict[str, Any] = strict_yaml.loads((self.state / "agreement.yaml").read_bytes())
        return value

    def register(self, value: dict[str, Any], *signers: str) -> None:
        """Register a version, and sign it as the parties named; as all of them where none is."""
        agreement = documents.parse(value)
        with self.broker.store.write() as tx:
            steward = self.caller(agreement.parties[0].id)
            self.broker.registry.register(tx, steward, value, agreement, self.now)
        for party in signers or [party.id for party in agreement.parties]:
            key = signing_key(self.state / "keys" / f"{party}.signing.pem")
            jws = sign(signature_payload(value, ISSUER), key, typ=SIGNATURE_TYPE)
            with self.broker.store.write() as tx:
                version = int(agreement.version)
                self.broker.registry.sign(tx, self.caller(party), agreement.id, version, jws, self.now)

    # --- data and questions

    def push(
        self,
        party: str,
        dataset: str,
        body: bytes,
        key: str = "push",
        broker: Broker | None = None,
        replaces: str | None = None,
    ) -> Any:
        delivery = Delivery(
            agreement=AGREEMENT, dataset=dataset, first=DAYS["from"], last=DAYS["to"], key=key,
            content_type="text/csv", replaces=replaces,
        )  # fmt: skip
        return anyio.run(
            partial((broker or self.broker).intake.push, self.caller(party, Role.SUPPLIER), delivery, _once(body))
        )

    def prepare(
        self, request: Any = None, key: str = "ask", party: str = "as-opcc", broker: Broker | None = None
    ) -> Ready | Pending | Waiting:
        question = parse(request or count_request(by=[{"field": "lad"}], where=[]))
        return (broker or self.broker).asking.prepare(self.caller(party, Role.ANALYST), AGREEMENT, key, question)

    def pending(self, request: Any = None, key: str = "ask", party: str = "as-opcc") -> Pending:
        made = self.prepare(request, key, party)
        assert isinstance(made, Pending)
        return made

    def ask(
        self, request: Any = None, key: str = "ask", party: str = "as-opcc", broker: Broker | None = None
    ) -> dict[str, Any]:
        """Ask and complete a question; return the release."""
        completion = (broker or self.broker).completion
        made = self.prepare(request, key, party, broker)
        assert not isinstance(made, Waiting)
        text = made.text if isinstance(made, Ready) else completion.complete(completion.compute(made.intent))
        release: dict[str, Any] = json.loads(text)
        return release

    def erase(
        self, party: str, persons: Iterable[str], key: str = "erase", *roles: Role, broker: Broker | None = None
    ) -> dict[str, Any]:
        """Erase persons, as a supplier unless told otherwise; return the receipt."""
        erasures = (broker or self.broker).erasures
        asked = ErasureRequest(persons=tuple(persons), reason="an objection was upheld")
        made = erasures.prepare(self.caller(party, *(roles or (Role.SUPPLIER,))), AGREEMENT, key, asked)
        return erasures.record(erasures.remove(made))

    # --- what is stored

    def entries(self) -> list[dict[str, Any]]:
        with self.broker.store.read() as tx:
            found = [tx.log.entry(n) for n in range(tx.log.size())]
        return [json.loads(item.entry) for item in found if item is not None]

    def kinds(self) -> list[str]:
        return [entry["kind"] for entry in self.entries()]

    def receipt(self, party: str) -> dict[str, Any]:
        with self.broker.store.read() as tx:
            made: dict[str, Any] = json.loads(
                self.broker.purges.receipt(tx, self.caller(party, Role.SUPPLIER), AGREEMENT)
            )
        return made

    def files(self) -> list[str]:
        """Return what lies in the lake, as paths below it."""
        lake = self.broker.settings.lake
        return sorted(str(path.relative_to(lake)) for path in lake.rglob("*") if path.is_file())


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def make_bench(
    folder: Path, *, database_url: str = "", edit: Callable[[dict[str, Any]], None] = lambda _: None
) -> Bench:
    """Make a broker for the worked agreement, edited, in force and with nothing pushed."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "source.yaml"
    value = strict_yaml.loads(WORKED_EXAMPLE.read_bytes())
    edit(value)
    source.write_text(strict_yaml.dumps(value))
    made = Bench(folder / "state", datetime(2026, 11, 22, 12, tzinfo=UTC), database_url)
    dev.prepare(source, made.state, ISSUER, made.now, made.build)
    return made


def small_extract(folder: Path, dataset: str, rows: int = 300, seed: int = 11) -> bytes:
    """Return a synthetic extract of a dataset."""
    path = folder / f"{dataset}-{seed}.csv"
    period = (date(2026, 4, 1), date(2026, 6, 30))
    write_csv(path, schema(f"{dataset}/v1"), rows, world=World(seed), period=period)
    return path.read_bytes()
