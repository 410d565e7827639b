"""CSV by RFC 4180: comma, double quotes, a header, UTF-8, CRLF or LF throughout; empty lines are skipped.

DuckDB reads it fast. What DuckDB forgives (a comma at a line's end, spaces around quotes) and any row that it
might skip is caught by counting separators apart from it; then, and when it fails, Python finds the rows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa

from schemas.table_schema import TableSchema
from service.intake.engine import Limits, literal, name
from service.intake.lines import read_lines
from service.intake.problems import Problems
from service.intake.source import BATCH_ROWS, ROW, Batch, label_columns

_BLOCK = 1 << 20
_SCAN = 4 << 20
"""What a thread of DuckDB reads at a time, in bytes: by its own 32 MiB a push takes 50 MB more, and longer."""
_SPACES_ABOUT_QUOTES = (b'" ', b' "', b'"\t', b'\t"')


class CsvSource:
    """A spooled CSV file."""

    malformed = "malformed_csv"

    def __init__(self, path: Path, schema: TableSchema, limits: Limits) -> None:
        """Keep what to read and within which limits."""
        self._path = path
        self._schema = schema
        self._limits = limits
        self._labels: tuple[str, ...] = ()

    def header(self, problems: Problems) -> bool:
        """Read and compare the header."""
        with _Rows(self._path, self._limits) as rows:
            first = next(rows, None)
        if first is None or first.broken or not first.cells:
            problems.add(self.malformed)
            return False
        self._labels = label_columns(first.cells, self._schema, problems)
        return not problems

    @contextmanager
    def relation(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """Read with DuckDB; it finds out itself whether lines end in LF or CRLF, and refuses a mixture."""
        del connection
        columns = ", ".join(f"{literal(label)}: 'VARCHAR'" for label in self._labels)
        yield (
            f"read_csv({literal(str(self._path))}, auto_detect = false, header = true, delim = ',', "
            f"quote = '\"', escape = '\"', columns = {{{columns}}}, "
            "strict_mode = true, null_padding = false, "
            f"max_line_size = {self._limits.line_bytes}, buffer_size = {max(_SCAN, 4 * self._limits.line_bytes)}, "
            "encoding = 'utf-8')"
        )

    def agrees(self, rows: int) -> bool:
        """Count the separators that a file of so many rows has where no cell holds one."""
        commas = quotes = 0
        with self._path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                commas += block.count(b",")
                quotes += block.count(b'"')
        if commas != (rows + 1) * (len(self._labels) - 1):
            return self._well_formed(rows)
        return quotes == 0 or not self._spaces_about_quotes() or self._well_formed(rows)

    def _spaces_about_quotes(self) -> bool:
        last = b""
        with self._path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                if any(found in last + block for found in _SPACES_ABOUT_QUOTES):
                    return True
                last = block[-1:]
        return False

    def _well_formed(self, rows: int) -> bool:
        with _Rows(self._path, self._limits) as found:
            header = next(found)
            width = len(header.cells)
            count = 0
            for row in found:
                if row.broken or len(row.cells) != width:
                    return False
                count += 1
        return count == rows

    def batches(self, connection: duckdb.DuckDBPyConnection, problems: Problems) -> Iterator[Batch]:
        """Read with Python; rows of another width than the header are noted and left out."""
        with _Rows(self._path, self._limits) as rows:
            if next(rows, None) is None or not self._labels:
                return
            kept: list[list[str]] = []
            numbers: list[int] = []
            size = 0
            for number, row in enumerate(rows, start=1):
                if row.broken or len(row.cells) != len(self._labels):
                    problems.add(self.malformed, rows=(number,))
                    problems.sample("", row.cells)
                else:
                    kept.append(row.cells)
                    numbers.append(number)
                    size += row.size
                if len(kept) >= BATCH_ROWS or size >= self._limits.block_bytes // 16:
                    yield from self._batch(connection, kept, numbers)
                    kept, numbers, size = [], [], 0
                if number > self._limits.rows:
                    problems.add("too_many_rows")
                    break
            yield from self._batch(connection, kept, numbers)

    def _batch(
        self, connection: duckdb.DuckDBPyConnection, kept: list[list[str]], numbers: list[int]
    ) -> Iterator[Batch]:
        if not kept:
            return
        columns = [pa.array([cell or None for cell in column], pa.string()) for column in zip(*kept, strict=True)]
        table = pa.table([pa.array(numbers, pa.int64()), *columns], names=[ROW, *self._labels])
        connection.register("batch", table)
        try:
            yield Batch(name("batch"), self._labels)
        finally:
            connection.unregister("batch")


@dataclass(slots=True)
class _Row:
    cells: list[str]
    size: int
    broken: bool


class _Rows:
    """A file's records, each with its cells and whether it is broken."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._file = path.open("rb", buffering=_BLOCK)
        self._limits = limits
        self._broken = False
        self._quoted = False
        self._size = 0
        self._reader = csv.reader(self._lines(), strict=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> _Row:
        while True:
            self._broken = False
            self._quoted = False
            self._size = 0
            try:
                cells = next(self._reader)
            except csv.Error:
                return _Row([], self._size, broken=True)
            if cells or self._broken:
                # Python reads a quote after spaces as text; DuckDB drops the spaces. RFC 4180 knows neither.
                self._broken |= self._quoted and any(cell.lstrip(" \t")[:1] == '"' != cell[:1] for cell in cells)
                return _Row(cells, self._size, broken=self._broken)

    def _lines(self) -> Iterator[str]:
        first = True
        for line in read_lines(self._file, self._limits.line_bytes):
            text = line.text.removeprefix("\ufeff") if first else line.text
            first = False
            self._quoted |= '"' in text
            self._size += len(text)
            # A record that spans lines counts as one line.
            self._broken |= line.broken or "\0" in text or self._size > self._limits.line_bytes
            yield text
