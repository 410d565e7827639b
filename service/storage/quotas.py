"""Rows of the quotas that stewards set."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from service.budget.ports import QuotaRow
from service.storage.prepared import Prepared
from service.storage.tables import Quota, table

_QUOTA = table(Quota)
_NEWEST = Prepared(
    select(_QUOTA.c.share)
    .where(*(_QUOTA.c[name] == bindparam(name) for name in ("agreement", "party", "client")))
    .order_by(_QUOTA.c.log_index.desc())
    .limit(1)
)


class QuotaStore:
    """Adds and reads quotas."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, row: QuotaRow) -> None:
        """Add a quota."""
        values: dict[str, Any] = {name: getattr(row, name) for name in QuotaRow.__dataclass_fields__}
        self._connection.execute(insert(_QUOTA), values | {"share": str(row.share)})

    def quota(self, agreement: str, party: str, client: str) -> Decimal | None:
        """Return a client's newest quota, None where none was set."""
        values = {"agreement": agreement, "party": party, "client": client}
        row = _NEWEST.first(self._connection, values)
        return Decimal(row[0]) if row else None

    def of_party(self, agreement: str, party: str) -> dict[str, QuotaRow]:
        """Return the newest quota of each client of a party that has one."""
        query = select(_QUOTA).where(_QUOTA.c.agreement == agreement, _QUOTA.c.party == party)
        found = self._connection.execute(query.order_by(_QUOTA.c.log_index)).mappings()
        return {row["client"]: QuotaRow(**{**row, "share": Decimal(row["share"])}) for row in found}
