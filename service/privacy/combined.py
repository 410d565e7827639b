"""How large the noise of a weighted sum of some noisy totals may be, from the noise of each alone.

By Chernoff's bound: where the noises X_i are independent and L = ln(2 / alpha), for every t > 0 for which it is finite

    P[|sum c_i X_i| > (L + sum ln E exp(c_i t X_i)) / t] <= alpha,

since the noise is symmetric. It holds exactly, discrete as the noise is, and needs no limit theorem.

- Of the discrete Gaussian of scale s, ln E exp(u X) <= u^2 s^2 / 2 (Canonne, Kamath and Steinke 2020, "The discrete
  Gaussian for differential privacy"), so that the best t gives sqrt(2 L s^2 sum c_i^2).
- Of the discrete Laplace of scale s, E exp(u X) = 1 / (1 - (cosh u - 1) / (cosh(1/s) - 1)), which is at most
  1 / (1 - u^2 s^2) for |u| < 1/s, because (cosh x - 1) / x^2 rises with |x|. Any t will do; the best of some is taken.

The bound is wide by a third for a few totals and up to twice where one coefficient is far larger than all others; one
total alone has its own half-width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from service.privacy.mechanism import GAUSSIAN, Mechanism

_TRIED = 64
_SLACK = 1 + 1e-9
"""Far more than what floats lose here, which is a few parts in 10**15."""


@lru_cache(maxsize=4096)
def half_width(mechanism: Mechanism, coefficients: tuple[tuple[int, int], ...], alpha: Decimal) -> int:
    """Return what the noise of a weighted sum exceeds with chance alpha at most, in ``1/SCALE``, rounded up.

    Args:
        mechanism: The noise that each of the totals carries.
        coefficients: Pairs of a whole coefficient, and of how many totals have it.
        alpha: The chance that it may be larger.
    """
    used = [(abs(coefficient), count) for coefficient, count in coefficients if coefficient and count]
    if not used:
        return 0
    if sum(count for _, count in used) == 1:
        return used[0][0] * mechanism.half_width(alpha)
    log = math.log(2 / float(alpha))
    if mechanism.name == GAUSSIAN:
        squares = sum(count * coefficient**2 for coefficient, count in used)
        return math.ceil(math.sqrt(2 * log * squares) * mechanism.scale * _SLACK)
    return math.ceil(_laplace(used, log) * mechanism.scale * _SLACK)


def _laplace(used: Sequence[tuple[int, int]], log: float) -> float:
    """Return the bound in units of the scale."""
    largest = max(coefficient for coefficient, _ in used)
    bounds = []
    for place in range(1, _TRIED):
        part = place / _TRIED
        moments = -sum(count * math.log1p(-((part * coefficient / largest) ** 2)) for coefficient, count in used)
        bounds.append((log + moments) * largest / part)
    return min(bounds)
