"""What was charged, by client, purpose and dataset: charges know the party, their questions know the rest."""

from __future__ import annotations

import json
from collections import defaultdict

from sqlalchemy import Connection, func, or_, select

from service.budget.ports import StatementLine
from service.storage.tables import Charge, ChargeSource, Intent, table

_CHARGE = table(Charge)
_INTENT = table(Intent)
_SOURCE = table(ChargeSource)


class StatementStore:
    """Reads charges with their questions; writes nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def clients(self, agreement: str, unit: str, period: int, party: str) -> list[str]:
        """Return the clients of a party that were charged in a period."""
        charge = _CHARGE.c
        query = (
            select(_INTENT.c.client)
            .join_from(_CHARGE, _INTENT, _INTENT.c.id == charge.intent)
            .where(charge.agreement == agreement, charge.unit == unit, charge.period == period, charge.party == party)
            .distinct()
            .order_by(_INTENT.c.client)
        )
        return [row[0] for row in self._connection.execute(query)]

    def since(self, agreement: str, unit: str, at: str) -> dict[str, int]:
        """Return the nano-rho that each party spent since a time, over periods."""
        charge = _CHARGE.c
        query = (
            select(charge.party, func.sum(charge.rho_nano))
            .where(charge.agreement == agreement, charge.unit == unit, charge.at >= at)
            .group_by(charge.party)
        )
        return {row[0]: int(row[1]) for row in self._connection.execute(query)}

    def lines(self, agreement: str, party: str, first: str, end: str) -> list[StatementLine]:
        """Return what was charged from ``first`` to before ``end``: by a party, or by others on what it supplies.

        A line's dataset is the one asked of, with those linked with: ``police-violence + ed-assaults``.
        """
        charge = _CHARGE.c
        supplied = (
            select(_SOURCE.c.intent)
            .where(_SOURCE.c.intent == charge.intent, _SOURCE.c.source.startswith(f"{party}/", autoescape=True))
            .exists()
        )
        query = (
            select(
                charge.party, _INTENT.c.client, _INTENT.c.purpose, _INTENT.c.dataset, _INTENT.c.pinned, charge.unit,
                charge.rho_nano, charge.delta_e18,
            )
            .join_from(_CHARGE, _INTENT, _INTENT.c.id == charge.intent)
            .where(charge.agreement == agreement, charge.at >= first, charge.at < end)
            .where(or_(charge.party == party, supplied))
        )  # fmt: skip
        sums: dict[tuple[str, str, str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for who, client, purpose, dataset, pinned, unit, rho, delta in self._connection.execute(query):
            linked = sorted(set(json.loads(pinned)) - {dataset})
            amounts = sums[who, client, purpose, " + ".join([dataset, *linked]), unit]
            for place, amount in enumerate((1, int(rho), int(delta))):
                amounts[place] += amount
        return [StatementLine(*key, *amounts) for key, amounts in sorted(sums.items())]
