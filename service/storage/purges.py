"""Rows of purges and their receipts; implements ``service.agreements.ports.PurgeStore``."""

from __future__ import annotations

import secrets

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from service.agreements.ports import EVERYBODY, Purged, PurgeRow
from service.intake.ports import LIVE, STANDING, State
from service.storage.tables import DataVersion, Extract, Purge, PurgeReceipt, table

_EXTRACT = table(Extract)
_PURGE = table(Purge)
_RECEIPT = table(PurgeReceipt)
_VERSION = table(DataVersion)
_COLUMNS = tuple(PurgeRow.__dataclass_fields__)
_GONE = -1
"""The lake version of a data version that names no records."""


class PurgeStore:
    """Reads and writes purges."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def purges(self, agreement: str) -> list[PurgeRow]:
        """Return an agreement's purges."""
        query = select(*(_PURGE.c[name] for name in _COLUMNS)).where(_PURGE.c.agreement == agreement)
        return [PurgeRow(*row) for row in self._connection.execute(query.order_by(_PURGE.c.party))]

    def begin(self, row: PurgeRow) -> None:
        """Note a purge; its extracts are from now on in no answer, and no recovery commits them."""
        self._connection.execute(insert(_PURGE), {name: getattr(row, name) for name in _COLUMNS})
        self._move(row.agreement, row.party, STANDING | {State.EXPIRING}, State.PURGING)
        self._move(row.agreement, row.party, LIVE - STANDING, State.ABORTED)

    def taken(self, agreement: str, party: str) -> list[Purged]:
        """Return a supplier's extracts that are being purged."""
        extract = _EXTRACT.c
        query = (
            select(extract.dataset, extract.id, extract.rows)
            .where(*_of(agreement, party), extract.state == State.PURGING.value)
            .order_by(extract.dataset, extract.sequence)
        )
        return [Purged(*row) for row in self._connection.execute(query)]

    def finish(self, agreement: str, party: str, at: str) -> None:
        """Note that a purge is done, and give the purged datasets data versions that name nothing."""
        extract = _EXTRACT.c
        datasets = select(extract.dataset).where(*_of(agreement, party)).distinct().order_by(extract.dataset)
        for (dataset,) in self._connection.execute(datasets).all():
            self._empty(agreement, dataset, at)
        self._move(agreement, party, {State.PURGING}, State.PURGED)
        held = update(_PURGE).where(_PURGE.c.agreement == agreement, _PURGE.c.party == party)
        self._connection.execute(held.values(done_at=at))

    def add_receipt(self, agreement: str, party: str, body: str) -> None:
        """Keep a supplier's receipt."""
        self._connection.execute(insert(_RECEIPT), {"agreement": agreement, "party": party, "body": body})

    def receipt(self, agreement: str, party: str) -> str | None:
        """Return a supplier's receipt."""
        query = select(_RECEIPT.c.body).where(_RECEIPT.c.agreement == agreement, _RECEIPT.c.party == party)
        body: str | None = self._connection.execute(query).scalar()
        return body

    def _move(self, agreement: str, party: str, before: frozenset[State] | set[State], after: State) -> None:
        states = sorted(state.value for state in before)
        held = update(_EXTRACT).where(*_of(agreement, party), _EXTRACT.c.state.in_(states))
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


def _of(agreement: str, party: str) -> list[ColumnElement[bool]]:
    """Return what holds of the extracts that a purge reaches: a party's own, or everybody's."""
    own = [_EXTRACT.c.party == party] if party != EVERYBODY else []
    return [_EXTRACT.c.agreement == agreement, *own]
