"""Refusals of questions, in the log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from schemas.agreement import Agreement
from schemas.request import AggregateRequest
from service.aggregates.intents import log_clauses, log_request
from service.aggregates.ports import Transaction
from service.agreements.standing import document, known_to, library
from service.audit.entry import AgreementRef, Entry, Kind
from service.audit.entry import Caller as EntryCaller
from service.audit.entry import Decision as EntryDecision
from service.errors import ConcordatError, Forbidden
from service.identity.caller import Caller

OUR_FAULT = ConcordatError("the fault is ours", code="internal_error")


def refusal(
    tx: Transaction,
    broker: str,
    caller: Caller,
    agreement_id: str,
    error: ConcordatError,
    request: AggregateRequest | None,
    now: datetime,
) -> Entry:
    """Return the entry of a refusal; with the request where it could be read, without its reason."""
    decision = getattr(error, "decision", None) or {}
    newest = known_to(tx.agreements, agreement_id, broker, caller.party)
    agreement = document(newest.document) if newest else None
    known = words(tx, agreement)
    purpose: str | None = None
    asked: dict[str, Any] | None = None
    clauses: tuple[str, ...] = ()
    if agreement is not None:
        clauses = log_clauses(decision.get("clauses", ()), agreement, known)
        if request is not None:
            purpose = request.purpose if request.purpose in agreement.purposes else None
            asked = log_request(request, agreement, known)
    failed = error is OUR_FAULT
    return Entry(
        kind=Kind.FAILED if failed else Kind.REFUSED,
        time=now,
        caller=EntryCaller(caller.client, caller.party, caller.role),
        nonce=caller.nonce(),
        agreement=AgreementRef(newest.agreement, str(newest.version), newest.digest) if newest else None,
        purpose=purpose,
        request=asked,
        decision=EntryDecision("failed" if failed else "refused", error.code, clauses),
    )


def words(tx: Transaction, agreement: Agreement | None) -> frozenset[str]:
    """Return the words that an agreement's artefacts know; none where they are not the ones that were signed."""
    if agreement is None:
        return frozenset()
    try:
        return library(tx.agreements, agreement).words
    except Forbidden:
        return frozenset()
