"""What a cell must look like and how it is stored, as DuckDB expressions over the cell's text.

A missing cell is NULL. ``valid`` is the whole judgement of a cell. ``quick`` may leave a part of it to
``values``, which then fail on a cell that is not valid: the pass that commits uses ``quick``, the pass that
explains ``valid``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from schemas.table_schema import Column, TableSchema
from service.intake.engine import literal, name
from service.layout import WORDS

_LISTED = 32
MAX_CODE = 256
"""Longest code that a column with a pattern takes."""
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Covers:
    """The period that a push covers, both days included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Cell:
    """One column's expressions.

    Attributes:
        column: The schema's column.
        valid: Whether the cell is good; never NULL.
        quick: As much of it as ``values`` do not find out themselves.
        values: The stored columns, in the order of ``service.layout.stored_columns``.
        reasons: Why a cell is not good, as ``(rule, expression)``; the first that holds names it.
        rule: The rule that is broken where no reason holds.
    """

    column: Column
    valid: str
    quick: str
    values: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]
    rule: str


def cells(schema: TableSchema, covers: Covers) -> tuple[Cell, ...]:
    """Return the expressions for a schema's columns; the period column must lie within ``covers``."""
    return tuple(_cell(column, covers if column.name == schema.period else None) for column in schema.fields)


def broken(cell: Cell) -> str:
    """Return an expression for the rule that a cell breaks, NULL for a good cell."""
    reasons = " ".join(f"WHEN {found} THEN {literal(rule)}" for rule, found in cell.reasons)
    return f"CASE WHEN {cell.valid} THEN NULL {reasons} ELSE {literal(cell.rule)} END"


def word(text: str, index: int) -> str:
    """Return an expression for one of a pseudonym's four signed words: 16 hex digits, big-endian.

    It fails where they are not hex digits. ``service.intake.pseudonym.words`` is the same in Python.
    """
    return f"unhex(substr({text}, {1 + index * _DIGITS}, {_DIGITS}))::BIT::BIGINT"


def _cell(column: Column, covers: Covers | None) -> Cell:
    text = name(column.name)
    quick = ""
    reasons: list[tuple[str, str]] = []
    values: tuple[str, ...]
    if column.kind == "pseudonym":
        good = f"regexp_full_match({text}, '[0-9a-f]{{64}}')"
        quick = f"(strlen({text}) = 64 AND lower({text}) = {text})"
        values = tuple(word(text, index) for index in range(WORDS))
        rule = "pseudonym"
    elif column.kind in ("unlinked", "flag"):
        good = f"{text} IN ('true', 'false')"
        values = (f"{text} = 'true'",)
        rule = "flag"
    elif column.kind == "date":
        good = f"(strlen({text}) = 10 AND CAST(TRY_CAST({text} AS DATE) AS VARCHAR) = {text})"
        values = (f"CAST({text} AS DATE)",)
        rule = "date"
        if covers is not None:
            # Well-formed days order as their texts do.
            reasons = [("outside_period", good)]
            good = f"({good} AND {text} BETWEEN '{covers.first.isoformat()}' AND '{covers.last.isoformat()}')"
    elif column.kind == "code":
        good = _listed(text, column)
        values = (text,)
        rule = "code"
    else:
        good, number, plain = _number(text, column)
        values = (number,)
        rule = column.kind
        reasons = [("range", plain)]
    if column.constraints.required:
        reasons = [("required", f"{text} IS NULL"), *reasons]
    else:
        good = f"({text} IS NULL OR {good})"
    return Cell(column, f"coalesce({good}, false)", f"coalesce({quick or good}, false)", values, tuple(reasons), rule)


def _listed(text: str, column: Column) -> str:
    limits = column.constraints
    if limits.pattern is not None:
        return f"(strlen({text}) <= {MAX_CODE} AND regexp_full_match({text}, {literal(limits.pattern)}))"
    listed = ", ".join(literal(code) for code in limits.enum or ())
    if len(limits.enum or ()) <= _LISTED:
        return f"{text} IN ({listed})"
    # Above some tens of codes DuckDB turns IN into a join, five times slower than an enumeration's look-up.
    return f"TRY_CAST({text} AS ENUM ({listed})) IS NOT NULL"


def _number(text: str, column: Column) -> tuple[str, str, str]:
    low, high = column.constraints.minimum, column.constraints.maximum
    if column.kind == "integer" or column.decimals == 0:
        number = f"TRY_CAST({text} AS INTEGER)"
        plain = f"regexp_full_match({text}, '0|-?[1-9][0-9]*')"
        # Writing the number again shows signs, spaces, zeros and exponents that the cast forgives.
        good = f"(CAST({number} AS VARCHAR) = {text} AND {number} BETWEEN {low} AND {high})"
        return good, f"CAST({text} AS INTEGER)", plain
    places = column.decimals
    number = f"TRY_CAST({text} AS DECIMAL(18, {places}))"
    plain = f"regexp_full_match({text}, '-?(0|[1-9][0-9]*)(\\.[0-9]{{1,{places}}})?')"
    good = f"({plain} AND {number} BETWEEN {low} AND {high})"
    return good, f"CAST(CAST({text} AS DECIMAL(18, {places})) * {10**places} AS INTEGER)", plain
