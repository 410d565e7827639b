"""The composition root: settings become stores, use cases and the app. The only file that sees all."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from schemas import artefacts, identifiers
from schemas.artefacts import Artefact
from schemas.erasure import ERASURE_RECEIPT_TYPE
from schemas.jws import encode, public_jwk, sign, sign_text, thumbprint
from service.aggregates import release
from service.aggregates.approvals import Approvals
from service.aggregates.asking import Asking
from service.aggregates.budgets import Budgets
from service.aggregates.completion import Completion
from service.aggregates.quotas import Quotas
from service.aggregates.reading import Reading
from service.aggregates.reservations import Reservations
from service.aggregates.simulating import Simulating
from service.agreements.catalogue import Catalogue
from service.agreements.leaving import Leaving
from service.agreements.purging import Purges
from service.agreements.receipts import PURGE_RECEIPT_TYPE, SIGNATURE_RECEIPT_TYPE
from service.agreements.registry import Registry
from service.api import app as web
from service.api.broker import Broker
from service.audit.appends import Appends
from service.audit.checkpoint import verifier_key
from service.audit.log import Log
from service.identity.caller import Caller
from service.identity.sign_in import SignIn
from service.intake.compaction import Compaction
from service.intake.engine import Limits
from service.intake.erasing import Erasures
from service.intake.push import Means, Pushes
from service.intake.retention import Retention
from service.intake.service import Intake
from service.intake.spool import sweep
from service.settings import Settings
from service.storage.database import Database
from service.storage.duckdb_engine import DuckDBEngine
from service.storage.issuer import resolve
from service.storage.keyfiles import make_folder, secret, signing_key
from service.storage.lake import Lake
from service.storage.store import Store

RECEIPT_TYPE = "concordat-receipt+jws"
VERSION = version("concordat")
DEFAULT_ISSUER = "http://127.0.0.1:8000"


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """Return a readable id that nobody can guess: a prefix and 80 random bits."""
    return f"{prefix}-{secrets.token_hex(10)}"


def no_fault(_: str) -> None:
    """Do nothing at a step that tests crash at."""


def build(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    fault: Callable[[str], None] = no_fault,
    known: Mapping[str, Artefact] | None = None,
    recover: bool = True,
    fallback_issuer: str = DEFAULT_ISSUER,
) -> Broker:
    """Make a broker: its folders, keys, database at the newest version, and use cases; finish what a crash left.

    Args:
        settings: Where and how.
        clock: The time, in UTC.
        fault: Called at each step that a crash could follow.
        recover: Whether to finish what a crash left: what starts to serve does, what looks in beside it does not.
        known: The artefacts that agreements may pin; those that ship with Concordat by default.
        fallback_issuer: What to be called where the settings name no issuer and none is pinned yet.

    Raises:
        Conflict: ``other_issuer``: the database is of a broker of another issuer.
    """
    for folder in (settings.state, settings.keys, settings.lake, settings.spool):
        make_folder(folder)
    database = Database(settings.database)
    database.migrate()
    settings = replace(settings, issuer=resolve(database, settings.issuer, fallback_issuer, pin=recover))
    store = Store(database)
    release_key, token_key, log_key = (
        signing_key(settings.keys / f"{name}.pem") for name in ("release", "token", "log")
    )
    limits = Limits(memory_mb=settings.push_memory_mb, threads=settings.engine_threads)
    lake = Lake(settings.lake, settings.spool, limits, fault)
    engine = DuckDBEngine(
        settings.lake,
        memory_limit=settings.engine_memory,
        threads=settings.engine_threads,
        temp_dir=settings.spool / "engine",
        deadline_seconds=settings.engine_deadline,
    )
    registry = Registry(settings.issuer, known if known is not None else artefacts.load())
    catalogue = Catalogue(registry)
    origin = log_origin(settings.issuer)
    log = Log(store, origin, log_key)
    appends = Appends(store)
    sign_release = partial(release.signed, partial(_sign_text, release_key, release.SIGNATURE_TYPE))
    completion = Completion(store, engine, lake, settings.issuer, sign_release, clock, new_id, fault)
    pushes = Pushes(
        Means(
            store=store,
            lake=lake,
            identifiers=identifiers,
            sign=partial(_sign, release_key, RECEIPT_TYPE),
            now=clock,
            new_id=partial(new_id, "extract"),
            new_nonce=Caller.nonce,
            spool=settings.spool,
            most_bytes=settings.max_push_bytes,
            limits=limits,
            fault=fault,
        )
    )
    intake = Intake(store, pushes, lake, settings.issuer, clock, settings.push_digest)
    retention = Retention(store, pushes, intake.schema_of, intake.vacuum, settings.issuer, clock, fault)
    asking = Asking(
        store, appends, settings.issuer, sign_release, clock, new_id, identifiers.find_in_text, fault, retention.settle
    )
    conceal = partial(_conceal, secret(settings.keys / "idempotency-secret"))
    erasures = Erasures(
        store=store,
        lake=lake,
        pushes=pushes,
        schema_of=intake.schema_of,
        vacuum=intake.vacuum,
        sign=partial(_sign, release_key, ERASURE_RECEIPT_TYPE),
        clock=clock,
        new_id=partial(new_id, "erasure"),
        conceal=conceal,
        screen=identifiers.find_in_text,
        fault=fault,
    )
    if recover:
        sweep(settings.spool)
        intake.recover()
        erasures.recover()
        completion.recover()
        intake.vacuum_all()  # once more: what questions were still charged for is answered now
    return Broker(
        settings=settings,
        store=store,
        clock=clock,
        sign_in=SignIn(settings.issuer, token_key, settings.token_life, settings.assertion_life),
        registry=registry,
        catalogue=catalogue,
        leaving=Leaving(settings.issuer),
        purges=Purges(store, lake, settings.issuer, partial(_sign, release_key, PURGE_RECEIPT_TYPE), clock, fault),
        receipt=partial(_sign, release_key, SIGNATURE_RECEIPT_TYPE),
        intake=intake,
        retention=retention,
        compaction=Compaction(store, lake, intake.schema_of, intake.vacuum, settings.compact_files, fault),
        erasures=erasures,
        asking=asking,
        completion=completion,
        approvals=Approvals(store, settings.issuer, clock, identifiers.find_in_text),
        reading=Reading(store, appends, settings.issuer, clock),
        budgets=Budgets(store, settings.issuer, clock),
        quotas=Quotas(store, settings.issuer, clock),
        reservations=Reservations(store, settings.issuer, clock, new_id),
        simulating=Simulating(settings.issuer, clock),
        log=log,
        appends=appends,
        keys=_public_keys(release_key, log_key, origin),
        ready=log.checkpoint,
        metrics=CollectorRegistry(),
        metrics_token=secret(settings.keys / "metrics-token"),
        conceal=conceal,
        close=partial(_close, engine, database),
    )


def create(settings: Settings, fallback_issuer: str = DEFAULT_ISSUER) -> FastAPI:
    """Make the app of a broker, whose issuer is the fallback where none is given and none is pinned."""
    return web.create(build(settings, fallback_issuer=fallback_issuer), VERSION)


def log_origin(issuer: str) -> str:
    """Return the log's name: the issuer without its scheme, and ``/log``."""
    return issuer.split("://", maxsplit=1)[-1].rstrip("/") + "/log"


def _conceal(key: str, text: str) -> str:
    """Return a text's HMAC-SHA256 in base64url: it can be recognised, not read, nor guessed without the key."""
    return encode(hmac.digest(key.encode(), text.encode(), "sha256"))


def _close(engine: DuckDBEngine, database: Database) -> None:
    engine.close()
    database.close()


def _sign_text(key: Ed25519PrivateKey, typ: str, text: bytes) -> str:
    return sign_text(text, key, typ=typ)


def _sign(key: Ed25519PrivateKey, typ: str, value: dict[str, Any]) -> str:
    return sign(value, key, typ=typ)


def _public_keys(release_key: Ed25519PrivateKey, log_key: Ed25519PrivateKey, origin: str) -> dict[str, Any]:
    jwk = public_jwk(release_key.public_key())
    return {
        "keys": [jwk | {"kid": thumbprint(jwk), "use": "sig", "alg": "EdDSA"}],
        "log": {"origin": origin, "verifier_key": verifier_key(origin, log_key.public_key())},
    }
