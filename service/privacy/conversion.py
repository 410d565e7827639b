"""Between rho, which the ledger counts, and the (epsilon, delta) that people are shown (guarantee 3.1).

Both directions are OpenDP's conversion of zCDP to approximate DP. OpenDP's own curves round up; floats exist
only inside a call. Going in, rho is rounded up and delta down; coming out, epsilon is rounded up.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import opendp.prelude as dp

from service.privacy.mechanism import NANO, decimal_up
from service.privacy.search import smallest

_SECANTS = 4

# The identity measurement below is how rho itself is put to OpenDP's conversion; it never sees data.
dp.enable_features("contrib", "honest-but-curious")


@lru_cache(maxsize=4096)
def epsilon_of(rho_nano: int, delta: Decimal) -> Decimal:
    """Return the epsilon that ``rho_nano`` comes to at ``delta``, rounded up to twelve digits.

    Args:
        rho_nano: zCDP's rho in units of ``10**-9``.
        delta: Above 0 and below 1.

    Raises:
        RuntimeError: rho is negative, or delta no probability.
    """
    return decimal_up(_epsilon(rho_nano, delta))


@lru_cache(maxsize=256)
def cap_rho_nano(epsilon: Decimal, delta: Decimal) -> int:
    """Return the largest whole nano-rho that converts to at most ``epsilon`` at ``delta``; 0 where none does.

    Raises:
        RuntimeError: epsilon is not positive, or delta no probability.
    """
    if not epsilon > 0:
        raise RuntimeError("an epsilon lies above 0")
    wanted = Fraction(epsilon)

    def too_much(rho_nano: int) -> bool:
        return Fraction(_epsilon(rho_nano, delta)) > wanted

    # Rho is never above epsilon, so that the search ends.
    most = math.ceil(wanted * NANO) + 1
    first = smallest(too_much, _guess(float(epsilon), delta), most)
    return most if first is None else first - 1


def _guess(epsilon: float, delta: Decimal) -> int:
    """Return about where the cap lies, by the secant method; only the number of trials depends on it.

    It starts from the closed form epsilon = rho + 2 sqrt(rho ln(1 / delta)) of Bun and Steinke 2016, which is
    the looser one.
    """
    log = float(-delta.ln())
    rho = math.ceil((math.sqrt(log + epsilon) - math.sqrt(log)) ** 2 * NANO)
    before, rho = rho, rho + rho // 8 + 1
    for _ in range(_SECANTS):
        here, there = _epsilon(rho, delta), _epsilon(before, delta)
        if here == there:
            break
        before, rho = rho, max(rho + int((epsilon - here) * (rho - before) / (here - there)), 1)
    return rho


@lru_cache(maxsize=4096)
def _epsilon(rho_nano: int, delta: Decimal) -> float:
    """Ask OpenDP, with rho rounded up and delta rounded down to floats."""
    if rho_nano < 0 or not 0 < delta < 1:
        raise RuntimeError("rho is not negative, and delta lies between 0 and 1")
    if rho_nano == 0:
        return 0.0
    rho = rho_nano / NANO
    if Fraction(rho) < Fraction(rho_nano, NANO):
        rho = math.nextafter(rho, math.inf)
    chance = float(delta)
    if Fraction(chance) > Fraction(delta):
        chance = math.nextafter(chance, 0.0)
    return float(_profile(rho).epsilon(delta=chance))


def _profile(rho: float) -> Any:
    """Return OpenDP's privacy profile of a release that is rho-zCDP."""
    released = dp.m.make_user_measurement(
        input_domain=dp.atom_domain(T="f64"),
        input_metric=dp.absolute_distance(T="f64"),
        output_measure=dp.zero_concentrated_divergence(),
        function=_never_called,
        privacy_map=_itself,
    )
    return dp.c.make_zCDP_to_approxDP(released).map(rho)  # type: ignore[no-untyped-call]


def _itself(rho: float) -> float:
    """The measurement's map: the distance put in is the rho that comes out."""
    return rho


def _never_called(_: Any) -> Any:
    raise RuntimeError("a conversion sees no data")
