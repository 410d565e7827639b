"""``histogram``: in each cell, how many rows have a number in each of some bins, each row at its person's weight."""

from __future__ import annotations

from collections.abc import Mapping

from service.policy.plan import EffectivePlan, Measured
from service.privacy.measures.binned import bins, parts
from service.privacy.postprocess import Column, NoisyVector, UsableRule, counted
from service.privacy.vectors import Frame, One, Vector

OWN_NOISE = True


def vectors(measured: Measured, plan: EffectivePlan) -> tuple[Vector, ...]:
    """Return one: each row in the bin of its number."""
    return (Vector(measured.name, "count", Frame.ROWS, One(), plan.by, (bins(measured),)),)


def released(measured: Measured, noisy: Mapping[str, NoisyVector], rule: UsableRule) -> Column:
    """Return a count of rows for each bin."""
    return counted(noisy["count"], rule, parts(measured))
