"""The embedded engine: DuckDB in process, locked down to reading the lake, a cursor for each question."""
# ruff: noqa: S608 - names are quoted by _name, texts by _text

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from schemas.table_schema import TableSchema
from service.aggregates.compiling import compile_totals
from service.aggregates.engine import Table, assemble
from service.aggregates.rows import datasets, table_name
from service.errors import EngineFailed
from service.layout import stored_columns
from service.policy.plan import EffectivePlan

_GLOB = frozenset("*?[")


class DuckDBEngine:
    """Totals plans over Parquet files; safe to use from many threads.

    The database holds nothing: each question makes temporary views of its own over the files of its pinned
    data versions. It can read below the lake's root and nowhere else, write nothing but encrypted spill
    files, and load no extension, and none of this can be changed once it is open.
    """

    def __init__(
        self,
        lake_root: Path,
        memory_limit: str,
        threads: int,
        temp_dir: Path,
        *,
        deadline_seconds: float = 30.0,
        concurrent: int = 4,
    ) -> None:
        """Open the database.

        Args:
            lake_root: The directory below which all files lie.
            memory_limit: For all questions together, as ``2GB``.
            threads: For all questions together.
            temp_dir: Where what exceeds memory is spilled, encrypted.
            deadline_seconds: How long one question may take, waiting included; the same for every question.
            concurrent: How many questions run at once; others wait.
        """
        temp_dir.mkdir(parents=True, exist_ok=True)
        self._deadline = deadline_seconds
        self._places = threading.BoundedSemaphore(concurrent)
        self._opening = threading.Lock()
        self._database = duckdb.connect(
            ":memory:",
            config={
                "threads": threads,
                "memory_limit": memory_limit,
                "temp_directory": str(temp_dir.resolve()),
                "temp_file_encryption": True,
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
                "allow_persistent_secrets": False,
            },
        )
        self._database.execute("SET enable_progress_bar = FALSE")
        # In this order: each step forbids the one before it.
        self._database.execute(f"SET allowed_directories = [{_text(str(lake_root.resolve()))}]")
        self._database.execute("SET enable_external_access = FALSE")
        self._database.execute("SET lock_configuration = TRUE")

    def totals(self, plan: EffectivePlan, tables: Mapping[str, Table]) -> dict[str, list[int]]:
        """Return the exact bounded totals; see ``service.aggregates.engine.Engine``.

        Raises:
            EngineFailed: DuckDB failed or the deadline passed. What it said is dropped: it may hold values.
        """
        sql = compile_totals(plan, {name: table.schema for name, table in tables.items()})
        views = {table_name(plan, name): _source(tables[name]) for name in datasets(plan)}
        if not self._places.acquire(timeout=self._deadline):
            raise EngineFailed("the engine is busy: ask again later")
        try:
            rows = self._run(sql, views)
        finally:
            self._places.release()
        if rows is None:
            raise EngineFailed("the engine gave no answer within its limits of memory and time")
        return assemble(plan, rows)

    def close(self) -> None:
        """Close the database; questions still running fail."""
        self._database.close()
        del self._database  # or the binding counts it as leaked when the process ends

    def _run(self, sql: str, views: Mapping[str, str]) -> list[tuple[int, ...]] | None:
        """Return the result's rows, None on any failure, so that no error carries DuckDB's text along."""
        try:
            with self._cursor() as cursor, _interrupted_after(cursor, self._deadline):
                for name, source in views.items():
                    cursor.execute(f"CREATE TEMP VIEW {_name(name)} AS {source}")
                return cursor.execute(sql).fetchall()
        except (duckdb.Error, MemoryError, OverflowError, RuntimeError):
            return None

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection of its own to the same database: temporary views are seen by it alone."""
        with self._opening:
            cursor = self._database.cursor()
        try:
            yield cursor
        finally:
            cursor.close()


@contextmanager
def _interrupted_after(cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, cursor.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # an interrupt that has begun ends before the cursor is closed


def _source(table: Table) -> str:
    """Return SQL for a table's rows: its files, or an empty relation of the same columns."""
    if not table.files:
        return f"SELECT {_columns(table.schema, 'CAST(NULL AS {type}) AS {name}')} WHERE FALSE"
    files = ", ".join(_text(file) for file in table.files)
    columns = _columns(table.schema, "{name}")
    return f"SELECT {columns} FROM read_parquet([{files}], hive_partitioning = FALSE)"


def _columns(schema: TableSchema, form: str) -> str:
    return ", ".join(form.format(name=_name(column.name), type=column.type) for column in stored_columns(schema))


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(path: str) -> str:
    """Quote a path.

    Raises:
        RuntimeError: DuckDB would read it as a pattern.
    """
    if _GLOB & set(path):
        raise RuntimeError("a file of the lake has no wildcards in its path")
    return "'" + path.replace("'", "''") + "'"
