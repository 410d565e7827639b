"""Exact confidence bounds of a binomial chance (Clopper and Pearson 1934), by bisection on the binomial tail."""

from __future__ import annotations

import math

_STEPS = 60


def lower(successes: int, trials: int, alpha: float) -> float:
    """Return a chance that the true one lies below with chance at most ``alpha``."""
    if successes == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _at_least(successes, trials, middle) < alpha:
            low = middle
        else:
            high = middle
    return low


def upper(successes: int, trials: int, alpha: float) -> float:
    """Return a chance that the true one lies above with chance at most ``alpha``."""
    return 1 - lower(trials - successes, trials, alpha)


def _at_least(successes: int, trials: int, chance: float) -> float:
    """Chance of at least so many successes."""
    if chance in (0.0, 1.0):
        return chance
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(count + 1)
            - math.lgamma(trials - count + 1)
            + count * math.log(chance)
            + (trials - count) * math.log1p(-chance)
        )
        for count in range(successes, trials + 1)
    )
