"""Whose rows lie in a lake, and small extracts about persons that a test names."""

from __future__ import annotations

import csv
import io
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from service.layout import stored_columns
from tests.support.server import schema


def about(body: bytes, *persons: str) -> bytes:
    """Return an extract as CSV whose rows are about these persons in turn, each of them known."""
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    for place, row in enumerate(rows):
        row["person"] = persons[place % len(persons)]
        row["unlinked"] = "false"
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def words_of(person: str) -> tuple[int, ...]:
    """Return a pseudonym as the lake stores it."""
    return tuple(int.from_bytes(bytes.fromhex(person[at : at + 16]), "big", signed=True) for at in (0, 16, 32, 48))


def files_with(lake: Path, person: str) -> list[str]:
    """Return the files under a lake, in a table or not, that hold a person: as a row of a table, or as any text."""
    found = []
    for path in sorted(item for item in lake.rglob("*") if item.is_file()):
        with suppress(FileNotFoundError, duckdb.IOException):  # it was removed while we looked
            held = person.encode() in path.read_bytes()
            if held or (path.suffix in (".parquet", ".list") and _rows(path, person)):
                found.append(str(path.relative_to(lake)))
    return found


def _rows(path: Path, person: str) -> int:
    with duckdb.connect() as connection:
        relation = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in relation.description or ()]
        places = [names.index(name) for name in names if name.endswith(("__0", "__1", "__2", "__3"))] or range(4)
        words = words_of(person)
        return sum(tuple(row[place] for place in places) == words for row in relation.fetchall())


def stored_rows(files: list[str], dataset: str) -> Counter[tuple[Any, ...]]:
    """Return the rows of a dataset's files, as the layout has its columns: the four words of the person first."""
    if not files:
        return Counter()
    columns = stored_columns(schema(f"{dataset}/v1"))
    listed = ", ".join(f'"{column.name}"' for column in columns)
    with duckdb.connect() as connection:
        return Counter(connection.execute(f"SELECT {listed} FROM read_parquet(?)", [files]).fetchall())
