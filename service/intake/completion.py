"""Complete what was intended, whoever intended it: after a push, on a retry, or after a crash.

Every step can be repeated by anyone at any time with the same outcome. An intent is aborted only if its staged
file is lost, which no crash can do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from schemas.table_schema import TableSchema
from service.audit.entry import AgreementRef, Caller, Decision, Entry, Kind
from service.errors import ConcordatError, Conflict, EngineFailed
from service.intake.check import sha256_of
from service.intake.means import Means
from service.intake.ports import ExtractRow, StagedFileLost, State
from service.intake.receipts import entry_of, receipt, refusal_of

STRAY_AFTER = timedelta(hours=1)
"""A staged file without an intent is removed when it is so old that no push can still be about to use it."""

_LOG = logging.getLogger(__name__)


class Completion:
    """Leads out of STAGED, WITHDRAWING and EXPIRING."""

    def __init__(self, means: Means) -> None:
        """Keep the means."""
        self._means = means

    def push(self, row: ExtractRow, schema: TableSchema) -> dict[str, Any]:
        """Commit a staged extract to its table and record it; return its receipt.

        Raises:
            Conflict: ``schema_changed`` or ``in_progress``.
            EngineFailed: the staged file is lost; the extract is aborted.
        """
        if row.receipt is not None:
            return row.receipt
        means = self._means
        try:
            version = means.lake.commit(
                row.agreement.id, row.dataset, row.id, row.staged, schema, replaces=row.replaces
            )
        except StagedFileLost:
            self._abort(row)
            raise EngineFailed("the checked file was lost before it was committed: push it again") from None
        except Conflict as error:
            if error.code != "in_progress":
                self._abort(row)
            raise
        means.fault("push-delta-committed")
        made = self._record_push(row, version)
        means.fault("push-recorded")
        return made

    def _record_push(self, row: ExtractRow, version: int) -> dict[str, Any]:
        means = self._means
        with means.store.write() as transaction:
            extracts = transaction.extracts
            known = extracts.get(row.agreement.id, row.dataset, row.id)
            if known is not None and known.receipt is not None:
                return known.receipt
            now = means.now()
            index = transaction.log.append(self._entry(row, Kind.PUSHED, row.caller, row.agreement, now))
            made = receipt(row, index, means.sign)
            if not extracts.move(row.id, State.STAGED, State.COMMITTED, receipt=made):
                raise RuntimeError("a committed file belongs to an extract that is not staged")
            if row.replaces is not None:
                extracts.move(row.replaces, State.REPLACING, State.REPLACED)
            extracts.move_data_version(row.agreement.id, row.dataset, version, now)
        return made

    def _abort(self, row: ExtractRow) -> None:
        with self._means.store.write() as transaction:
            if not transaction.extracts.move(row.id, State.STAGED, State.ABORTED):
                return
            if row.replaces is not None:
                transaction.extracts.move(row.replaces, State.REPLACING, State.COMMITTED)
        self._means.lake.discard_staged(row.agreement.id, row.dataset, row.id)

    def withdrawal(self, row: ExtractRow, caller: Caller, agreement: AgreementRef) -> dict[str, Any]:
        """Take an extract that is being withdrawn out of its table and record it; return the receipt.

        Args:
            row: The extract, WITHDRAWING or WITHDRAWN.
            caller: Who withdraws it.
            agreement: Under which version.
        """
        if row.withdrawal is not None:
            return row.withdrawal
        means = self._means
        version = means.lake.withdraw(row.agreement.id, row.dataset, row.id)
        means.fault("withdrawal-delta-committed")
        with means.store.write() as transaction:
            extracts = transaction.extracts
            known = extracts.get(row.agreement.id, row.dataset, row.id)
            if known is not None and known.withdrawal is not None:
                return known.withdrawal
            now = means.now()
            index = transaction.log.append(self._entry(row, Kind.WITHDRAWN, caller, agreement, now))
            made = receipt(row, index, means.sign, withdrawn=now)
            if not extracts.move(row.id, State.WITHDRAWING, State.WITHDRAWN, withdrawal=made):
                raise RuntimeError("a withdrawn file belongs to an extract that is not being withdrawn")
            extracts.move_data_version(row.agreement.id, row.dataset, version, now)
        means.fault("withdrawal-recorded")
        return made

    def expiry(self, row: ExtractRow, along: Collection[str] = ()) -> bool:
        """Take an extract that is expiring out of its table and record it.

        Args:
            row: The extract.
            along: Others of the dataset that are EXPIRING, whose rows may leave with it; each is recorded by itself.

        Returns:
            Whether this call did; False where another process has, or where a purge took the extract meanwhile.
        """
        means = self._means
        try:
            version = means.lake.withdraw(row.agreement.id, row.dataset, row.id, along)
        except (RuntimeError, Conflict):
            if self._state(row) is State.EXPIRING:
                raise
            return False  # the table is purged
        means.fault("expiry-delta-committed")
        with means.store.write() as transaction:
            extracts = transaction.extracts
            known = extracts.get(row.agreement.id, row.dataset, row.id)
            if known is None or known.state is not State.EXPIRING or known.expiry is None:
                return False
            now = means.now()
            index = transaction.log.append(self._expired(known, known.expiry, now))
            made = receipt(known, index, means.sign, expired=now)
            extracts.move(row.id, State.EXPIRING, State.EXPIRED, expiry=made)
            extracts.move_data_version(row.agreement.id, row.dataset, version, now)
        means.fault("expiry-recorded")
        return True

    def _state(self, row: ExtractRow) -> State | None:
        with self._means.store.read() as transaction:
            known = transaction.extracts.get(row.agreement.id, row.dataset, row.id)
        return known.state if known is not None else None

    def _expired(self, row: ExtractRow, by: dict[str, Any], now: datetime) -> Entry:
        """Return the entry of an expiry: nobody's act, of the supplier's extract, by the clause that all signed."""
        nobody = Caller(None, row.caller.party, None)
        made = self._entry(row, Kind.EXPIRED, nobody, AgreementRef(**by["agreement"]), now)
        return replace(made, decision=Decision("allowed", Kind.EXPIRED.value, (f"datasets/{row.dataset}/keep",)))

    def recover(self, schema_of: Callable[[ExtractRow], TableSchema]) -> None:
        """Complete what a crash interrupted; safe at any time, on any replica.

        A staged extract whose file is whole is committed, though nobody asked again: its supplier was told
        nothing, and a retry will find the receipt. One whose file is lost is aborted and logged as failed.

        Args:
            schema_of: The schema with which an extract was pushed.
        """
        with self._means.store.read() as transaction:
            pending = transaction.extracts.pending()
        for row in pending:
            self._settle(row, schema_of)
        self.sweep()

    def settle(self, agreement: str, dataset: str, schema_of: Callable[[ExtractRow], TableSchema]) -> None:
        """Complete what is intended in one dataset, so that nothing of it can come in behind what is done next.

        Raises:
            Conflict: ``in_progress``: some of it could not be completed yet.
        """
        with self._means.store.read() as transaction:
            pending = [
                row for row in transaction.extracts.pending() if (row.agreement.id, row.dataset) == (agreement, dataset)
            ]
        for row in pending:
            self._settle(row, schema_of)
        with self._means.store.read() as transaction:
            left = {row.id for row in transaction.extracts.pending()}
        if any(row.id in left for row in pending):
            raise Conflict("an earlier push to the dataset is not completed yet: try again", code="in_progress")

    def _settle(self, row: ExtractRow, schema_of: Callable[[ExtractRow], TableSchema]) -> None:
        try:
            self.finish(row, schema_of)
        except Exception as error:  # noqa: BLE001 - one damaged table must not keep the others from being served
            _LOG.error("extract %s could not be completed: %s", row.id, type(error).__name__)

    def finish(self, row: ExtractRow, schema_of: Callable[[ExtractRow], TableSchema]) -> None:
        """Complete the intent of one extract, STAGED or WITHDRAWING; log why where it cannot be."""
        means = self._means
        try:
            if row.state is State.WITHDRAWING:
                self.withdrawal(row, row.caller, row.agreement)
            else:
                self._discard_if_damaged(row)
                self.push(row, schema_of(row))
        except ConcordatError as error:
            entry = refusal_of(
                error, row.caller, row.agreement, row.dataset, row.covers, nonce=means.new_nonce(), now=means.now()
            )
            with means.store.write() as transaction:
                transaction.log.append(entry)

    def _entry(self, row: ExtractRow, kind: Kind, caller: Caller, agreement: AgreementRef, now: datetime) -> Entry:
        return entry_of(row, kind, caller, agreement, nonce=self._means.new_nonce(), now=now)

    def _discard_if_damaged(self, row: ExtractRow) -> None:
        lake, path = self._means.lake, row.staged.path
        if lake.committed(row.agreement.id, row.dataset, row.id) is not None:
            return
        if path.is_file() and sha256_of(path) != row.staged.sha256:
            lake.discard_staged(row.agreement.id, row.dataset, row.id)

    def sweep(self) -> None:
        """Remove staged files that no intent will ever commit."""
        means = self._means
        for stray in means.lake.strays():
            with means.store.read() as transaction:
                known = transaction.extracts.get(stray.agreement, stray.dataset, stray.extract)
            forgotten = known is None and means.now() - stray.modified > STRAY_AFTER
            if forgotten or (known is not None and known.state is State.ABORTED):
                means.lake.discard_staged(stray.agreement, stray.dataset, stray.extract)
