"""The caps an agreement sets, in whole nano-rho: the largest that convert to its epsilons."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from schemas.agreement import Agreement
from schemas.clauses.privacy import Privacy
from service.privacy.conversion import cap_rho_nano


@dataclass(frozen=True, slots=True)
class Caps:
    """Caps in nano-rho; shares and request limits are parts of the period's cap, rounded down.

    Attributes:
        period: For all recipients together, in one period.
        lifetime: Over all periods.
        shares: Each recipient's part of a period.
        requests: The most that one request of each recipient may spend.
    """

    period: int
    lifetime: int
    shares: dict[str, int]
    requests: dict[str, int]

    def as_json(self) -> dict[str, object]:
        """Return the caps as the log records them."""
        return {
            "period_rho_nano": self.period,
            "lifetime_rho_nano": self.lifetime,
            "shares": dict(self.shares),
        }


def part(whole: int, share: Decimal) -> int:
    """Return the part ``share`` of ``whole``, rounded down."""
    return int(whole * Fraction(share))


@lru_cache(maxsize=256)
def _caps(epsilon: Decimal, lifetime: Decimal, delta: Decimal) -> tuple[int, int]:
    return cap_rho_nano(epsilon, delta), cap_rho_nano(lifetime, delta)


def caps(agreement: Agreement) -> Caps:
    """Return an agreement's caps."""
    privacy: Privacy = agreement.privacy
    period, lifetime = _caps(privacy.budget.epsilon, privacy.lifetime.epsilon, privacy.budget.delta_conversion)
    shares = {party: part(period, share) for party, share in privacy.shares.items()}
    requests = {party: part(share, privacy.per_request.share) for party, share in shares.items()}
    return Caps(period, lifetime, shares, requests)
