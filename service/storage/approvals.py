"""Rows of approvals and of what stewards said of them."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select

from service.aggregates.ports import ApprovalRow, VerdictRow
from service.storage import tables

_APPROVAL = tables.table(tables.Approval)
_VERDICT = tables.table(tables.ApprovalVerdict)


class ApprovalStore:
    """Adds and reads approvals."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, row: ApprovalRow) -> None:
        """Add an approval that waits."""
        values = {name: getattr(row, name) for name in ApprovalRow.__dataclass_fields__}
        self._connection.execute(insert(_APPROVAL), values | {"needs": json.dumps(row.needs)})

    def approval(self, approval: str) -> ApprovalRow | None:
        """Return an approval by id."""
        return next(iter(self._found(_APPROVAL.c.id == approval)), None)

    def of_question(self, digest: str, party: str, purpose: str, identity: str, now: str) -> list[ApprovalRow]:
        """Return the approvals of one question of one party that have not run out, the oldest first."""
        row = _APPROVAL.c
        same = (row.digest == digest, row.party == party, row.purpose == purpose, row.identity == identity)
        return self._found(*same, row.expires_at > now)

    def live(self, agreement: str, digest: str, now: str) -> list[ApprovalRow]:
        """Return the approvals under an agreement version that have not run out, the oldest first."""
        row = _APPROVAL.c
        return self._found(row.agreement == agreement, row.digest == digest, row.expires_at > now)

    def own(self, agreement: str, party: str, limit: int) -> list[ApprovalRow]:
        """Return a party's newest approvals, the oldest of them first."""
        row = _APPROVAL.c
        query = select(_APPROVAL).where(row.agreement == agreement, row.party == party)
        found = self._connection.execute(query.order_by(row.log_index.desc()).limit(limit)).mappings()
        return [_row(item) for item in found][::-1]

    def add_verdict(self, row: VerdictRow) -> None:
        """Add what a party's steward says; the database refuses a second of the same party."""
        values = {name: getattr(row, name) for name in VerdictRow.__dataclass_fields__}
        self._connection.execute(insert(_VERDICT), values)

    def verdicts(self, approval: str) -> list[VerdictRow]:
        """Return what stewards said of an approval, in order."""
        query = select(_VERDICT).where(_VERDICT.c.approval == approval).order_by(_VERDICT.c.log_index)
        return [VerdictRow(**row) for row in self._connection.execute(query).mappings()]

    def _found(self, *conditions: ColumnElement[bool]) -> list[ApprovalRow]:
        query = select(_APPROVAL).where(*conditions).order_by(_APPROVAL.c.log_index)
        return [_row(row) for row in self._connection.execute(query).mappings()]


def _row(found: Any) -> ApprovalRow:
    return ApprovalRow(**{**found, "needs": tuple(json.loads(found["needs"]))})
