"""Street-level crime as data.police.uk publishes it, mapped to the dataset ``street-crime``.

Every row is kept. A row that has no LSOA, or one that the lookup or the partnership's councils do not know,
gets the council ``unknown`` and is counted. Crime ID, place and coordinates are dropped. Crime IDs that
repeat are counted, for two rows of one crime are two records here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from connectors.tables import Report, convert, places, slug, table
from schemas.errors import DocumentError
from schemas.table_schema import TableSchema

SCHEMA = "street-crime/v1"
AVON_AND_SOMERSET = frozenset({"E06000022", "E06000023", "E06000024", "E06000025", "E06000066"})

_COLUMNS = ("Month", "LSOA code", "Crime type", "Last outcome category", "Crime ID")
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])\Z")
_LSOA = re.compile(r"E01[0-9]{6}\Z")
_LSOA_COLUMNS = ("LSOA21CD", "LSOA11CD")
_LAD_COLUMN = "LADCD"


def councils_by_lsoa(*lookups: Path) -> dict[str, str]:
    """Read which council each LSOA lies in.

    Args:
        lookups: CSV files, gzipped or not, with ``LADCD`` and ``LSOA21CD`` or ``LSOA11CD`` or both. Feeds mix
            vintages, so give a file for each. The first that names an LSOA counts.

    Raises:
        DocumentError: ``missing_column``, or the file cannot be read as CSV.
    """
    found: dict[str, str] = {}
    for path in lookups:
        with table(path) as (header, rows):
            (lad,) = places(header, (_LAD_COLUMN,))
            keys = [header.index(name) for name in _LSOA_COLUMNS if name in header]
            if not keys:
                raise DocumentError("missing_column", "the lookup lacks this column", _LSOA_COLUMNS[0])
            for _, row in rows:
                for key in keys:
                    found.setdefault(row[key], row[lad])
    return found


def convert_street(
    source: Path,
    target: Path,
    *,
    schema: TableSchema,
    lookup: Mapping[str, str],
    councils: Collection[str] = AVON_AND_SOMERSET,
) -> Report:
    """Map one published month to a file of the schema ``street-crime/v1``.

    Args:
        source: The CSV file as published, gzipped or not.
        target: The new CSV file; appears whole or not at all.
        schema: The dataset's schema, whose lists say which types and outcomes there are.
        lookup: Council by LSOA, from `councils_by_lsoa`.
        councils: The partnership's councils.

    Returns:
        Problems by name: ``no_lsoa``, ``lsoa_not_in_lookup``, ``outside_councils``, ``repeated_crime_id``,
        ``unknown_type``, ``unknown_outcome``.

    Raises:
        DocumentError: ``missing_column``, ``bad_month``, or the file cannot be read as CSV.
    """
    types = frozenset(schema.column("crime_type").constraints.enum or ())
    outcomes = frozenset(schema.column("outcome").constraints.enum or ())

    def mapper(header: Sequence[str], report: Report) -> Callable[[int, list[str]], Sequence[str]]:
        month, lsoa, kind, outcome, crime = places(header, _COLUMNS)
        seen: set[str] = set()

        def map_row(number: int, row: list[str]) -> Sequence[str]:
            if row[crime]:
                if row[crime] in seen:
                    report.note("repeated_crime_id", number)
                seen.add(row[crime])
            if not _MONTH.match(row[month]):
                raise DocumentError("bad_month", f"row {number} has no month such as 2026-04")
            lad = lookup.get(row[lsoa], "")
            if lad not in councils:
                report.note(_why(row[lsoa], lad), number)
                lad = "unknown"
            return (
                f"{row[month]}-01",
                row[lsoa] if _LSOA.match(row[lsoa]) else "unknown",
                lad,
                _code(row[kind], types, "unknown", "unknown_type", number, report),
                _code(row[outcome], outcomes, "none", "unknown_outcome", number, report),
            )

        return map_row

    return convert(source, target, ("month", "lsoa", "lad", "crime_type", "outcome"), mapper)


def _why(lsoa: str, lad: str) -> str:
    if not lsoa:
        return "no_lsoa"
    return "outside_councils" if lad else "lsoa_not_in_lookup"


def _code(label: str, codes: Collection[str], blank: str, problem: str, number: int, report: Report) -> str:
    """Return the code of a label; ``blank`` for an empty cell, ``unknown`` for a label that is not listed."""
    code = slug(label) if label else blank
    if code not in codes or (not label and blank == "unknown"):
        report.note(problem, number)
        return "unknown"
    return code
