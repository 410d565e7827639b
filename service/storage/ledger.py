"""The ledger's rows. Every method runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, TextClause, func, insert, select, text

from service.budget.ledger import Balance, ChargeRequest, Posting
from service.storage.prepared import Prepared
from service.storage.tables import Charge, ChargeSource, table

_CHARGE = table(Charge)
_SOURCE = table(ChargeSource)
_AT_ONCE = 4
_BALANCES = Prepared(
    text(
        "SELECT key, rho_nano, delta_e18, held_nano, held_delta FROM account WHERE key IN (:key0, :key1, :key2, :key3)"
    )
)
_ELSEWHERE = Prepared(
    text(
        "SELECT c.ever + r.rho, c.lately + r.rho, c.delta_ever + r.delta, c.delta_lately + r.delta FROM ("
        "SELECT coalesce(sum(rho_nano), 0) AS ever, coalesce(sum(delta_e18), 0) AS delta_ever, "
        "coalesce(sum(CASE WHEN at >= :since THEN rho_nano ELSE 0 END), 0) AS lately, "
        "coalesce(sum(CASE WHEN at >= :since THEN delta_e18 ELSE 0 END), 0) AS delta_lately "
        "FROM charge_source WHERE source = :source AND agreement <> :agreement) AS c CROSS JOIN ("
        "SELECT coalesce(sum(held.left_nano), 0) AS rho, coalesce(sum(held.left_delta), 0) AS delta "
        "FROM reservation_source JOIN reservation AS held ON held.id = reservation_source.reservation "
        "WHERE source = :source AND held.agreement <> :agreement AND held.state = 'open' "
        "AND held.expires_at > :now) AS r"
    )
)
_OPEN = text(
    "INSERT INTO account (key, rho_nano, delta_e18) SELECT :key, 0, 0 "
    "WHERE NOT EXISTS (SELECT 1 FROM account WHERE key = :key)"
)
_FITS = "WHERE key = :key AND rho_nano + held_nano + :rho <= :cap AND delta_e18 + held_delta + :delta <= :delta_cap"
_ADD = text(f"UPDATE account SET rho_nano = rho_nano + :rho, delta_e18 = delta_e18 + :delta {_FITS}")  # noqa: S608
_HOLD = text(f"UPDATE account SET held_nano = held_nano + :rho, held_delta = held_delta + :delta {_FITS}")  # noqa: S608
_DRAW = text(
    "UPDATE account SET rho_nano = rho_nano + :rho, delta_e18 = delta_e18 + :delta, held_nano = held_nano - :rho, "
    "held_delta = held_delta - :delta WHERE key = :key AND held_nano >= :rho AND held_delta >= :delta "
    "AND rho_nano + :rho <= :cap AND delta_e18 + :delta <= :delta_cap"
)
_LET_GO = text(
    "UPDATE account SET held_nano = held_nano - :rho, held_delta = held_delta - :delta "
    "WHERE key = :key AND held_nano >= :rho AND held_delta >= :delta"
)
_TOTALS = ("lifetime", "period", "lifetime_delta", "period_delta")


class LedgerStore:
    """Reads and posts charges."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def elsewhere(self, agreement: str, sources: tuple[str, ...], since: str, now: str) -> dict[str, int]:
        """Return the most that other agreements spent on one of these sources, ever and since a time, or reserve."""
        made = dict.fromkeys(_TOTALS, 0)
        for source in sources:
            values = {"source": source, "agreement": agreement, "since": since, "now": now}
            (found,) = _ELSEWHERE.all(self._connection, values)
            made = {name: max(made[name], int(amount)) for name, amount in zip(_TOTALS, found, strict=True)}
        return made

    def balances(self, keys: Sequence[str]) -> list[Balance]:
        """Return each account's balance, in order; nothing where it was never posted to."""
        found: dict[str, Balance] = {}
        for first in range(0, len(keys), _AT_ONCE):
            some = keys[first : first + _AT_ONCE]
            values = {f"key{place}": some[min(place, len(some) - 1)] for place in range(_AT_ONCE)}
            found.update((row[0], Balance(*map(int, row[1:]))) for row in _BALANCES.all(self._connection, values))
        return [found.get(key, Balance()) for key in keys]

    def post(self, charge: ChargeRequest, postings: tuple[Posting, ...]) -> Posting | None:
        """Take a charge, or return the posting whose cap it would pass; then the caller must roll back."""
        failed = self._each(_ADD, charge, postings)
        if failed is None:
            self._record(charge)
        return failed

    def hold(self, amount: ChargeRequest, postings: tuple[Posting, ...]) -> Posting | None:
        """Set an amount aside, or return the posting whose cap it would pass; then the caller must roll back."""
        return self._each(_HOLD, amount, postings)

    def draw(self, charge: ChargeRequest, postings: tuple[Posting, ...]) -> Posting | None:
        """Take a charge from what was set aside for it, under the caps as they are now, which may have been lowered.

        Returns:
            None, or the posting whose cap it would pass; then the caller must roll back.
        """
        failed = self._each(_DRAW, charge, postings, drawn=True)
        if failed is None:
            self._record(charge)
        return failed

    def let_go(self, keys: Sequence[str], rho_nano: int, delta_e18: int) -> None:
        """Free an amount that was set aside on some accounts.

        Raises:
            RuntimeError: less was set aside; then the caller must roll back.
        """
        for key in keys:
            values = {"key": key, "rho": rho_nano, "delta": delta_e18}
            if self._connection.execute(_LET_GO, values).rowcount != 1:
                raise RuntimeError("an account holds less than its reservations")

    def _each(
        self, update: TextClause, charge: ChargeRequest, postings: tuple[Posting, ...], *, drawn: bool = False
    ) -> Posting | None:
        """Run an update of each account; where a cap would be passed, return the posting it stands on."""
        for posting in postings:
            values = {
                "key": posting.account, "rho": charge.rho_nano, "delta": charge.delta_e18,
                "cap": posting.cap, "delta_cap": posting.delta_cap,
            }  # fmt: skip
            self._connection.execute(_OPEN, {"key": posting.account})
            if self._connection.execute(update, values).rowcount != 1:
                (held,) = self.balances([posting.account])
                taken = held.rho_nano + (0 if drawn else held.held_nano)
                return posting if taken + charge.rho_nano > posting.cap else posting.over_delta()
        return None

    def _record(self, charge: ChargeRequest) -> None:
        """Add the charge's rows."""
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
                 "rho_nano": charge.rho_nano, "delta_e18": charge.delta_e18, "at": charge.at}
                for source in charge.sources
            ],
        )  # fmt: skip

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
