"""Tables of rows written as text, questions as plans, and the exact bounded totals that an engine gives for them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.table_schema import Column, TableSchema, parse
from service.aggregates.engine import Engine, Table
from service.layout import person_words, stored_columns
from service.policy.plan import Binned, CodeKeys, DateKeys, EffectivePlan, Keys, Measured, NumberKeys

Row = dict[str, Any]
"""A row as stored, but for the pseudonym, which stays a label under its column's name."""

_REQUIRED = {"required": True}
_PSEUDONYM = {"kind": "pseudonym", "type": "string", "pattern": "^[0-9a-f]{64}$"}
_UNLINKED = {"kind": "unlinked", "type": "boolean"}
_HARM = {"kind": "decimal", "type": "number", "minimum": -100, "maximum": 100, "decimals": 1, "nullable": True}


def _schema(name: str, period: str, columns: Mapping[str, Mapping[str, Any]]) -> TableSchema:
    fields = []
    for column, given in columns.items():
        limits = {key: given[key] for key in ("pattern", "enum", "minimum", "maximum") if key in given}
        field = {"name": column, "type": given["type"], "concordat:kind": given["kind"]}
        field |= {"constraints": limits | ({} if given.get("nullable") else _REQUIRED)}
        if given["kind"] == "code":
            field["concordat:codes"] = "codes"
        if "decimals" in given:
            field["concordat:decimals"] = given["decimals"]
        fields.append(field)
    unit = "person" if any(given["kind"] == "pseudonym" for given in columns.values()) else "record"
    return parse(
        {
            "concordat:schema": name,
            "title": name,
            "concordat:privacy_unit": unit,
            "concordat:period": period,
            "fields": fields,
        }
    )


SCHEMAS = {
    "police": _schema(
        "police/v1",
        "occurred",
        {
            "person": _PSEUDONYM,
            "unlinked": _UNLINKED,
            "occurred": {"kind": "date", "type": "date"},
            "area": {"kind": "code", "type": "string", "enum": ["north", "south", "east", "unknown"]},
            "age": {"kind": "integer", "type": "integer", "minimum": 0, "maximum": 120, "nullable": True},
            "harm": _HARM,
            "knife": {"kind": "flag", "type": "boolean"},
        },
    ),
    "hospital": _schema(
        "hospital/v1",
        "attended",
        {
            "patient": _PSEUDONYM,
            "unlinked": _UNLINKED,
            "attended": {"kind": "date", "type": "date"},
            "site": {"kind": "code", "type": "string", "enum": ["north", "south", "unknown"]},
            "admitted": {"kind": "flag", "type": "boolean"},
        },
    ),
    "calls": _schema(
        "calls/v1",
        "called",
        {
            "called": {"kind": "date", "type": "date"},
            "area": {"kind": "code", "type": "string", "enum": ["north", "south", "unknown"]},
            "minutes": {"kind": "integer", "type": "integer", "minimum": 0, "maximum": 60, "nullable": True},
        },
    ),
}
_DEFAULTS: Row = {
    "unlinked": False, "occurred": date(2026, 4, 1), "area": "north", "age": None, "harm": None, "knife": False,
    "attended": date(2026, 4, 1), "site": "north", "admitted": False, "called": date(2026, 4, 1), "minutes": None,
}  # fmt: skip

REPEAT_BANDS = (("1", 1, 1), ("2", 2, 2), ("3-4", 3, 4), ("5+", 5, Binned.HIGHEST))
REPEAT = Measured(
    "repeat", detail=Binned(NumberKeys("rows", "repeat", tuple(key for key, _, _ in REPEAT_BANDS), REPEAT_BANDS))
)
AREAS = CodeKeys("area", "as-is", ("north", "south"), (("north", "north"), ("south", "south")))
MONTHS = DateKeys("occurred", "month", (date(2026, 4, 1), date(2026, 5, 1)))


def question(
    measure: str | Measured | Sequence[Any] = "count",
    *by: Keys,
    dataset: str = "police",
    per_person: int = 3,
    **parts: Any,
) -> EffectivePlan:
    """Write a plan down: measures, then groupings, then ``filters``, ``links`` and so on."""
    measures = [measure] if isinstance(measure, (str, Measured)) else list(measure)
    return EffectivePlan(
        dataset=dataset,
        source=f"supplier/{dataset}",
        unit=SCHEMAS[dataset].privacy_unit,
        filters=parts.get("filters", ()),
        by=by,
        measures=tuple(item if isinstance(item, Measured) else Measured(item) for item in measures),
        links=parts.get("links", ()),
        per_person=per_person,
    )


def rows(dataset: str, text: str) -> list[Row]:
    """Read an ASCII table: a line of column names, then rows; a dash is a missing value, columns left out default."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines() if line.strip()]
    schema = SCHEMAS[dataset]
    made = []
    for line in lines[1:]:
        row = {column.name: _DEFAULTS.get(column.name) for column in schema.fields}
        for name, cell in zip(lines[0], line, strict=True):
            row[name] = _value(schema.column(name), cell)
        made.append(row)
    return made


def _value(column: Column, cell: str) -> Any:
    if cell == "-":
        return None
    if column.kind == "date":
        return date.fromisoformat(cell)
    if column.kind == "integer":
        return int(cell)
    if column.kind == "decimal":
        return int(Decimal(cell) * 10**column.decimals)
    if column.kind in ("flag", "unlinked"):
        return {"yes": True, "no": False}[cell]
    return cell


def words(label: Any) -> tuple[int, ...]:
    """Return a person's four words: of a label its digest, of a tuple of numbers those."""
    if isinstance(label, tuple):
        return label
    found = hashlib.sha256(str(label).encode()).digest()
    return tuple(int.from_bytes(found[place : place + 8], "big", signed=True) for place in range(0, 32, 8))


_ARROW = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "BOOLEAN": pa.bool_(),
}


class Lake:
    """A directory of Parquet files, each written once."""

    def __init__(self, root: Path) -> None:
        """Keep where."""
        self.root = root
        self._names = itertools.count()

    def table(self, dataset: str, *parts: Iterable[Row]) -> Table:
        """Store rows as one file for each part; no parts are a dataset without a push."""
        schema = SCHEMAS[dataset]
        return Table(schema, tuple(self._write(schema, list(part)) for part in parts))

    def _write(self, schema: TableSchema, part: list[Row]) -> str:
        names = person_words(schema)
        columns = {}
        for column in stored_columns(schema):
            if column.name in names:
                place = names.index(column.name)
                values = [words(row[schema.pseudonym or ""])[place] for row in part]
            else:
                values = [row[column.name] for row in part]
            columns[column.name] = pa.array(values, type=_ARROW[column.type])
        path = self.root / f"{next(self._names)}.parquet"
        pq.write_table(pa.table(columns), path)
        return str(path)


def totals(engine: Engine, lake: Lake, plan: EffectivePlan, tables: Mapping[str, str]) -> dict[tuple[str, ...], Any]:
    """Return an engine's exact bounded totals for tables given as text, in 1/1024, by key.

    Returns:
        For each key of the public key set a number or, of several vectors, a tuple of them in order; a vector with
        keys of its own has a list of numbers for each key.
    """
    stored = {name: lake.table(name, rows(name, text)) for name, text in tables.items()}
    vectors = [_by_cell(plan, found) for found in engine.totals(plan, stored).values()]
    cells = zip(*vectors, strict=True)
    return {key: cell if len(cell) > 1 else cell[0] for key, cell in zip(keys(plan), cells, strict=True)}


def _by_cell(plan: EffectivePlan, found: list[int]) -> list[Any]:
    width = len(found) // plan.cells
    return found if width == 1 else [found[first : first + width] for first in range(0, len(found), width)]


def keys(plan: EffectivePlan) -> list[tuple[str, ...]]:
    """Return the public key set in order, as text."""
    named = [[start.isoformat() for start in by.starts] if isinstance(by, DateKeys) else by.keys for by in plan.by]
    return list(itertools.product(*named))
