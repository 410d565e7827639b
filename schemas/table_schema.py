"""Dataset schemas: Frictionless Table Schema (Data Package v2) with Concordat's keys.

There is no free text. A column is a pseudonym, the mark of an unlinked row, a date, a code, a bounded whole
number, a bounded fixed-point number or a flag.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from schemas.model import Strict, read
from schemas.names import ArtefactName, Code, FieldName, Level

PSEUDONYM_PATTERN = "^[0-9a-f]{64}$"
DATE_LEVELS = ("day", "month", "quarter", "year")
AS_IS = "as-is"
_MOST = 2**31
PER_PERSON_MAX = 1000
"""The largest bound of rows a person that an agreement may state."""

Kind = Literal["pseudonym", "unlinked", "date", "code", "integer", "decimal", "flag"]
_FRICTIONLESS_TYPE: dict[str, str] = {
    "pseudonym": "string",
    "unlinked": "boolean",
    "date": "date",
    "code": "string",
    "integer": "integer",
    "decimal": "number",
    "flag": "boolean",
}


class Constraints(Strict):
    """The Frictionless constraints in use; checked by public validators and by the broker alike."""

    required: bool = False
    enum: tuple[Code, ...] | None = None
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None


class Column(Strict):
    """One column of a dataset.

    ``minimum`` and ``maximum`` of a decimal column are whole units; its values are stored as integers of
    ``10**-decimals``.
    """

    name: FieldName
    type: Literal["string", "boolean", "date", "integer", "number"]
    title: str = ""
    description: str = ""
    kind: Kind = Field(alias="concordat:kind")
    constraints: Constraints = Constraints()
    true_values: tuple[str, ...] | None = Field(default=None, alias="trueValues")
    false_values: tuple[str, ...] | None = Field(default=None, alias="falseValues")
    codes: ArtefactName | None = Field(default=None, alias="concordat:codes")
    levels: dict[Level, ArtefactName] = Field(default_factory=dict, alias="concordat:levels")
    decimals: Annotated[int, Field(ge=0, le=6)] = Field(default=0, alias="concordat:decimals")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.type != _FRICTIONLESS_TYPE[self.kind]:
            raise ValueError(f"a column of kind {self.kind} has the type {_FRICTIONLESS_TYPE[self.kind]}")
        if self.kind not in ("integer", "decimal") and not self.constraints.required:
            raise ValueError(f"a column of kind {self.kind} is required: a row that does not know says so by a code")
        if self.kind in ("pseudonym", "code"):
            self._check_text()
        elif self.kind in ("integer", "decimal"):
            self._check_number()
        elif self.true_values not in (None, ("true",)) or self.false_values not in (None, ("false",)):
            raise ValueError("a flag is written true or false")
        return self

    def _check_text(self) -> None:
        limits = self.constraints
        if limits.pattern is not None:
            re.compile(limits.pattern)
        if self.kind == "pseudonym":
            if limits.pattern != PSEUDONYM_PATTERN:
                raise ValueError(f"a pseudonym has the pattern {PSEUDONYM_PATTERN}")
            return
        if (limits.enum is None) == (limits.pattern is None):
            raise ValueError("a code column has either a closed list in enum or a pattern")
        if (limits.enum is None) != (self.codes is None):
            raise ValueError("a closed list names its code list under concordat:codes")

    def _check_number(self) -> None:
        low, high = self.constraints.minimum, self.constraints.maximum
        if low is None or high is None or low > high:
            raise ValueError("a number needs a minimum and a maximum")
        if max(abs(low), abs(high)) * 10**self.decimals >= _MOST:
            raise ValueError("a number's bounds must fit in 31 bits")

    @property
    def all_levels(self) -> tuple[str, ...]:
        """The levels that a grant may name for this column."""
        if self.kind == "date":
            return DATE_LEVELS
        if self.kind in ("code", "integer", "flag"):
            return (AS_IS, *self.levels)
        return ()

    @property
    def takes_others(self) -> bool:
        """Whether rows may hold codes outside the closed list, which count as ``unknown``.

        So it is where an agreement bound a list to a column that its schema closes by a pattern alone: pushes are
        checked against the pattern, and small areas come in vintages.
        """
        return self.constraints.enum is not None and self.constraints.pattern is not None

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest stored value, in units of ``10**-decimals``."""
        low, high = self.constraints.minimum, self.constraints.maximum
        if low is None or high is None:
            raise RuntimeError("only numbers have bounds")
        return low * 10**self.decimals, high * 10**self.decimals

    @property
    def squares_fit(self) -> bool:
        """Whether squares of the distance from the middle of the bounds can be totalled exactly.

        Intake proves that rows x 1024 x 1000 x B < 2**63, where B is the largest stored number. A row adds at most 1024
        times its square, which is at most ((high - low + 1) // 2)**2; so totals of squares fit where that is at most
        1000 x B, however many rows there are.
        """
        low, high = self.bounds
        return ((high - low + 1) // 2) ** 2 <= PER_PERSON_MAX * max(abs(low), abs(high), 1)


class TableSchema(Strict):
    """A dataset's schema.

    ``period`` names the date column that the ``from`` and ``to`` of a push cover.
    """

    profile: str = Field(default="", alias="$schema")
    name: ArtefactName = Field(alias="concordat:schema")
    title: str
    description: str = ""
    privacy_unit: Literal["person", "record"] = Field(alias="concordat:privacy_unit")
    period: FieldName = Field(alias="concordat:period")
    fields: tuple[Column, ...] = Field(min_length=2, max_length=100)
    missing_values: tuple[str, ...] = Field(default=("",), alias="missingValues")
    source: str = Field(default="", alias="concordat:source")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        names = [column.name for column in self.fields]
        if len(set(names)) != len(names):
            raise ValueError("a column's name stands twice")
        pseudonyms = [column for column in self.fields if column.kind == "pseudonym"]
        unlinked = [column for column in self.fields if column.kind == "unlinked"]
        if self.privacy_unit == "person" and len(pseudonyms) != 1:
            raise ValueError("a person dataset has exactly one pseudonym column")
        if self.privacy_unit == "record" and (pseudonyms or unlinked):
            raise ValueError("a dataset with a pseudonym column protects persons, never records")
        if len(unlinked) > 1:
            raise ValueError("at most one column marks unlinked rows")
        if self.column(self.period).kind != "date":
            raise ValueError("the period column must be a date")
        if self.missing_values != ("",):
            raise ValueError("only the empty cell is a missing value")
        return self

    def column(self, name: str) -> Column:
        """Return a column by name.

        Raises:
            KeyError: there is none.
        """
        for column in self.fields:
            if column.name == name:
                return column
        raise KeyError(name)

    def find(self, name: str) -> Column | None:
        """Return a column by name, None where there is none."""
        return next((column for column in self.fields if column.name == name), None)

    @property
    def pseudonym(self) -> str | None:
        """The name of the pseudonym column, None in a record dataset."""
        return next((column.name for column in self.fields if column.kind == "pseudonym"), None)

    @property
    def unlinked(self) -> str | None:
        """The name of the column that marks rows of unidentified persons, None where there is none."""
        return next((column.name for column in self.fields if column.kind == "unlinked"), None)

    @property
    def artefacts(self) -> frozenset[str]:
        """Names of the code lists and hierarchies that this schema uses."""
        used: set[str] = set()
        for column in self.fields:
            used.update(column.levels.values())
            if column.codes is not None:
                used.add(column.codes)
        return frozenset(used)


def parse(value: Any) -> TableSchema:
    """Read a schema from its JSON value.

    Raises:
        InvalidDocument: it is not a schema.
    """
    return read(TableSchema, value)
