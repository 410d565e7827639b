"""Rows of purges and their receipts; implements ``service.agreements.ports.PurgeStore``."""

from __future__ import annotations

import json
import secrets

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from service.agreements.ports import EVERYBODY, LEFT_OUT, Purged, PurgeRow
from service.intake.ports import LIVE, STANDING, State
from service.storage.tables import DataVersion, Extract, LeftOutPurge, Purge, PurgeReceipt, table

_EXTRACT = table(Extract)
_LEFT_OUT = table(LeftOutPurge)
_PURGE = table(Purge)
_RECEIPT = table(PurgeReceipt)
_VERSION = table(DataVersion)
_COLUMNS = tuple(name for name in PurgeRow.__dataclass_fields__ if name != "datasets")
_GONE = -1
"""The lake version of a data version that names no records."""


class PurgeStore:
    """Reads and writes purges."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def purges(self, agreement: str) -> list[PurgeRow]:
        """Return an agreement's purges, those of what versions left out first."""
        query = select(*(_PURGE.c[name] for name in _COLUMNS)).where(_PURGE.c.agreement == agreement)
        whole = [PurgeRow(*row) for row in self._connection.execute(query.order_by(_PURGE.c.party))]
        return self._left_out(agreement) + whole

    def _left_out(self, agreement: str) -> list[PurgeRow]:
        column = _LEFT_OUT.c
        query = select(_LEFT_OUT).where(column.agreement == agreement).order_by(column.since, column.party)
        return [
            PurgeRow(
                row["agreement"], row["party"], LEFT_OUT, row["since"], row["digest"], row["begun_at"], row["done_at"],
                tuple(json.loads(row["datasets"])),
            )
            for row in self._connection.execute(query).mappings()
        ]  # fmt: skip

    def begin(self, row: PurgeRow) -> None:
        """Note a purge; its extracts are from now on in no answer, and no recovery commits them."""
        if row.datasets:
            values = {
                "agreement": row.agreement, "party": row.party, "since": row.version, "digest": row.digest,
                "datasets": json.dumps(row.datasets), "begun_at": row.begun_at,
            }  # fmt: skip
            self._connection.execute(insert(_LEFT_OUT), values)
        else:
            self._connection.execute(insert(_PURGE), {name: getattr(row, name) for name in _COLUMNS})
        self._move(row, STANDING | {State.EXPIRING}, State.PURGING)
        self._move(row, LIVE - STANDING, State.ABORTED)

    def taken(self, row: PurgeRow, party: str) -> list[Purged]:
        """Return a supplier's extracts that a purge takes."""
        extract = _EXTRACT.c
        query = (
            select(extract.dataset, extract.id, extract.rows)
            .where(*_of(row), extract.party == party, extract.state == State.PURGING.value)
            .order_by(extract.dataset, extract.sequence)
        )
        return [Purged(*item) for item in self._connection.execute(query)]

    def finish(self, row: PurgeRow, at: str) -> None:
        """Note that a purge is done, and give the purged datasets data versions that name nothing."""
        extract = _EXTRACT.c
        datasets = select(extract.dataset).where(*_of(row)).distinct().order_by(extract.dataset)
        for (dataset,) in self._connection.execute(datasets).all():
            self._empty(row.agreement, dataset, at)
        self._move(row, {State.PURGING}, State.PURGED)
        if row.datasets:
            self._connection.execute(update(_LEFT_OUT).where(*_left_out(row)).values(done_at=at))
            return
        held = update(_PURGE).where(_PURGE.c.agreement == row.agreement, _PURGE.c.party == row.party)
        self._connection.execute(held.values(done_at=at))

    def add_receipt(self, row: PurgeRow, party: str, body: str) -> None:
        """Keep a supplier's receipt of a purge."""
        if row.datasets:
            self._connection.execute(update(_LEFT_OUT).where(*_left_out(row)).values(receipt=body))
            return
        self._connection.execute(insert(_RECEIPT), {"agreement": row.agreement, "party": party, "body": body})

    def receipt(self, agreement: str, party: str, version: int | None = None) -> str | None:
        """Return a supplier's receipt: of what a version left out, or of all that was left."""
        query = select(_RECEIPT.c.body).where(_RECEIPT.c.agreement == agreement, _RECEIPT.c.party == party)
        if version is not None:
            column = _LEFT_OUT.c
            of_party = (column.agreement == agreement, column.party == party)
            query = select(column.receipt).where(*of_party, column.since == version)
        body: str | None = self._connection.execute(query).scalar()
        return body

    def _move(self, row: PurgeRow, before: frozenset[State] | set[State], after: State) -> None:
        states = sorted(state.value for state in before)
        held = update(_EXTRACT).where(*_of(row), _EXTRACT.c.state.in_(states))
        self._connection.execute(held.values(state=after.value))

    def _empty(self, agreement: str, dataset: str, at: str) -> None:
        version = _VERSION.c
        query = select(func.max(version.sequence)).where(version.agreement == agreement, version.dataset == dataset)
        newest = self._connection.execute(query).scalar()
        if newest is None:
            return
        self._connection.execute(
            insert(_VERSION),
            {
                "name": f"purged-{secrets.token_hex(10)}",
                "agreement": agreement,
                "dataset": dataset,
                "lake_version": _GONE,
                "sequence": int(newest) + 1,
                "at": at,
            },
        )


def _of(row: PurgeRow) -> list[ColumnElement[bool]]:
    """Return what holds of the extracts that a purge reaches: a party's own, some datasets of it, or everybody's."""
    made = [_EXTRACT.c.agreement == row.agreement]
    if row.party != EVERYBODY:
        made.append(_EXTRACT.c.party == row.party)
    if row.datasets:
        made.append(_EXTRACT.c.dataset.in_(row.datasets))
    return made


def _left_out(row: PurgeRow) -> list[ColumnElement[bool]]:
    column = _LEFT_OUT.c
    return [column.agreement == row.agreement, column.party == row.party, column.since == row.version]
