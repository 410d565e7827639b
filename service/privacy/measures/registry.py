"""Which kinds of measure there are, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping

from service.policy.plan import EffectivePlan, Keys, Measured
from service.privacy.measures import (
    change,
    count,
    histogram,
    mean,
    persons,
    quantile,
    repeat,
    rolling,
    share,
    variance,
)
from service.privacy.measures import sum as sums
from service.privacy.measures.kind import DerivedKind, Kind
from service.privacy.postprocess import Column, NoisyVector, UsableRule
from service.privacy.vectors import Vector

KINDS: Mapping[str, Kind] = {
    "count": count,
    "persons": persons,
    "sum": sums,
    "mean": mean,
    "repeat": repeat,
    "histogram": histogram,
    "variance": variance,
    "quantile": quantile,
}

DERIVED: Mapping[str, DerivedKind] = {
    "share": share,
    "rolling": rolling,
    "change": change,
}
"""The kinds that own no vector."""


def kind_of(measured: Measured) -> Kind:
    """Return a measure's kind.

    Raises:
        RuntimeError: there is none of that name.
    """
    try:
        return KINDS[measured.kind]
    except KeyError:
        raise RuntimeError(f"no such measure: {measured.kind}") from None


def vectors_of(measured: Measured, plan: EffectivePlan) -> tuple[Vector, ...]:
    """Return the vectors that one measure of a plan is made from; none of one that is worked out from another."""
    if measured.kind in DERIVED:
        return ()
    return kind_of(measured).vectors(measured, plan)


def vectors(plan: EffectivePlan) -> tuple[Vector, ...]:
    """Return all the vectors of a plan, in the order of its measures."""
    return tuple(vector for measured in plan.measures for vector in vectors_of(measured, plan))


def released(measured: Measured, noisy: Mapping[str, NoisyVector], rule: UsableRule) -> Column:
    """Return what is released of one measure.

    Args:
        measured: What was measured, with its declared bounds.
        noisy: Its noisy vectors, by part.
        rule: The agreement's rule of what is usable.
    """
    return kind_of(measured).released(measured, noisy, rule)


def summed_of(measured: Measured) -> int | None:
    """Return how many noisy values each number of a measure that owns no vector is the sum of, if it is one."""
    return DERIVED[measured.kind].summed(measured)


def derived(
    measured: Measured, noisy: Mapping[str, NoisyVector], by: tuple[Keys, ...], rule: UsableRule
) -> tuple[Column, ...]:
    """Return what is released of a measure that owns no vector.

    Args:
        measured: What was asked.
        noisy: The noisy vectors of the measure that it is worked out from, by part: one.
        by: The question's groupings.
        rule: The agreement's rule of what is usable.
    """
    (vector,) = noisy.values()
    return DERIVED[measured.kind].released(measured, vector, by, rule)
