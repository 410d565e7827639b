"""The caps an agreement sets, in whole nano-rho and selection delta in 1e-18: rho the largest that converts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from schemas.agreement import Agreement
from schemas.clauses.privacy import Privacy
from service.privacy.conversion import cap_rho_nano

DELTA_UNITS = 10**18
"""Selection delta is counted in units of 1e-18."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Caps in nano-rho and, for delta, in 1e-18; shares, quotas and request limits are parts, rounded down.

    Attributes:
        period: For all recipients together, in one period.
        lifetime: Over all periods.
        shares: Each recipient's part of a period.
        requests: The most that one request of each recipient may spend.
        delta_period: Selection delta for all recipients together, in one period.
        delta_lifetime: Selection delta over all periods.
        delta_shares: Each recipient's part of a period's selection delta.
        analysts: Of some recipients the most, as a part of its share, that one of its clients may spend in a period.
    """

    period: int
    lifetime: int
    shares: dict[str, int]
    requests: dict[str, int]
    delta_period: int = 0
    delta_lifetime: int = 0
    delta_shares: Mapping[str, int] = field(default_factory=dict)
    analysts: Mapping[str, Decimal] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the caps as the log records them."""
        made: dict[str, object] = {
            "period_rho_nano": self.period,
            "lifetime_rho_nano": self.lifetime,
            "shares": dict(self.shares),
            "period_delta_e18": self.delta_period,
            "lifetime_delta_e18": self.delta_lifetime,
            "delta_shares": dict(self.delta_shares),
        }
        if self.analysts:
            made["analysts"] = {party: str(quota) for party, quota in self.analysts.items()}
        return made


def part(whole: int, share: Decimal) -> int:
    """Return the part ``share`` of ``whole``, rounded down."""
    return int(whole * Fraction(share))


def delta_e18(delta: Decimal) -> int:
    """Return a cap on delta in units of 1e-18, rounded down."""
    return part(DELTA_UNITS, delta)


@lru_cache(maxsize=256)
def _caps(epsilon: Decimal, lifetime: Decimal, delta: Decimal) -> tuple[int, int]:
    return cap_rho_nano(epsilon, delta), cap_rho_nano(lifetime, delta)


def caps(agreement: Agreement) -> Caps:
    """Return an agreement's caps."""
    privacy: Privacy = agreement.privacy
    period, lifetime = _caps(privacy.budget.epsilon, privacy.lifetime.epsilon, privacy.budget.delta_conversion)
    shares = {party: part(period, share) for party, share in privacy.shares.items()}
    requests = {party: part(share, privacy.per_request.share) for party, share in shares.items()}
    delta, ever = delta_e18(privacy.budget.delta_selection), privacy.lifetime.delta_selection
    return Caps(
        period,
        lifetime,
        shares,
        requests,
        delta_period=delta,
        delta_lifetime=delta if ever is None else delta_e18(ever),
        delta_shares={party: part(delta, share) for party, share in privacy.shares.items()},
        analysts=dict(privacy.analysts),
    )
