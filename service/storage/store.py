"""The unit of work: one transaction, and everything that can be reached inside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from service.storage.agreements import AgreementStore
from service.storage.answers import AnswerStore
from service.storage.approvals import ApprovalStore
from service.storage.clients import ClientStore
from service.storage.database import Database
from service.storage.erasures import ErasureStore
from service.storage.extracts import ExtractStore
from service.storage.ledger import LedgerStore
from service.storage.log import LogStore
from service.storage.purges import PurgeStore
from service.storage.quotas import QuotaStore
from service.storage.reservations import ReservationStore
from service.storage.statements import StatementStore


class Transaction:
    """Everything inside one transaction of the control database."""

    def __init__(self, connection: Connection) -> None:
        self.agreements = AgreementStore(connection)
        self.answers = AnswerStore(connection)
        self.approvals = ApprovalStore(connection)
        self.clients = ClientStore(connection)
        self.erasures = ErasureStore(connection)
        self.extracts = ExtractStore(connection)
        self.ledger = LedgerStore(connection)
        self.log = LogStore(connection)
        self.purges = PurgeStore(connection)
        self.quotas = QuotaStore(connection)
        self.reservations = ReservationStore(connection)
        self.statements = StatementStore(connection)


class Store:
    """Opens transactions; commits and rolls back in one place."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a transaction that commits at its end and holds the write lock."""
        with self._database.write() as connection:
            yield Transaction(connection)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a transaction that reads one state."""
        with self._database.read() as connection:
            yield Transaction(connection)
