"""What a question takes from the ledger, and what is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from service.aggregates.amounts import rho, share
from service.aggregates.case import Case
from service.aggregates.intents import datasets, unit
from service.aggregates.ports import Transaction
from service.agreements.periods import current_period, period_start
from service.agreements.standing import Current
from service.audit.entry import format_time
from service.budget.caps import Caps
from service.budget.ledger import Balance, ChargeRequest, Left, Posting, accounts, left, postings
from service.budget.reservations import freed
from service.errors import Forbidden
from service.privacy.conversion import epsilon_of


def charge_request(case: Case, period: int, intent: str, rho_nano: int) -> ChargeRequest:
    """Return what is asked of the ledger: which accounts, and how much, in nano-rho."""
    return ChargeRequest(
        intent=intent,
        agreement=case.found.row.id,
        version=case.found.version,
        party=case.caller.party,
        client=case.caller.client,
        unit=unit(case.plan),
        period=period,
        sources=tuple(sorted(set(datasets(case.plan).values()))),
        rho_nano=rho_nano,
        delta_e18=0,
        at=format_time(case.now),
    )


def wanted(tx: Transaction, found: Current, charge: ChargeRequest, limits: Caps) -> tuple[Posting, ...]:
    """Return the postings of a charge under the caps, other agreements' spending and the client's quota as they are.

    Raises:
        Forbidden: ``over_request_cap`` or ``no_budget_share``.
    """
    quota = tx.quotas.quota(charge.agreement, charge.party, charge.client)
    return postings(charge, limits, _elsewhere(tx, found, charge), quota)


def set_aside(tx: Transaction, found: Current, amount: ChargeRequest, limits: Caps) -> tuple[Posting, ...]:
    """Return the postings of an amount that is reserved or freed, which no request's cap limits."""
    quota = tx.quotas.quota(amount.agreement, amount.party, amount.client)
    return accounts(amount, limits, _elsewhere(tx, found, amount), quota)


def balances(tx: Transaction, agreement: str, keys: Sequence[str], at: str) -> list[Balance]:
    """Return an agreement's accounts, in order; what is held for reservations that have run out counts as free.

    It is freed by the next charge or reservation, so that reading writes nothing.
    """
    found = tx.ledger.balances(keys)
    if not any(held.held_nano or held.held_delta for held in found):
        return found
    standing = freed(dict(zip(keys, found, strict=True)), tx.reservations.expired(agreement, at))
    return [standing[key] for key in keys]


def remaining(tx: Transaction, found: Current, charge: ChargeRequest, limits: Caps) -> Left:
    """Return what the caller could still spend now: the least that any cap leaves, and which cap that is."""
    found_postings = set_aside(tx, found, charge, limits)
    return left(found_postings, balances(tx, charge.agreement, [item.account for item in found_postings], charge.at))


def nothing(case: Case) -> ChargeRequest:
    """Return a charge of nothing for a question: its accounts, to see what they hold."""
    return charge_request(case, current_period(case.found, case.now), "", 0)


def told(what: Left, case: Case, limits: Caps) -> dict[str, Any]:
    """Return what is left as a preview tells it, before the question: in rho, share and epsilon, and by which cap."""
    delta = case.found.agreement.privacy.budget.delta_conversion
    by = what.tightest
    return {
        "rho": rho(what.rho_nano),
        "share": share(what.rho_nano, limits.shares[case.caller.party]),
        "epsilon": str(epsilon_of(what.rho_nano, delta)) if what.rho_nano else "0",
        "limited_by": {"tier": by.tier, "clause": by.clause, "words": _LIMITED[by.tier]},
    }


_LIMITED = {
    "lifetime": "what is left of the budget of all periods",
    "period": "what is left of the period's budget",
    "share": "what is left of your party's share of the period",
    "quota": "what is left of your own quota of your party's share",
    "reservation": "what is left of the reservation",
}


def refused(failed: Posting, weighed: Iterable[str]) -> Forbidden:
    """Return the refusal of a charge that does not fit an account."""
    return Forbidden(
        failed.words,
        code=failed.code,
        decision={
            "outcome": "refused",
            "code": failed.code,
            "clauses": [failed.clause],
            "reasons": [{"clause": failed.clause, "words": failed.words}],
            "weighed": list(weighed),
        },
    )


def _elsewhere(tx: Transaction, found: Current, charge: ChargeRequest) -> dict[str, int]:
    """Return what other agreements have spent on the same sources, ever and since the period began, and reserved."""
    start = datetime.combine(period_start(found, charge.period), datetime.min.time(), UTC)
    return tx.ledger.elsewhere(charge.agreement, charge.sources, format_time(start), charge.at)
