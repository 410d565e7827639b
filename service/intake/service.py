"""What a supplier may do with a dataset: push, list, withdraw; authorised against the agreement in force."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from anyio import to_thread

from schemas.calendar import Duration, parse_date
from schemas.errors import DocumentError
from schemas.table_schema import TableSchema
from service.agreements.keeping import expiry, kept
from service.agreements.ports import AgreementStore
from service.agreements.standing import Current, document, library, seen_by, state, visible
from service.audit.entry import AgreementRef, Decision, Entry, Kind, format_time
from service.audit.entry import Caller as EntryCaller
from service.audit.ports import LogStore
from service.errors import ConcordatError, Conflict, Forbidden, Malformed, NotFound
from service.identity.caller import Caller, Role
from service.intake.expressions import Covers
from service.intake.ports import LIVE, ExtractRow, ExtractStore, State
from service.intake.push import Order, Pushes
from service.policy.withdrawal import SUPPLIER_WITHDRAWN
from service.settings import PushDigest

_AHEAD = timedelta(days=366)
_LOG = logging.getLogger(__name__)


class OpenIntents(Protocol):
    """Tells which data versions questions still need."""

    def oldest_pinned(self, agreement: str, dataset: str) -> int:
        """Return the oldest lake version that an open intent pins, or the dataset's own."""
        ...


class Transaction(Protocol):
    """A transaction that can reach what supplying needs."""

    @property
    def agreements(self) -> AgreementStore:
        """The agreements."""
        ...

    @property
    def answers(self) -> OpenIntents:
        """The intents."""
        ...

    @property
    def extracts(self) -> ExtractStore:
        """The extracts."""
        ...

    @property
    def log(self) -> LogStore:
        """The log."""
        ...


class Store(Protocol):
    """Opens transactions."""

    def write(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that commits at its end."""
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that reads one state."""
        ...


class Vacuum(Protocol):
    """Removes files that no version needs any more."""

    def vacuum(self, agreement: str, dataset: str, keep_versions_from: int) -> int:
        """Remove the files that no version from ``keep_versions_from`` on refers to; return how many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The headers and parameters of a push, as they came."""

    agreement: str
    dataset: str
    first: str | None
    last: str | None
    key: str
    content_type: str
    replaces: str | None = None
    content_digest: str | None = None
    content_encoding: str | None = None
    agreement_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """The use cases of suppliers."""

    store: Store
    pushes: Pushes
    lake: Vacuum
    broker: str
    clock: Callable[[], datetime]
    digest: PushDigest = PushDigest.OPTIONAL

    async def push(self, caller: Caller, delivery: Delivery, body: AsyncIterator[bytes]) -> dict[str, Any]:
        """Take an extract, wholly or not at all; return the signed receipt.

        Raises:
            Forbidden: the caller's party does not supply the dataset, or the agreement is not in force.
            Conflict: ``agreement_changed``, or what ``Pushes.push`` raises.
            Malformed: ``agreement_digest_required``, the period is missing or wrong, or the extract is refused.
        """
        order = await to_thread.run_sync(self._order, caller, delivery)
        receipt = await self.pushes.push(order, body)
        if delivery.replaces is not None:
            await to_thread.run_sync(self.vacuum, delivery.agreement, delivery.dataset)
        return receipt

    def withdraw(self, caller: Caller, agreement: str, dataset: str, extract: str) -> dict[str, Any]:
        """Take an extract of the caller's own out, and remove its rows from the disk; return the signed receipt."""
        reference = self._supplied_ever(caller, agreement, dataset)
        receipt = self.pushes.withdraw(_entry_caller(caller), reference, dataset, extract)
        self.vacuum(agreement, dataset)
        return receipt

    def listed(
        self, caller: Caller, agreement: str, dataset: str, limit: int, before: str | None
    ) -> list[dict[str, Any]]:
        """Return the caller's party's extracts, the newest first."""
        self._supplied_ever(caller, agreement, dataset)
        with self.store.read() as tx:
            rows = tx.extracts.listed(agreement, dataset, caller.party, limit, before)
            keep = self._keep(tx, agreement, dataset)
        return [_shape(row, keep) for row in rows]

    def one(self, caller: Caller, agreement: str, dataset: str, extract: str) -> dict[str, Any]:
        """Return one extract of the caller's party.

        Raises:
            NotFound: there is none.
        """
        self._supplied_ever(caller, agreement, dataset)
        with self.store.read() as tx:
            row = tx.extracts.get(agreement, dataset, extract)
            keep = self._keep(tx, agreement, dataset)
        if row is None or row.caller.party != caller.party:
            raise NotFound("your party has no such extract")
        return _shape(row, keep)

    def recover(self) -> None:
        """Complete what a crash interrupted, and remove the rows that it kept on the disk."""
        self.pushes.recover(self.schema_of)
        self.vacuum_all()

    def vacuum_all(self) -> None:
        """Remove the rows that no answer can need any more, of every dataset that was ever pushed to."""
        with self.store.read() as tx:
            rows = tx.extracts.newest_of_each_dataset()
        for row in rows:
            try:
                self.vacuum(row.agreement.id, row.dataset)
            except Exception as error:  # noqa: BLE001 - one damaged table must not keep the others from being served
                _LOG.error("%s in %s could not be vacuumed: %s", row.dataset, row.agreement.id, type(error).__name__)

    def schema_of(self, row: ExtractRow) -> TableSchema:
        """Return the schema with which an extract was pushed, whatever the state of its agreement."""
        with self.store.read() as tx:
            versions = tx.agreements.versions(row.agreement.id)
            version = next(item for item in versions if str(item.version) == row.agreement.version)
            return library(tx.agreements, document(version.document)).schema(row.schema)

    def _keep(self, tx: Transaction, agreement: str, dataset: str) -> Duration | None:
        """Return how long a dataset's records are kept now, None where no version that decides says so."""
        held = state(tx.agreements, agreement, self.broker)
        entry = kept(held).get(dataset) if held is not None else None
        return entry.keep if entry is not None else None

    def _order(self, caller: Caller, delivery: Delivery) -> Order:
        try:
            found = self._supplied(caller, delivery.agreement, delivery.dataset)
            self._check_digest(delivery.agreement_digest, found.digest)
            covers = _covers(delivery.first, delivery.last, self.clock().date())
        except ConcordatError as error:
            self._refused(caller, delivery, error)
            raise
        schema = found.library.schema(found.agreement.datasets[delivery.dataset].schema_)
        return Order(
            caller=_entry_caller(caller),
            agreement=AgreementRef(found.row.id, str(found.version), found.digest),
            dataset=delivery.dataset,
            schema=schema,
            content_type=delivery.content_type,
            covers=covers,
            key=delivery.key,
            replaces=delivery.replaces,
            content_digest=delivery.content_digest,
            content_encoding=delivery.content_encoding,
            still_allowed=partial(self._supplied, caller, delivery.agreement, delivery.dataset),
        )

    def _check_digest(self, known: str | None, in_force: str) -> None:
        """Check that the push knows the version in force (guarantee, rule 4.3).

        One that names none is taken, where the broker lets it, under the version that its party has signed; the
        receipt and the log say which.
        """
        if known is None and self.digest is PushDigest.REQUIRED:
            raise Malformed(
                "say which agreement you know: the header Concordat-Agreement-Digest, with the digest that"
                " GET /v1/agreements/{id} shows",
                code="agreement_digest_required",
            )
        if known is not None and known != in_force:
            raise Conflict(
                "the agreement in force is not the one that the push names; read what changed",
                code="agreement_changed",
            )

    def _supplied(self, caller: Caller, agreement: str, dataset: str) -> Current:
        """Return the agreement in force under which the caller's party supplies the dataset."""
        caller.require(Role.SUPPLIER)
        with self.store.read() as tx:
            found = visible(tx.agreements, agreement, self.clock().date(), self.broker, caller.party)
        entry = found.agreement.datasets.get(dataset)
        if entry is None or entry.supplier != caller.party:
            raise Forbidden("your party supplies no such dataset", code="not_a_supplier")
        if caller.party in found.row.withdrawn:
            raise Forbidden("your party has withdrawn from the agreement", code=SUPPLIER_WITHDRAWN)
        return found

    def _supplied_ever(self, caller: Caller, agreement: str, dataset: str) -> AgreementRef:
        """Return the newest signed version under which the caller's party supplies the dataset, in force or not.

        What a party has supplied it may list and withdraw at any time.
        """
        caller.require(Role.SUPPLIER)
        with self.store.read() as tx:
            completed = {row.version for row in tx.agreements.completions(agreement)}
            versions = [row for row in tx.agreements.versions(agreement) if row.version in completed]
        if not any(document(row.document).party(caller.party) for row in versions):
            raise NotFound("there is no such agreement")
        for row in reversed(versions):
            entry = document(row.document).datasets.get(dataset)
            if entry is not None and entry.supplier == caller.party:
                return AgreementRef(row.agreement, str(row.version), row.digest)
        raise Forbidden("your party supplies no such dataset", code="not_a_supplier")

    def _refused(self, caller: Caller, delivery: Delivery, error: ConcordatError) -> None:
        with self.store.write() as tx:
            newest = next(iter(reversed(seen_by(tx.agreements, delivery.agreement, self.broker, caller.party))), None)
            known = newest is not None and delivery.dataset in document(newest.document).datasets
            tx.log.append(
                Entry(
                    kind=Kind.PUSH_REFUSED,
                    time=self.clock(),
                    caller=_entry_caller(caller),
                    nonce=caller.nonce(),
                    agreement=AgreementRef(newest.agreement, str(newest.version), newest.digest) if newest else None,
                    request={"dataset": delivery.dataset} if known else None,
                    decision=Decision("refused", error.code),
                )
            )

    def vacuum(self, agreement: str, dataset: str) -> None:
        """Remove the rows that no answer can need any more; questions already charged keep theirs until answered."""
        with self.store.read() as tx:
            oldest = tx.answers.oldest_pinned(agreement, dataset)
        self.lake.vacuum(agreement, dataset, oldest)


def _covers(first: str | None, last: str | None, today: date) -> Covers:
    if first is None or last is None:
        raise Malformed("say which days the push covers: ?from=YYYY-MM-DD&to=YYYY-MM-DD", code="covers_required")
    try:
        start, end = parse_date(first), parse_date(last)
    except DocumentError as error:
        raise Malformed(f"from and to: {error.detail}", code="bad_covers") from None
    if start > end:
        raise Malformed("from lies after to", code="bad_covers")
    if end > today + _AHEAD:
        raise Malformed("a push covers at most a year ahead", code="bad_covers")
    return Covers(start, end)


def _entry_caller(caller: Caller) -> EntryCaller:
    return EntryCaller(caller.client, caller.party, caller.role)


def _shape(row: ExtractRow, keep: Duration | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "extract": row.id,
        "dataset": row.dataset,
        "state": row.state.value,
        "rows": row.staged.rows,
        "persons": row.staged.persons,
        "covers": {"from": row.covers.first.isoformat(), "to": row.covers.last.isoformat()},
        "replaces": row.replaces,
    }
    if row.state in LIVE and keep is not None:
        made["kept_until"] = format_time(expiry(row.received, keep))
    for name in ("receipt", "withdrawal"):
        if getattr(row, name) is not None:
            made[name] = getattr(row, name)
    if row.state is State.EXPIRED:
        made["expiry"] = row.expiry
    return made
