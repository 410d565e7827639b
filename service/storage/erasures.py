"""Rows of erasures; implements ``service.intake.erasure_ports.ErasureStore``."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from schemas.canonical import canonical
from schemas.erasure import Reach
from service.audit.entry import AgreementRef, Caller
from service.intake.erasure_ports import ErasureKeyTaken, ErasureRow, ErasureState
from service.storage.tables import Erasure, table

_ERASURE = table(Erasure)


class ErasureStore:
    """Reads and writes erasures."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def by_key(self, agreement: str, party: str, client: str, key: str) -> ErasureRow | None:
        """Return the erasure that an idempotency key is bound to, leaving out aborted ones."""
        column = _ERASURE.c
        return self._one(
            column.agreement == agreement,
            column.party == party,
            column.client == client,
            column.key == key,
            column.state != ErasureState.ABORTED,
        )

    def get(self, erasure: str) -> ErasureRow | None:
        """Return an erasure."""
        return self._one(_ERASURE.c.id == erasure)

    def insert(self, row: ErasureRow) -> None:
        """Add an intended erasure and bind its key.

        Raises:
            ErasureKeyTaken: another erasure, not aborted, holds the key.
        """
        try:
            self._connection.execute(insert(_ERASURE), _values(row))
        except IntegrityError:
            raise ErasureKeyTaken from None

    def finish(self, erasure: str, receipt: dict[str, Any]) -> None:
        """Move an intended erasure to done, keep its receipt, and forget its reason."""
        self._leave(erasure, ErasureState.DONE, receipt=canonical(receipt).decode())

    def abort(self, erasure: str) -> None:
        """Move an intended erasure to aborted, and forget its reason."""
        self._leave(erasure, ErasureState.ABORTED)

    def pending(self) -> list[ErasureRow]:
        """Return the intended erasures, the oldest first."""
        column = _ERASURE.c
        query = select(_ERASURE).where(column.state == ErasureState.INTENDED).order_by(column.requested_at, column.id)
        return [_row(item) for item in self._connection.execute(query).mappings()]

    def _leave(self, erasure: str, state: ErasureState, **values: Any) -> None:
        column = _ERASURE.c
        held = update(_ERASURE).where(column.id == erasure, column.state == ErasureState.INTENDED)
        self._connection.execute(held.values(state=state.value, reason="", **values))

    def _one(self, *conditions: Any) -> ErasureRow | None:
        found = self._connection.execute(select(_ERASURE).where(*conditions)).mappings().first()
        return _row(found) if found else None


def _values(row: ErasureRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "agreement": row.agreement.id,
        "version": row.agreement.version,
        "agreement_digest": row.agreement.digest,
        "client": row.caller.client or "",
        "party": row.caller.party or "",
        "role": row.caller.role or "",
        "reach": row.reach.value,
        "datasets": json.dumps(row.datasets),
        "records": json.dumps(row.records),
        "persons": row.persons,
        "reason": row.reason,
        "key": row.key,
        "fingerprint": row.fingerprint,
        "requested_at": row.requested.isoformat(),
        "state": row.state.value,
        "receipt": canonical(row.receipt).decode() if row.receipt is not None else None,
    }


def _row(item: Any) -> ErasureRow:
    return ErasureRow(
        id=item["id"],
        agreement=AgreementRef(item["agreement"], item["version"], item["agreement_digest"]),
        caller=Caller(item["client"], item["party"], item["role"] or None),
        reach=Reach(item["reach"]),
        datasets=tuple(json.loads(item["datasets"])),
        records=tuple(json.loads(item["records"])),
        persons=item["persons"],
        reason=item["reason"],
        key=item["key"],
        fingerprint=item["fingerprint"],
        requested=datetime.fromisoformat(item["requested_at"]),
        state=ErasureState(item["state"]),
        receipt=json.loads(item["receipt"]) if item["receipt"] else None,
    )
