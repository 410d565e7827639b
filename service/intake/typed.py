"""Typed columns, as Parquet and Arrow have them, turned into the text that CSV would have had."""

from __future__ import annotations

import re
from collections.abc import Mapping

from schemas.table_schema import TableSchema
from service.intake.engine import name
from service.intake.problems import Problems

_WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT"}
)
_DECIMAL = re.compile(r"DECIMAL\(\d+,\d+\)\Z")
_TAKEN: dict[str, frozenset[str]] = {
    "pseudonym": frozenset({"VARCHAR"}),
    "code": frozenset({"VARCHAR"}),
    "date": frozenset({"VARCHAR", "DATE"}),
    "unlinked": frozenset({"VARCHAR", "BOOLEAN"}),
    "flag": frozenset({"VARCHAR", "BOOLEAN"}),
    "integer": frozenset({"VARCHAR"}) | _WHOLE,
    "decimal": frozenset({"VARCHAR", "DECIMAL"}) | _WHOLE,
}
MAX_TEXT = 300
READABLE = frozenset({"VARCHAR", "DATE", "BOOLEAN", "DECIMAL"}) | _WHOLE


def plain_type(found: str) -> str:
    """Return a DuckDB type's name without the digits of a decimal."""
    return "DECIMAL" if _DECIMAL.match(found) else found


def as_text(column: str, found: str) -> str:
    """Return an expression for a typed column's text; an empty text is a missing cell.

    A decimal loses its trailing zeros, so that 1.50 of a wide type fits a column of one decimal.
    """
    value = name(column)
    text = f"CAST({value} AS VARCHAR)"
    if found == "DECIMAL":
        return f"CASE WHEN contains({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
    if found == "VARCHAR":
        # A dictionary can repeat a text of megabytes in every row. No good cell is as long as what is left.
        cut = f"left({value}, {MAX_TEXT})"
        return f"CASE WHEN strlen({value}) > {MAX_TEXT} THEN {cut} ELSE nullif({value}, '') END"
    return text


def judge_types(schema: TableSchema, types: Mapping[str, str], problems: Problems) -> None:
    """Note ``wrong_type`` for each known column whose type its kind does not allow.

    Args:
        schema: The dataset's schema.
        types: The DuckDB type of each column found.
        problems: Where it is noted.
    """
    for column in schema.fields:
        found = types.get(column.name)
        if found is not None and found not in _TAKEN[column.kind]:
            problems.add("wrong_type", column.name)
