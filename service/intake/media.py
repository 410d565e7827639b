"""The media types that a push may have, and what reads each."""

from __future__ import annotations

from pathlib import Path

import duckdb

from schemas.table_schema import TableSchema
from service.errors import Unsupported
from service.intake.engine import Limits
from service.intake.read_arrow import ArrowSource
from service.intake.read_csv import CsvSource
from service.intake.read_ndjson import NdjsonSource
from service.intake.read_parquet import ParquetSource
from service.intake.source import Source

CSV = "text/csv"
NDJSON = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
MEDIA_TYPES = (CSV, NDJSON, PARQUET, ARROW)
_ALSO = {"application/ndjson": NDJSON, "application/jsonl": NDJSON}


def media_type(content_type: str) -> str:
    """Return the media type that a ``Content-Type`` header means.

    Raises:
        Unsupported: it is none that a push may have, or its parameters say other than UTF-8 with a header.
    """
    essence, *parameters = (part.strip().lower() for part in content_type.split(";"))
    found = _ALSO.get(essence, essence)
    if found not in MEDIA_TYPES:
        raise Unsupported(f"send one of {', '.join(MEDIA_TYPES)}")
    for parameter in parameters:
        if parameter.replace('"', "") not in ("", "charset=utf-8", "charset=us-ascii", "header=present"):
            raise Unsupported("send UTF-8, and CSV with a header; other parameters are not taken")
    return found


def open_source(
    media: str, path: Path, schema: TableSchema, limits: Limits, connection: duckdb.DuckDBPyConnection
) -> Source:
    """Return the reader of a spooled file.

    Args:
        media: One of ``MEDIA_TYPES``.
        path: The spooled file.
        schema: The dataset's schema.
        limits: How much of everything a file may have.
        connection: The push's own DuckDB.
    """
    if media == CSV:
        return CsvSource(path, schema, limits)
    if media == NDJSON:
        return NdjsonSource(path, schema, limits)
    if media == PARQUET:
        return ParquetSource(path, schema, limits, connection)
    return ArrowSource(path, schema, limits)
