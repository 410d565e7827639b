"""A real control database with parties, keys and the worked agreement, and time that tests set."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import agreements
from schemas import agreement as documents
from schemas import artefacts
from schemas.agreement import SIGNATURE_TYPE, signature_payload
from schemas.canonical import canonical
from schemas.jws import public_jwk, sign, thumbprint
from service.agreements.ports import PinnedKey
from service.agreements.registry import Registry, enrol
from service.identity.caller import Caller, Role
from service.storage.database import Database
from service.storage.store import Store

BROKER = "https://broker.example"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class World:
    """Parties with keys around one control database."""

    store: Store
    registry: Registry
    database: Database
    keys: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    now: datetime = NOON
    said: dict[str, dict[str, Any]] = field(default_factory=lambda: _parties(_worked()))
    """What the documents of this world say of each party, by its id."""

    def enrol(self, *parties: str, kind: str = "other") -> None:
        """Enrol parties as what the documents say they are; of whom they say nothing, as ``kind``."""
        with self.store.write() as tx:
            for party in parties:
                key = self.keys.setdefault(party, Ed25519PrivateKey.generate())
                jwk = public_jwk(key.public_key())
                pinned = PinnedKey(party, thumbprint(jwk), canonical(jwk).decode())
                said = self.said.get(party, {"name": party, "kind": kind})
                enrol(tx, party, said["name"], said["kind"], pinned, self.now, Caller.nonce())

    def document(self, edit: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
        """Return the worked agreement with this world's keys, edited."""
        value = _worked()
        for party in value["parties"]:
            key = self.keys.setdefault(party["id"], Ed25519PrivateKey.generate())
            party["key"] = thumbprint(public_jwk(key.public_key()))
        edit(value)
        self.said |= _parties(value)
        return value

    def caller(self, party: str, *roles: Role) -> Caller:
        return Caller(f"{party}-client", party, frozenset(roles or Role))

    def register(self, value: dict[str, Any], party: str | None = None) -> None:
        agreement = documents.parse(value)
        with self.store.write() as tx:
            self.registry.register(tx, self.caller(party or agreement.parties[0].id), value, agreement, self.now)

    def signature(self, value: dict[str, Any], party: str) -> str:
        return sign(signature_payload(value, BROKER), self.keys[party], typ=SIGNATURE_TYPE)

    def sign(self, value: dict[str, Any], *parties: str) -> None:
        for party in parties or [party["id"] for party in value["parties"]]:
            with self.store.write() as tx:
                self.registry.sign(
                    tx,
                    self.caller(party),
                    value["id"],
                    int(value["version"]),
                    self.signature(value, party),
                    self.now,
                )

    def in_force(self, edit: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
        """Enrol everyone, register and sign the worked agreement."""
        value = self.document(edit)
        self.enrol(*(party["id"] for party in value["parties"]))
        self.register(value)
        self.sign(value)
        return value

    def kinds(self) -> list[str]:
        """Return the kinds of all log entries."""
        with self.store.read() as tx:
            found = [tx.log.entry(n) for n in range(tx.log.size())]
        return [json.loads(item.entry)["kind"] for item in found if item is not None]


def _worked() -> dict[str, Any]:
    value: dict[str, Any] = copy.deepcopy(documents.load(agreements.path("avon-somerset").read_bytes()))
    return value


def _parties(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {party["id"]: party for party in value["parties"]}


def make_world(folder: Path, url: str = "", revision: str = "head") -> World:
    """Make a world on the database at ``url``, or on one of its own in ``folder``, as some version left it."""
    database = Database(url or f"sqlite:///{folder / 'control.db'}")
    database.migrate(revision)
    return World(Store(database), Registry(BROKER, artefacts.load()), database)
