"""Parquet, read by DuckDB within its memory limit, which also bounds what a page may unpack to."""
# ruff: noqa: S608 - names are quoted by engine.name, texts by engine.literal

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from schemas.table_schema import TableSchema
from service.intake.engine import Limits, literal, name
from service.intake.problems import Problems
from service.intake.source import ROW, Batch, label_columns
from service.intake.typed import READABLE, as_text, judge_types, plain_type


class ParquetSource:
    """A spooled Parquet file."""

    malformed = "malformed_parquet"

    def __init__(self, path: Path, schema: TableSchema, limits: Limits, connection: duckdb.DuckDBPyConnection) -> None:
        """Keep what to read and within which limits; the header is read through ``connection``."""
        self._path = literal(str(path))
        self._schema = schema
        self._limits = limits
        self._connection = connection
        self._texts: dict[str, str] = {}

    def header(self, problems: Problems) -> bool:
        """Compare columns and types, and bound rows and row groups by the file's own account of them."""
        try:
            names = self._names()
            # DuckDB tells two columns apart by renaming the second; they stand in the file's order.
            described = self._connection.execute(f"DESCRIBE FROM {self._reader()}").fetchall()[: len(names)]
            rows, largest = self._sizes()
        except duckdb.Error:
            problems.add(self.malformed)
            return False
        labels = label_columns(names, self._schema, problems)
        types = [plain_type(str(found[1])) for found in described]
        judge_types(self._schema, dict(zip(labels, types, strict=True)), problems)
        self._texts = {
            label: as_text(str(found[0]), kind)
            for label, kind, found in zip(labels, types, described, strict=True)
            if kind in READABLE
        }
        if rows > self._limits.rows:
            problems.add("too_many_rows")
            self._texts = {}
        if largest > self._limits.block_bytes:
            problems.add("block_too_large")
            self._texts = {}
        return not problems

    def _names(self) -> list[str]:
        found = self._connection.execute(f"SELECT name, num_children FROM parquet_schema({self._path})").fetchall()
        names: list[str] = []
        inside = 0
        for column, children in found[1:]:
            if inside == 0:
                names.append(str(column))
            else:
                inside -= 1
            inside += children or 0
        return names

    def _sizes(self) -> tuple[int, int]:
        rows = self._connection.execute(f"SELECT num_rows FROM parquet_file_metadata({self._path})").fetchall()
        sizes = self._connection.execute(
            f"SELECT sum(total_uncompressed_size) FROM parquet_metadata({self._path}) GROUP BY row_group_id"
        ).fetchall()
        return int(rows[0][0]), max((int(size) for (size,) in sizes), default=0)

    def _reader(self, *, numbered: bool = False) -> str:
        option = ", file_row_number = true" if numbered else ""
        return f"read_parquet({self._path}, hive_partitioning = false, union_by_name = false{option})"

    @contextmanager
    def relation(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """Read with DuckDB and write each value as text."""
        del connection
        texts = ", ".join(f"{text} AS {name(label)}" for label, text in self._texts.items())
        yield f"(SELECT {texts} FROM {self._reader()})"

    def agrees(self, rows: int) -> bool:
        """Compare with the file's own count."""
        return self._sizes()[0] == rows

    def batches(self, connection: duckdb.DuckDBPyConnection, problems: Problems) -> Iterator[Batch]:
        """Read with DuckDB as one batch; columns of types that are never taken are left out."""
        del connection, problems
        if self._texts:
            texts = ", ".join(f"{text} AS {name(label)}" for label, text in self._texts.items())
            relation = f"(SELECT {texts}, file_row_number + 1 AS {name(ROW)} FROM {self._reader(numbered=True)})"
            yield Batch(relation, tuple(self._texts))
