"""``persons``: how many different people, each once in each cell."""

from __future__ import annotations

from collections.abc import Mapping

from service.policy.plan import EffectivePlan, Measured
from service.privacy.postprocess import Column, NoisyVector, UsableRule, counted
from service.privacy.vectors import Frame, One, Vector

OWN_NOISE = True


def vectors(measured: Measured, plan: EffectivePlan) -> tuple[Vector, ...]:
    """Return one: a person each."""
    return (Vector(measured.name, "persons", Frame.PERSONS, One(), plan.by),)


def released(measured: Measured, noisy: Mapping[str, NoisyVector], rule: UsableRule) -> Column:  # noqa: ARG001 - as others
    """Return counts."""
    return counted(noisy["persons"], rule)
