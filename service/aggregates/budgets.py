"""Reading what was spent: caps, shares, analysts, a forecast; and statements by month.

Everything here is a function of the agreement and of spending, which is public to its parties. Whose clients spent what
is not: a client sees itself, a steward its party's clients, an IG lead parties.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.clauses.privacy import Privacy
from service.aggregates.amounts import amount, plain, rho, share
from service.aggregates.amounts import delta as delta_text
from service.aggregates.ports import Store, Transaction
from service.aggregates.spending import balances
from service.agreements.periods import current_period, period_start
from service.agreements.standing import Current, visible
from service.audit.entry import format_time
from service.budget.caps import Caps, caps, part
from service.budget.forecast import WINDOW, Forecast, forecast
from service.budget.ledger import Balance, account, quota_of
from service.budget.ports import StatementLine
from service.errors import Malformed
from service.identity.caller import Caller, Role

_MONTH = re.compile(r"[12][0-9]{3}-(0[1-9]|1[0-2])\Z")


@dataclass(frozen=True, slots=True)
class Spent:
    """One ledger of an agreement, as it stands.

    Attributes:
        lifetime: All that was charged, and is reserved.
        period: The same in the current period.
        parties: Nano-rho charged in the period, by party.
        shares: The accounts of parties in the period.
        clients: The accounts in the period of those clients of the caller's party that the caller may see.
        lately: Nano-rho charged within the forecast's window, by party.
    """

    lifetime: Balance
    period: Balance
    parties: Mapping[str, int]
    shares: Mapping[str, Balance]
    clients: Mapping[str, Balance]
    lately: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Budgets:
    """Budgets and statements, as a party's people may see them."""

    store: Store
    broker: str
    clock: Callable[[], datetime]

    def budget(self, caller: Caller, agreement_id: str) -> dict[str, Any]:
        """Return caps, shares, what is spent, reserved and left, by whom, when it renews and when it runs out.

        Raises:
            NotFound: the caller's party is no party of such an agreement.
            Forbidden: the agreement is not in force.
        """
        now = self.clock()
        with self.store.read() as tx:
            found = visible(tx.agreements, agreement_id, now.date(), self.broker, caller.party)
            period = current_period(found, now)
            quotas = _quotas(tx, caller, found)
            reserved = {row.unit for row in tx.reservations.open_of(agreement_id, caller.party)}
            spent = {
                name: _spent(tx, caller, found, name, now, quotas)
                for name in sorted({"person", *tx.ledger.units(agreement_id), *reserved})
            }
            sources = tx.ledger.by_source(agreement_id)
        limits = caps(found.agreement)
        page = _Page(found, limits, caller.party, quotas, now.date(), period_start(found, period + 1))
        privacy, ledgers = found.agreement.privacy, {name: page.ledger(one) for name, one in spent.items()}
        return {
            "agreement": found.reference(),
            "period": {
                "index": period,
                "from": period_start(found, period).isoformat(),
                "renews": page.renews.isoformat(),
            },
            "cap": {
                "rho": rho(limits.period),
                "epsilon": plain(privacy.budget.epsilon),
                "delta": plain(privacy.budget.delta_conversion),
            },
            "lifetime_cap": {"rho": rho(limits.lifetime), "epsilon": plain(privacy.lifetime.epsilon)},
            "per_request": {"share": plain(privacy.per_request.share)},
            **ledgers["person"],
            "ledgers": {name: ledger for name, ledger in ledgers.items() if name != "person"},
            "sources": {
                source: {
                    "here": rho(by.get(found.row.id, 0)),
                    "under_other_agreements": rho(sum(spent for name, spent in by.items() if name != found.row.id)),
                }
                for source, by in sources.items()
            },
        }

    def statement(self, caller: Caller, agreement_id: str, month: str) -> dict[str, Any]:
        """Return what was charged in a calendar month (UTC), by client, purpose and dataset.

        Of its own party a steward is told every client, another caller itself. An IG lead is told its own party's sum
        and, by party, what others were charged for questions that touch what its party supplies.

        Raises:
            Malformed: ``bad_parameter``: the month is none.
            NotFound: the caller's party is no party of such an agreement.
            Forbidden: the agreement is not in force.
        """
        first, end = _month(month)
        with self.store.read() as tx:
            found = visible(tx.agreements, agreement_id, self.clock().date(), self.broker, caller.party)
            lines = tx.statements.lines(agreement_id, caller.party, first, end)
        seen = [line for line in lines if line.party == caller.party and _may_see(caller, line.client)]
        told = [_line(found, line, client=line.client) for line in seen]
        if Role.IG_LEAD in caller.roles:
            told += [_line(found, line) for line in _by_party(lines)]
        return {"agreement": found.reference(), "month": month, "from": first, "to": end, "lines": told}


def _may_see(caller: Caller, client: str) -> bool:
    return client == caller.client or Role.STEWARD in caller.roles


def _quotas(tx: Transaction, caller: Caller, found: Current) -> dict[str, Decimal]:
    """Return what stewards have set for the clients that a caller may see."""
    held = tx.quotas.of_party(found.row.id, caller.party)
    return {client: row.share for client, row in held.items() if _may_see(caller, client)}


def _spent(
    tx: Transaction, caller: Caller, found: Current, unit: str, now: datetime, quotas: Mapping[str, Decimal]
) -> Spent:
    agreement, period, party = found.row.id, current_period(found, now), caller.party
    parties = list(found.agreement.privacy.shares)
    clients = _clients(tx, caller, found, unit, period, quotas) if party in parties else []
    keys = [account(agreement, unit), account(agreement, unit, period=period)]
    keys += [account(agreement, unit, period=period, party=name) for name in parties]
    keys += [account(agreement, unit, period=period, party=party, client=client) for client in clients]
    lifetime, in_period, *others = balances(tx, agreement, keys, format_time(now))
    return Spent(
        lifetime,
        in_period,
        tx.ledger.by_party(agreement, unit, period),
        dict(zip(parties, others, strict=False)),
        dict(zip(clients, others[len(parties) :], strict=True)),
        tx.statements.since(agreement, unit, format_time(now - WINDOW)),
    )


def _clients(
    tx: Transaction, caller: Caller, found: Current, unit: str, period: int, quotas: Mapping[str, Decimal]
) -> list[str]:
    """Return the clients of the caller's party that have spent, reserved or a quota, as far as the caller may see."""
    charged = tx.statements.clients(found.row.id, unit, period, caller.party)
    holding = [row.client for row in tx.reservations.open_of(found.row.id, caller.party)]
    return sorted(name for name in {caller.client, *charged, *holding, *quotas} if _may_see(caller, name))


@dataclass(frozen=True, slots=True)
class _Page:
    """Shapes ledgers as the API tells them."""

    found: Current
    caps: Caps
    party: str
    quotas: Mapping[str, Decimal]
    today: date
    renews: date

    def ledger(self, spent: Spent) -> dict[str, Any]:
        """Return one ledger. What is reserved counts as taken: it is in no ``remaining``."""
        caps, used = self.caps, sum(spent.parties.values())
        ends = self.found.agreement.period.end + timedelta(days=1)
        lately = sum(spent.lately.values())
        left = caps.period - used - spent.period.held_nano
        ever = caps.lifetime - spent.lifetime.rho_nano - spent.lifetime.held_nano
        return {
            "spent": self._amount(used),
            "reserved": self._amount(spent.period.held_nano),
            "remaining": self._amount(left),
            "delta": {
                **_delta(spent.period, caps.delta_period),
                "lifetime": _delta(spent.lifetime, caps.delta_lifetime),
            },
            "forecast": self._forecast(left, lately, self.renews),
            "lifetime": {
                "spent": self._amount(spent.lifetime.rho_nano),
                "remaining": self._amount(ever),
                "forecast": self._forecast(ever, lately, ends),
            },
            "shares": {party: self._share(party, spent) for party in self._privacy.shares},
            "analysts": {client: self._client(client, held) for client, held in spent.clients.items()},
        }

    @property
    def _privacy(self) -> Privacy:
        return self.found.agreement.privacy

    def _share(self, party: str, spent: Spent) -> dict[str, Any]:
        cap, used, held = self.caps.shares[party], spent.parties.get(party, 0), spent.shares[party]
        left = cap - used - held.held_nano
        return {
            "share": plain(self._privacy.shares[party]),
            "cap": self._amount(cap),
            "spent": self._amount(used),
            "reserved": self._amount(held.held_nano),
            "remaining": self._amount(left),
            "spent_share": share(used, cap),
            "delta": _delta(held, self.caps.delta_shares.get(party, 0)),
            "forecast": self._forecast(left, spent.lately.get(party, 0), self.renews),
        }

    def _client(self, client: str, held: Balance) -> dict[str, Any]:
        quota = quota_of(self.party, self.caps, self.quotas.get(client))
        share_rho = self.caps.shares[self.party]
        cap = part(share_rho, quota)
        return {
            "quota": plain(quota),
            "cap": self._amount(cap),
            "spent": self._amount(held.rho_nano),
            "reserved": self._amount(held.held_nano),
            "remaining": self._amount(cap - held.rho_nano - held.held_nano),
            "spent_share": share(held.rho_nano, share_rho),
        }

    def _amount(self, nano: int) -> dict[str, str]:
        return amount(max(nano, 0), self._privacy.budget.delta_conversion)

    def _forecast(self, left: int, lately: int, until: date) -> dict[str, Any]:
        made: Forecast = forecast(left, lately, self.today, until)
        runs_out = made.runs_out.isoformat() if made.runs_out is not None else None
        return {"runs_out": runs_out, "at_rate": {"rho": rho(made.a_day_nano), "every": "P1D"}}


def _delta(held: Balance, cap: int) -> dict[str, str]:
    """Return what choosing keys has cost: selection delta, apart from the delta of conversion."""
    left = max(cap - held.delta_e18 - held.held_delta, 0)
    return {"cap": delta_text(cap), "spent": delta_text(held.delta_e18), "remaining": delta_text(left)}


def _line(found: Current, line: StatementLine, client: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"party": line.party} | ({"client": client} if client is not None else {})
    return made | {
        "purpose": line.purpose,
        "dataset": line.dataset,
        "unit": line.unit,
        "questions": line.questions,
        **amount(line.rho_nano, found.agreement.privacy.budget.delta_conversion),
        "delta": delta_text(line.delta_e18),
    }


def _by_party(lines: list[StatementLine]) -> list[StatementLine]:
    """Add up what the clients of each party were charged."""
    sums: dict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for line in lines:
        amounts = sums[line.party, line.purpose, line.dataset, line.unit]
        for place, some in enumerate((line.questions, line.rho_nano, line.delta_e18)):
            amounts[place] += some
    return [
        StatementLine(party, "", purpose, dataset, unit, *amounts)
        for (party, purpose, dataset, unit), amounts in sorted(sums.items())
    ]


def _month(text: str) -> tuple[str, str]:
    """Return when a month begins and the next one does, as the log writes times.

    Raises:
        Malformed: ``bad_parameter``.
    """
    if _MONTH.match(text):
        year, month = int(text[:4]), int(text[5:])
        after = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004 - a year's months
        return format_time(datetime(year, month, 1, tzinfo=UTC)), format_time(datetime(*after, 1, tzinfo=UTC))
    raise Malformed("month is written YYYY-MM", code="bad_parameter")
