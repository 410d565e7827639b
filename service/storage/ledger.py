"""The ledger's rows. Every method runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select, text

from service.budget.ledger import ChargeRequest, Posting
from service.storage.prepared import Prepared
from service.storage.tables import Charge, ChargeSource, table

_CHARGE = table(Charge)
_SOURCE = table(ChargeSource)
_AT_ONCE = 4
_SPENT = Prepared(text("SELECT key, rho_nano FROM account WHERE key IN (:key0, :key1, :key2, :key3)"))
_ELSEWHERE = Prepared(
    text(
        "SELECT coalesce(sum(rho_nano), 0), coalesce(sum(CASE WHEN at >= :since THEN rho_nano ELSE 0 END), 0) "
        "FROM charge_source WHERE source = :source AND agreement <> :agreement"
    )
)
_OPEN = text(
    "INSERT INTO account (key, rho_nano, delta_e18) SELECT :key, 0, 0 "
    "WHERE NOT EXISTS (SELECT 1 FROM account WHERE key = :key)"
)
_ADD = text(
    "UPDATE account SET rho_nano = rho_nano + :rho, delta_e18 = delta_e18 + :delta "
    "WHERE key = :key AND rho_nano + :rho <= :cap"
)


class LedgerStore:
    """Reads and posts charges."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def elsewhere(self, agreement: str, sources: tuple[str, ...], since: str) -> dict[str, int]:
        """Return the most that other agreements spent on one of these sources, over all time and since a time."""
        made = {"lifetime": 0, "period": 0}
        for source in sources:
            values = {"source": source, "agreement": agreement, "since": since}
            ((lifetime, period),) = _ELSEWHERE.all(self._connection, values)
            made["lifetime"] = max(made["lifetime"], int(lifetime))
            made["period"] = max(made["period"], int(period))
        return made

    def spent(self, keys: Sequence[str]) -> list[int]:
        """Return each account's nano-rho, in order; 0 where it was never posted to."""
        found: dict[str, int] = {}
        for first in range(0, len(keys), _AT_ONCE):
            some = keys[first : first + _AT_ONCE]
            values = {f"key{place}": some[min(place, len(some) - 1)] for place in range(_AT_ONCE)}
            found.update((key, int(rho)) for key, rho in _SPENT.all(self._connection, values))
        return [found.get(key, 0) for key in keys]

    def post(self, charge: ChargeRequest, postings: tuple[Posting, ...]) -> Posting | None:
        """Take a charge, or return the posting whose cap it would pass; then the caller must roll back."""
        for posting in postings:
            self._connection.execute(_OPEN, {"key": posting.account})
            values = {
                "key": posting.account,
                "rho": charge.rho_nano,
                "delta": charge.delta_e18,
                "cap": posting.cap,
            }
            if self._connection.execute(_ADD, values).rowcount != 1:
                return posting
        self._connection.execute(
            insert(_CHARGE),
            {
                "intent": charge.intent, "agreement": charge.agreement, "version": charge.version,
                "party": charge.party, "unit": charge.unit, "period": charge.period,
                "rho_nano": charge.rho_nano, "delta_e18": charge.delta_e18, "at": charge.at,
            },
        )  # fmt: skip
        self._connection.execute(
            insert(_SOURCE),
            [
                {"intent": charge.intent, "source": source, "agreement": charge.agreement,
                 "rho_nano": charge.rho_nano, "at": charge.at}
                for source in charge.sources
            ],
        )  # fmt: skip
        return None

    def by_party(self, agreement: str, unit: str, period: int) -> dict[str, int]:
        """Return what each party spent in a period."""
        query = (
            select(_CHARGE.c.party, func.sum(_CHARGE.c.rho_nano))
            .where(_CHARGE.c.agreement == agreement, _CHARGE.c.unit == unit, _CHARGE.c.period == period)
            .group_by(_CHARGE.c.party)
        )
        return {row[0]: int(row[1]) for row in self._connection.execute(query)}

    def by_source(self, agreement: str) -> dict[str, dict[str, int]]:
        """Return, for each source this agreement touched, what each agreement has spent on it."""
        own = select(_SOURCE.c.source).where(_SOURCE.c.agreement == agreement).distinct()
        query = (
            select(_SOURCE.c.source, _SOURCE.c.agreement, func.sum(_SOURCE.c.rho_nano))
            .where(_SOURCE.c.source.in_(own))
            .group_by(_SOURCE.c.source, _SOURCE.c.agreement)
        )
        made: dict[str, dict[str, int]] = {}
        for source, other, rho in self._connection.execute(query):
            made.setdefault(source, {})[other] = int(rho)
        return made

    def units(self, agreement: str) -> list[str]:
        """Return the units that were charged under an agreement."""
        query = select(_CHARGE.c.unit).where(_CHARGE.c.agreement == agreement).distinct().order_by(_CHARGE.c.unit)
        return [row[0] for row in self._connection.execute(query)]
