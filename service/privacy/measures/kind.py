"""What the file of a kind of measure provides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from service.policy.plan import EffectivePlan, Measured
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
