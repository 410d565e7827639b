"""Erasing persons by pseudonym, so that a crash at any point leaves all or nothing (docs/adr/0003, "Erasures").

1. *List*: the pseudonyms are written to a file in the lake, where no question looks.
2. *Intent* (one transaction): the erasure's row, bound to its key. From here on it will be completed, by this process,
   a retry, or a recovery.
3. *Settle*: pushes that were intended before are completed, so that none brings the persons back in behind.
4. *Lake commits*: each dataset is written anew without the persons, matched or not. Questions do not see it yet.
5. *Record* (one transaction): the log entry, the signed receipt, a new data version of every dataset reached.
   Where a dataset fails, the others are moved and told as failed, and the erasure stays intended, to be tried again.
6. *Forget*: the list goes, and the files that held the persons go, unless an open question was charged for them.

The answer, and the entry, tell of 4 only where the rows are the caller's own. The route waits for the tick before 5.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from schemas.canonical import canonical
from schemas.erasure import ErasureRequest, Reach
from schemas.errors import DocumentError
from schemas.table_schema import TableSchema
from service.audit.entry import Caller as EntryCaller
from service.audit.entry import CheckedReason, Decision, Entry, Kind, Screen, check_reason, format_time
from service.errors import ConcordatError, Conflict, EngineFailed, Malformed
from service.identity.caller import Caller
from service.intake.erasure_ports import (
    Erased,
    ErasureKeyTaken,
    ErasureRow,
    ErasureState,
    Lake,
    PersonsLost,
    Store,
    Transaction,
)
from service.intake.means import Sign, no_fault
from service.intake.ports import ExtractRow
from service.intake.push import Pushes
from service.intake.reached import Reached, check_held, reached

FORGOTTEN_AFTER = timedelta(hours=1)
"""A list without an intent is removed when it is so old that no request can still be about to store one."""

_LOST = "the list of persons was lost before they were erased everywhere: send it again"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Removed:
    """An erasure whose rows are out of the tables, and what became of each table; nothing of it is told yet."""

    row: ErasureRow
    tables: tuple[tuple[str, Erased], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasures:
    """The use cases.

    Attributes:
        store: Opens transactions.
        lake: The tables.
        pushes: Completes what was pushed before.
        schema_of: Returns the schema with which an extract was pushed.
        vacuum: Removes the files of a dataset that no open question may need.
        sign: Signs receipts with the broker's key.
        clock: The time, in UTC.
        new_id: Makes an erasure's id, a slug never made before.
        conceal: Returns the HMAC of a text, under a key of the broker's.
        screen: Finds identifiers in a reason.
        fault: Called with the name of each step of ``ERASURE_STEPS`` that is its own.
    """

    store: Store
    lake: Lake
    pushes: Pushes
    schema_of: Callable[[ExtractRow], TableSchema]
    vacuum: Callable[[str, str], None]
    sign: Sign
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    conceal: Callable[[str], str]
    screen: Screen
    fault: Callable[[str], None] = field(default=no_fault)

    def prepare(self, caller: Caller, agreement: str, key: str, request: ErasureRequest) -> ErasureRow:
        """Store the intent: steps 1 and 2; or find the one that the key is bound to.

        Args:
            caller: A supplier, or a steward.
            agreement: The agreement, in force or not.
            key: What is kept of the idempotency key.
            request: Whom to erase, and why.

        Raises:
            Forbidden: ``role_missing``, ``not_a_supplier``, ``not_a_party`` or ``party_withdrawn``.
            NotFound: there is no such agreement for the caller's party.
            Malformed: the reason may not be kept.
            Conflict: ``idempotency_key_reused``, ``records_purged`` or ``no_person_dataset``.
        """
        try:
            reason = check_reason(request.reason, self.screen)
        except DocumentError as error:
            raise Malformed(error.detail, code=error.code) from None
        with self.store.read() as tx:
            found = reached(tx.agreements, agreement, caller, request.reach)
            fingerprint = self._fingerprint(found, request)
            known = _bound(tx, caller, agreement, key, fingerprint)
            if known is None:
                check_held(tx.agreements, found, caller)
        return known or self._intend(caller, agreement, key, fingerprint, request, reason)

    def _intend(
        self,
        caller: Caller,
        agreement: str,
        key: str,
        fingerprint: str,
        request: ErasureRequest,
        reason: CheckedReason,
    ) -> ErasureRow:
        erasure, kept = self.new_id(), False
        try:
            self.lake.list_persons(agreement, erasure, request.persons)
            self.fault("erasure-listed")
            with self.store.write() as tx:
                found = reached(tx.agreements, agreement, caller, request.reach)
                known = _bound(tx, caller, agreement, key, fingerprint)
                if known is not None:
                    return known
                check_held(tx.agreements, found, caller)
                row = ErasureRow(
                    id=erasure,
                    agreement=found.agreement,
                    caller=EntryCaller(caller.client, caller.party, caller.role),
                    reach=found.reach,
                    datasets=found.datasets,
                    records=found.records,
                    persons=len(request.persons),
                    reason=reason,
                    key=key,
                    fingerprint=fingerprint,
                    requested=self.clock(),
                )
                tx.erasures.insert(row)
            kept = True
        except ErasureKeyTaken:
            raise Conflict("the same erasure is just being made: try again", code="in_progress") from None
        finally:
            if not kept:
                self.lake.forget_persons(agreement, erasure)
        self.fault("erasure-intended")
        return row

    def remove(self, row: ErasureRow) -> Removed:
        """Take the persons out of every dataset reached: steps 3 and 4. Questions see nothing of it yet.

        Where it fails in some datasets the others are done all the same, and questions see these from now on.

        Raises:
            Conflict: ``in_progress``: a dataset is being changed by others; the erasure stays intended.
            EngineFailed: rows could not be rewritten, and the erasure stays intended; or its list of persons is lost,
                and it is given up.
        """
        if row.receipt is not None:
            return Removed(row, ())
        tables: list[tuple[str, Erased]] = []
        failures: list[Exception] = []
        for dataset in row.datasets:
            try:
                tables.append((dataset, self._erase(row, dataset)))
            except Exception as error:  # noqa: BLE001 - one damaged table must not keep persons in the others
                failures.append(error)
        if failures:
            return Removed(self._record_part(row, tables, failures), ())
        self.fault("erasure-removed")
        return Removed(row, tuple(tables))

    def record(self, removed: Removed) -> dict[str, Any]:
        """Log the erasure, move the data versions, and let go of list and files: steps 5 and 6.

        Returns:
            The signed receipt; the same one when repeated.
        """
        row = removed.row
        receipt = row.receipt or self._record(row, removed.tables)
        self.fault("erasure-recorded")
        self.lake.forget_persons(row.agreement.id, row.id)
        self.fault("erasure-forgotten")
        for dataset in row.datasets:
            self.vacuum(row.agreement.id, dataset)
        return receipt

    def recover(self) -> None:
        """Complete what was interrupted, and forget the lists that nobody needs; safe at any time, on any replica."""
        with self.store.read() as tx:
            pending = tx.erasures.pending()
        for row in pending:
            try:
                self.record(self.remove(row))
            except ConcordatError as error:
                _LOG.error("erasure %s could not be completed: %s", row.id, error.code)
            except Exception as error:  # noqa: BLE001 - one damaged table must not keep the others from being served
                _LOG.error("erasure %s could not be completed: %s", row.id, type(error).__name__)
        for listed in self.lake.person_lists():
            with self.store.read() as tx:
                known = tx.erasures.get(listed.erasure)
            old = self.clock() - listed.modified > FORGOTTEN_AFTER
            if old if known is None else known.state is not ErasureState.INTENDED:
                self.lake.forget_persons(listed.agreement, listed.erasure)

    # --- parts

    def _erase(self, row: ErasureRow, dataset: str) -> Erased:
        agreement = row.agreement.id
        self.pushes.settle(agreement, dataset, self.schema_of)
        with self.store.read() as tx:
            pushed = tx.extracts.newest_of_each_dataset()
        newest = next((one for one in pushed if (one.agreement.id, one.dataset) == (agreement, dataset)), None)
        if newest is None:
            return Erased(-1, 0)  # nothing was ever taken
        return self.lake.erase(agreement, dataset, self.schema_of(newest), row.id)

    def _record_part(
        self, row: ErasureRow, tables: Sequence[tuple[str, Erased]], failures: Sequence[Exception]
    ) -> ErasureRow:
        """Let questions see the datasets that were written anew, and log that the others were not.

        Returns:
            The row as another broker has completed it meanwhile.

        Raises:
            Exception: the first of the failures; or ``EngineFailed``, where the persons are lost: it is given up then.
        """
        lost = any(isinstance(failure, PersonsLost) for failure in failures)
        raised = EngineFailed(_LOST) if lost else failures[0]
        with self.store.write() as tx:
            known = tx.erasures.get(row.id)
            if known is not None and known.receipt is not None:
                return known
            moved = self._move(tx, row, tables)
            given_up = lost and known is not None and known.state is ErasureState.INTENDED
            if given_up or moved:
                code = raised.code if isinstance(raised, ConcordatError) else EngineFailed.code
                stands = ErasureState.ABORTED if lost else ErasureState.INTENDED
                written = [dataset for dataset, to in tables if to.version >= 0]
                tx.log.append(_failed(row, self.clock(), code, stands, written))
            if lost:
                tx.erasures.abort(row.id)
        for dataset in moved:
            self.vacuum(row.agreement.id, dataset)
        raise raised from None

    def _move(self, tx: Transaction, row: ErasureRow, tables: Sequence[tuple[str, Erased]]) -> list[str]:
        """Move the data versions of those datasets that questions still see with the persons; return which."""
        agreement, now = row.agreement.id, self.clock()
        behind = [
            (name, to.version) for name, to in tables if to.version > tx.answers.data_version(agreement, name).lake
        ]
        for dataset, version in behind:
            tx.extracts.move_data_version(agreement, dataset, version, now)
        return [dataset for dataset, _ in behind]

    def _record(self, row: ErasureRow, tables: tuple[tuple[str, Erased], ...]) -> dict[str, Any]:
        with self.store.write() as tx:
            known = tx.erasures.get(row.id)
            if known is not None and known.receipt is not None:
                return known.receipt
            now = self.clock()
            index = tx.log.append(_entry(row, now))
            receipt = _receipt(row, tables, now, index, self.sign)
            for dataset, erased in tables:
                tx.extracts.move_data_version(row.agreement.id, dataset, erased.version, now)
            tx.erasures.finish(row.id, receipt)
            stored = tx.erasures.get(row.id)
        if stored is None or stored.receipt is None:
            raise RuntimeError("a stored receipt can be read back")
        return stored.receipt

    def _fingerprint(self, found: Reached, request: ErasureRequest) -> str:
        """Bind a key to what is asked; an HMAC, as a digest of few pseudonyms could be tried."""
        asked = {**request.model_dump(mode="json"), "reach": found.reach.value}
        return self.conceal(canonical(asked).decode())


def _bound(tx: Transaction, caller: Caller, agreement: str, key: str, fingerprint: str) -> ErasureRow | None:
    known = tx.erasures.by_key(agreement, caller.party, caller.client, key)
    if known is not None and known.fingerprint != fingerprint:
        raise Conflict(
            "this Idempotency-Key was used for another erasure: use a new one", code="idempotency_key_reused"
        )
    return known


def _entry(row: ErasureRow, now: datetime) -> Entry:
    return Entry(
        kind=Kind.ERASED,
        time=now,
        caller=row.caller,
        nonce=Caller.nonce(),
        agreement=row.agreement,
        reason=CheckedReason(row.reason) or None,
        request={
            "what": "erasure",
            "reach": row.reach.value,
            "datasets": list(row.datasets),
            "persons": row.persons,
        },
        decision=Decision("allowed", "allowed"),
        result={"erasure": row.id},
    )


def _failed(row: ErasureRow, now: datetime, code: str, stands: ErasureState, datasets: list[str]) -> Entry:
    """Return the entry of an erasure that fails, with the datasets that were written anew all the same."""
    return replace(
        _entry(row, now),
        kind=Kind.FAILED,
        decision=Decision("failed", code),
        result={"erasure": row.id, "state": stands.value, "datasets": datasets},
    )


def _receipt(
    row: ErasureRow, tables: tuple[tuple[str, Erased], ...], now: datetime, index: int, sign: Sign
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": "concordat/erasure-receipt/v1",
        "erasure": row.id,
        "agreement": {"id": row.agreement.id, "version": row.agreement.version, "digest": row.agreement.digest},
        "reach": row.reach.value,
        "persons": row.persons,
        "erased": format_time(now),
        "audit": {"index": index},
    }
    if row.reach is Reach.OWN:
        told["datasets"] = [{"dataset": dataset, "rows": erased.rows} for dataset, erased in tables]
        told["records"] = list(row.records)
    return {**told, "signature": sign(told)}
