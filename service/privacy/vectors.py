"""Vectors: weighted totals over a public key set. Measures are made from them; engines and noise know no more.

A vector says who carries the weight (``Frame``), what is added at that weight (``Value``), and into which cell: one of
its groupings' (``by``), times one of its own (``extra``), such as the bin of a row's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from service.policy.plan import Keys, NumberKeys, key_count
from service.privacy.fixed import SCALE


class Frame(Enum):
    """Who carries the weight: each row that is left, or each person once in each group of ``by`` with such a row."""

    ROWS = "rows"
    PERSONS = "persons"


@dataclass(frozen=True, slots=True)
class One:
    """One, for each row or person."""


@dataclass(frozen=True, slots=True)
class Has:
    """One for each row that has the number; a row without it adds nothing."""

    field: str


@dataclass(frozen=True, slots=True)
class Number:
    """The row's number, clamped to ``low`` and ``high``, in ``10**-decimals``; a row without it adds nothing."""

    field: str
    low: int
    high: int
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Centred:
    """The row's number, clamped, less the middle of its bounds: at most ``reach`` from 0, whatever the bounds.

    A row without the number adds nothing.
    """

    field: str
    low: int
    high: int
    decimals: int = 0

    @property
    def middle(self) -> int:
        """The middle of the bounds, rounded down."""
        return (self.low + self.high) // 2

    @property
    def reach(self) -> int:
        """The most that the distance from the middle can be: ``high - middle``, which is no less than that of low."""
        return (self.high - self.low + 1) // 2


@dataclass(frozen=True, slots=True)
class Square:
    """The square of what ``of`` is, at most ``of.reach**2``, in ``10**-(2 * decimals)``.

    Columns of which totals of squares might not fit in 63 bits are never granted (``Column.squares_fit``).
    """

    of: Centred


Value = One | Has | Number | Centred | Square


@dataclass(frozen=True, slots=True)
class RowsPerPerson:
    """A person's extra cell in a group: the band of ``extra`` that holds the number of the person's rows there."""


Label = RowsPerPerson


@dataclass(frozen=True, slots=True)
class Vector:
    """One vector of totals.

    Attributes:
        measure: Name of the measure that it serves, as ``mean_gravity``.
        part: Which of that measure's vectors it is, as ``sum``.
        frame: Who carries the weight.
        value: What is added.
        by: The question's groupings.
        extra: Key sets of its own beyond those. In a frame of rows each is a function of a row, in a frame of persons
            ``label`` says what it is read from.
        label: What puts a person into one cell of ``extra``: a function of that person's rows in that group alone, for
            a person in several extra cells of one group would touch more cells than the sensitivity allows for.
    """

    measure: str
    part: str
    frame: Frame
    value: Value
    by: tuple[Keys, ...]
    extra: tuple[Keys, ...] = ()
    label: Label | None = None

    def __post_init__(self) -> None:
        """Check what the proofs of ``sensitivity`` lean on.

        Raises:
            RuntimeError: a label on rows, persons with extra keys and no label (or the reverse) or with a value other
                than one, or extra keys of rows among which not every row has its own.
        """
        if self.frame is Frame.PERSONS and (self.value != One() or bool(self.extra) != (self.label is not None)):
            raise RuntimeError("a person counts as one, in the one extra cell that a label tells")
        if self.frame is Frame.ROWS and self.label is not None:
            raise RuntimeError("a label belongs to persons")
        if self.frame is Frame.ROWS and not all(_total(keys) for keys in self.extra):
            raise RuntimeError("extra keys of rows hold every row, the unknown ones too")

    @property
    def name(self) -> str:
        """What engine, price and release call it, as ``mean_gravity.sum``; unique in a plan."""
        return f"{self.measure}.{self.part}"

    @property
    def cells(self) -> int:
        """How many totals it has."""
        return key_count(self.by) * key_count(self.extra)

    @property
    def units(self) -> int:
        """How many fixed-point units make one: ``SCALE``, times ``10**decimals`` of a number, squared of a square."""
        if isinstance(self.value, Square):
            return SCALE * int(10**self.value.of.decimals) ** 2
        return SCALE * 10**self.value.decimals if isinstance(self.value, Number | Centred) else SCALE


def _total(keys: Keys) -> bool:
    """Whether every row has a key: bands that all are keys, and ``unknown`` for what lies in none of them."""
    return isinstance(keys, NumberKeys) and {"unknown", *(key for key, _, _ in keys.bands)} <= set(keys.keys)
