"""What every media type becomes: each column as text, once fast and once with row numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import duckdb

from schemas.table_schema import TableSchema
from service.intake.problems import Problems

BATCH_ROWS = 16_384
ROW = "#row"
"""The column of row numbers in a batch; no schema column can bear this name."""


class Unreadable(Exception):
    """The file cannot be read as it should be; the slow reading finds out where. It carries no text."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of the file to be judged.

    Attributes:
        relation: An SQL relation of the columns' texts and ``ROW``, counted from 1.
        labels: The columns in it: schema columns by name, others by place, as ``#3``.
    """

    relation: str
    labels: tuple[str, ...]


class Source(Protocol):
    """A spooled file of one media type.

    Attributes:
        malformed: The rule that a file breaks which cannot be read, though nobody can say in which row.
    """

    malformed: str

    def header(self, problems: Problems) -> bool:
        """Compare the file's columns with the schema's; True where the rows can be read as they stand."""
        ...

    def relation(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[str]:
        """Return an SQL relation with one text column for each column of the schema.

        Reading it fails, with any error, where the file is not well-formed.
        """
        ...

    def agrees(self, rows: int) -> bool:
        """Tell, apart from the reader, whether a file of so many rows may look like this one."""
        ...

    def batches(self, connection: duckdb.DuckDBPyConnection, problems: Problems) -> Iterator[Batch]:
        """Read again with row numbers, noting each row that is not well-formed."""
        ...


def label_columns(names: Sequence[str], schema: TableSchema, problems: Problems) -> tuple[str, ...]:
    """Compare a file's column names with the schema's, as sets; their order is free.

    Args:
        names: The names in the file's order.
        schema: The dataset's schema.
        problems: Where missing, unknown and duplicate columns are noted.

    Returns:
        A label for each column: its name where the schema knows it, at its first occurrence, else its place.
    """
    known = [column.name for column in schema.fields]
    labels: list[str] = []
    for place, found in enumerate(names, start=1):
        if found in known and found not in labels:
            labels.append(found)
            continue
        labels.append(f"#{place}")
        if found in known:
            problems.add("duplicate_column", found)
        else:
            problems.add("unknown_column", labels[-1])
            problems.header(labels[-1], found)
    for column in known:
        if column not in labels:
            problems.add("missing_column", column)
    return tuple(labels)
