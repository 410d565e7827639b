"""``quantile``: the least point of a grid at or below which some part of the rows lie that have the number.

One histogram is noised: in each cell, the rows between each two points of the grid, in bins that hold every row. All
else comes of it. Let N be the rows that have the number, C(j) those up to the j-th point, and D(j) = C(j) - q N: the
quantile is the first point with D(j) >= 0. It rises with j and is no less than 0 at the last point, which is the
largest number that the column may hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

from service.policy.plan import EffectivePlan, Measured, Quantiles
from service.privacy.combined import half_width
from service.privacy.fixed import SCALE
from service.privacy.mechanism import Mechanism
from service.privacy.postprocess import ALPHA, Column, NoisyVector, Part, UsableRule, usable
from service.privacy.vectors import Frame, One, Vector

OWN_NOISE = False


class Found(NamedTuple):
    """Places on the grid: the quantile's, and those between which it lies."""

    place: int
    low: int
    high: int


def vectors(measured: Measured, plan: EffectivePlan) -> tuple[Vector, ...]:
    """Return one: each row in the bin of its number, as of a histogram."""
    return (Vector(measured.name, "count", Frame.ROWS, One(), plan.by, (_asked(measured).keys,)),)


def released(measured: Measured, noisy: Mapping[str, NoisyVector], rule: UsableRule) -> Column:
    """Return a point of the grid for each part asked for, in each cell."""
    asked, mechanism, values = _asked(measured), noisy["count"].mechanism, noisy["count"].values
    width = len(asked.keys.keys)
    points = [*(last for _, _, last in asked.keys.bands[:-1]), measured.high]
    parts = [Fraction(Decimal(text)) for text in asked.q]
    halves = [half_widths(mechanism, part, len(points)) for part in parts]
    of_all = half_width(mechanism, ((1, len(points)),), ALPHA)
    found: list[tuple[int, int, int, bool]] = []
    for first in range(0, len(values), width):
        bins = values[first : first + len(points)]  # the unknown come last
        rows = sum(bins)
        for part, half in zip(parts, halves, strict=True):
            place, low, high = (points[at] for at in quantile(bins, part, half))
            wide = Fraction(max(high - place, place - low))
            enough = rows > of_all and usable(wide, Fraction(abs(place)), Fraction(rows, SCALE), rule)
            found.append((place, low, high, enough))
    places, lows, highs, usables = ([line[column] for line in found] for column in range(4))
    return Column(
        values=places,
        places=measured.decimals,
        unrounded=places,
        low=lows,
        high=highs,
        units=10**measured.decimals,
        usable=[bool(item) for item in usables],
        parts=tuple(Part(text, {"q": text}) for text in asked.q),
    )


def half_widths(mechanism: Mechanism, part: Fraction, points: int) -> list[int]:
    """Return how large the noise of ``part.denominator * D(j)`` may be at each point but the last, at 95% for all.

    D(j) adds (1 - q) times each of the first j noisy bins, and takes off q times each of the others.
    """
    over, under = part.denominator - part.numerator, part.numerator
    alpha = ALPHA / max(points - 1, 1)  # all hold at once with chance 95% (Bonferroni)
    return [half_width(mechanism, ((over, j), (under, points - j)), alpha) for j in range(1, points)]


def quantile(bins: Sequence[int], part: Fraction, halves: Sequence[int]) -> Found:
    """Return where a quantile lies, from noisy bins.

    Wherever no noise of D is larger than its half-width, the quantile of the totals before noise lies between ``low``
    and ``high``: D is below 0 at every place before ``low``, and not at ``high``. The place itself is the first at
    which D, made to rise, is not below 0, moved into that interval.

    Args:
        bins: Noisy totals between the points.
        part: Which part of the rows is to lie at or below the quantile.
        halves: As ``half_widths`` returns them.
    """
    rows, last = sum(bins), len(bins) - 1
    short = [part.denominator * reached - part.numerator * rows for reached in accumulate(bins)][:-1]
    below = [place + 1 for place, (gap, half) in enumerate(zip(short, halves, strict=True)) if gap < -half]
    above = [place for place, (gap, half) in enumerate(zip(short, halves, strict=True)) if gap >= half]
    low, high = max(below, default=0), min(above, default=last)
    low, high = min(low, high), max(low, high)  # they cross only where some noise is larger than its half-width
    first = next((place for place, gap in enumerate(rising(short)) if gap >= 0), last)
    return Found(min(max(first, low), high), low, high)


def rising(numbers: Sequence[int]) -> list[Fraction]:
    """Return the numbers that never fall and are nearest to some, by least squares.

    Neighbours that fall are pooled at their mean, until none do (Ayer et al. 1955; for noisy counts Hay et al. 2010,
    "Boosting the accuracy of differentially private histograms through consistency").
    """
    pools: list[tuple[int, int]] = []
    for number in numbers:
        total, count = number, 1
        while pools and pools[-1][0] * count > total * pools[-1][1]:
            before = pools.pop()
            total, count = total + before[0], count + before[1]
        pools.append((total, count))
    return [Fraction(total, count) for total, count in pools for _ in range(count)]


def _asked(measured: Measured) -> Quantiles:
    if not isinstance(measured.detail, Quantiles):
        raise RuntimeError("a quantile has a grid")  # noqa: TRY004 - a plan that no request makes
    return measured.detail
