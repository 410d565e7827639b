"""Newline-delimited JSON: one object a line, each column's key exactly once, JSON's own types.

Text for pseudonyms, dates and codes; true and false for flags; numbers for numbers, kept as they are written;
null for a missing value. Nothing is coerced.
"""
# ruff: noqa: S608 - names are quoted by engine.name

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from schemas.table_schema import Column, TableSchema
from service.intake.engine import Limits, name
from service.intake.lines import read_lines
from service.intake.problems import Problems
from service.intake.source import ROW, Batch, Unreadable

_BLOCK = 1 << 20
_BATCH_BYTES = 16 << 20
_BATCH_ROWS = 16_384
_MAX_STRAYS = 100
_ARROW = {str: pa.string(), bytes: pa.binary(), bool: pa.bool_()}


def _refuse_constant(_: str) -> Any:
    raise ValueError


# Objects become tuples of pairs, duplicates included, and stay apart from arrays, which are lists. Numbers
# become bytes as they are written, and stay apart from text.
_DECODER = json.JSONDecoder(
    object_pairs_hook=tuple,
    parse_int=str.encode,
    parse_float=str.encode,
    parse_constant=_refuse_constant,
)


@dataclass(slots=True)
class _Part:
    numbers: list[int]
    rows: list[tuple[Any, ...]]
    size: int = 0


class NdjsonSource:
    """A spooled file of newline-delimited JSON."""

    malformed = "malformed_ndjson"

    def __init__(self, path: Path, schema: TableSchema, limits: Limits) -> None:
        """Keep what to read and within which limits."""
        self._path = path
        self._limits = limits
        self._columns = schema.fields
        self._names = tuple(column.name for column in schema.fields)
        self._types = tuple(_json_type(column) for column in schema.fields)
        self._strays: dict[str, str] = {}

    def header(self, problems: Problems) -> bool:
        """Let it pass: every line has its own keys."""
        del problems
        return True

    @contextmanager
    def relation(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """Stream batches of decoded lines into DuckDB."""
        schema = pa.schema([(ROW, pa.int64()), *((column, pa.string()) for column in self._names)])
        batches = (self._arrow(part) for part in self._parts(None))
        connection.register("lines", pa.RecordBatchReader.from_batches(schema, batches))
        try:
            yield self._texts("lines")
        finally:
            connection.unregister("lines")

    def agrees(self, rows: int) -> bool:
        """Agree: the lines were counted as they were decoded."""
        del rows
        return True

    def batches(self, connection: duckdb.DuckDBPyConnection, problems: Problems) -> Iterator[Batch]:
        """Read again; bad lines are noted and left out, but their texts are judged."""
        for part in self._parts(problems):
            connection.register("batch", pa.Table.from_batches([self._arrow(part)]))
            try:
                yield Batch(self._texts("batch"), self._names)
            finally:
                connection.unregister("batch")

    def _texts(self, relation: str) -> str:
        texts = ", ".join(f"nullif({name(column)}, '') AS {name(column)}" for column in self._names)
        return f"(SELECT {name(ROW)}, {texts} FROM {name(relation)})"

    def _arrow(self, part: _Part) -> pa.RecordBatch:
        columns = [
            pa.array(cells, _ARROW[wanted]).cast(pa.string())
            for cells, wanted in zip(zip(*part.rows, strict=True), self._types, strict=True)
        ]
        return pa.record_batch([pa.array(part.numbers, pa.int64()), *columns], names=[ROW, *self._names])

    def _parts(self, problems: Problems | None) -> Iterator[_Part]:
        """Decode lines; without ``problems`` the first bad one ends the reading."""
        part = _Part([], [])
        number = 0
        with self._path.open("rb", buffering=_BLOCK) as file:
            for line in read_lines(file, self._limits.line_bytes):
                text = line.text.removeprefix("\ufeff") if number == 0 else line.text
                if not line.broken and not text.strip(" \t\r\n"):
                    continue
                number += 1
                if number > self._limits.rows:
                    if problems is None:
                        raise Unreadable
                    problems.add("too_many_rows")
                    break
                row = None if line.broken else self._row(text)
                if row is None:
                    if problems is None:
                        raise Unreadable
                    self._explain(text, number, problems, broken=line.broken)
                    continue
                part.numbers.append(number)
                part.rows.append(row)
                part.size += len(text)
                if len(part.rows) >= _BATCH_ROWS or part.size >= _BATCH_BYTES:
                    yield part
                    part = _Part([], [])
        if part.rows:
            yield part

    def _row(self, text: str) -> tuple[Any, ...] | None:
        """Return a good line's values in the schema's order, None for any other line."""
        try:
            pairs = _DECODER.decode(text)
            if type(pairs) is not tuple:
                return None
            keys, values = zip(*pairs, strict=True)
            if keys != self._names:
                if len(keys) != len(self._names):
                    return None
                found = dict(zip(keys, values, strict=True))
                values = tuple(found[column] for column in self._names)
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        if tuple(map(type, values)) != self._types:
            if not all(map(_fits, values, self._types)):
                return None
            values = tuple(None if value == "" else value for value in values)
        if "\\u" in text and not all(map(_encodable, values)):
            return None
        return values

    def _explain(self, text: str, number: int, problems: Problems, *, broken: bool) -> None:
        try:
            pairs = None if broken else _DECODER.decode(text)
        except (ValueError, RecursionError):
            pairs = None
        if type(pairs) is not tuple:
            problems.add(self.malformed, rows=(number,))
            problems.sample("", (text,))
            return
        types = dict(zip(self._names, self._types, strict=True))
        seen: set[str] = set()
        for key, value in pairs:
            label = key if key in types else self._stray(key, problems)
            if key in seen:
                problems.add("duplicate_column", label, rows=(number,))
            elif key not in types:
                problems.add("unknown_column", label, rows=(number,))
            elif not (_fits(value, types[key]) and _encodable(value)):
                problems.add("wrong_type", key, rows=(number,))
            seen.add(key)
            problems.sample(label, _texts(value))
        for column in self._names:
            if column not in seen:
                problems.add("missing_column", column, rows=(number,))

    def _stray(self, key: str, problems: Problems) -> str:
        """Return an unknown key's place: which unknown key of the file it is."""
        if key not in self._strays:
            if len(self._strays) >= _MAX_STRAYS:
                return "#"
            self._strays[key] = f"#{len(self._strays) + 1}"
            problems.header(self._strays[key], key)
        return self._strays[key]


def _json_type(column: Column) -> type:
    if column.kind in ("unlinked", "flag"):
        return bool
    if column.kind in ("integer", "decimal"):
        return bytes
    return str


def _fits(value: Any, wanted: type) -> bool:
    """Tell whether a value has the wanted type or is missing."""
    return type(value) is wanted or value is None or value == ""


def _encodable(value: Any) -> bool:
    """Tell whether a text has no lone surrogate, which JSON can write and UTF-8 cannot."""
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def _texts(value: Any) -> Iterator[str]:
    """Return the texts and numbers in a value, however deep."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, bytes):
            yield found.decode()
        elif isinstance(found, (list, tuple)):
            waiting.extend(found)
