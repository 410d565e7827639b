"""An aggregate request, as an analyst writes it."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from schemas.calendar import parse_date
from schemas.measures import Measure
from schemas.model import Strict, read
from schemas.names import Code, ExactDecimal, FieldName, Level, Slug

MAX_REASON = 200
MAX_NUMBER = 10**9 - 1
"""The largest number in a filter: beyond what columns hold, and shorter than an NHS number."""
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}\Z")

Reason = Annotated[str, StringConstraints(strict=True, max_length=MAX_REASON)]


def _exact(value: Any) -> Any:
    """Take a JSON integer, which is exact, beside a decimal string."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


PositiveDecimal = Annotated[
    ExactDecimal,
    BeforeValidator(_exact),
    Field(gt=0, le=Decimal(10) ** 12),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": "^[0-9]"}, {"type": "integer", "minimum": 1}]}),
]


class GroupBy(Strict):
    """One grouping: a field at a level; ``as-is`` unless said."""

    field: FieldName
    level: Level | None = None


def _bound(value: Any) -> Any:
    if isinstance(value, str) and _MONTH.match(value):
        raise ValueError("a date is written YYYY-MM-DD")
    return parse_date(value) if isinstance(value, str) else value


DateOrNumber = Annotated[
    date | Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)],
    BeforeValidator(_bound),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "integer", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
            ]
        }
    ),
]


class Condition(Strict):
    """One filter: ``in`` some codes (at ``level``), ``is`` true or false, or ``from``/``to``, both included."""

    field: FieldName
    level: Level | None = None
    in_: Annotated[tuple[Code, ...] | None, Field(alias="in", min_length=1, max_length=1000)] = None
    is_: Annotated[bool | None, Field(alias="is")] = None
    from_: Annotated[DateOrNumber | None, Field(alias="from")] = None
    to: DateOrNumber | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        ranged = self.from_ is not None or self.to is not None
        if [self.in_ is not None, self.is_ is not None, ranged].count(True) != 1:
            raise ValueError("a condition has exactly one of in, is, from/to")
        if self.from_ is not None and self.to is not None:
            if type(self.from_) is not type(self.to):
                raise ValueError("from and to are both dates or both numbers")
            if self.from_ > self.to:  # type: ignore[operator]
                raise ValueError("from lies after to")
        return self


class Linked(Strict):
    """A semi-join (``has`` true) or anti-join (``has`` false) with another dataset on the pseudonym."""

    dataset: Slug
    has: bool
    where: tuple[Condition, ...] = Field(default=(), max_length=20)


class RequestBounds(Strict):
    """May only lower the agreement's bound."""

    per_person: Annotated[int, Field(ge=1, le=1000)]


class Spend(Strict):
    """How much to spend: a ``share`` of the caller's period share, ``within`` an error, or an ``epsilon``."""

    share: ExactDecimal | None = None
    within: PositiveDecimal | None = None
    confidence: ExactDecimal | None = None
    epsilon: PositiveDecimal | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("share", "within", "epsilon") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("spend is exactly one of share, within (with confidence), epsilon")
        if (self.within is None) != (self.confidence is None):
            raise ValueError("within and confidence go together")
        if self.share is not None and not 0 < self.share <= 1:
            raise ValueError("a share lies above 0 and at most 1")
        if self.confidence is not None and not Decimal("0.5") <= self.confidence <= Decimal("0.9999"):
            raise ValueError("confidence lies between 0.5 and 0.9999")
        if self.epsilon is not None and self.epsilon > 50:  # noqa: PLR2004 - as an agreement's ceiling
            raise ValueError("epsilon is at most 50")
        return self


class AggregateRequest(Strict):
    """A question: what to measure, grouped how, over which rows, for which purpose, at what charge."""

    purpose: Slug
    dataset: Slug
    measures: tuple[Measure, ...] = Field(min_length=1, max_length=10)
    by: tuple[GroupBy, ...] = Field(default=(), max_length=6)
    where: tuple[Condition, ...] = Field(default=(), max_length=20)
    linked: tuple[Linked, ...] = Field(default=(), max_length=5)
    bounds: RequestBounds | None = None
    spend: Spend
    reason: Reason = ""

    @model_validator(mode="after")
    def _no_repeats(self) -> Self:
        names = [measure.name for measure in self.measures]
        if len(set(names)) != len(names):
            raise ValueError("a measure stands twice")
        if any(measure.base is not None and measure.base not in names for measure in self.measures):
            raise ValueError("share, rolling and change are of a measure that the question asks too")
        fields = [grouping.field for grouping in self.by]
        if len(set(fields)) != len(fields):
            raise ValueError("a field is grouped twice")
        return self


def parse(value: Any) -> AggregateRequest:
    """Read a request from its JSON value.

    Raises:
        InvalidDocument: with every finding.
    """
    return read(AggregateRequest, value)
