"""Rows of extracts and data versions; implements ``service.intake.ports.ExtractStore``."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from schemas.canonical import canonical
from service.audit.entry import AgreementRef, Caller, format_time
from service.intake.check import Staged
from service.intake.expressions import Covers
from service.intake.ports import LIVE, PENDING, PERISHABLE, RECORDED, ExtractRow, KeyTaken, PushKey, State
from service.storage.tables import DataVersion, Extract, table

_EXTRACT = table(Extract)
_VERSION = table(DataVersion)
OVERDUE = (
    _EXTRACT.c.agreement == bindparam("agreement"),
    _EXTRACT.c.dataset == bindparam("dataset"),
    _EXTRACT.c.state.in_(sorted(state.value for state in PERISHABLE)),
    or_(_EXTRACT.c.received_at < bindparam("before"), _EXTRACT.c.state == State.EXPIRING.value),
)
"""What holds of a dataset's extracts that were received before a day, and of those that go already.

Times of receipt are RFC 3339 text in UTC, so that they compare with a day as text."""
_OVERDUE = select(_EXTRACT).where(*OVERDUE).order_by(_EXTRACT.c.sequence)


class ExtractStore:
    """Reads and writes extracts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def by_key(self, agreement: str, party: str, client: str, key: str) -> ExtractRow | None:
        """Return the extract that an idempotency key is bound to, leaving out aborted ones."""
        column = _EXTRACT.c
        return self._one(
            column.agreement == agreement,
            column.party == party,
            column.client == client,
            column.key == key,
            column.state != State.ABORTED,
        )

    def get(self, agreement: str, dataset: str, extract: str) -> ExtractRow | None:
        """Return an extract of a dataset."""
        column = _EXTRACT.c
        return self._one(column.agreement == agreement, column.dataset == dataset, column.id == extract)

    def insert(self, row: ExtractRow) -> None:
        """Add a staged extract and bind its key.

        Raises:
            KeyTaken: another extract, not aborted, holds the key.
        """
        if self.by_key(row.agreement.id, row.key.party, row.key.client, row.key.key) is not None:
            raise KeyTaken
        newest = self._connection.execute(select(func.max(_EXTRACT.c.sequence))).scalar() or 0
        try:
            self._connection.execute(insert(_EXTRACT), _values(row) | {"sequence": int(newest) + 1})
        except IntegrityError:
            raise KeyTaken from None

    def move(
        self,
        extract: str,
        before: State,
        after: State,
        *,
        receipt: dict[str, Any] | None = None,
        withdrawal: dict[str, Any] | None = None,
        expiry: dict[str, Any] | None = None,
    ) -> bool:
        """Move an extract from one state to another; False where it is not in ``before``."""
        values: dict[str, Any] = {"state": after.value}
        for name, told in (("receipt", receipt), ("withdrawal", withdrawal), ("expiry", expiry)):
            if told is not None:
                values[name] = canonical(told).decode()
        moved = self._connection.execute(
            update(_EXTRACT).where(_EXTRACT.c.id == extract, _EXTRACT.c.state == before.value).values(**values)
        )
        return moved.rowcount == 1

    def pending(self) -> list[ExtractRow]:
        """Return the extracts whose intent is neither done nor aborted, the oldest first."""
        query = select(_EXTRACT).where(_EXTRACT.c.state.in_(sorted(PENDING))).order_by(_EXTRACT.c.sequence)
        return [_row(item) for item in self._connection.execute(query).mappings()]

    def overdue(self, agreement: str, dataset: str, before: date) -> list[ExtractRow]:
        """Return a dataset's extracts that have to go, the oldest first."""
        values = overdue_values(agreement, dataset, before)
        return [_row(item) for item in self._connection.execute(_OVERDUE, values).mappings()]

    def live_rows(self, agreement: str, dataset: str) -> int:
        """Return the sum of rows that are, or may any moment be, in the dataset."""
        query = select(func.sum(_EXTRACT.c.rows)).where(
            _EXTRACT.c.agreement == agreement, _EXTRACT.c.dataset == dataset, _EXTRACT.c.state.in_(sorted(LIVE))
        )
        return int(self._connection.execute(query).scalar() or 0)

    def listed(self, agreement: str, dataset: str, supplier: str, limit: int, before: str | None) -> list[ExtractRow]:
        """Return a supplier's extracts, not aborted, the newest first, from the one after ``before``."""
        column = _EXTRACT.c
        query = select(_EXTRACT).where(
            column.agreement == agreement,
            column.dataset == dataset,
            column.party == supplier,
            column.state != State.ABORTED,
        )
        if before is not None:
            place = select(column.sequence).where(column.id == before, column.party == supplier).scalar_subquery()
            query = query.where(column.sequence < place)
        query = query.order_by(column.sequence.desc()).limit(limit)
        return [_row(item) for item in self._connection.execute(query).mappings()]

    def move_data_version(self, agreement: str, dataset: str, lake_version: int, at: datetime) -> None:
        """Give the dataset a new opaque data version that names at least ``lake_version``."""
        column = _VERSION.c
        query = (
            select(column.sequence, column.lake_version)
            .where(column.agreement == agreement, column.dataset == dataset)
            .order_by(column.sequence.desc())
            .limit(1)
        )
        held = self._connection.execute(query).first()
        sequence, newest = (int(held[0]) + 1, int(held[1])) if held else (0, lake_version)
        self._connection.execute(
            insert(_VERSION),
            {
                "name": f"data-{secrets.token_hex(10)}",
                "agreement": agreement,
                "dataset": dataset,
                "lake_version": max(lake_version, newest),
                "sequence": sequence,
                "at": format_time(at),
            },
        )

    def newest_of_each_dataset(self) -> list[ExtractRow]:
        """Return the newest extract of each dataset that was in it at some time, by agreement and dataset."""
        column = _EXTRACT.c
        newest = (
            select(func.max(column.sequence))
            .where(column.state.in_(sorted(RECORDED)))
            .group_by(column.agreement, column.dataset)
        )
        query = select(_EXTRACT).where(column.sequence.in_(newest)).order_by(column.agreement, column.dataset)
        return [_row(item) for item in self._connection.execute(query).mappings()]

    def follow_compaction(self, agreement: str, dataset: str, base: int, compacted: int) -> bool:
        """Let the newest data version name ``compacted`` if it names ``base``; see ``service.intake.ports``."""
        if compacted != base + 1:
            raise RuntimeError("a compacted version is the one right after the version that was compacted")
        column = _VERSION.c
        own = (column.agreement == agreement, column.dataset == dataset)
        newest = select(func.max(column.sequence)).where(*own).scalar_subquery()
        moved = self._connection.execute(
            update(_VERSION)
            .where(*own, column.sequence == newest, column.lake_version == base)
            .values(lake_version=compacted)
        )
        return moved.rowcount == 1

    def _one(self, *conditions: Any) -> ExtractRow | None:
        found = self._connection.execute(select(_EXTRACT).where(*conditions)).mappings().first()
        return _row(found) if found else None


def overdue_values(agreement: str, dataset: str, before: date) -> dict[str, str]:
    """Return the values that ``OVERDUE`` binds."""
    return {"agreement": agreement, "dataset": dataset, "before": before.isoformat()}


def _values(row: ExtractRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "agreement": row.agreement.id,
        "version": row.agreement.version,
        "agreement_digest": row.agreement.digest,
        "dataset": row.dataset,
        "schema_name": row.schema,
        "client": row.key.client,
        "party": row.key.party,
        "role": row.caller.role or "",
        "media": row.media,
        "covers_from": row.covers.first.isoformat(),
        "covers_to": row.covers.last.isoformat(),
        "digest": row.digest,
        "staged": str(row.staged.path),
        "staged_sha256": row.staged.sha256,
        "rows": row.staged.rows,
        "persons": row.staged.persons,
        "bytes": row.staged.bytes,
        "key": row.key.key,
        "fingerprint": row.key.fingerprint,
        "received_at": row.received.astimezone(UTC).isoformat(),
        "state": row.state.value,
        "replaces": row.replaces,
        "receipt": canonical(row.receipt).decode() if row.receipt is not None else None,
        "withdrawal": canonical(row.withdrawal).decode() if row.withdrawal is not None else None,
        "expiry": canonical(row.expiry).decode() if row.expiry is not None else None,
    }


def _row(item: Any) -> ExtractRow:
    return ExtractRow(
        id=item["id"],
        agreement=AgreementRef(item["agreement"], item["version"], item["agreement_digest"]),
        dataset=item["dataset"],
        schema=item["schema_name"],
        caller=Caller(item["client"], item["party"], item["role"] or None),
        media=item["media"],
        covers=Covers(date.fromisoformat(item["covers_from"]), date.fromisoformat(item["covers_to"])),
        digest=item["digest"],
        staged=Staged(Path(item["staged"]), item["rows"], item["persons"], item["bytes"], item["staged_sha256"]),
        key=PushKey(item["party"], item["client"], item["key"], item["fingerprint"]),
        received=datetime.fromisoformat(item["received_at"]),
        state=State(item["state"]),
        replaces=item["replaces"],
        receipt=json.loads(item["receipt"]) if item["receipt"] else None,
        withdrawal=json.loads(item["withdrawal"]) if item["withdrawal"] else None,
        expiry=json.loads(item["expiry"]) if item["expiry"] else None,
    )
