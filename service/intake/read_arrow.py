"""Arrow's stream format, uncompressed: in a compressed body a few bytes could claim any amount of memory."""
# ruff: noqa: S608 - names are quoted by engine.name, texts by engine.literal

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from schemas.table_schema import TableSchema
from service.intake.engine import Limits, name
from service.intake.problems import Problems
from service.intake.source import BATCH_ROWS, ROW, Batch, Unreadable, label_columns
from service.intake.typed import READABLE, as_text, judge_types

_TYPES = {
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint8(): "UTINYINT",
    pa.uint16(): "USMALLINT",
    pa.uint32(): "UINTEGER",
    pa.uint64(): "UBIGINT",
    pa.string(): "VARCHAR",
    pa.large_string(): "VARCHAR",
    pa.string_view(): "VARCHAR",
}
# Slots of the tables of Arrow's Message.fbs.
_MESSAGE_HEADER = 2
_DICTIONARY_DATA = 1
_BATCH_COMPRESSION = 3


class ArrowSource:
    """A spooled Arrow stream."""

    malformed = "malformed_arrow"

    def __init__(self, path: Path, schema: TableSchema, limits: Limits) -> None:
        """Keep what to read and within which limits."""
        self._path = path
        self._schema = schema
        self._limits = limits
        self._types: dict[str, str] = {}
        self._places: dict[str, int] = {}

    def header(self, problems: Problems) -> bool:
        """Look at every message before any is decoded, then compare columns and types."""
        try:
            largest = self._scan()
            with self._open() as reader:
                found = reader.schema
        except (pa.ArrowException, OSError, MemoryError, struct.error, Unreadable):
            problems.add(self.malformed)
            return False
        labels = label_columns(found.names, self._schema, problems)
        types = [_duckdb_type(kind) for kind in found.types]
        judge_types(self._schema, dict(zip(labels, types, strict=True)), problems)
        if largest > self._limits.block_bytes:
            problems.add("block_too_large")
            return False
        self._places = {
            label: place for place, (label, kind) in enumerate(zip(labels, types, strict=True)) if kind in READABLE
        }
        self._types = {label: types[place] for label, place in self._places.items()}
        return not problems

    def _scan(self) -> int:
        """Return the size of the largest message.

        Raises:
            Unreadable: a body is compressed.
        """
        largest = 0
        with pa.OSFile(str(self._path)) as file:
            for message in pa.ipc.MessageReader.open_stream(file):
                if message.type in ("record batch", "dictionary"):
                    if _compressed(message.metadata.to_pybytes(), dictionary=message.type == "dictionary"):
                        raise Unreadable
                    largest = max(largest, message.body.size)
        return largest

    @contextmanager
    def _open(self) -> Iterator[pa.RecordBatchReader]:
        with pa.OSFile(str(self._path)) as file, pa.ipc.open_stream(file) as reader:
            yield reader

    def _slices(self) -> Iterator[pa.RecordBatch]:
        """Yield small batches of the readable columns under their labels.

        Raises:
            Unreadable: there are too many rows.
        """
        rows = 0
        with self._open() as reader:
            for found in reader:
                rows += found.num_rows
                if rows > self._limits.rows:
                    raise Unreadable
                batch = pa.record_batch(
                    [found.column(place) for place in self._places.values()], names=list(self._places)
                )
                # DuckDB trusts offsets, indices and UTF-8.
                batch.validate(full=True)
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)

    def _texts(self) -> str:
        return ", ".join(f"{as_text(label, kind)} AS {name(label)}" for label, kind in self._types.items())

    @contextmanager
    def relation(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """Stream batches into DuckDB and write each value as text."""
        with self._open() as reader:
            schema = pa.schema([pa.field(label, reader.schema.types[at]) for label, at in self._places.items()])
        connection.register("stream", pa.RecordBatchReader.from_batches(schema, self._slices()))
        try:
            yield f"(SELECT {self._texts()} FROM {name('stream')})"
        finally:
            connection.unregister("stream")

    def agrees(self, rows: int) -> bool:
        """Agree: the rows were counted as they were decoded."""
        del rows
        return True

    def batches(self, connection: duckdb.DuckDBPyConnection, problems: Problems) -> Iterator[Batch]:
        """Read again; columns of types that are never taken are left out."""
        if not self._places:
            return
        done = 0
        try:
            for part in self._slices():
                numbers = pa.array(range(done + 1, done + part.num_rows + 1), pa.int64())
                done += part.num_rows
                table = pa.table([numbers, *part.columns], names=[ROW, *self._places])
                connection.register("batch", table)
                try:
                    yield Batch(f"(SELECT {self._texts()}, {name(ROW)} FROM {name('batch')})", tuple(self._places))
                finally:
                    connection.unregister("batch")
        except Unreadable:
            problems.add("too_many_rows")
        except (pa.ArrowException, OSError, MemoryError):
            problems.add(self.malformed, rows=(done + 1,))


def _duckdb_type(found: pa.DataType) -> str:
    kind = found.value_type if pa.types.is_dictionary(found) else found
    if pa.types.is_decimal128(kind) and kind.scale >= 0:
        return "DECIMAL"
    return _TYPES.get(kind, "")


def _compressed(metadata: bytes, *, dictionary: bool) -> bool:
    """Tell whether a body is compressed; pyarrow does not say. Arrow has verified the flatbuffer."""
    (root,) = struct.unpack_from("<I", metadata, 0)
    table = _field(metadata, root, _MESSAGE_HEADER)
    if dictionary and table is not None:
        table = _field(metadata, table, _DICTIONARY_DATA)
    return table is None or _field(metadata, table, _BATCH_COMPRESSION) is not None


def _field(buffer: bytes, table: int, slot: int) -> int | None:
    """Return where the table in a flatbuffer table's slot begins, None where the slot is empty."""
    (back,) = struct.unpack_from("<i", buffer, table)
    vtable = table - back
    (size,) = struct.unpack_from("<H", buffer, vtable)
    at = 4 + 2 * slot
    (offset,) = struct.unpack_from("<H", buffer, vtable + at) if at + 2 <= size else (0,)
    if offset == 0:
        return None
    forward = int(struct.unpack_from("<I", buffer, table + offset)[0])
    return table + int(offset) + forward
