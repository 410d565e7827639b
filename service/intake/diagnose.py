"""The second pass over a refused file: which rules it breaks, where, and which cells to judge."""
# ruff: noqa: S608 - names are quoted by engine.name, texts by engine.literal

from __future__ import annotations

import duckdb

from schemas.table_schema import TableSchema
from service.errors import EngineFailed
from service.intake.engine import name
from service.intake.expressions import Cell, broken
from service.intake.problems import FIRST_ROWS, MAX_SAMPLES, Problems
from service.intake.source import ROW, Batch, Source

_SEEN = "seen"


def diagnose(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    expressions: tuple[Cell, ...],
    schema: TableSchema,
    problems: Problems,
) -> None:
    """Note every rule that the rows break, and sample the offending cells.

    Args:
        connection: The push's own DuckDB.
        source: The file.
        expressions: What the schema's cells must look like.
        schema: The dataset's schema.
        problems: Where it is noted.

    Raises:
        EngineFailed: memory or disk gave out.
    """
    cells = {cell.column.name: cell for cell in expressions}
    both = {schema.pseudonym, schema.unlinked} - {None}
    connection.execute(f"CREATE TEMP TABLE {_SEEN} (number BIGINT, person BLOB, one_off BOOLEAN)")
    try:
        for batch in source.batches(connection, problems):
            for label in batch.labels:
                if label in cells:
                    _rules(connection, batch, cells[label], problems)
                else:
                    _stray(connection, batch, label, problems)
            if len(both) > 1 and both <= set(batch.labels):
                _remember(connection, batch, cells, schema)
        _repeated(connection, schema, problems)
    except (duckdb.OutOfMemoryException, duckdb.InternalException, duckdb.FatalException):
        raise EngineFailed("the broker had too little memory to read this extract") from None
    except duckdb.Error:
        # Its text may quote a cell.
        problems.add(source.malformed)


def _rules(connection: duckdb.DuckDBPyConnection, batch: Batch, cell: Cell, problems: Problems) -> None:
    column = name(cell.column.name)
    judged = f"(SELECT {broken(cell)} AS rule, {name(ROW)} AS number, {column} AS cell FROM {batch.relation})"
    found = connection.execute(
        f"SELECT rule, count(*), min(number, {FIRST_ROWS}) FROM {judged} "
        "WHERE rule IS NOT NULL GROUP BY rule ORDER BY rule"
    ).fetchall()
    for rule, count, rows in found:
        problems.add(rule, cell.column.name, count=count, rows=rows)
    if found:
        texts = connection.execute(f"SELECT DISTINCT cell FROM {judged} WHERE rule IS NOT NULL LIMIT {MAX_SAMPLES}")
        problems.sample(cell.column.name, (text for (text,) in texts.fetchall()))


def _stray(connection: duckdb.DuckDBPyConnection, batch: Batch, label: str, problems: Problems) -> None:
    found = connection.execute(f"SELECT DISTINCT {name(label)} FROM {batch.relation} LIMIT {MAX_SAMPLES}").fetchall()
    problems.sample(label, (text for (text,) in found))
    held = connection.execute(
        f"SELECT count(*), min({name(ROW)}, {FIRST_ROWS}) FROM {batch.relation} WHERE {name(label)} <> ''"
    ).fetchone()
    if held and held[0]:
        problems.stray(label, held[0], held[1])


def _remember(connection: duckdb.DuckDBPyConnection, batch: Batch, cells: dict[str, Cell], schema: TableSchema) -> None:
    person, mark = cells[schema.pseudonym or ""], cells[schema.unlinked or ""]
    words = f"CASE WHEN {person.valid} THEN unhex({name(person.column.name)}) END"
    connection.execute(
        f"INSERT INTO {_SEEN} SELECT {name(ROW)}, {words}, {name(mark.column.name)} = 'true' "
        f"FROM {batch.relation} WHERE {person.valid} AND {mark.valid}"
    )


def _repeated(connection: duckdb.DuckDBPyConnection, schema: TableSchema, problems: Problems) -> None:
    found = connection.execute(
        f"SELECT count(*), min(number, {FIRST_ROWS}) FROM {_SEEN} WHERE one_off AND person IN "
        f"(SELECT person FROM {_SEEN} GROUP BY person HAVING count(*) > 1 AND bool_or(one_off))"
    ).fetchone()
    if found and found[0]:
        problems.add("unlinked_repeated", schema.unlinked or "", count=found[0], rows=found[1])
