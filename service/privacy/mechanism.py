"""Noise: OpenDP's discrete Gaussian and Laplace on vectors of 64-bit integers, and what they charge.

Sampling, privacy maps and accuracy are OpenDP's (0.16); nothing here draws a random number or takes a seed.
This module chooses scales, which are whole numbers of ``1/SCALE`` and so exact as floats, and guards what
OpenDP does not check: that values are integers in range.

A charge is what OpenDP's map returns, a float that is rounded up, rounded up again to whole nano-rho.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import opendp.prelude as dp

from service.errors import Malformed
from service.privacy.fixed import I64_MAX, I64_MIN
from service.privacy.search import smallest
from service.privacy.sensitivity import Sensitivity

dp.enable_features("contrib")

GAUSSIAN = "discrete_gaussian"
LAPLACE = "discrete_laplace"
NANO = 10**9
"""One rho in nano-rho."""

MAX_SCALE = 2**53
"""Whole numbers up to here are exact floats; noise of this scale is still far inside 64 bits."""

_CACHED = 4096
_EPSILON_DIGITS = Context(prec=12, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Mechanism:
    """Noise of one kind and scale for vectors of one sensitivity, and its price.

    Attributes:
        name: ``discrete_gaussian`` or ``discrete_laplace``.
        scale: In ``1/SCALE``: the Gaussian's standard deviation, the Laplace's mean absolute deviation.
        sensitivity: The distance between neighbours that the charge is for.
        rho_nano: The charge in nano-rho (zCDP), rounded up.
        epsilon: The Laplace's pure epsilon, rounded up; None for the Gaussian, which has none.
    """

    name: str
    scale: int
    sensitivity: Sensitivity
    rho_nano: int
    epsilon: Decimal | None = None

    @property
    def variance(self) -> int:
        """The declared variance in ``1/SCALE**2``; the discrete noise has at most this much."""
        return self.scale**2 if self.name == GAUSSIAN else 2 * self.scale**2

    def half_width(self, alpha: Decimal) -> int:
        """Return h in ``1/SCALE``: the noise is farther from zero than h with chance at most ``alpha``."""
        return _half_width(self.name, self.scale, alpha)

    def half_width_of_sum(self, count: int, alpha: Decimal) -> int:
        """Return h in ``1/SCALE``: ``count`` independent draws add up to more than h with chance at most ``alpha``.

        Zero draws add up to nothing.
        """
        return _half_width_of_sum(self.name, self.scale, count, alpha) if count else 0

    def add_noise(self, values: Sequence[int], length: int) -> list[int]:
        """Return ``values`` with fresh noise on each, in ``1/SCALE``.

        Args:
            values: The bounded totals, one for each key of the public key set.
            length: How many there must be.

        Raises:
            RuntimeError: the wrong number of values, or one that is no 64-bit integer; none is named.
        """
        exact = checked(values, length)
        return [int(value) for value in _measurement(self.name, self.scale)(exact)]


def checked(values: Sequence[int], length: int) -> list[int]:
    """Return ``values`` as a list after checking what OpenDP does not: their number, type and range.

    Raises:
        RuntimeError: naming no value.
    """
    if len(values) != length:
        raise RuntimeError("a vector of totals has another length than the key set")
    if any(type(value) is not int or not I64_MIN <= value <= I64_MAX for value in values):
        raise RuntimeError("a total is not a 64-bit integer")
    return list(values)


@lru_cache(maxsize=_CACHED)
def gaussian(sensitivity: Sensitivity, scale: int) -> Mechanism:
    """Return the discrete Gaussian of a scale, charged by OpenDP's own map.

    Raises:
        RuntimeError: the scale lies outside 1 to ``MAX_SCALE``.
    """
    rho = _map(_measurement(GAUSSIAN, scale), sqrt_up(sensitivity.l2_squared))
    return Mechanism(GAUSSIAN, scale, sensitivity, nano_up(rho))


@lru_cache(maxsize=_CACHED)
def laplace(sensitivity: Sensitivity, scale: int) -> Mechanism:
    """Return the discrete Laplace of a scale; its rho comes from OpenDP's conversion of pure DP to zCDP.

    Raises:
        RuntimeError: the scale lies outside 1 to ``MAX_SCALE``.
    """
    measurement = _measurement(LAPLACE, scale)
    epsilon = _map(measurement, sensitivity.l1)
    rho = _map(dp.c.make_pureDP_to_zCDP(measurement), sensitivity.l1)
    return Mechanism(LAPLACE, scale, sensitivity, nano_up(rho), decimal_up(epsilon))


@lru_cache(maxsize=_CACHED)
def gaussian_for_rho(sensitivity: Sensitivity, rho_nano: int) -> Mechanism:
    """Return the discrete Gaussian of the smallest scale that charges at most ``rho_nano``.

    Raises:
        Malformed: ``spend_too_small``: no scale up to ``MAX_SCALE`` is as cheap.
    """
    if rho_nano < 1:
        raise _too_small()
    guess = math.isqrt(sensitivity.l2_squared * NANO // (2 * rho_nano))  # rho = d^2 / (2 scale^2)
    return _smallest(gaussian, sensitivity, guess, lambda made: made.rho_nano <= rho_nano)


@lru_cache(maxsize=_CACHED)
def gaussian_for_accuracy(sensitivity: Sensitivity, half_width_units: int, alpha: Decimal, count: int = 1) -> Mechanism:
    """Return the cheapest discrete Gaussian whose ``half_width_of_sum(count, alpha)`` is at most ``half_width_units``.

    Args:
        sensitivity: Of the vector, in ``1/SCALE``.
        half_width_units: In ``1/SCALE``.
        alpha: The chance that the noise may be larger.
        count: How many draws are added up, where what is asked is a sum of some.

    Raises:
        Malformed: ``within_too_fine``: not even the least noise is as near;
            ``spend_too_small``: it is so wide that no scale up to ``MAX_SCALE`` is.
    """
    if half_width_units < _half_width_of_sum(GAUSSIAN, 1, count, alpha):
        raise Malformed("no noise is as small as that: ask within a wider error", code="within_too_fine")
    scale = int(dp.accuracy_to_gaussian_scale(float(half_width_units), float(alpha)) / math.sqrt(count))
    if scale > MAX_SCALE:
        raise _too_small()
    scale = max(scale, 1)
    while _half_width_of_sum(GAUSSIAN, scale, count, alpha) > half_width_units:
        scale -= 1
    return gaussian(sensitivity, scale)


@lru_cache(maxsize=_CACHED)
def laplace_for_epsilon(sensitivity: Sensitivity, epsilon: Decimal | Fraction) -> Mechanism:
    """Return the discrete Laplace of the smallest scale that OpenDP's map finds at most ``epsilon``-private.

    Raises:
        Malformed: ``spend_too_small``: no scale up to ``MAX_SCALE`` is as private.
    """
    wanted = Fraction(epsilon)
    if wanted <= 0:
        raise _too_small()

    def fits(made: Mechanism) -> bool:
        return Fraction(_map(_measurement(LAPLACE, made.scale), sensitivity.l1)) <= wanted

    return _smallest(laplace, sensitivity, math.floor(sensitivity.l1 / wanted), fits)  # epsilon = d / scale


def half_width_of_least(alpha: Decimal) -> int:
    """Return the half-width of the smallest noise there is, in ``1/SCALE``."""
    return _half_width(GAUSSIAN, 1, alpha)


def sqrt_up(square: int) -> float:
    """Return the least float that is no less than the square root of an integer."""
    root = math.sqrt(square)
    while Fraction(root) ** 2 < square:
        root = math.nextafter(root, math.inf)
    return root


def nano_up(rho: float) -> int:
    """Return a rho in whole nano-rho, rounded up, exactly.

    Raises:
        RuntimeError: it is not a finite number.
    """
    if not math.isfinite(rho):
        raise RuntimeError("a charge is a finite number")
    return math.ceil(Fraction(rho) * NANO)


def decimal_up(value: float) -> Decimal:
    """Return a float as a decimal of twelve digits, rounded up."""
    return _EPSILON_DIGITS.create_decimal(Decimal(value))


def _smallest(
    make: Callable[[Sensitivity, int], Mechanism],
    sensitivity: Sensitivity,
    guess: int,
    fits: Callable[[Mechanism], bool],
) -> Mechanism:
    """Return the mechanism of the smallest scale that fits; the guess is off by rounding alone."""
    scale = smallest(lambda tried: fits(make(sensitivity, tried)), guess, MAX_SCALE)
    if scale is None:
        raise _too_small()
    return make(sensitivity, scale)


@lru_cache(maxsize=_CACHED)
def _half_width(name: str, scale: int, alpha: Decimal) -> int:
    """OpenDP's accuracy of the noise, in ``1/SCALE``, rounded up.

    The Gaussian's is that of the continuous distribution plus one, because OpenDP's sum over the discrete one
    takes time in proportion to the scale. It is no less than the exact one (Canonne, Kamath and Steinke 2020,
    "The discrete Gaussian for differential privacy"): for whole m >= 1, P[X >= m] <= P[N >= m - 1], because
    exp(-k^2 / 2s^2) is at most its integral from k - 1 to k, and the discrete normaliser is no less than the
    continuous one by Poisson summation.
    """
    if name == GAUSSIAN:
        return math.ceil(float(dp.gaussian_scale_to_accuracy(float(scale), float(alpha)))) + 1
    return math.ceil(float(dp.discrete_laplacian_scale_to_accuracy(float(scale), float(alpha))))


@lru_cache(maxsize=_CACHED)
def _half_width_of_sum(name: str, scale: int, count: int, alpha: Decimal) -> int:
    """How far a sum of independent draws may lie from zero, in ``1/SCALE``, rounded up.

    Gaussian: a draw X and one N of the continuous Gaussian can be made together with ``|X - N| <= 1``, because for
    whole ``m >= 1`` both ``P[X >= m] <= P[N >= m - 1]``, as ``_half_width`` has it, and ``P[X >= m] >= P[N >= m]``. For
    the latter let ``f(x) = exp(-x^2 / 2s^2)``: its sum from m on exceeds its integral by the integral of
    ``(ceil(x) - x) (x / s^2) f(x)``, which is at least ``1 / 2s^2`` of it, and the discrete normaliser exceeds the
    continuous one by ``2 exp(-2 pi^2 s^2) + ... < 1 / 2s^2`` of it, by Poisson summation. So the two sums differ by at
    most ``count``, and the continuous one is a Gaussian of scale ``s sqrt(count)``.

    Laplace: Chernoff's bound. With ``t = u / s`` and ``0 < u < 1`` a draw has ``E exp(tX) = 1 / (1 - (cosh t - 1) /
    (cosh(1/s) - 1)) <= 1 / (1 - u^2)``, as ``(cosh x - 1) / x^2`` rises; so ``P[|sum| > h] <= 2 exp(-u h / s)
    (1 - u^2)^-count``. Every u gives a bound; the least of 99 is taken, or that of each draw alone at
    ``alpha / count``. One unit covers rounding.
    """
    if count == 1:
        return _half_width(name, scale, alpha)
    if name == GAUSSIAN:
        wide = sqrt_up(scale**2 * count)
        return math.ceil(float(dp.gaussian_scale_to_accuracy(wide, float(alpha)))) + count
    tail = math.log(2 / alpha)
    chernoff = min((tail - count * math.log1p(-(u**2))) / u for u in (n / 100 for n in range(1, 100)))
    return min(math.ceil(scale * chernoff) + 1, count * _half_width(name, scale, alpha / count))


def _measurement(name: str, scale: int) -> Any:
    """Make OpenDP's measurement; anew each time, in 20 microseconds, so that no two threads share one."""
    if not 1 <= scale <= MAX_SCALE:
        raise RuntimeError("a scale lies between 1 and MAX_SCALE")
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if name == GAUSSIAN:
        return dp.m.make_gaussian(domain, dp.l2_distance(T="f64"), scale=float(scale))
    return dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=float(scale))


def _map(measurement: Any, distance: float) -> float:
    """Ask OpenDP's privacy map what a distance costs."""
    return float(measurement.map(distance))


def _too_small() -> Malformed:
    return Malformed("so small a spend leaves nothing but noise: spend more", code="spend_too_small")
