"""``change``: each period less an earlier one, and that difference in percent of the earlier one."""

from __future__ import annotations

from fractions import Fraction

from service.policy import periods
from service.policy.plan import CHANGE, Derived, Keys, Measured
from service.privacy.postprocess import ALPHA, Column, NoisyVector, Part, UsableRule, only, spread, usable

_DIFFERENCE, _PERCENT = (Part(name, {}) for name in CHANGE)
_PLACES = 1
_DIGITS_UNROUNDED = 10
_HUNDRED = 100
_NOTHING = (None, None, None, None, False)

_Cell = tuple[int | None, int | None, int | None, int | None, bool]
"""Value, unrounded, low, high, usable."""


def summed(measured: Measured) -> int | None:  # noqa: ARG001 - as others
    """Return None: the error of the percentage depends on the data."""
    return None


def released(measured: Measured, noisy: NoisyVector, by: tuple[Keys, ...], rule: UsableRule) -> tuple[Column, ...]:
    """Return differences and percentages; neither where there is no earlier period.

    Raises:
        RuntimeError: the measure is over no periods.
    """
    if not isinstance(measured.detail, Derived) or measured.detail.periods is None:
        raise RuntimeError(f"a {measured.kind} is over periods")
    before = periods.before(by, measured.detail.periods)
    older = [None if place is None else noisy.values[place] for place in before]
    return _differences(measured, noisy, older, rule), _percentages(measured, noisy, older, rule)


def _differences(measured: Measured, noisy: NoisyVector, older: list[int | None], rule: UsableRule) -> Column:
    """The noise of a difference is that of two draws added up, as the noise is symmetric."""
    moved = [new - (old or 0) for new, old in zip(noisy.values, older, strict=True)]
    half = noisy.mechanism.half_width_of_sum(2, ALPHA)
    made = spread(moved, half, noisy.units, rule, measured.decimals, signed=True, parts=(_DIFFERENCE,))
    return only(made, [old is not None for old in older])


def _percentages(measured: Measured, noisy: NoisyVector, older: list[int | None], rule: UsableRule) -> Column:
    half = noisy.mechanism.half_width(ALPHA / 2)  # both periods' intervals hold at once with chance 95% (Bonferroni)
    least = None if measured.low < 0 else 0
    made: list[_Cell] = [
        _NOTHING if old is None or old <= half else _percent(new, old, half, least, noisy.units, rule)
        for new, old in zip(noisy.values, older, strict=True)
    ]
    value, unrounded, low, high, usables = zip(*made, strict=True)
    return Column(value, _PLACES, unrounded, low, high, 10**_DIGITS_UNROUNDED, usables, (_PERCENT,))


def _percent(new: int, old: int, half: int, least: int | None, units: int, rule: UsableRule) -> _Cell:
    """The change in percent of a total that is larger than its noise, with an interval between the corners.

    Args:
        new: The later noisy total.
        old: The earlier one, above ``half``.
        half: The half-width of both.
        least: What totals are never below, None where they may be negative.
        units: How many of ``new`` make one.
        rule: The agreement's rule of what is usable.
    """
    ends = [new - half, new + half] if least is None else [max(new - half, least), max(new + half, least)]
    corners = [_moved(end, by) for end in ends for by in (old - half, old + half)]
    low, high, ratio = min(corners), max(corners), _moved(new, old)
    value = ratio if least is None else max(ratio, Fraction(-_HUNDRED))
    wide = max(high - value, value - low)
    shown = [round(number * 10**_DIGITS_UNROUNDED) for number in (ratio, low, high)]
    enough = usable(wide, abs(value), Fraction(old, units), rule)
    return round(value * 10**_PLACES), shown[0], shown[1], shown[2], enough


def _moved(new: int, old: int) -> Fraction:
    return Fraction(_HUNDRED * (new - old), old)
