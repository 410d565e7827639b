"""The rule of the ledger: which accounts a charge is posted to, and under which caps.

A charge is taken only if every posting fits; the storage applies them in one transaction, each by a conditional
update, so that racing charges cannot both take the last of a budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from service.budget.caps import Caps
from service.errors import Forbidden


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """What shall be charged.

    Attributes:
        intent: The question's intent; charged at most once.
        unit: ``person``, or ``record:<source>``: each record dataset has a ledger of its own.
        period: Index of the budget period, from the anchor fixed by version 1.
        sources: ``supplier/schema`` of every dataset that the question touches.
        rho_nano: Nano-rho, rounded up.
        delta_e18: Selection delta in units of 1e-18.
    """

    intent: str
    agreement: str
    version: int
    party: str
    unit: str
    period: int
    sources: tuple[str, ...]
    rho_nano: int
    delta_e18: int
    at: str


@dataclass(frozen=True, slots=True)
class Posting:
    """One account that a charge adds to, its cap, and what to say where the cap would be passed."""

    account: str
    cap: int
    code: str
    clause: str
    words: str


def account(agreement: str, unit: str, *, period: int | None = None, party: str | None = None) -> str:
    """Return an account's key: an agreement's unit, over its lifetime or a period, of all or of one party."""
    key = f"{agreement}|{unit}"
    if period is not None:
        key += f"|{period}"
    if party is not None:
        key += f"|{party}"
    return key


def _rho(nano: int) -> str:
    return f"{Decimal(nano).scaleb(-9).normalize():f}"


def postings(charge: ChargeRequest, caps: Caps, elsewhere: Mapping[str, int]) -> tuple[Posting, ...]:
    """Return the postings of a charge, the widest cap first.

    Args:
        charge: What shall be charged.
        caps: The agreement's caps.
        elsewhere: What other agreements have spent on the same sources, in nano-rho: ``lifetime``, and ``period``
            since this period began; it narrows the caps, so a new agreement id restarts nothing.

    Raises:
        Forbidden: ``over_request_cap`` or ``no_budget_share``.
    """
    if charge.party not in caps.shares:
        raise Forbidden(f"{charge.party} has no share of the privacy budget", code="no_budget_share")
    if charge.rho_nano > caps.requests[charge.party]:
        raise Forbidden(
            f"one request may spend at most rho {_rho(caps.requests[charge.party])}, and this would spend rho"
            f" {_rho(charge.rho_nano)}: ask for a smaller share",
            code="over_request_cap",
        )
    key = account(charge.agreement, charge.unit)
    period = account(charge.agreement, charge.unit, period=charge.period)
    party = account(charge.agreement, charge.unit, period=charge.period, party=charge.party)
    return (
        Posting(
            key, caps.lifetime - elsewhere.get("lifetime", 0), "over_lifetime_budget",
            "privacy/lifetime", "the lifetime budget is spent",
        ),
        Posting(
            period, caps.period - elsewhere.get("period", 0), "over_budget",
            "privacy/budget", "the period's budget is spent; it renews with the next period",
        ),
        Posting(
            party, caps.shares[charge.party], "over_budget",
            f"privacy/shares/{charge.party}",
            "your share of the period's budget is spent; it renews with the next period",
        ),
    )  # fmt: skip
