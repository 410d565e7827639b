"""From noisy totals to what is released: a function of noisy values and noise scales alone (guarantee 2.7).

A noise interval covers the *bounded* total with the stated chance; it says nothing of what bounding took. Numbers are
exact: whole ones over a denominator that a whole column shares. What belongs to one kind of measure stands in its file
under ``measures``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

from service.privacy.mechanism import Mechanism

ALPHA = Decimal("0.05")
"""Half-widths and intervals are shown at 95%."""


@dataclass(frozen=True, slots=True)
class UsableRule:
    """When a value is flagged usable: 95% half-width at most this part of it, and at least this value."""

    half_width: Decimal
    value: int


@dataclass(frozen=True, slots=True)
class NoisyVector:
    """One vector's totals after noise, in ``1/SCALE``, one for each cell, and the noise that they carry.

    Attributes:
        values: The noisy totals, in the order of the key set.
        mechanism: Their noise.
        units: How many of ``values`` make one in the measure's own units.
    """

    values: Sequence[int]
    mechanism: Mechanism
    units: int


@dataclass(frozen=True, slots=True)
class Part:
    """One of the numbers that a measure with several has in each cell of the table.

    Attributes:
        name: Its name, as ``3-4``: unique among the measure's parts.
        says: What else the release tells of it, as the ends of a bin.
    """

    name: str
    says: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A measure's released numbers: parallel lists, one item a cell or, where there are parts, one a cell and part.

    Attributes:
        values: Rounded, in units of ``10**-places``: whole and not negative for counts.
        places: Decimal places of ``values``.
        unrounded: Before rounding and clamping, in units of ``1/units``, as are ``low`` and ``high``.
        low: Lower ends of the 95% noise intervals.
        high: Their upper ends.
        units: How many make one in the measure's own units.
        usable: Whether the agreement's rule calls the value usable.
        parts: The parts that follow one another in each cell; none where a cell has one number.

    Where there is no number, all four are None and it is not usable.
    """

    values: Sequence[int | None]
    places: int
    unrounded: Sequence[int | None]
    low: Sequence[int | None]
    high: Sequence[int | None]
    units: int
    usable: Sequence[bool]
    parts: tuple[Part, ...] = ()


def counted(noisy: NoisyVector, rule: UsableRule, parts: tuple[Part, ...] = ()) -> Column:
    """Return totals that are counts: whole and not negative."""
    return totalled(noisy, rule, 0, signed=False, parts=parts)


def totalled(
    noisy: NoisyVector, rule: UsableRule, places: int, *, signed: bool, parts: tuple[Part, ...] = ()
) -> Column:
    """Return totals, each with its own noise: what is the same for all is worked out once, the rest in whole numbers.

    Args:
        noisy: The vector.
        rule: The agreement's rule of what is usable.
        places: Decimal places to round to.
        signed: Whether a total may be negative; where not, no value is.
        parts: As in ``Column``.
    """
    return spread(
        noisy.values, noisy.mechanism.half_width(ALPHA), noisy.units, rule, places, signed=signed, parts=parts
    )


def spread(
    totals: Sequence[int],
    half: int,
    units: int,
    rule: UsableRule,
    places: int,
    *,
    signed: bool,
    parts: tuple[Part, ...] = (),
) -> Column:
    """Return totals whose noise has one half-width.

    Args:
        totals: The noisy totals.
        half: The 95% half-width of their noise, in the same unit.
        units: How many make one in the measure's own units.
        rule: The agreement's rule of what is usable.
        places: Decimal places to round to.
        signed: Whether a total may be negative; where not, no value is.
        parts: As in ``Column``.
    """
    scale = 10**places
    least = _least_usable(Fraction(half, units), scale, rule)
    values = [divided(total * scale, units) for total in totals]
    if not signed:
        values = [max(value, 0) for value in values]
    return Column(
        values=values,
        places=places,
        unrounded=totals,
        low=[total - half for total in totals],
        high=[total + half for total in totals],
        units=units,
        usable=[least is not None and abs(value) >= least for value in values],
        parts=parts,
    )


def only(column: Column, kept: Sequence[bool]) -> Column:
    """Return a column of one number a cell without the numbers of the cells that are not kept."""

    def held(numbers: Sequence[int | None]) -> list[int | None]:
        return [number if keep else None for number, keep in zip(numbers, kept, strict=True)]

    return replace(
        column,
        values=held(column.values),
        unrounded=held(column.unrounded),
        low=held(column.low),
        high=held(column.high),
        usable=[usable and keep for usable, keep in zip(column.usable, kept, strict=True)],
    )


def usable(half_width: Fraction, value: Fraction, size: Fraction, rule: UsableRule) -> bool:
    """Apply the agreement's rule; ``size`` is the value itself or, for a mean, how many rows it is over."""
    return half_width <= Fraction(rule.half_width) * value and size >= rule.value


def _least_usable(half_width: Fraction, scale: int, rule: UsableRule) -> int | None:
    """Return the least value, in units of ``1/scale``, that the agreement's rule calls usable; None where none is."""
    if rule.half_width <= 0:
        return None
    return ceil(max(half_width / Fraction(rule.half_width), Fraction(rule.value)) * scale)


def divided(total: int, units: int) -> int:
    """Divide whole numbers, rounding half to even."""
    whole, rest = divmod(total, units)
    return whole + (2 * rest > units or (2 * rest == units and whole % 2 == 1))
