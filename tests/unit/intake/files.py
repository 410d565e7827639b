"""Small extracts in every media type."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.table_schema import Column, TableSchema, parse
from service.intake.expressions import Covers
from service.intake.media import CSV, NDJSON, PARQUET

COVERS = Covers(date(2026, 4, 1), date(2026, 6, 30))
P1, P2, P3 = "1" * 64, "ab" * 32, "f" * 64


def field(name: str, kind: str, /, **more: Any) -> dict[str, Any]:
    """One column of a schema in JSON."""
    types = {
        "unlinked": "boolean",
        "flag": "boolean",
        "date": "date",
        "integer": "integer",
        "decimal": "number",
    }
    made = {"name": name, "type": types.get(kind, "string"), "concordat:kind": kind}
    if "decimals" in more:
        made["concordat:decimals"] = more.pop("decimals")
    if "enum" in more:
        made["concordat:codes"] = "some-codes"
    return {**made, "constraints": {"required": True, **more}}


def person_schema(groups: Sequence[str], *more: dict[str, Any]) -> TableSchema:
    """A person dataset with a column of every kind."""
    return parse(
        {
            "concordat:schema": "incidents/v1",
            "title": "Incidents",
            "concordat:privacy_unit": "person",
            "concordat:period": "occurred",
            "fields": [
                field("person", "pseudonym", pattern="^[0-9a-f]{64}$"),
                field("unlinked", "unlinked"),
                field("occurred", "date"),
                field("group", "code", enum=list(groups)),
                field("lsoa", "code", pattern="^(E01[0-9]{6}|unknown)$"),
                field("age", "integer", minimum=0, maximum=120, required=False),
                field("change", "integer", minimum=-5, maximum=5),
                field("gravity", "decimal", minimum=-1, maximum=8, decimals=2, required=False),
                field("knife", "flag"),
                *more,
            ],
        }
    )


PERSON_SCHEMA = person_schema(["violence", "robbery", "unknown"])
TEN_COLUMNS_SCHEMA = person_schema(["violence", "unknown"], field("primary", "flag"))
MANY_CODES_SCHEMA = person_schema([f"code-{number:03d}" for number in range(100)])
RECORD_SCHEMA: TableSchema = parse(
    {
        "concordat:schema": "fires/v1",
        "title": "Fires",
        "concordat:privacy_unit": "record",
        "concordat:period": "month",
        "fields": [field("month", "date"), field("primary", "flag")],
    }
)

GOOD: dict[str, str] = {
    "person": P1,
    "unlinked": "false",
    "occurred": "2026-04-01",
    "group": "violence",
    "lsoa": "E01000001",
    "age": "17",
    "change": "-5",
    "gravity": "7.25",
    "knife": "true",
}
ROWS: tuple[dict[str, str], ...] = (
    GOOD,
    {**GOOD, "occurred": "2026-06-30", "age": "", "gravity": "", "knife": "false", "change": "0"},
    {
        **GOOD,
        "person": P2,
        "age": "0",
        "gravity": "-0.5",
        "group": "robbery",
        "lsoa": "unknown",
        "change": "5",
    },
    {**GOOD, "person": P3, "unlinked": "true", "age": "120", "gravity": "8", "occurred": "2026-05-31"},
)


def write(rows: Sequence[dict[str, str]], media: str, schema: TableSchema = PERSON_SCHEMA) -> bytes:
    """Write rows of texts in a media type, each value in the type that a careful agency would use."""
    if media == CSV:
        return write_csv(rows, schema)
    columns = {column.name: [typed(row[column.name], column) for row in rows] for column in schema.fields}
    if media == NDJSON:
        lines = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return "".join(f"{json.dumps(line, default=_json)}\n" for line in lines).encode()
    arrow = {column.name: pa.array(columns[column.name], arrow_type(column)) for column in schema.fields}
    return write_table(pa.table(arrow), media)


def write_csv(rows: Sequence[dict[str, str]], schema: TableSchema = PERSON_SCHEMA) -> bytes:
    """Write rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in schema.fields], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def write_table(table: pa.Table, media: str) -> bytes:
    """Write an Arrow table as Parquet or as an Arrow stream."""
    sink = io.BytesIO()
    if media == PARQUET:
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def typed(text: str, column: Column) -> Any:
    """A cell's text as the value it means."""
    if text == "":
        return None
    if column.kind in ("unlinked", "flag"):
        return text == "true"
    if column.kind == "integer":
        return int(text)
    if column.kind == "decimal":
        return Decimal(text)
    return date.fromisoformat(text) if column.kind == "date" else text


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else float(value)


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type for a column."""
    kinds = {
        "unlinked": pa.bool_(),
        "flag": pa.bool_(),
        "date": pa.date32(),
        "integer": pa.int16(),
        "decimal": pa.decimal128(9, 4),
    }
    return kinds.get(column.kind, pa.string())
