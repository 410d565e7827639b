"""The rule of the ledger: which accounts a charge is posted to, and under which caps.

A charge is taken only if every posting fits, in rho and in selection delta; the storage applies them in one
transaction, each by a conditional update, so that racing charges cannot both take the last of a budget. What is
reserved counts as taken. Postings are always made in one order: lifetime, period, share, quota.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from service.budget.caps import Caps, part
from service.errors import Forbidden

Tier = Literal["lifetime", "period", "share", "quota", "reservation"]
"""Whose cap: everybody's ever, everybody's in a period, one party's in a period, one of its clients' in a period; or
what a client has set aside, which limits the questions that name it."""


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """What shall be charged.

    Attributes:
        intent: The question's intent; charged at most once.
        client: The party's client that asks.
        unit: ``person``, or ``record:<source>``: each record dataset has a ledger of its own.
        period: Index of the budget period, from the anchor fixed by version 1.
        sources: ``supplier/schema`` of every dataset that the question touches.
        rho_nano: Nano-rho, rounded up.
        delta_e18: Selection delta in units of 1e-18, rounded up.
    """

    intent: str
    agreement: str
    version: int
    party: str
    client: str
    unit: str
    period: int
    sources: tuple[str, ...]
    rho_nano: int
    delta_e18: int
    at: str


@dataclass(frozen=True, slots=True)
class Posting:
    """One account that a charge adds to, its caps in rho and in delta, and what to say where one would be passed."""

    account: str
    tier: Tier
    cap: int
    delta_cap: int
    code: str
    clause: str
    words: str

    def over_delta(self) -> Posting:
        """Return the same with what to say where it is the cap on delta that would be passed."""
        clause = {"lifetime": "privacy/lifetime", "period": "privacy/budget/delta_selection"}.get(
            self.tier, self.clause
        )
        words = f"the delta for choosing keys is spent: {_DELTA_OF[self.tier]}"
        return replace(self, code="over_selection_delta", clause=clause, words=words)


_DELTA_OF: dict[Tier, str] = {
    "lifetime": "that of all periods together",
    "period": "the period's; it renews with the next period",
    "share": "your share of the period's; it renews with the next period",
    "quota": "your own quota of the period; it renews with the next period",
}


@dataclass(frozen=True, slots=True)
class Balance:
    """An account: what was charged to it, and what is reserved on it; rho in nano, delta in 1e-18."""

    rho_nano: int = 0
    delta_e18: int = 0
    held_nano: int = 0
    held_delta: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """What could still be spent, and the posting that leaves least of rho."""

    rho_nano: int
    delta_e18: int
    tightest: Posting


def account(
    agreement: str, unit: str, *, period: int | None = None, party: str | None = None, client: str | None = None
) -> str:
    """Return an account's key: an agreement's unit, over its lifetime or a period, of all, a party or its client."""
    key = f"{agreement}|{unit}"
    for some in (period, party, client):
        if some is not None:
            key += f"|{some}"
    return key


def _rho(nano: int) -> str:
    return f"{Decimal(nano).scaleb(-9).normalize():f}"


def keys(agreement: str, unit: str, period: int, party: str, client: str) -> tuple[str, str, str, str]:
    """Return the keys of the accounts that a client's spending is posted to, in the order of their tiers."""
    return (
        account(agreement, unit),
        account(agreement, unit, period=period),
        account(agreement, unit, period=period, party=party),
        account(agreement, unit, period=period, party=party, client=client),
    )


def quota_of(party: str, caps: Caps, set_by_steward: Decimal | None) -> Decimal:
    """Return the part of its party's share that a client may spend in a period: the lower of what two say.

    Args:
        party: The party, whose agreement may limit each of its clients.
        caps: The agreement's caps.
        set_by_steward: What the party's steward has set for the client, None where nothing.
    """
    agreed = caps.analysts.get(party, Decimal(1))
    return agreed if set_by_steward is None else min(agreed, set_by_steward)


def postings(
    charge: ChargeRequest, caps: Caps, elsewhere: Mapping[str, int], quota: Decimal | None = None
) -> tuple[Posting, ...]:
    """Return the postings of a charge, the widest cap first.

    Args:
        charge: What shall be charged.
        caps: The agreement's caps.
        elsewhere: What other agreements have spent and reserved on the same sources: ``lifetime`` in nano-rho,
            ``period`` since this period began, ``lifetime_delta`` and ``period_delta`` in 1e-18; it narrows the
            caps, so a new agreement id restarts nothing.
        quota: What the party's steward has set for the client, as a part of its share; None where nothing.

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
    return accounts(charge, caps, elsewhere, quota)


def accounts(
    charge: ChargeRequest, caps: Caps, elsewhere: Mapping[str, int], quota: Decimal | None = None
) -> tuple[Posting, ...]:
    """Return the postings of an amount that no request's cap limits, as of a reservation; see ``postings``."""
    party = charge.party
    ever, period, of_party, of_client = keys(charge.agreement, charge.unit, charge.period, party, charge.client)
    share, delta_share = caps.shares[party], caps.delta_shares.get(party, 0)
    of_share = quota_of(party, caps, quota)
    by_steward = quota is not None and quota < caps.analysts.get(party, Decimal(1))
    return (
        Posting(
            ever, "lifetime",
            caps.lifetime - elsewhere.get("lifetime", 0), caps.delta_lifetime - elsewhere.get("lifetime_delta", 0),
            "over_lifetime_budget", "privacy/lifetime", "the lifetime budget is spent",
        ),
        Posting(
            period, "period",
            caps.period - elsewhere.get("period", 0), caps.delta_period - elsewhere.get("period_delta", 0),
            "over_budget", "privacy/budget", "the period's budget is spent; it renews with the next period",
        ),
        Posting(
            of_party, "share", share, delta_share,
            "over_budget", f"privacy/shares/{party}",
            "your share of the period's budget is spent; it renews with the next period",
        ),
        Posting(
            of_client, "quota",
            part(share, of_share), part(delta_share, of_share), "over_quota",
            f"privacy/analysts/{party}" if party in caps.analysts and not by_steward else f"privacy/shares/{party}",
            "your own quota of your party's share is spent; it renews with the next period"
            + (", and a steward of your party has set it" if by_steward else ""),
        ),
    )  # fmt: skip


def left(wanted: Sequence[Posting], balances: Sequence[Balance]) -> Left:
    """Return what every posting leaves: the least in rho and in delta, never below 0, and the tightest one.

    Of several that leave the same, the widest is named: without a quota a client's cap is its party's.
    """
    rho = [posting.cap - held.rho_nano - held.held_nano for posting, held in zip(wanted, balances, strict=True)]
    delta = [
        posting.delta_cap - held.delta_e18 - held.held_delta for posting, held in zip(wanted, balances, strict=True)
    ]
    return Left(max(0, min(rho)), max(0, min(delta)), wanted[rho.index(min(rho))])
