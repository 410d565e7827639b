"""How much one person may add to a vector: the forms of bounding (guarantee 2.4).

There is one form today, scaling. Another is a dataclass beside it, a member of ``Bound``, its weight here and its
lines in ``sensitivity``; what one file says of a bound, the other must prove.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.policy.plan import EffectivePlan
from service.privacy.fixed import SCALE


@dataclass(frozen=True, slots=True)
class Scaled:
    """Scaling: everyone with more than ``per_person`` rows (or cells) counts a part for each, and K in all.

    Attributes:
        per_person: K, at least 1.
    """

    per_person: int

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            RuntimeError: K is below 1.
        """
        if self.per_person < 1:
            raise RuntimeError("per_person is at least 1")


Bound = Scaled


def bound_of(plan: EffectivePlan) -> Bound:
    """Return a plan's bound; a record adds one row, so a record dataset's is 1 whatever the plan says."""
    return Scaled(plan.per_person if plan.unit == "person" else 1)


def weight(bound: Bound, shares: int) -> int:
    """Return what each of a person's ``shares`` rows (or cells) counts, in ``1/SCALE``; guarantee 2.4.

    ``shares * weight(Scaled(K), shares) <= SCALE * K`` and ``weight(Scaled(K), shares) <= SCALE`` hold exactly: the
    division rounds down.

    Args:
        bound: The bound.
        shares: Over how many rows or cells the person's contribution is spread; at least 1.
    """
    return min(SCALE, SCALE * bound.per_person // shares)
