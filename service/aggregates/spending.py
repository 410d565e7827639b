"""What a question takes from the ledger, and what is left."""

from __future__ import annotations

from datetime import UTC, datetime

from service.aggregates.case import Case
from service.aggregates.intents import datasets, unit
from service.aggregates.ports import Transaction
from service.agreements.periods import current_period, period_start
from service.audit.entry import format_time
from service.budget.caps import Caps
from service.budget.ledger import ChargeRequest, postings


def remaining(tx: Transaction, case: Case, limits: Caps) -> int:
    """Return what the caller could still spend now, in nano-rho: the least that any cap leaves."""
    nothing = charge_request(case, current_period(case.found, case.now), "", 0)
    wanted = postings(nothing, limits, elsewhere(tx, case, nothing))
    spent = tx.ledger.spent([posting.account for posting in wanted])
    return max(0, min(posting.cap - used for posting, used in zip(wanted, spent, strict=True)))


def charge_request(case: Case, period: int, intent: str, rho_nano: int) -> ChargeRequest:
    """Return what is asked of the ledger: which accounts, and how much, in nano-rho."""
    return ChargeRequest(
        intent=intent,
        agreement=case.found.row.id,
        version=case.found.version,
        party=case.caller.party,
        unit=unit(case.plan),
        period=period,
        sources=tuple(sorted(set(datasets(case.plan).values()))),
        rho_nano=rho_nano,
        delta_e18=0,
        at=format_time(case.now),
    )


def elsewhere(tx: Transaction, case: Case, charge: ChargeRequest) -> dict[str, int]:
    """Return what other agreements have spent on the same sources: ever, and since the period began."""
    start = datetime.combine(period_start(case.found, charge.period), datetime.min.time(), UTC)
    return tx.ledger.elsewhere(charge.agreement, charge.sources, format_time(start))
