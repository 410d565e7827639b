"""``rolling``: the sum of each period and the ones before it, so many together."""

from __future__ import annotations

from service.policy import periods
from service.policy.plan import Derived, Keys, Measured
from service.privacy.postprocess import ALPHA, Column, NoisyVector, UsableRule, only, spread


def summed(measured: Measured) -> int:
    """Return how many periods are added up.

    Raises:
        RuntimeError: there are none.
    """
    if not isinstance(measured.detail, Derived) or measured.detail.periods is None:
        raise RuntimeError(f"a {measured.kind} is over periods")
    return measured.detail.periods


def released(measured: Measured, noisy: NoisyVector, by: tuple[Keys, ...], rule: UsableRule) -> tuple[Column, ...]:
    """Return sums as of the measure that they are of; none for the first periods, which have too few before them.

    Each period's noise was drawn by itself, so a sum's half-width is that of so many independent draws.
    """
    count = summed(measured)
    running, ran = _running(noisy, by)
    older = periods.before(by, count)
    sums = [total - (running[place] if place is not None else 0) for total, place in zip(running, older, strict=True)]
    half = noisy.mechanism.half_width_of_sum(count, ALPHA)
    made = spread(sums, half, noisy.units, rule, measured.decimals, signed=measured.low < 0)
    return (only(made, [length >= count for length in ran]),)


def _running(noisy: NoisyVector, by: tuple[Keys, ...]) -> tuple[list[int], list[int]]:
    """Return for each cell the sum of its period and all before it without a gap, and how many these are."""
    last = periods.before(by, 1)
    running, ran = list(noisy.values), [1] * len(noisy.values)
    for cell in periods.oldest_first(by):
        before = last[cell]
        if before is not None:
            running[cell] += running[before]
            ran[cell] += ran[before]
    return running, ran
