"""What the file of a kind of measure provides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from service.policy.plan import EffectivePlan, Keys, Measured
from service.privacy.postprocess import Column, NoisyVector, UsableRule
from service.privacy.vectors import Vector


class Kind(Protocol):
    """A module under ``measures``: pure, and free of data but for noisy values."""

    OWN_NOISE: bool
    """Whether each number released is one noisy total of the kind's only vector.

    Then its error is that noise, known before it is spent, and ``within`` may be asked. Where it is False the error
    depends on the data.
    """

    def vectors(self, measured: Measured, plan: EffectivePlan) -> tuple[Vector, ...]:
        """Return the vectors that the measure is made from, each with a ``part`` of its own."""
        ...

    def released(self, measured: Measured, noisy: Mapping[str, NoisyVector], rule: UsableRule) -> Column:
        """Return what is released of the noisy vectors, which come by their ``part``."""
        ...


class DerivedKind(Protocol):
    """A module under ``measures`` of a kind that owns no vector: a function of another measure's noisy values."""

    def summed(self, measured: Measured) -> int | None:
        """Return how many noisy values each number is the sum of, if it is one: then its error is known beforehand."""
        ...

    def released(
        self, measured: Measured, noisy: NoisyVector, by: tuple[Keys, ...], rule: UsableRule
    ) -> tuple[Column, ...]:
        """Return what is released: one column, or one for each part, each with that ``Part`` and no other.

        Args:
            measured: What was asked.
            noisy: The only vector of the measure that it is worked out from.
            by: The question's groupings.
            rule: The agreement's rule of what is usable.
        """
        ...
