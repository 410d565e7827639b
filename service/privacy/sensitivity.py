"""How far one person can move a vector of totals: from declared bounds alone, not from data (guarantee 2.6).

All in units of ``1/SCALE``. Let a person have n rows left after filter and links, in m distinct groups out of those of
``by``, and let w be the weight of each (``bounds.weight``). Let b be the most that |value| can be: 1 for ``One`` and
``Has``, max(|low|, |high|) for ``Number``. For ``Centred`` it is R = (high - low + 1) // 2: the middle taken off is
(low + high) // 2, so high is ceil((high - low) / 2) above it, which is R, and low floor((high - low) / 2) below. A
``Square`` of it lies in [0, R^2]. Neighbours differ in all of one person's rows, and nobody else's contribution moves,
so two neighbours' totals differ by that person's contribution alone.

*Rows, scaled.* The person adds at most w b to one cell for each row, whatever cells there are: ``extra`` puts a row
into one cell. L1 <= n w b <= SCALE K b since w <= SCALE K / n. All rows may lie in one cell, so L2 <= L1 is the best
bound without knowing the spread. A row without the number adds nothing, which only lowers it; weights are taken from
all the person's rows.

*Persons, scaled.* The person adds w = min(SCALE, floor(SCALE K / m)) to one cell in each of m groups: a label picks one
extra cell in each, however many there are. L1 = m w <= SCALE min(K, m) <= SCALE min(K, groups). For L2 squared = m w^2:
when m <= K, w = SCALE and m w^2 = SCALE^2 m, where m = min(K, m) <= min(K, groups); when m > K, w <= SCALE K / m gives
m w^2 <= SCALE^2 K^2 / m < SCALE^2 K, and K = min(K, groups) because K < m <= groups. So L2 squared is at most
SCALE^2 min(K, groups) in both cases, in integers, with rounding down on our side. Without ``by`` there is one group.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.policy.plan import key_count
from service.privacy.bounds import Bound
from service.privacy.fixed import SCALE
from service.privacy.vectors import Centred, Frame, Number, Square, Value, Vector


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The most that one person moves a vector of totals, in units of ``1/SCALE``.

    Attributes:
        l1: In L1 distance.
        l2_squared: The square of the L2 distance, so that it stays an integer.
    """

    l1: int
    l2_squared: int


def sensitivity(vector: Vector, bound: Bound) -> Sensitivity:
    """Return the sensitivity of a vector under a bound.

    Raises:
        RuntimeError: the groupings have no key.
    """
    groups = key_count(vector.by)
    if groups < 1:
        raise RuntimeError("a key set has at least one key")
    if vector.frame is Frame.PERSONS:
        touched = min(bound.per_person, groups)
        return Sensitivity(SCALE * touched, SCALE**2 * touched)
    l1 = SCALE * bound.per_person * _most(vector.value)
    return Sensitivity(l1, l1**2)  # the whole contribution may fall into one cell


def _most(value: Value) -> int:
    """Return b; a column that can only be 0 still gets noise, so its bound is taken as 1."""
    if isinstance(value, Square):
        return _most(value.of) ** 2
    if isinstance(value, Centred):
        return max(value.reach, 1)
    return max(abs(value.low), abs(value.high), 1) if isinstance(value, Number) else 1
