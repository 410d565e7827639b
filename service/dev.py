"""``concordat dev``: a broker on loopback for an agreement of one's own, with keys and clients for every party.

Everything is real: parties are enrolled, the agreement is registered, each party signs it with its own key. Only the
keys all lie in one folder, which is why it serves loopback alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas import agreement as documents
from schemas import artefacts, strict_yaml
from schemas.agreement import SIGNATURE_TYPE, signature_payload
from schemas.artefacts import Artefact, Library
from schemas.calendar import Duration, add, parse_date
from schemas.canonical import canonical, digest
from schemas.errors import DocumentError
from schemas.jws import public_jwk, sign, thumbprint
from service.agreements.imports import keep
from service.agreements.ports import PinnedKey
from service.agreements.registry import enrol
from service.api.broker import Broker
from service.app import build
from service.errors import Conflict
from service.identity.caller import Caller, Role
from service.identity.ports import ClientRow
from service.settings import PushDigest, Settings
from service.storage.keyfiles import make_folder, signing_key

TOKEN_LIFE = timedelta(hours=12)
_MAX_SHIFT_MONTHS = 1200


@dataclass(frozen=True, slots=True)
class Dev:
    """A broker that is ready to serve, and what its clients need to know."""

    broker: Broker
    clients: dict[str, Any]


def prepare(
    agreement_file: Path,
    state: Path,
    base_url: str,
    now: datetime,
    make: Callable[[Settings], Broker] = build,
    imports: Path | None = None,
) -> Dev:
    """Make or resume a development broker.

    Args:
        agreement_file: An agreement; keys, pins and dates in it are replaced.
        state: Folder for everything; what it holds from an earlier run of the same file is used again.
        base_url: Where the broker will listen; also its issuer.
        now: The time.
        make: Makes the broker.
        imports: Folder of code lists and hierarchies to import, beside those that ship.

    Raises:
        DocumentError: the file is no agreement, or a file of ``imports`` cannot be imported.
        Conflict: the folder holds a broker for another file.
    """
    make_folder(state)
    shipped = artefacts.load()
    added = artefacts.load_imported(imports) if imports is not None else {}
    source = documents.load(agreement_file.read_bytes(), _media_type(agreement_file))
    value = _held(state, source) or _localised(source, state, shipped | added, now.date())
    agreement = documents.parse(value)
    issuer = _issuer(state, base_url)
    # a plain client that is being tried out cannot know the header, which the published contract does not list
    settings = Settings(state=state / "broker", issuer=issuer, push_digest=PushDigest.OPTIONAL)
    broker = make(settings)
    with broker.store.write() as tx:
        for made in added.values():
            keep(tx, broker.registry.artefacts, made, now, Caller.nonce())
    _register(broker, state, value, agreement, now)
    _write(state / "agreement.yaml", strict_yaml.dumps(value))
    _write(state / "source.digest", digest(source))
    clients = _clients(broker, state, agreement, base_url, issuer, now)
    return Dev(broker, clients)


def write_clients(state: Path, clients: dict[str, Any]) -> None:
    """Write ``clients.json``, which tells others that the broker listens."""
    _write(state / "clients.json", json.dumps(clients, indent=2) + "\n")


def _media_type(path: Path) -> str:
    return "application/json" if path.suffix == ".json" else "application/yaml"


def _issuer(state: Path, base_url: str) -> str:
    """Return the issuer of the first run: signatures name it, so that a later port does not change it."""
    held = state / "issuer"
    if not held.exists():
        _write(held, base_url)
    return held.read_text().strip()


def _held(state: Path, source: Any) -> Any:
    held, mark = state / "agreement.yaml", state / "source.digest"
    if not held.exists() or not mark.exists():
        return None
    if mark.read_text().strip() != digest(source):
        raise Conflict("the state folder holds a broker for another agreement file; take a new folder")
    return strict_yaml.loads(held.read_bytes())


def _localised(source: Any, state: Path, known: dict[str, Artefact], today: date) -> Any:
    """Return the document with keys made here, pins of the artefacts held here, and dates that hold today."""
    if not isinstance(source, dict) or not isinstance(source.get("parties"), list):
        raise DocumentError("invalid_document", "an agreement is an object with parties")
    value = json.loads(canonical(source))
    for index, party in enumerate(value["parties"]):
        if isinstance(party, dict):
            party["key"] = f"{index:A>43}"  # a placeholder, so that the rest can be read before any key is made
    value["pins"] = {}
    library = Library(known)
    required = library.required(documents.parse(value))
    value["pins"] = {name: library.digest(name) for name in sorted(required)}
    _shift(value, today)
    for party in value["parties"]:
        key = signing_key(_key_file(state, party["id"], "signing"))
        party["key"] = thumbprint(public_jwk(key.public_key()))
    return value


def _shift(value: dict[str, Any], today: date) -> None:
    """Move every date by whole months, by as few as put today between the start and the review."""
    period, budget = value["period"], value["privacy"]["budget"]
    start, review = parse_date(period["start"]), parse_date(period["review_by"])
    for months in sorted(range(-_MAX_SHIFT_MONTHS, _MAX_SHIFT_MONTHS), key=abs):
        moved = Duration(months, 0)
        if add(start, moved) <= today <= add(review, moved):
            break
    else:
        return
    for holder, names in ((period, ("start", "end", "review_by")), (budget, ("from",))):
        for name in names:
            holder[name] = add(parse_date(holder[name]), moved).isoformat()


def _key_file(state: Path, party: str, use: str) -> Path:
    return state / "keys" / f"{party}.{use}.pem"


def _register(broker: Broker, state: Path, value: Any, agreement: documents.Agreement, now: datetime) -> None:
    """Enrol, register and sign what an earlier run has not."""
    with broker.store.write() as tx:
        for party in agreement.parties:
            if tx.agreements.pinned_key(party.id) is None:
                jwk = public_jwk(signing_key(_key_file(state, party.id, "signing")).public_key())
                key = PinnedKey(party.id, thumbprint(jwk), canonical(jwk).decode())
                enrol(tx, party.id, party.name, party.kind, key, now, Caller.nonce())
            if tx.clients.client(_client_id(party.id)) is None:
                client_key = signing_key(_key_file(state, party.id, "client"))
                jwk_text = canonical(public_jwk(client_key.public_key())).decode()
                roles = " ".join(sorted(Role))
                tx.clients.add(ClientRow(_client_id(party.id), party.id, roles, jwk_text, now.isoformat(), None))
        if tx.agreements.agreement(agreement.id) is None:
            steward = _caller(agreement.parties[0].id)
            broker.registry.register(tx, steward, value, agreement, now)
            payload = signature_payload(value, broker.settings.issuer)
            for party in agreement.parties:
                signature = sign(payload, signing_key(_key_file(state, party.id, "signing")), typ=SIGNATURE_TYPE)
                version = int(agreement.version)
                broker.registry.sign(tx, _caller(party.id), agreement.id, version, signature, now)


def _client_id(party: str) -> str:
    return f"{party}-client"


def _caller(party: str) -> Caller:
    return Caller(_client_id(party), party, frozenset(Role))


def _clients(
    broker: Broker, state: Path, agreement: documents.Agreement, base_url: str, issuer: str, now: datetime
) -> dict[str, Any]:
    parties = {}
    with broker.store.write() as tx:
        for party in agreement.parties:
            client = tx.clients.client(_client_id(party.id))
            if client is None:
                raise RuntimeError("every party has a client")
            parties[party.id] = {
                "client_id": client.id,
                "key_file": str(_key_file(state, party.id, "client").resolve()),
                "signing_key_file": str(_key_file(state, party.id, "signing").resolve()),
                "tokens": {
                    role.value: broker.sign_in.issue(tx, client, frozenset({role}), now, TOKEN_LIFE) for role in Role
                },
            }
    return {
        "base_url": base_url,
        "issuer": issuer,
        "agreement": {"id": agreement.id, "version": agreement.version},
        "parties": parties,
    }


def _write(path: Path, text: str) -> None:
    """Write a file whole, readable by its owner alone."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
