"""``variance``: of the rows that have the number, from noisy totals of squares, of numbers and of rows.

With the number less the middle of its bounds, x, and weights w, it is sum(w x^2) / sum(w) - (sum(w x) / sum(w))^2: the
variance of the bounded rows themselves, not an estimate for more of them. What is taken off does not matter to it, and
keeps what one person may add small.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from service.policy.plan import EffectivePlan, Measured
from service.privacy.fixed import SCALE
from service.privacy.measures.sum import number
from service.privacy.postprocess import ALPHA, Column, NoisyVector, UsableRule, usable
from service.privacy.vectors import Centred, Frame, Has, Square, Vector

OWN_NOISE = False
_EXTRA_DIGITS = 2
_DIGITS_UNROUNDED = 10
"""As many as 1/1024 has."""
_PARTS = ("square", "sum", "count")


class Range(NamedTuple):
    """Where a total lies, both ends included."""

    low: int
    high: int


class _Cell(NamedTuple):
    value: int
    unrounded: int
    low: int
    high: int
    usable: bool


def vectors(measured: Measured, plan: EffectivePlan) -> tuple[Vector, ...]:
    """Return three: the squares, the numbers, and the rows that have the number."""
    read = number(measured)
    centred = Centred(read.field, read.low, read.high, read.decimals)
    return (
        Vector(measured.name, "square", Frame.ROWS, Square(centred), plan.by),
        Vector(measured.name, "sum", Frame.ROWS, centred, plan.by),
        Vector(measured.name, "count", Frame.ROWS, Has(read.field), plan.by),
    )


def released(measured: Measured, noisy: Mapping[str, NoisyVector], rule: UsableRule) -> Column:
    """Return variances in the column's units squared, to two places more than squares have."""
    alpha = ALPHA / len(_PARTS)  # the three intervals hold at once with chance 95% (Bonferroni)
    halves = [noisy[part].mechanism.half_width(alpha) for part in _PARTS]
    most = Fraction((measured.high - measured.low) ** 2, 4)  # Popoviciu: no variance within bounds is larger
    totals = zip(*(noisy[part].values for part in _PARTS), strict=True)
    cells = [_variance([*three], halves, most, rule) for three in totals]
    return Column(
        values=[cell.value for cell in cells],
        places=2 * measured.decimals + _EXTRA_DIGITS,
        unrounded=[cell.unrounded for cell in cells],
        low=[cell.low for cell in cells],
        high=[cell.high for cell in cells],
        units=10 ** (_DIGITS_UNROUNDED + 2 * measured.decimals),
        usable=[cell.usable for cell in cells],
    )


def _variance(totals: list[int], halves: list[int], most: Fraction, rule: UsableRule) -> _Cell:
    """One cell: where the noisy count is no larger than its noise, it may be anything that the bounds let it be."""
    square, added, count = totals
    found = most / 2 if count <= 0 else Fraction(square, count) - Fraction(added, count) ** 2
    low, high = Fraction(0), most
    if count > halves[-1]:
        ranges = [Range(total - half, total + half) for total, half in zip(totals, halves, strict=True)]
        low, high = (_clamp(end, most) for end in extremes(*ranges))
    value = _clamp(found, most)
    return _Cell(
        value=round(value * 10**_EXTRA_DIGITS),
        unrounded=round(found * 10**_DIGITS_UNROUNDED),
        low=round(low * 10**_DIGITS_UNROUNDED),
        high=round(high * 10**_DIGITS_UNROUNDED),
        usable=count > halves[-1] and usable(max(high - value, value - low), value, Fraction(count, SCALE), rule),
    )


def extremes(square: Range, added: Range, count: Range) -> tuple[Fraction, Fraction]:
    """Return the least and the greatest q/c - (s/c)^2 over q in ``square``, s in ``added`` and c in ``count``.

    It rises with q and falls with |s|, so both are at an end (|s| is least at 0 where ``added`` holds 0). Of c > 0 it
    is q/c - m/c^2 with m = s^2: where q > 0 it rises up to c = 2 m / q and falls from there, else it rises throughout
    or, where m = 0, it is q/c, which never turns. So it is least at an end of ``count``, and greatest at an end or,
    where that lies between them, at 2 m / q, with q^2 / (4 m).
    """
    nearest = 0 if added.low <= 0 <= added.high else min(abs(added.low), abs(added.high))
    farthest = max(abs(added.low), abs(added.high))
    low = min(_at(square.low, farthest, end) for end in count)
    high = max(_at(square.high, nearest, end) for end in count)
    if nearest and count.low * square.high < 2 * nearest**2 < count.high * square.high:
        high = max(high, Fraction(square.high**2, 4 * nearest**2))
    return low, high


def _at(square: int, added: int, count: int) -> Fraction:
    return Fraction(square, count) - Fraction(added, count) ** 2


def _clamp(value: Fraction, most: Fraction) -> Fraction:
    return min(max(value, Fraction(0)), most)
