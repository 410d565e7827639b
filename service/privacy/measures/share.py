"""``share``: each cell's part of the sum of all cells of a count, a count of persons or a sum that is not negative."""

from __future__ import annotations

from service.policy.plan import Keys, Measured
from service.privacy.measures.quotient import NOTHING, UNITS, Cell, Usable, column, down, up
from service.privacy.postprocess import ALPHA, Column, NoisyVector, UsableRule, divided

_PLACES = 4


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
    if whole <= noisy.mechanism.half_width_of_sum(cells, ALPHA):
        return (column([NOTHING] * cells, _PLACES),)
    alpha = ALPHA / 2  # the cell's and the others' intervals hold at once with chance 95% (Bonferroni)
    halves = noisy.mechanism.half_width(alpha), noisy.mechanism.half_width_of_sum(cells - 1, alpha)
    usable = Usable(rule, noisy.units)
    return (column([_share(own, whole, halves, usable) for own in noisy.values], _PLACES),)


def _share(own: int, whole: int, halves: tuple[int, int], usable: Usable) -> Cell:
    """A share ``t / (t + o)`` of a cell's total t and the sum o of all others, neither of them negative.

    It rises with t and falls with o, so it lies between the corners of their intervals.
    """
    half, half_of_rest = halves
    rest = whole - own
    least, most = max(own - half, 0), max(own + half, 0)
    few, many = max(rest - half_of_rest, 0), max(rest + half_of_rest, 0)
    low = down(least, least + many) if least + many else 0
    high = up(most, most + few) if most + few else UNITS
    kept = min(max(own, 0), whole)
    enough = usable(down(kept, whole), low, high, own)
    return divided(kept * 10**_PLACES, whole), divided(own * UNITS, whole), low, high, enough
