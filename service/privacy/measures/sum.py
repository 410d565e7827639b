"""``sum``: the numbers of a column, clamped to its declared bounds, each at its person's weight."""

from __future__ import annotations

from collections.abc import Mapping

from service.policy.plan import EffectivePlan, Measured
from service.privacy.postprocess import Column, NoisyVector, UsableRule, totalled
from service.privacy.vectors import Frame, Number, Vector

OWN_NOISE = True


def vectors(measured: Measured, plan: EffectivePlan) -> tuple[Vector, ...]:
    """Return one: a number a row."""
    return (Vector(measured.name, "sum", Frame.ROWS, number(measured), plan.by),)


def released(measured: Measured, noisy: Mapping[str, NoisyVector], rule: UsableRule) -> Column:
    """Return sums to the column's decimals, negative ones only where the column has negative numbers."""
    return totalled(noisy["sum"], rule, measured.decimals, signed=measured.low < 0)


def number(measured: Measured) -> Number:
    """Return the number that a measure reads.

    Raises:
        RuntimeError: it reads none.
    """
    if measured.field is None:
        raise RuntimeError(f"a {measured.kind} reads a number")
    return Number(measured.field, measured.low, measured.high, measured.decimals)
