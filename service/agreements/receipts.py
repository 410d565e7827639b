"""What the broker signs for parties about agreements: that it took their signature, that it purged their records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.canonical import digest_of
from service.agreements.ports import Purged, PurgeRow, SignatureRow, VersionRow

Sign = Callable[[dict[str, Any]], str]
"""Returns a detached JWS over a receipt's canonical JSON."""

SIGNATURE_RECEIPT_TYPE = "concordat-signature-receipt+jws"
PURGE_RECEIPT_TYPE = "concordat-purge-receipt+jws"


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was taken.

    Attributes:
        version: What was signed.
        row: The signature.
        unsigned: Who has yet to sign.
        index: Index of the log entry.
    """

    version: VersionRow
    row: SignatureRow
    unsigned: tuple[str, ...]
    index: int


def of_signature(signed: Signed, sign: Sign) -> dict[str, Any]:
    """Return the signed receipt of a party's signature."""
    version, row = signed.version, signed.row
    told = {
        "type": "concordat/signature-receipt/v1",
        "agreement": {"id": version.agreement, "version": str(version.version), "digest": version.digest},
        "version": str(version.version),
        "party": row.party,
        "key": row.thumbprint,
        "signed": row.signed_at,
        "signature_digest": digest_of(row.jws.encode()),
        "unsigned": list(signed.unsigned),
        "audit": {"index": signed.index},
    }
    return told | {"signature": sign(told)}


def of_purge(
    purge: PurgeRow, party: str, taken: Sequence[Purged], purged: str, index: int, sign: Sign
) -> dict[str, Any]:
    """Return the signed receipt of the purge of one supplier's records.

    Args:
        purge: The purge.
        party: The supplier, who alone reads it.
        taken: The supplier's own extracts that were purged.
        purged: When.
        index: Index of the log entry.
        sign: The broker's signature.
    """
    datasets: dict[str, dict[str, Any]] = {}
    for item in taken:
        told = datasets.setdefault(item.dataset, {"dataset": item.dataset, "extracts": [], "rows": 0})
        told["extracts"].append(item.extract)
        told["rows"] += item.rows
    made = {
        "type": "concordat/purge-receipt/v1",
        "agreement": {"id": purge.agreement, "version": str(purge.version), "digest": purge.digest},
        "party": party,
        "reason": purge.reason,
        "datasets": list(datasets.values()),
        "purged": purged,
        "audit": {"index": index},
    }
    return made | {"signature": sign(made)}
