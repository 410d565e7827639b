"""Push, replace and withdraw extracts so that a crash at any point leaves all or nothing.

A push, after its caller has been authorised for the dataset:

1. *Spool*: the body is received, hashed and verified.
2. *Idempotency*: a key that is bound already answers with its receipt, if the request is the same.
3. *Check and stage*: the typed Parquet file is written into the table's folder and synced; nobody sees it yet.
4. *Intent* (one transaction): the extract's row, STAGED, bound to the key; the extract that it replaces, if any,
   becomes REPLACING. From here on the push will be completed, by this process, a retry, or a recovery.
5. *Delta commit*: the table's log takes the file, and drops the replaced one, in one version.
6. *Record* (one transaction): COMMITTED, a new data version, the log entry, the signed receipt.

A crash before step 4 leaves a file that a recovery sweeps away. ``service.intake.completion`` does steps 5 and 6.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from anyio import to_thread

from schemas.canonical import digest
from schemas.table_schema import TableSchema
from service.audit.entry import AgreementRef, Caller
from service.errors import ConcordatError, Conflict, NotFound
from service.intake.check import Extract, check_and_stage, check_size
from service.intake.completion import Completion
from service.intake.expressions import Covers
from service.intake.means import Means
from service.intake.media import media_type
from service.intake.ports import ExtractRow, KeyTaken, PushKey, State, Transaction
from service.intake.receipts import refusal_of
from service.intake.spool import Spooled, spooled

__all__ = ["Means", "Order", "Pushes"]

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an authorised caller wants to push.

    Attributes:
        caller: The supplier's client.
        agreement: The version in force, with its digest.
        dataset: The dataset, supplied by ``caller.party``.
        schema: Its schema, as the agreement pins it.
        content_type: The ``Content-Type`` header.
        covers: The period covered.
        key: The ``Idempotency-Key`` header.
        replaces: The extract that this one corrects.
        content_digest: The ``Content-Digest`` header.
        content_encoding: The ``Content-Encoding`` header.
        still_allowed: Raises where the caller may not push any more; called when the intent is about to be stored,
            while nobody else can change anything.
    """

    caller: Caller
    agreement: AgreementRef
    dataset: str
    schema: TableSchema
    content_type: str
    covers: Covers
    key: str
    replaces: str | None = None
    content_digest: str | None = None
    content_encoding: str | None = None
    still_allowed: Callable[[], object] = lambda: None


class Pushes:
    """The use cases of a dataset's supplier."""

    def __init__(self, means: Means) -> None:
        """Keep the means."""
        self._means = means
        self._completion = Completion(means)

    async def push(self, order: Order, body: AsyncIterator[bytes]) -> dict[str, Any]:
        """Take an extract, wholly or not at all.

        Returns:
            The signed receipt; the same one when the request is repeated with its key.

        Raises:
            Malformed: ``extract_refused`` with findings, ``too_many_rows``, or a digest or coding that is wrong.
            Conflict: ``idempotency_key_reused``, ``not_replaceable``, ``in_progress``, ``schema_changed``.
            NotFound: the caller's party has no such extract to replace.
            TooLarge: the body exceeds the limit.
            Unsupported: the media type or content encoding is none that is taken.
            EngineFailed: memory or disk gave out.
        """
        means = self._means
        try:
            media = media_type(order.content_type)
            async with spooled(
                body,
                means.spool,
                limit=means.most_bytes,
                content_digest=order.content_digest,
                content_encoding=order.content_encoding,
            ) as received:
                means.fault("push-spooled")
                return await to_thread.run_sync(partial(self._take, order, media, received))
        except ConcordatError as error:
            await to_thread.run_sync(partial(self._log_refusal, order, error))
            raise

    def _take(self, order: Order, media: str, received: Spooled) -> dict[str, Any]:
        means = self._means
        key = _key(order, media, received)
        with means.store.read() as transaction:
            known = _bound(transaction, order, key)
            if known is None and order.replaces is not None:
                _check_replaceable(transaction, order)
            existing = transaction.extracts.live_rows(order.agreement.id, order.dataset)
        if known is None:
            row = self._stage(order, media, received, key, existing)
            means.fault("push-staged")
            known = self._intend(order, row)
            means.fault("push-intended")
        return self._completion.push(known, order.schema)

    def _stage(self, order: Order, media: str, received: Spooled, key: PushKey, existing: int) -> ExtractRow:
        means = self._means
        extract = means.new_id()
        staged = check_and_stage(
            Extract(received.path, media, order.schema, order.covers, existing),
            means.lake.stage_path(order.agreement.id, order.dataset, extract),
            means.identifiers,
            means.limits,
        )
        return ExtractRow(
            id=extract,
            agreement=order.agreement,
            dataset=order.dataset,
            schema=order.schema.name,
            caller=order.caller,
            media=media,
            covers=order.covers,
            digest=received.digest,
            staged=staged,
            key=key,
            received=means.now(),
            state=State.STAGED,
            replaces=order.replaces,
        )

    def _intend(self, order: Order, row: ExtractRow) -> ExtractRow:
        """Store the intent; return it, or the one that another request with this key stored meanwhile."""
        kept = False
        try:
            with self._means.store.write() as transaction:
                known = _bound(transaction, order, row.key)
                if known is not None:
                    return known
                order.still_allowed()
                _insert(transaction, order, row)
            kept = True
        except KeyTaken:
            with self._means.store.read() as transaction:
                known = _bound(transaction, order, row.key)
            if known is None:
                raise _in_progress() from None
            return known
        finally:
            if not kept:
                self._means.lake.discard_staged(order.agreement.id, order.dataset, row.id)
        return row

    def withdraw(self, caller: Caller, agreement: AgreementRef, dataset: str, extract: str) -> dict[str, Any]:
        """Take an extract of the caller's own party out of its dataset.

        Args:
            caller: The supplier's client.
            agreement: The version in force.
            dataset: The dataset.
            extract: The extract's id, as the caller wrote it.

        Returns:
            The signed receipt; the same one when repeated.

        Raises:
            NotFound: the caller's party has no such extract.
            Conflict: ``in_progress`` while it is pushed or replaced, ``not_withdrawable`` after it was replaced,
                purged, or expired.
        """
        with self._means.store.write() as transaction:
            row = _own(transaction, caller, agreement.id, dataset, extract)
            if transaction.extracts.move(extract, State.COMMITTED, State.WITHDRAWING):
                row = replace(row, state=State.WITHDRAWING)
        if row.state in (State.STAGED, State.REPLACING, State.COMMITTED):
            raise _in_progress()
        if row.state not in (State.WITHDRAWING, State.WITHDRAWN):
            words = "the extract was replaced, purged, or its time was over: withdraw the one that replaced it"
            raise Conflict(words, code="not_withdrawable")
        self._means.fault("withdrawal-intended")
        return self._completion.withdrawal(row, caller, agreement)

    def expire(self, row: ExtractRow, along: Collection[str] = ()) -> bool:
        """Take an extract that is EXPIRING out of its dataset; see ``Completion.expiry``."""
        return self._completion.expiry(row, along)

    def finish(self, row: ExtractRow, schema_of: Callable[[ExtractRow], TableSchema]) -> None:
        """Complete the intent of one extract, STAGED or WITHDRAWING; see ``Completion.finish``."""
        self._completion.finish(row, schema_of)

    def recover(self, schema_of: Callable[[ExtractRow], TableSchema]) -> None:
        """Complete what a crash interrupted; see ``Completion.recover``."""
        self._completion.recover(schema_of)

    def settle(self, agreement: str, dataset: str, schema_of: Callable[[ExtractRow], TableSchema]) -> None:
        """Complete what is intended in one dataset, and remove what will never be; see ``Completion.settle``."""
        self._completion.settle(agreement, dataset, schema_of)
        self._completion.sweep()

    def _log_refusal(self, order: Order, error: ConcordatError) -> None:
        means = self._means
        entry = refusal_of(
            error,
            order.caller,
            order.agreement,
            order.dataset,
            order.covers,
            nonce=means.new_nonce(),
            now=means.now(),
        )
        with means.store.write() as transaction:
            transaction.log.append(entry)


def _key(order: Order, media: str, received: Spooled) -> PushKey:
    """Bind the key to what is asked: the body and the parameters, not the version in force meanwhile."""
    asked = {
        "dataset": order.dataset,
        "digest": received.digest,
        "from": order.covers.first.isoformat(),
        "media": media,
        "replaces": order.replaces,
        "to": order.covers.last.isoformat(),
    }
    return PushKey(order.caller.party or "", order.caller.client or "", order.key, digest(asked))


def _bound(transaction: Transaction, order: Order, key: PushKey) -> ExtractRow | None:
    known = transaction.extracts.by_key(order.agreement.id, key.party, key.client, key.key)
    if known is not None and known.key.fingerprint != key.fingerprint:
        raise Conflict(
            "this Idempotency-Key was used for another body or other parameters: use a new one",
            code="idempotency_key_reused",
        )
    return known


def _insert(transaction: Transaction, order: Order, row: ExtractRow) -> None:
    extracts = transaction.extracts
    # Pushes that were checked at the same time count each other here.
    check_size(order.schema, extracts.live_rows(order.agreement.id, order.dataset) + row.staged.rows)
    if row.replaces is not None:
        _check_replaceable(transaction, order)
        if not extracts.move(row.replaces, State.COMMITTED, State.REPLACING):
            raise _in_progress()
    extracts.insert(row)


def _own(transaction: Transaction, caller: Caller, agreement: str, dataset: str, extract: str) -> ExtractRow:
    row = transaction.extracts.get(agreement, dataset, extract) if _SLUG.match(extract) else None
    if row is None or row.caller.party != caller.party or row.state is State.ABORTED:
        raise NotFound("your party has no such extract in this dataset")
    return row


def _check_replaceable(transaction: Transaction, order: Order) -> None:
    row = _own(transaction, order.caller, order.agreement.id, order.dataset, order.replaces or "")
    if row.state in (State.STAGED, State.REPLACING):
        raise _in_progress()
    if row.state is not State.COMMITTED:
        raise Conflict("the extract to replace is not in the dataset any more", code="not_replaceable")


def _in_progress() -> Conflict:
    return Conflict("the extract is just being pushed or replaced: try again", code="in_progress")
