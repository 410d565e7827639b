"""What the operator does to a broker besides serving it: parties, keys, clients, compaction, retention, purges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from schemas import strict_json
from schemas.canonical import canonical
from schemas.clauses.parties import PartyKind
from schemas.errors import DocumentError
from schemas.jws import public_key, thumbprint
from service.agreements.enrolment import correct
from service.agreements.keys import revoke, rotate
from service.agreements.ports import Enrolment, PinnedKey
from service.agreements.purging import Plan
from service.agreements.registry import enrol
from service.agreements.revocation import Reason
from service.api.broker import Broker, Transaction
from service.app import build
from service.errors import Conflict, NotFound
from service.identity.caller import Caller, Role
from service.identity.ports import ClientRow
from service.intake.compaction import Outcome
from service.intake.retention import Expired
from service.settings import Settings


def open_broker(settings: Settings) -> Broker:
    """Open a broker's state beside one that may be serving it."""
    return build(settings, recover=False)


def enrol_party(settings: Settings, party: str, name: str, kind: PartyKind, key: Path) -> str:
    """Enrol a party and pin its signing key; return the key's thumbprint.

    Raises:
        Conflict: the party is enrolled, or the key is pinned already.
        DocumentError: ``bad_key``.
    """
    broker = open_broker(settings)
    pinned = _signing_key(party, key)
    with broker.store.write() as tx:
        _check_no_clients(tx, pinned)
        enrol(tx, party, name, kind, pinned, broker.clock(), Caller.nonce())
    broker.close()
    return pinned.thumbprint


def correct_party(settings: Settings, party: str, name: str | None, kind: PartyKind | None) -> Enrolment:
    """Correct the name or kind that a party is enrolled with; return what it is enrolled as from now on.

    Raises:
        NotFound: the party is not enrolled.
        Conflict: ``nothing_to_correct``.
    """
    broker = open_broker(settings)
    try:
        with broker.store.write() as tx:
            return correct(tx, party, name, kind, broker.settings.issuer, broker.clock())
    finally:
        broker.close()


def rotate_key(settings: Settings, party: str, key: Path) -> tuple[str, str | None]:
    """Pin a party's next signing key; return its thumbprint, and that of the key it supersedes.

    Raises:
        NotFound: the party is not enrolled.
        Conflict: the key was pinned before, or is a client's.
        DocumentError: ``bad_key``.
    """
    broker = open_broker(settings)
    pinned = _signing_key(party, key)
    with broker.store.write() as tx:
        _check_no_clients(tx, pinned)
        before = rotate(tx, pinned, broker.settings.issuer, broker.clock())
    broker.close()
    return pinned.thumbprint, before.thumbprint if before is not None else None


def revoke_key(settings: Settings, party: str, key_thumbprint: str, reason: Reason) -> None:
    """Revoke a key of a party's; the party signs nothing until its next key is pinned.

    Raises:
        NotFound: the party is not enrolled, or the key is none of its.
        Conflict: the key was revoked already.
    """
    broker = open_broker(settings)
    with broker.store.write() as tx:
        revoke(tx, party, key_thumbprint, reason, broker.settings.issuer, broker.clock())
    broker.close()


def purge(settings: Settings) -> tuple[list[Plan], list[Plan]]:
    """Purge what is due; return what was purged now, and what is yet to be.

    Raises:
        ConcordatError: ``purge_incomplete``.
    """
    broker = open_broker(settings)
    try:
        return broker.purges.run(), broker.purges.planned()
    finally:
        broker.close()


def expire(settings: Settings) -> list[Expired]:
    """Remove every extract whose time is over; return what was removed now.

    Raises:
        ConcordatError: ``retention_incomplete``.
    """
    broker = open_broker(settings)
    try:
        return broker.retention.run()
    finally:
        broker.close()


def add_client(settings: Settings, client: str, party: str, roles: Sequence[Role], key: Path) -> None:
    """Add a machine client of an enrolled party.

    Raises:
        NotFound: the party is not enrolled.
        Conflict: the client is there, or its key is a party's signing key.
        DocumentError: ``bad_key``.
    """
    jwk = read_public_jwk(key)
    broker = open_broker(settings)
    with broker.store.write() as tx:
        if tx.agreements.key(thumbprint(jwk)) is not None:
            raise Conflict("a client's key is never a party's signing key", code="key_reused")
        _add(tx, client, party, roles, canonical(jwk).decode(), broker.clock())
    broker.close()


def user_token(settings: Settings, user: str, party: str, roles: Sequence[Role], hours: float) -> str:
    """Return an access token for a person, whose account is made at the first time.

    Raises:
        NotFound: the party is not enrolled.
        Conflict: the account acts for another party, has other roles, is a machine's, or is disabled.
    """
    broker = open_broker(settings)
    now = broker.clock()
    with broker.store.write() as tx:
        row = tx.clients.client(user) or _add(tx, user, party, roles, None, now)
        held = set(row.roles.split())
        if row.party != party or row.jwk is not None or row.disabled_at is not None or not set(roles) <= held:
            raise Conflict("the account acts for another party or has other roles", code="other_account")
        token = broker.sign_in.issue(tx, row, frozenset(roles), now, timedelta(hours=hours))
    broker.close()
    return token


def compact(settings: Settings, agreement: str | None, dataset: str | None) -> list[Outcome]:
    """Compact the stored rows of every dataset, or of those that are named; return the files before and after.

    Raises:
        NotFound: nothing was ever pushed to what is named.
        EngineFailed: rows could not be rewritten; nothing was lost.
    """
    broker = open_broker(settings)
    try:
        done = broker.compaction.run(agreement, dataset)
    finally:
        broker.close()
    if not done and (agreement or dataset):
        raise NotFound("nothing was ever pushed to such a dataset")
    return done


def read_public_jwk(path: Path) -> dict[str, str]:
    """Read a public Ed25519 key.

    Raises:
        DocumentError: ``bad_key``, also for a file that holds the private key.
    """
    value = strict_json.loads(path.read_bytes())
    if not isinstance(value, dict) or "d" in value:
        raise DocumentError("bad_key", "give the public key alone: a JWK without d")
    public_key(value)
    return {name: value[name] for name in ("crv", "kty", "x")}


def _signing_key(party: str, key: Path) -> PinnedKey:
    jwk = read_public_jwk(key)
    return PinnedKey(party, thumbprint(jwk), canonical(jwk).decode())


def _check_no_clients(tx: Transaction, key: PinnedKey) -> None:
    if tx.clients.has_key(key.jwk):
        raise Conflict("a party's signing key is never a client's key", code="key_reused")


def _add(tx: Transaction, client: str, party: str, roles: Sequence[Role], jwk: str | None, now: datetime) -> ClientRow:
    if not tx.agreements.enrolled(party):
        raise NotFound(f"{party} is not enrolled", code="party_not_enrolled")
    if tx.clients.client(client) is not None:
        raise Conflict(f"{client} is there already", code="already_added")
    row = ClientRow(client, party, " ".join(sorted(set(roles))), jwk, now.isoformat(), None)
    tx.clients.add(row)
    return row
