"""``mean``: a noisy sum over a noisy count of the rows that have the number, both bounded by all the person's rows."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from service.policy.plan import EffectivePlan, Measured
from service.privacy.fixed import SCALE
from service.privacy.measures.sum import number
from service.privacy.postprocess import ALPHA, Column, NoisyVector, UsableRule, usable
from service.privacy.vectors import Frame, Has, Vector

OWN_NOISE = False
_EXTRA_DIGITS = 2
_DIGITS_UNROUNDED = 10
"""As many as 1/1024 has."""

_Cell = tuple[int, int, int, int, bool]
"""Value, unrounded, low, high, usable."""


def vectors(measured: Measured, plan: EffectivePlan) -> tuple[Vector, ...]:
    """Return two: the sum, and the count of the rows that have the number."""
    read = number(measured)
    return (
        Vector(measured.name, "sum", Frame.ROWS, read, plan.by),
        Vector(measured.name, "count", Frame.ROWS, Has(read.field), plan.by),
    )


def released(measured: Measured, noisy: Mapping[str, NoisyVector], rule: UsableRule) -> Column:
    """Return means, to two places more than the column has."""
    alpha = ALPHA / 2  # both intervals hold at once with chance 95% (Bonferroni)
    halves = noisy["sum"].mechanism.half_width(alpha), noisy["count"].mechanism.half_width(alpha)
    pairs = zip(noisy["sum"].values, noisy["count"].values, strict=True)
    cells = [_mean(measured, total, count, halves, rule) for total, count in pairs]
    values, unrounded, low, high, usables = ([cell[place] for cell in cells] for place in range(5))
    return Column(
        values=[int(value) for value in values],
        places=measured.decimals + _EXTRA_DIGITS,
        unrounded=unrounded,
        low=low,
        high=high,
        units=10 ** (_DIGITS_UNROUNDED + measured.decimals),
        usable=[bool(item) for item in usables],
    )


def _mean(measured: Measured, total: int, count: int, halves: tuple[int, int], rule: UsableRule) -> _Cell:
    """A ratio of two noisy totals, with an interval that holds whenever both totals' intervals hold.

    The mean of the bounded totals lies within the column's declared bounds, so that all is clamped to them.
    """
    sum_half, count_half = halves
    least, most = Fraction(measured.low), Fraction(measured.high)
    low, high = least, most
    ratio = (least + most) / 2 if count <= 0 else Fraction(total, count)
    if count > count_half:
        corners = [
            Fraction(numerator, denominator)
            for numerator in (total - sum_half, total + sum_half)
            for denominator in (count - count_half, count + count_half)
        ]
        low, high = _clamp(min(corners), least, most), _clamp(max(corners), least, most)
    mean = _clamp(ratio, least, most)
    wide = max(high - mean, mean - low)
    return (
        round(mean * 10**_EXTRA_DIGITS),
        round(ratio * 10**_DIGITS_UNROUNDED),
        round(low * 10**_DIGITS_UNROUNDED),
        round(high * 10**_DIGITS_UNROUNDED),
        count > count_half and usable(wide, abs(mean), Fraction(count, SCALE), rule),
    )


def _clamp(value: Fraction, low: Fraction, high: Fraction) -> Fraction:
    return min(max(value, low), high)
