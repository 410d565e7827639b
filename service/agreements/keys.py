"""Rotating and revoking a party's signing key: the operator's acts, out of band, like enrolment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from service.agreements.ports import PinnedKey, Transaction
from service.agreements.revocation import Reason
from service.agreements.standing import known_to
from service.audit.entry import AgreementRef, Decision, Entry, Kind, format_time
from service.audit.entry import Caller as EntryCaller
from service.errors import Conflict, NotFound
from service.identity.caller import Caller


def rotate(tx: Transaction, key: PinnedKey, broker: str, now: datetime) -> PinnedKey | None:
    """Pin a party's next key; the one pinned before, if any, is superseded and makes no new signature valid.

    Returns:
        The key that was superseded.

    Raises:
        NotFound: ``party_not_enrolled``.
        Conflict: ``key_pinned``: the key was pinned before, for whomever.
    """
    _require_enrolled(tx, key.party)
    if tx.agreements.key(key.thumbprint) is not None:
        raise Conflict("the key was pinned before: a key is one party's, and only once", code="key_pinned")
    before = tx.agreements.pinned_key(key.party)
    if before is not None:
        tx.agreements.revoke(before.thumbprint, Reason.SUPERSEDED, format_time(now))
    tx.agreements.pin(key, format_time(now))
    replaced = before.thumbprint if before is not None else None
    log_of_party(tx, Kind.KEY_ROTATED, key.party, {"thumbprint": key.thumbprint, "replaced": replaced}, broker, now)
    return before


def revoke(tx: Transaction, party: str, thumbprint: str, reason: Reason, broker: str, now: datetime) -> None:
    """Revoke a key of a party's; signatures that were taken before stay valid.

    A superseded key that turns out to have been compromised may be revoked as such; its time stays.

    Raises:
        NotFound: ``party_not_enrolled``, or ``unknown_key`` where it was never pinned for this party.
        Conflict: ``already_revoked``.
    """
    _require_enrolled(tx, party)
    key = tx.agreements.key(thumbprint)
    if key is None or key.party != party:
        raise NotFound(f"no such key was ever pinned for {party}", code="unknown_key")
    if key.revoked_at is not None and (key.revoked_for, reason) != (Reason.SUPERSEDED, Reason.COMPROMISED):
        raise Conflict(f"the key was revoked already, as {key.revoked_for}", code="already_revoked")
    tx.agreements.revoke(thumbprint, reason, format_time(now))
    log_of_party(tx, Kind.KEY_REVOKED, party, {"thumbprint": thumbprint, "reason": reason.value}, broker, now)


def _require_enrolled(tx: Transaction, party: str) -> None:
    if not tx.agreements.enrolled(party):
        raise NotFound(f"{party} is not enrolled", code="party_not_enrolled")


def log_of_party(tx: Transaction, kind: Kind, party: str, result: dict[str, Any], broker: str, now: datetime) -> None:
    """Log the operator's act once for each agreement of the party's, so that its partners see it; once at least."""
    versions = [known_to(tx.agreements, row.id, broker, party) for row in tx.agreements.agreements()]
    references: list[AgreementRef | None] = [
        AgreementRef(row.agreement, str(row.version), row.digest) for row in versions if row is not None
    ]
    entries = [
        Entry(
            kind=kind,
            time=now,
            caller=EntryCaller("operator", party, None),
            nonce=Caller.nonce(),
            agreement=reference,
            decision=Decision("allowed", "allowed"),
            result={"party": party} | result,
        )
        for reference in references or [None]
    ]
    tx.log.append_all(entries)
