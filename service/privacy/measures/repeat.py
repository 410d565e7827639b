"""``repeat``: in each cell, how many people have one row there, how many two, three or four, and more."""

from __future__ import annotations

from collections.abc import Mapping

from service.policy.plan import EffectivePlan, Measured
from service.privacy.measures.binned import bins, parts
from service.privacy.postprocess import Column, NoisyVector, UsableRule, counted
from service.privacy.vectors import Frame, One, RowsPerPerson, Vector

OWN_NOISE = True


def vectors(measured: Measured, plan: EffectivePlan) -> tuple[Vector, ...]:
    """Return one: each person once in each group, in the band of the person's rows there."""
    extra = (bins(measured),)
    return (Vector(measured.name, "persons", Frame.PERSONS, One(), plan.by, extra, RowsPerPerson()),)


def released(measured: Measured, noisy: Mapping[str, NoisyVector], rule: UsableRule) -> Column:
    """Return a count of persons for each band."""
    return counted(noisy["persons"], rule, parts(measured))
