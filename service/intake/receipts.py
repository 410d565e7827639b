"""What the supplier is told of an extract, signed, and what the log is told: never how much, and no value."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from service.audit.entry import AgreementRef, Caller, Decision, Entry, Kind, format_time
from service.errors import ConcordatError, EngineFailed, Malformed
from service.intake.expressions import Covers
from service.intake.means import Sign
from service.intake.ports import ExtractRow


def receipt(
    row: ExtractRow, index: int, sign: Sign, *, withdrawn: datetime | None = None, expired: datetime | None = None
) -> dict[str, Any]:
    """Return the signed receipt of an extract, of its withdrawal, or of its expiry.

    Args:
        row: The extract.
        index: Index of the log entry.
        sign: The broker's signature.
        withdrawn: When it was withdrawn.
        expired: When it was removed, its time being over; then ``row.expiry`` says by what.
    """
    told: dict[str, Any] = {
        "extract": row.id,
        "agreement": {
            "id": row.agreement.id,
            "version": row.agreement.version,
            "digest": row.agreement.digest,
        },
        "dataset": row.dataset,
        "digest": row.digest,
        "rows": row.staged.rows,
        "persons": row.staged.persons,
        "covers": {"from": row.covers.first.isoformat(), "to": row.covers.last.isoformat()},
        "received": format_time(row.received),
        "audit": {"index": index},
    }
    if row.replaces is not None:
        told["replaces"] = row.replaces
    if withdrawn is not None:
        told["withdrawn"] = format_time(withdrawn)
    if expired is not None:
        told |= {"expired": format_time(expired), "retention": row.expiry}
    return {**told, "signature": sign(told)}


def entry_of(
    row: ExtractRow, kind: Kind, caller: Caller, agreement: AgreementRef, *, nonce: str, now: datetime
) -> Entry:
    """Return the entry of an accepted change.

    Its counts are left out: they are the supplier's alone.

    Args:
        row: The extract.
        kind: What happened to it.
        caller: Who did it.
        agreement: Under which version.
        nonce: The entry's nonce.
        now: When.
    """
    return Entry(
        kind=kind,
        time=now,
        caller=caller,
        nonce=nonce,
        agreement=agreement,
        request={**_request(row.dataset, row.covers), "replaces": row.replaces},
        decision=Decision("allowed", kind.value),
        result={"extract": row.id, "digest": row.digest},
    )


def refusal_of(
    error: ConcordatError,
    caller: Caller,
    agreement: AgreementRef,
    dataset: str,
    covers: Covers,
    *,
    nonce: str,
    now: datetime,
) -> Entry:
    """Return the entry of a push that was refused or failed: its code and the rules that were broken."""
    findings = error.findings if isinstance(error, Malformed) else ()
    return Entry(
        kind=Kind.PUSH_REFUSED,
        time=now,
        caller=caller,
        nonce=nonce,
        agreement=agreement,
        request=_request(dataset, covers),
        decision=Decision("failed" if isinstance(error, EngineFailed) else "refused", error.code),
        result={"rules": sorted({finding.rule for finding in findings})} if findings else None,
    )


def _request(dataset: str, covers: Covers) -> dict[str, Any]:
    return {"dataset": dataset, "from": covers.first.isoformat(), "to": covers.last.isoformat()}
