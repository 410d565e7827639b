"""Rows of reservations. Every method runs inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, text

from service.budget.ports import ReservationRow
from service.storage import tables

_RESERVATION = tables.table(tables.Reservation)
_SOURCE = tables.table(tables.ReservationSource)
_TAKE = text(
    "UPDATE reservation SET left_nano = left_nano - :rho, left_delta = left_delta - :delta, "
    "state = CASE WHEN left_nano = :rho AND left_delta = :delta THEN 'used' ELSE 'open' END "
    "WHERE id = :id AND state = 'open' AND expires_at > :now AND left_nano >= :rho AND left_delta >= :delta"
)
_CLOSE = text("UPDATE reservation SET state = 'lapsed' WHERE id = :id AND state = 'open'")


class ReservationStore:
    """Adds, draws on, closes and reads reservations."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, row: ReservationRow) -> None:
        """Add an open reservation."""
        values: dict[str, Any] = {name: getattr(row, name) for name in ReservationRow.__dataclass_fields__}
        sources = values.pop("sources")
        self._connection.execute(insert(_RESERVATION), values)
        self._connection.execute(insert(_SOURCE), [{"reservation": row.id, "source": source} for source in sources])

    def reservation(self, reservation: str) -> ReservationRow | None:
        """Return a reservation by id."""
        return next(iter(self._found(_RESERVATION.c.id == reservation)), None)

    def open_of(self, agreement: str, party: str) -> list[ReservationRow]:
        """Return a party's open reservations, those that have run out included, the oldest first."""
        row = _RESERVATION.c
        return self._found(row.agreement == agreement, row.party == party, row.state == "open")

    def expired(self, agreement: str, now: str) -> list[ReservationRow]:
        """Return an agreement's open reservations that have run out."""
        row = _RESERVATION.c
        return self._found(row.agreement == agreement, row.state == "open", row.expires_at <= now)

    def take(self, reservation: str, rho_nano: int, delta_e18: int, now: str) -> bool:
        """Draw on an open reservation that has not run out; False where it does not hold so much."""
        values = {"id": reservation, "rho": rho_nano, "delta": delta_e18, "now": now}
        return self._connection.execute(_TAKE, values).rowcount == 1

    def close(self, reservation: str) -> bool:
        """Lapse an open reservation; False where another did."""
        return self._connection.execute(_CLOSE, {"id": reservation}).rowcount == 1

    def _found(self, *conditions: ColumnElement[bool]) -> list[ReservationRow]:
        query = select(_RESERVATION).where(*conditions).order_by(_RESERVATION.c.log_index)
        return [self._row(row) for row in self._connection.execute(query).mappings().all()]

    def _row(self, found: Any) -> ReservationRow:
        query = select(_SOURCE.c.source).where(_SOURCE.c.reservation == found["id"]).order_by(_SOURCE.c.source)
        return ReservationRow(**found, sources=tuple(row[0] for row in self._connection.execute(query)))
