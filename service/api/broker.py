"""What the routes need: the use cases, made once by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from fastapi import Request
from prometheus_client import CollectorRegistry

from service.aggregates.approvals import Approvals
from service.aggregates.asking import Asking
from service.aggregates.budgets import Budgets
from service.aggregates.completion import Completion
from service.aggregates.quotas import Quotas
from service.aggregates.reading import Reading
from service.aggregates.reservations import Reservations
from service.aggregates.simulating import Simulating
from service.agreements.catalogue import Catalogue, CatalogueTransaction
from service.agreements.leaving import Leaving
from service.agreements.ports import PurgeTransaction
from service.agreements.purging import Purges
from service.agreements.receipts import Sign
from service.agreements.registry import Registry
from service.audit.appends import Appends
from service.audit.log import Log
from service.errors import Unauthenticated
from service.identity.caller import Caller
from service.identity.ports import Transaction as IdentityTransaction
from service.identity.sign_in import SignIn
from service.intake.compaction import Compaction
from service.intake.erasing import Erasures
from service.intake.retention import Retention
from service.intake.service import Intake
from service.settings import Settings


class Transaction(CatalogueTransaction, IdentityTransaction, PurgeTransaction, Protocol):
    """A transaction that routes hand to the small use cases."""


class Store(Protocol):
    """Opens transactions."""

    def write(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that commits at its end."""
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that reads one state."""
        ...


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker's use cases.

    Attributes:
        receipt: Signs the receipts of signatures.
        keys: What ``GET /v1/keys`` answers.
        ready: Raises where the broker cannot serve.
        metrics: Counts for operators.
        metrics_token: What an operator shows to read them.
        conceal: Makes of an idempotency key what is kept of it.
        close: Lets go of the engine and the database.
    """

    settings: Settings
    store: Store
    clock: Callable[[], datetime]
    sign_in: SignIn
    registry: Registry
    catalogue: Catalogue
    leaving: Leaving
    purges: Purges
    receipt: Sign
    intake: Intake
    retention: Retention
    compaction: Compaction
    erasures: Erasures
    asking: Asking
    completion: Completion
    approvals: Approvals
    reading: Reading
    budgets: Budgets
    quotas: Quotas
    reservations: Reservations
    simulating: Simulating
    log: Log
    appends: Appends
    keys: Mapping[str, Any]
    ready: Callable[[], object]
    metrics: CollectorRegistry
    metrics_token: str
    conceal: Callable[[str], str]
    close: Callable[[], None]

    def caller(self, request: Request) -> Caller:
        """Return who sends a request.

        Raises:
            Unauthenticated: no bearer token, or not one of ours.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("send an access token: Authorization: Bearer ...", code="token_required")
        with self.store.read() as tx:
            return self.sign_in.caller(tx, token.strip(), self.clock())


async def of(request: Request) -> Broker:
    """Return the broker that serves a request."""
    broker: Broker = request.app.state.broker
    return broker
