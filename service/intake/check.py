"""Check a spooled file against its dataset's schema and stage it as the Parquet file that will be committed.

A good file is read once: the pass that checks every cell also writes the typed Parquet, and stops at the
first bad cell. Only then a second, slower pass finds each rule broken, with column, count and first rows,
and whether the offending cells look like identifiers of persons. No word of it is a value from the file.
"""
# ruff: noqa: S608 - names are quoted by engine.name, texts by engine.literal

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from schemas.table_schema import PER_PERSON_MAX, TableSchema
from service.errors import EngineFailed, Malformed
from service.intake.diagnose import diagnose
from service.intake.engine import Limits, connect, literal, name
from service.intake.expressions import Cell, Covers, cells
from service.intake.media import open_source
from service.intake.problems import MAX_SAMPLES, Identifiers, Problems
from service.intake.source import Source, Unreadable
from service.layout import person_words, stored_columns

_SCALE = 1024
_MOST = 2**63
_BLOCK = 1 << 20
_LONG_NUMBER = 10**8
"""From so many digits on a number column could hold identifiers."""

_OUT_OF_MEANS = (duckdb.OutOfMemoryException, duckdb.InternalException, duckdb.FatalException)
_UNREADABLE = (duckdb.Error, pa.ArrowException, Unreadable, UnicodeError, OSError, MemoryError)


@dataclass(frozen=True, slots=True)
class Staged:
    """A checked file, ready to be committed.

    Attributes:
        path: The Parquet file, complete and synced to disk.
        rows: Its rows.
        persons: Distinct pseudonyms among its rows that are not unlinked; 0 in a record dataset.
        bytes: Its size.
        sha256: Its SHA-256, 64 hex digits.
    """

    path: Path
    rows: int
    persons: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Extract:
    """What is to be checked.

    Attributes:
        path: The spooled file.
        media: Its media type, one of ``service.intake.media.MEDIA_TYPES``.
        schema: The dataset's schema.
        covers: The period that the push says it covers.
        existing_rows: Rows that the dataset has already.
    """

    path: Path
    media: str
    schema: TableSchema
    covers: Covers
    existing_rows: int = 0


def check_and_stage(extract: Extract, target: Path, identifiers: Identifiers, limits: Limits) -> Staged:
    """Check a spooled file and write it, typed as ``service.layout`` says, to ``target``.

    Args:
        extract: What to check.
        target: Where to write; nothing is left there on failure.
        identifiers: What tells identifiers of persons.
        limits: What the push may use.

    Raises:
        Malformed: ``extract_refused`` with every rule broken, or ``too_many_rows``.
        EngineFailed: memory or disk gave out.
    """
    folders, spill = (extract.path.parent, target.parent), extract.path.parent
    staged = None
    try:
        with connect(folders, spill, limits) as connection:
            staged = _check(connection, extract, target, identifiers, limits)
    finally:
        if staged is None:
            target.unlink(missing_ok=True)
    if staged is None:
        # With a DuckDB of its own: what the first has held of the memory is given back when it closes, not before.
        with connect(folders, spill, limits) as connection:
            raise _diagnosed(connection, extract, identifiers, limits)
    return staged


def _check(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    target: Path,
    identifiers: Identifiers,
    limits: Limits,
) -> Staged | None:
    """Return the staged file; None where it breaks rules that a second pass has to find."""
    problems = Problems()
    expressions = cells(extract.schema, extract.covers)
    source = open_source(extract.media, extract.path, extract.schema, limits, connection)
    if source.header(problems):
        rows = _copy(connection, source, expressions, extract.schema, target)
        if rows is not None and rows <= limits.rows:
            check_size(extract.schema, extract.existing_rows + rows)
            persons = _persons(connection, extract.schema, target)
            if persons is not None and not _holds_identifiers(connection, expressions, target, identifiers, problems):
                return _seal(target, rows, persons)
            if persons is not None:
                raise _refused(problems)
    return None


def _diagnosed(
    connection: duckdb.DuckDBPyConnection, extract: Extract, identifiers: Identifiers, limits: Limits
) -> Malformed:
    """Return the refusal of a file, with every rule that it breaks."""
    problems = Problems()
    source = open_source(extract.media, extract.path, extract.schema, limits, connection)
    source.header(problems)
    diagnose(connection, source, cells(extract.schema, extract.covers), extract.schema, problems)
    problems.judge(identifiers)
    if not problems:
        problems.add(source.malformed)
    return _refused(problems)


def _copy(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    expressions: tuple[Cell, ...],
    schema: TableSchema,
    target: Path,
) -> int | None:
    """Check and write in one pass; return the rows written, None where anything is wrong with the file."""
    values = [value for cell in expressions for value in cell.values]
    columns = ", ".join(
        f"{value} AS {name(column.name)}" for value, column in zip(values, stored_columns(schema), strict=True)
    )
    good = " AND ".join(cell.quick for cell in expressions)
    try:
        with source.relation(connection) as relation:
            query = f"SELECT {columns} FROM {relation} WHERE CASE WHEN {good} THEN true ELSE error('broken') END"
            counted = connection.execute(f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet)").fetchone()
        rows = int(counted[0]) if counted else 0
        return rows if source.agrees(rows) else None
    except _OUT_OF_MEANS:
        raise EngineFailed("the broker had too little memory to read this extract") from None
    except _UNREADABLE:
        return None


def _persons(connection: duckdb.DuckDBPyConnection, schema: TableSchema, staged: Path) -> int | None:
    """Count the distinct persons of linked rows; None where an unlinked row's pseudonym is no one-off."""
    words = ", ".join(name(word) for word in person_words(schema))
    if not words:
        return 0
    unlinked = "false" if schema.unlinked is None else name(schema.unlinked)
    found = connection.execute(
        "SELECT count(*) FILTER (NOT one_off), count(*) FILTER (one_off AND times > 1) FROM ("
        f"SELECT bool_or({unlinked}) AS one_off, count(*) AS times FROM {_staged(staged)} GROUP BY {words})"
    ).fetchone()
    persons, repeated = found or (0, 0)
    return None if repeated else int(persons)


def _holds_identifiers(
    connection: duckdb.DuckDBPyConnection,
    expressions: tuple[Cell, ...],
    staged: Path,
    identifiers: Identifiers,
    problems: Problems,
) -> bool:
    """Judge what the schema's forms let pass: codes by a pattern, numbers as long as identifiers."""
    for cell in expressions:
        column = cell.column
        by_pattern = column.kind == "code" and column.constraints.pattern is not None
        is_number = column.kind in ("integer", "decimal")
        if not by_pattern and not (is_number and max(map(abs, column.bounds)) >= _LONG_NUMBER):
            continue
        found = connection.execute(
            f"SELECT DISTINCT CAST({name(column.name)} AS VARCHAR) FROM {_staged(staged)} LIMIT {MAX_SAMPLES}"
        ).fetchall()
        problems.sample(column.name, (text for (text,) in found))
    problems.judge(identifiers)
    return bool(problems)


def _staged(path: Path) -> str:
    return f"read_parquet({literal(str(path))}, hive_partitioning = false)"


def check_size(schema: TableSchema, rows: int) -> None:
    """Prove that no total over a dataset of so many rows overflows 63 bits.

    A row weighs at most ``1024 * per_person`` 1024ths, times the largest value.

    Raises:
        Malformed: ``too_many_rows``.
    """
    largest = max(
        (max(map(abs, column.bounds)) for column in schema.fields if column.kind in ("integer", "decimal")),
        default=1,
    )
    if rows * _SCALE * PER_PERSON_MAX * max(largest, 1) >= _MOST:
        raise Malformed(
            "the dataset would have more rows than can be totalled exactly: withdraw old extracts, or narrow "
            "the bounds of its numbers in a new version of its schema",
            code="too_many_rows",
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _seal(target: Path, rows: int, persons: int) -> Staged:
    """Bring the file and its name to disk."""
    for path in (target, target.parent):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return Staged(target, rows, persons, target.stat().st_size, sha256_of(target))


def _refused(problems: Problems) -> Malformed:
    return Malformed(
        "nothing of this extract was taken: correct every rule listed and push it again",
        code="extract_refused",
        findings=problems.findings(),
    )
