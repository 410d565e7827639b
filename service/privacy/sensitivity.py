"""How far one person can move a vector of totals: from declared bounds alone, not from data (guarantee 2.6).

All in units of ``1/SCALE``. Let a person have n rows left after filter and links, in m distinct cells out of
``cells``, and let w be the weight of each (``fixed.weight``). Neighbours differ in all of one person's rows,
and nobody else's contribution moves, so two neighbours' totals differ by that person's contribution alone.

*count.* The person adds w to a cell for each row: L1 = n w <= SCALE K since w <= SCALE K / n. All rows may
lie in one cell, so L2 <= L1 is the best bound without knowing the spread.

*persons.* The person adds w = min(SCALE, floor(SCALE K / m)) to each of m cells.
L1 = m w <= SCALE min(K, m) <= SCALE min(K, cells). For L2 squared = m w^2: when m <= K, w = SCALE and
m w^2 = SCALE^2 m, where m = min(K, m) <= min(K, cells); when m > K, w <= SCALE K / m gives
m w^2 <= SCALE^2 K^2 / m < SCALE^2 K, and K = min(K, cells) because K < m <= cells. So L2 squared is at most
SCALE^2 min(K, cells) in both cases, in integers, with rounding down on our side.

*sum.* Each row adds w v with v clamped to [low, high], so |w v| <= w B for B = max(|low|, |high|): B times
the count's. A row without the number adds nothing, which only lowers it.

*mean.* Two queries: the sum over the rows that have the number, and their count; each as above, with weights
taken from all the person's rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.policy.plan import Measured
from service.privacy.fixed import SCALE

_PARTS: dict[str, tuple[str, ...]] = {
    "count": ("count",),
    "persons": ("persons",),
    "sum": ("sum",),
    "mean": ("sum", "count"),
}


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The most that one person moves a vector of totals, in units of ``1/SCALE``.

    Attributes:
        l1: In L1 distance.
        l2_squared: The square of the L2 distance, so that it stays an integer.
    """

    l1: int
    l2_squared: int


def parts(measure: Measured) -> tuple[str, ...]:
    """Return the vectors of totals that a measure is made from: ``count``, ``persons`` or ``sum``.

    Raises:
        RuntimeError: the measure's kind is unknown.
    """
    try:
        return _PARTS[measure.kind]
    except KeyError:
        raise RuntimeError(f"no such measure: {measure.kind}") from None


def query_name(measure: Measured, part: str) -> str:
    """Return the name that engine and pricing give one vector of totals, as ``mean_gravity.sum``."""
    return f"{measure.name}.{part}"


def of_part(measure: Measured, part: str, per_person: int, cells: int) -> Sensitivity:
    """Return the sensitivity of one vector of totals.

    Args:
        measure: What is measured, with its declared bounds.
        part: One of ``parts(measure)``.
        per_person: K; 1 for a dataset whose unit is the record.
        cells: Size of the public key set.

    Raises:
        RuntimeError: a bound is not positive, or there is no such part.
    """
    if per_person < 1 or cells < 1:
        raise RuntimeError("per_person and cells are at least 1")
    if part == "persons":
        touched = min(per_person, cells)
        return Sensitivity(SCALE * touched, SCALE**2 * touched)
    if part == "count":
        return _one_cell(SCALE * per_person)
    if part == "sum":
        # A column that can only be 0 still gets noise: its bound is taken as 1.
        return _one_cell(SCALE * per_person * max(abs(measure.low), abs(measure.high), 1))
    raise RuntimeError(f"no such part: {part}")


def _one_cell(l1: int) -> Sensitivity:
    """When the whole contribution may fall into one cell, the L2 distance is the L1 distance."""
    return Sensitivity(l1, l1**2)
