"""A release as JSON, CSV or Arrow."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pyarrow as pa
from fastapi.responses import Response

JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
_PARTS = ("value", "unrounded", "low", "high", "usable")


def accepted(header: str | None) -> str | None:
    """Return the media type to answer with by an ``Accept`` header, None where it admits none of ours."""
    if not header:
        return JSON
    wanted = []
    for place, item in enumerate(header.split(",")):
        name, *parameters = (part.strip() for part in item.lower().split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if weight > 0:
            wanted.append((-weight, place, name))
    for _, _, name in sorted(wanted):
        if name in (JSON, CSV, ARROW):
            return name
        if name in ("*/*", "application/*"):
            return JSON
        if name == "text/*":
            return CSV
    return None


def response(text: str, media_type: str) -> Response:
    """Return a release in a media type: as it is stored, or flat, with its id in a header.

    Args:
        text: The release's canonical JSON.
        media_type: One of those ``accepted`` returns.
    """
    if media_type == JSON:
        return Response(text, media_type=JSON)
    release = json.loads(text)
    names, rows = flat(release)
    headers = {"Concordat-Release": release["id"]}
    if media_type == ARROW:
        columns = {name: _column([row[place] for row in rows]) for place, name in enumerate(names)}
        table = pa.table(columns).replace_schema_metadata({"concordat-release": release["id"]})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return Response(sink.getvalue().to_pybytes(), media_type=ARROW, headers=headers)
    out = io.StringIO()
    made = csv.writer(out, lineterminator="\r\n")
    made.writerow(names)
    for row in rows:
        made.writerow(["" if cell is None else str(cell).lower() if isinstance(cell, bool) else cell for cell in row])
    return Response(out.getvalue(), media_type=f"{CSV}; charset=utf-8", headers=headers)


def flat(release: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Return a release's table: key columns, then for each measure its value, unrounded, low, high, usable.

    A measure of several parts has these columns for each part, named by measure and part, as ``repeat_3-4``.
    """
    keys = [name for name in release["columns"] if name in release["keys"]]
    measures = [name for name in release["columns"] if name not in release["keys"]]
    numbers = [name for measure in measures for name, _ in _numbers(measure, release["rows"][0])]
    names = keys + [name if part == "value" else f"{name}_{part}" for name in numbers for part in _PARTS]
    rows = []
    for row in release["rows"]:
        cells: list[Any] = [row["keys"][name] for name in keys]
        for held in (held for measure in measures for _, held in _numbers(measure, row)):
            low, high = held["noise_interval"] or (None, None)
            cells += [held["value"], held["unrounded"], low, high, held["usable"]]
        rows.append(cells)
    return names, rows


def _numbers(measure: str, row: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return a measure's numbers in a row by the names of their columns; a table always has a row."""
    held = row["measures"][measure]
    return [(f"{measure}_{part['part']}", part) for part in held["parts"]] if "parts" in held else [(measure, held)]


def _column(values: list[Any]) -> pa.Array:
    """Return an Arrow column; of numbers where no cell has one, so that its type does not tell whether any has."""
    made = pa.array(values)
    return made.cast(pa.float64()) if pa.types.is_null(made.type) else made
