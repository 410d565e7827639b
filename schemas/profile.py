"""Profiles of made-up extracts: how often rows of a dataset say what, beside the schema that says what they may.

A profile is for plausible looks. It measures nothing, no agreement pins it, and a dataset needs none.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas import strict_json
from schemas.model import Strict, read
from schemas.names import Code, FieldName, IsoDate, Slug

OLDEST = 99
_FOLDER = Path(__file__).parent / "profiles"

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Age = Annotated[int, Field(ge=0, le=OLDEST)]
Days = Annotated[int, Field(ge=0, le=36_600)]


class AgeBand(Strict):
    """Persons of these ages, both included, are in the dataset's crowd with the chance ``keep``."""

    first: Annotated[Age, Field(alias="from")]
    last: Annotated[Age, Field(alias="to")]
    keep: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first > self.last:
            raise ValueError("a band of ages ends before it begins")
        return self


class Span(Strict):
    """A time between two days of a row, in days, both included, and how likely it is."""

    first: Annotated[Days, Field(alias="from")]
    last: Annotated[Days, Field(alias="to")]
    weight: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first > self.last:
            raise ValueError("a span ends before it begins")
        return self


class End(Strict):
    """How a second date follows a row's main date.

    Attributes:
        spans: How long after.
        open: The flag that is true where the end lies after the extract.
        still: The day that stands for an end that is still to come.
    """

    spans: tuple[Span, ...] = Field(min_length=1)
    open: FieldName
    still: IsoDate


class Profile(Strict):
    """What rows of one dataset, in any version of its schema, plausibly look like.

    Attributes:
        rows_a_person: How many rows a person has on average.
        skew: How unevenly rows fall on persons: the person of rank r has rows in proportion to ``r ** -skew``.
        unlinked: Share of rows whose person the agency could not identify.
        ages: Whom the dataset is about; everybody where there are none.
        codes: By column, the weight of each code; codes that are not named do not occur.
        flags: By column, the share of true.
        numbers: By column, the weight of each number from its minimum on.
        ends: By column, how a second date follows the main one.
    """

    name: Slug = Field(alias="concordat:profile")
    source: str = ""
    rows_a_person: Annotated[float, Field(ge=1, le=1000)] = 1.7
    skew: Annotated[float, Field(ge=0, le=0.9)] = 0.45
    unlinked: Share = 0.04
    ages: tuple[AgeBand, ...] = ()
    codes: dict[FieldName, dict[Code, Weight]] = Field(default_factory=dict)
    flags: dict[FieldName, Share] = Field(default_factory=dict)
    numbers: dict[FieldName, tuple[Weight, ...]] = Field(default_factory=dict)
    ends: dict[FieldName, End] = Field(default_factory=dict)

    def keep(self, age: int) -> float:
        """Return the chance with which a person of this age is in the dataset's crowd."""
        if not self.ages:
            return 1.0
        return next((band.keep for band in self.ages if band.first <= age <= band.last), 0.0)


@cache
def profile_of(schema: str) -> Profile:
    """Return the profile of a schema such as ``probation/v1``; one that knows nothing where none ships.

    Raises:
        DocumentError: the file of the profile is malformed.
    """
    dataset = schema.partition("/")[0]
    path = _FOLDER / f"{dataset}.json"
    if not path.is_file():
        return read(Profile, {"concordat:profile": dataset})
    return read(Profile, strict_json.loads(path.read_bytes()))
