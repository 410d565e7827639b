"""``change``: each period less an earlier one, and that difference in percent of the earlier one."""

from __future__ import annotations

from service.policy import periods
from service.policy.plan import CHANGE, Derived, Keys, Measured
from service.privacy.measures.quotient import NOTHING, UNITS, Cell, Usable, column, down, up
from service.privacy.postprocess import ALPHA, Column, NoisyVector, Part, UsableRule, divided, only, spread

_DIFFERENCE, _PERCENT = (Part(name, {}) for name in CHANGE)
_PLACES = 1
_HUNDRED = 100


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
    usable = Usable(rule, noisy.units)
    cells = [
        NOTHING if old is None or old <= half else _percent(new, old, half, usable, signed=measured.low < 0)
        for new, old in zip(noisy.values, older, strict=True)
    ]
    return column(cells, _PLACES, (_PERCENT,))


def _percent(new: int, old: int, half: int, usable: Usable, *, signed: bool) -> Cell:
    """The change in percent of a total that is larger than its noise.

    ``n / o`` rises with n and, where n is not negative, falls with o: the interval runs between the corners.

    Args:
        new: The later noisy total.
        old: The earlier one, above ``half``.
        half: The half-width of both.
        usable: The rule.
        signed: Whether totals may be negative; where not, no percentage is below -100.
    """
    least, most, kept = (end if signed else max(end, 0) for end in (new - half, new + half, new))
    by = old + half if least >= 0 else old - half
    low = down(_HUNDRED * (least - by), by)
    by = old - half if most >= 0 else old + half
    high = up(_HUNDRED * (most - by), by)
    moved = _HUNDRED * (kept - old)
    enough = usable(down(moved, old), low, high, old)
    return divided(moved * 10**_PLACES, old), divided(_HUNDRED * (new - old) * UNITS, old), low, high, enough
