"""From noisy totals to what is released: a function of noisy values and noise scales alone (guarantee 2.7).

A noise interval covers the *bounded* total with the stated chance; it says nothing of what bounding took.
Numbers are exact decimals in the measure's own units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from math import ceil

from service.policy.plan import Measured
from service.privacy.fixed import SCALE
from service.privacy.mechanism import Mechanism
from service.privacy.pricing import ALPHA, own_units

_EXTRA_DIGITS_OF_A_MEAN = 2
_DIGITS = Context(prec=60)
_DIGITS_UNROUNDED = 10
"""1/1024 has ten decimal places, so that noisy totals are written without loss."""


@dataclass(frozen=True, slots=True)
class UsableRule:
    """When a value is flagged usable: 95% half-width at most this part of it, and at least this value."""

    half_width: Decimal
    value: int


@dataclass(frozen=True, slots=True)
class NoisyVector:
    """One query's totals after noise, in ``1/SCALE``, one for each key, and the noise that they carry."""

    values: Sequence[int]
    mechanism: Mechanism


@dataclass(frozen=True, slots=True)
class Released:
    """One measure in one cell.

    Attributes:
        value: Rounded: whole and not negative for counts, to the column's decimals for sums, two places more
            for means.
        unrounded: Before rounding and clamping.
        low: Lower end of the 95% noise interval.
        high: Its upper end.
        usable: Whether the agreement's rule calls the value usable.
    """

    value: Decimal
    unrounded: Decimal
    low: Decimal
    high: Decimal
    usable: bool


def release_measure(measure: Measured, noisy: Mapping[str, NoisyVector], rule: UsableRule) -> list[Released]:
    """Return a measure's cells, in the order of the key set.

    Args:
        measure: What was measured, with its declared bounds.
        noisy: The vector of each of the measure's parts: ``count``, ``persons``, ``sum``.
        rule: The agreement's rule of what is usable.
    """
    if measure.kind == "mean":
        pairs = zip(noisy["sum"].values, noisy["count"].values, strict=True)
        alpha = ALPHA / 2  # both intervals hold at once with chance 95% (Bonferroni)
        sum_half = noisy["sum"].mechanism.half_width(alpha)
        count_half = noisy["count"].mechanism.half_width(alpha)
        return [_mean(measure, total, count, sum_half, count_half, rule) for total, count in pairs]
    vector = noisy[measure.kind]
    half = vector.mechanism.half_width(ALPHA)
    return _totals(measure, vector.values, half, rule)


def _totals(measure: Measured, noisy: Sequence[int], half: int, rule: UsableRule) -> list[Released]:
    """Counts and sums: what is the same for all cells is worked out once, the rest in whole numbers."""
    units = own_units(measure)
    places = measure.decimals if measure.kind == "sum" else 0
    scale = 10**places
    signed = measure.kind == "sum" and measure.low < 0
    least = _least_usable(Fraction(half, units), scale, rule)
    made = []
    for total in noisy:
        value = round(Fraction(total * scale, units)) if scale != 1 else _divided(total, units)
        value = value if signed else max(value, 0)
        made.append(
            Released(
                value=Decimal(value).scaleb(-places),
                unrounded=_exact(total, units),
                low=_exact(total - half, units),
                high=_exact(total + half, units),
                usable=least is not None and abs(value) >= least,
            )
        )
    return made


def _least_usable(half_width: Fraction, scale: int, rule: UsableRule) -> int | None:
    """Return the least value, in units of ``1/scale``, that the agreement's rule calls usable; None where none is."""
    if rule.half_width <= 0:
        return None
    return ceil(max(half_width / Fraction(rule.half_width), Fraction(rule.value)) * scale)


def _divided(total: int, units: int) -> int:
    """Divide whole numbers, rounding half to even."""
    whole, rest = divmod(total, units)
    return whole + (2 * rest > units or (2 * rest == units and whole % 2 == 1))


def _exact(total: int, units: int) -> Decimal:
    """Divide by ``1024 * 10**n``: the result has few digits, so that it is exact."""
    return _DIGITS.divide(Decimal(total), Decimal(units))


def _mean(measure: Measured, total: int, count: int, sum_half: int, count_half: int, rule: UsableRule) -> Released:
    """A ratio of two noisy totals, with an interval that holds whenever both totals' intervals hold.

    The mean of the bounded totals lies within the column's declared bounds, so that all is clamped to them.
    """
    least, most = Fraction(measure.low), Fraction(measure.high)
    if count <= 0:
        ratio = (least + most) / 2
        low, high = least, most
    else:
        ratio = Fraction(total, count)
        low, high = least, most
        if count > count_half:
            corners = [
                Fraction(numerator, denominator)
                for numerator in (total - sum_half, total + sum_half)
                for denominator in (count - count_half, count + count_half)
            ]
            low, high = _clamp(min(corners), least, most), _clamp(max(corners), least, most)
    mean = _clamp(ratio, least, most)
    wide = max(high - mean, mean - low)
    return Released(
        value=_rounded(mean / 10**measure.decimals, measure.decimals + _EXTRA_DIGITS_OF_A_MEAN),
        unrounded=_unrounded(measure, ratio / 10**measure.decimals),
        low=_unrounded(measure, low / 10**measure.decimals),
        high=_unrounded(measure, high / 10**measure.decimals),
        usable=count > count_half and _usable(wide, abs(mean), Fraction(count, SCALE), rule),
    )


def _usable(half_width: Fraction, value: Fraction, size: Fraction, rule: UsableRule) -> bool:
    """Apply the agreement's rule; ``size`` is the value itself or, for a mean, how many rows it is over."""
    return half_width <= Fraction(rule.half_width) * value and size >= rule.value


def _clamp(value: Fraction, low: Fraction, high: Fraction) -> Fraction:
    return min(max(value, low), high)


def _unrounded(measure: Measured, value: Fraction) -> Decimal:
    return _rounded(value, _DIGITS_UNROUNDED + measure.decimals)


def _rounded(value: Fraction, places: int) -> Decimal:
    """Return a fraction to some decimal places, exactly, half to even, in integers alone."""
    return Decimal(f"{round(value * 10**places)}E-{places}")
