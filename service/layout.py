"""How a dataset's columns are stored in its table; the intake writes it, the engines read it.

A pseudonym's 64 hex digits are kept whole as four signed 64-bit words, which group and join four times faster than
text and never merge two persons. Dates are dates, codes text, flags booleans, whole numbers integers, and decimals
integers in units of ``10**-decimals``.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.table_schema import Column, TableSchema

WORDS = 4


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """One stored column: its name, its DuckDB type, and the schema's column it comes from."""

    name: str
    type: str
    column: Column


_TYPES = {
    "unlinked": "BOOLEAN",
    "date": "DATE",
    "code": "VARCHAR",
    "integer": "INTEGER",
    "decimal": "INTEGER",
    "flag": "BOOLEAN",
}


def person_words(schema: TableSchema) -> tuple[str, ...]:
    """Return the names of the stored columns that together are the pseudonym; empty in a record dataset."""
    if schema.pseudonym is None:
        return ()
    return tuple(f"{schema.pseudonym}__{word}" for word in range(WORDS))


def stored_columns(schema: TableSchema) -> tuple[StoredColumn, ...]:
    """Return the stored columns in order."""
    made: list[StoredColumn] = []
    for column in schema.fields:
        if column.kind == "pseudonym":
            made += [StoredColumn(name, "BIGINT", column) for name in person_words(schema)]
        else:
            made.append(StoredColumn(column.name, _TYPES[column.kind], column))
    return tuple(made)
