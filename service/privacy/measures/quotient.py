"""What measures that divide one noisy total by another share: whole numbers throughout, for tables of many cells."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from service.privacy.postprocess import Column, Part, UsableRule

UNITS = 10**10
"""As many digits as 1/1024 has."""

Cell = tuple[int | None, int | None, int | None, int | None, bool]
"""Value in units of the column's places; unrounded, low and high in ``1/UNITS``; usable."""
NOTHING: Cell = (None, None, None, None, False)


def down(number: int, by: int) -> int:
    """Return a quotient in ``1/UNITS``, rounded down; ``by`` is above zero."""
    return number * UNITS // by


def up(number: int, by: int) -> int:
    """Return a quotient in ``1/UNITS``, rounded up; ``by`` is above zero."""
    return -(-number * UNITS // by)


class Usable:
    """The agreement's rule of what is usable, for many quotients over totals of one vector."""

    def __init__(self, rule: UsableRule, units: int) -> None:
        """Keep it in whole numbers.

        Args:
            rule: The rule.
            units: How many of the vector's totals make one in the measure's own units.
        """
        self._part = Fraction(rule.half_width)
        self._least = rule.value * units

    def __call__(self, value: int, low: int, high: int, size: int) -> bool:
        """Apply it to a quotient and its interval, all in ``1/UNITS``, and to the total that it rests on."""
        wide = max(high - value, value - low)
        return size >= self._least and wide * self._part.denominator <= self._part.numerator * abs(value)


def column(cells: Sequence[Cell], places: int, parts: tuple[Part, ...] = ()) -> Column:
    """Return a column of cells, at least one."""
    value, unrounded, low, high, usable = zip(*cells, strict=True)
    return Column(value, places, unrounded, low, high, UNITS, usable, parts)
