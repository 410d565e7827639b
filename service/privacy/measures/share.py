"""``share``: each cell's part of the sum of all cells of a count, a count of persons or a sum that is not negative."""

from __future__ import annotations

from fractions import Fraction

from service.policy.plan import Keys, Measured
from service.privacy.postprocess import ALPHA, Column, NoisyVector, UsableRule, usable

_PLACES = 4
_DIGITS_UNROUNDED = 10
_NOTHING = (None, None, None, None, False)

_Cell = tuple[int | None, int | None, int | None, int | None, bool]
"""Value, unrounded, low, high, usable."""


def summed(measured: Measured) -> int | None:  # noqa: ARG001 - as others
    """Return None: its error depends on the data."""
    return None


def released(
    measured: Measured,  # noqa: ARG001 - as others
    noisy: NoisyVector,
    by: tuple[Keys, ...],  # noqa: ARG001 - as others
    rule: UsableRule,
) -> tuple[Column, ...]:
    """Return shares between 0 and 1; none at all where the sum of the cells is no larger than its noise."""
    cells, whole = len(noisy.values), sum(noisy.values)
    alpha = ALPHA / 2  # the cell's and the others' intervals hold at once with chance 95% (Bonferroni)
    half = noisy.mechanism.half_width(alpha)
    others = noisy.mechanism.half_width_of_sum(cells - 1, alpha)
    if whole <= noisy.mechanism.half_width_of_sum(cells, ALPHA):
        made: list[_Cell] = [_NOTHING] * cells
    else:
        made = [_share(own, whole, half, others, noisy.units, rule) for own in noisy.values]
    value, unrounded, low, high, usables = zip(*made, strict=True)
    return (Column(value, _PLACES, unrounded, low, high, 10**_DIGITS_UNROUNDED, usables),)


def _share(own: int, whole: int, half: int, others: int, units: int, rule: UsableRule) -> _Cell:
    """A share ``t / (t + o)`` of a cell's total t and the sum o of all others, which are not negative.

    It rises with t and falls with o. Their noises are independent, so its interval runs between the corners of theirs.
    """
    rest = whole - own
    low = _part(max(own - half, 0), max(rest + others, 0), Fraction(0))
    high = _part(max(own + half, 0), max(rest - others, 0), Fraction(1))
    ratio = Fraction(own, whole)
    share = min(max(ratio, Fraction(0)), Fraction(1))
    wide = max(high - share, share - low)
    shown = [round(number * 10**_DIGITS_UNROUNDED) for number in (ratio, low, high)]
    return round(share * 10**_PLACES), shown[0], shown[1], shown[2], usable(wide, share, Fraction(own, units), rule)


def _part(own: int, rest: int, of_nothing: Fraction) -> Fraction:
    return Fraction(own, own + rest) if own + rest > 0 else of_nothing
