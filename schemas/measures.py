"""What may be measured, as an analyst writes it: a line in ``Measure`` for each kind, and the shape that it takes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from schemas.model import Strict
from schemas.names import FieldName, Level

MAX_CUTS = 50
MAX_GRID = 32
MAX_QUANTILES = 9
MAX_CUT = 10**9 - 1
"""The largest cut point: beyond what columns hold, and shorter than an NHS number."""
CUTS = "cuts"
"""The level of bins between cut points, which no artefact names."""
_MAX_PLACES = 6
_PART_PLACES = 4

Word = Callable[[str], str]
Text = Callable[[Decimal], str]


def measure_name(kind: str, field: str | None, level: str | None) -> str:
    """Return how releases and the log call a measure: ``count``, ``mean_gravity``, ``histogram_age_sna_band``.

    Args:
        kind: The kind of measure.
        field: The column measured, None where there is none.
        level: The level of its bins, if it has bins of a level; ``as-is`` and cut points add nothing to the name.
    """
    parts = [kind, *([field] if field is not None else [])]
    if level is not None and field is not None and level not in (CUTS, "as-is"):
        parts.append(level.replace("-", "_"))
    return "_".join(parts)


class Shape(Strict):
    """The parameters of a measure."""

    @property
    def of(self) -> str | None:
        """The column measured, None where there is none."""
        return None

    @property
    def grouped(self) -> str | None:
        """The column by whose values the measure tells rows apart, as a grouping does; None where there is none."""
        return None

    @property
    def made_of(self) -> str | None:
        """The kind of the measure of the same question that this one is worked out from; None where it is measured."""
        return None

    def name(self, kind: str, word: Word) -> str:
        """Return the measure's name.

        Args:
            kind: The kind of measure.
            word: Makes what is shown of a field's or a level's name.
        """
        return measure_name(kind, word(self.of) if self.of is not None else None, None)

    def rest(self, word: Word, text: Text) -> dict[str, Any] | None:
        """Return the parameters as the log keeps them where the name does not tell them all, else None.

        Args:
            word: Makes what is shown of a field's or a level's name.
            text: Makes what is shown of a number.
        """
        del word, text
        return None


class Nothing(Shape):
    """``{}``: the measure has no parameters."""


class OfField(Shape):
    """The number column that is measured."""

    field: FieldName

    @property
    def of(self) -> str | None:
        """The column measured."""
        return self.field


def _cut(value: Any) -> Any:
    """Take a JSON integer, or a decimal string with a few places and perhaps a sign."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError('a cut point is a whole number, or a decimal as a string such as "2.5"')  # noqa: TRY004
    whole, _, places = str(value).removeprefix("-").partition(".")
    digits = whole + places
    plain = digits.isascii() and digits.isdigit() and whole != "" and len(places) <= _MAX_PLACES
    if not plain or len(whole) > len(str(MAX_CUT)) or str(value).endswith("."):
        raise ValueError('not a cut point such as 18 or "2.5"')
    return Decimal(str(value))


Cut = Annotated[
    Decimal,
    BeforeValidator(_cut),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": "^-?[0-9]"}, {"type": "integer"}]}),
]


class InBins(Shape):
    """The number column and its bins: a level of the column, or cut points, each the first number of a bin."""

    field: FieldName
    level: Level | None = None
    cuts: Annotated[tuple[Cut, ...] | None, Field(min_length=1, max_length=MAX_CUTS)] = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.level is None) == (self.cuts is None):
            raise ValueError("bins are either those of a level or those between cuts")
        if self.cuts is not None and list(self.cuts) != sorted(set(self.cuts)):
            raise ValueError("cuts rise, each once")
        return self

    @property
    def of(self) -> str | None:
        """The column measured."""
        return self.field

    @property
    def grouped(self) -> str | None:
        """The same column: its bins are a grouping."""
        return self.field

    def name(self, kind: str, word: Word) -> str:
        """Return the measure's name, with the level of its bins."""
        return measure_name(kind, word(self.field), word(self.level) if self.level is not None else None)

    def rest(self, word: Word, text: Text) -> dict[str, Any] | None:
        """Return field and bins."""
        made: dict[str, Any] = {"field": word(self.field)}
        if self.level is not None:
            return made | {"level": word(self.level)}
        return made | {"cuts": [text(cut) for cut in self.cuts or ()]}


def _part(value: Any) -> Any:
    """Take a decimal string between 0 and 1, both left out."""
    plain = isinstance(value, str) and value.startswith("0.") and value[2:].isascii() and value[2:].isdigit()
    if not plain or len(value) > len("0.") + _PART_PLACES or not value.strip("0."):
        raise ValueError('a part of the rows is a decimal as a string, such as "0.5"')
    return Decimal(value).normalize()


PartOfRows = Annotated[
    Decimal, BeforeValidator(_part), WithJsonSchema({"type": "string", "pattern": r"^0\.[0-9]{1,4}$"})
]


class OnGrid(Shape):
    """The number column, which parts of its rows lie at or below what is asked for, and the points it may be.

    The largest number that the column may hold is a point of every grid.
    """

    field: FieldName
    q: Annotated[tuple[PartOfRows, ...], Field(min_length=1, max_length=MAX_QUANTILES)]
    grid: Annotated[tuple[Cut, ...], Field(min_length=1, max_length=MAX_GRID)]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(list(held) != sorted(set(held)) for held in (self.q, self.grid)):
            raise ValueError("parts of the rows, and points of the grid, rise, each once")
        return self

    @property
    def of(self) -> str | None:
        """The column measured."""
        return self.field

    @property
    def grouped(self) -> str | None:
        """The same column: what lies between the points of the grid is a grouping."""
        return self.field

    def rest(self, word: Word, text: Text) -> dict[str, Any] | None:
        """Return field, parts and grid."""
        return {
            "field": word(self.field),
            "q": [text(part) for part in self.q],
            "grid": [text(point) for point in self.grid],
        }


BASES = ("count", "persons", "sum")
"""The kinds that others are worked out from: each cell is one noisy total."""
MAX_PERIODS = 366


class Derived(Shape):
    """The measure, of the same question, that this one is worked out from: ``count``, ``persons`` or ``sum_FIELD``."""

    base: Annotated[
        str,
        StringConstraints(strict=True, pattern=r"^(count|persons|sum_[a-z][a-z0-9_]{0,62})$"),
        Field(alias="of"),
    ]

    @property
    def of(self) -> str | None:
        """The column of that measure, None where it has none."""
        return self.base.partition("_")[2] or None

    @property
    def made_of(self) -> str | None:
        """The kind of that measure."""
        return self.base.partition("_")[0]

    def name(self, kind: str, word: Word) -> str:
        """Return the measure's name: its kind, then the measure that it is of, as ``share_sum_gravity``."""
        return f"{kind}_{self._base(word)}"

    def rest(self, word: Word, text: Text) -> dict[str, Any] | None:
        """Return the measure that it is of."""
        del text
        return {"of": self._base(word)}

    def _base(self, word: Word) -> str:
        kind, _, field = self.base.partition("_")
        return measure_name(kind, word(field) if field else None, None)


class OverPeriods(Derived):
    """The same, over so many periods of the question's grouping by dates."""

    periods: Annotated[int, Field(ge=1, le=MAX_PERIODS)]

    def name(self, kind: str, word: Word) -> str:
        """Return the measure's name, with the number of periods, as ``change_count_12``."""
        return f"{super().name(kind, word)}_{self.periods}"

    def rest(self, word: Word, text: Text) -> dict[str, Any] | None:
        """Return the measure that it is of, and the number of periods."""
        return {**(super().rest(word, text) or {}), "periods": self.periods}


class Several(OverPeriods):
    """The same, over two periods at least."""

    periods: Annotated[int, Field(ge=2, le=MAX_PERIODS)]


class Measure(Strict):
    """Exactly one kind, with its parameters."""

    count: Nothing | None = None
    persons: Nothing | None = None
    sum: OfField | None = None
    mean: OfField | None = None
    repeat: Nothing | None = None
    histogram: InBins | None = None
    variance: OfField | None = None
    quantile: OnGrid | None = None
    share: Derived | None = None
    rolling: Several | None = None
    change: OverPeriods | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1 or None in [getattr(self, name) for name in self.model_fields_set]:
            raise ValueError(f"a measure is exactly one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def kind(self) -> str:
        """The kind, as ``count``."""
        return next(iter(self.model_fields_set))

    @property
    def shape(self) -> Shape:
        """The parameters."""
        shape: Shape = getattr(self, self.kind)
        return shape

    @property
    def of(self) -> str | None:
        """The column measured; None for count and persons."""
        return self.shape.of

    @property
    def clause(self) -> str:
        """The kind of the clause that grants it: its own or, of one worked out from another measure, that one's."""
        return self.shape.made_of or self.kind

    @property
    def base(self) -> str | None:
        """The name of the measure of the same question that it is worked out from; None where it is measured."""
        return self.shape.base if isinstance(self.shape, Derived) else None

    @property
    def name(self) -> str:
        """How the release names it: ``count``, ``persons``, ``sum_gravity``, ``mean_gravity``."""
        return self.shape.name(self.kind, str)

    def as_json(self) -> dict[str, Any]:
        """Return the measure as a request writes it."""
        made: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return made


DERIVED = ("share", "rolling", "change")
"""The kinds worked out from noisy values of another measure: free, and granted wherever that one is."""
KINDS = tuple(kind for kind in Measure.model_fields if kind not in DERIVED)
"""Every kind that is measured, each with a clause of its own."""
