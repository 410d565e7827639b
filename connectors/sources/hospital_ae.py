"""De-identified emergency attendances with the Open Data Institute's headers, mapped to ``ed-attendances``.

Values that the schema's lists do not know become ``unknown`` and are counted; every row is kept. A file that
has columns which identify patients is refused before a row is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.tables import Report, convert, places, slug
from schemas.errors import DocumentError
from schemas.identifiers import judge_header
from schemas.table_schema import Column, TableSchema

SCHEMA = "ed-attendances/v1"

# Column here by column there.
HEADERS = {
    "arrived": "Arrival Date",
    "arrival_hours": "Arrival hour range",
    "minutes": "Time in A&E (mins)",
    "treatment": "Treatment",
    "gender": "Gender",
    "age_bracket": "Age bracket",
    "imd_decile": "Index of Multiple Deprivation Decile",
    "hospital_id": "Hospital ID",
}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def convert_attendances(source: Path, target: Path, *, schema: TableSchema) -> Report:
    """Map a de-identified file to one of the schema ``ed-attendances/v1``.

    Args:
        source: The CSV file, gzipped or not.
        target: The new CSV file; appears whole or not at all.
        schema: The dataset's schema, whose lists and bounds say what there is.

    Returns:
        Problems by name: ``unknown_treatment``, ``bad_minutes`` and so on, after the column.

    Raises:
        DocumentError: ``identifying_column`` naming each, ``missing_column``, ``bad_date``, or the file
            cannot be read as CSV.
    """

    def mapper(header: Sequence[str], report: Report) -> Callable[[int, list[str]], Sequence[str]]:
        identifying = [name for name in header if judge_header(name)]
        if identifying:
            named = ", ".join(identifying)
            raise DocumentError("identifying_column", f"the file has columns that identify patients: {named}")
        cells = [
            _Cell(schema.column(name), where)
            for name, where in zip(HEADERS, places(header, HEADERS.values()), strict=True)
        ]
        return lambda number, row: [cell.read(row[cell.where], number, report) for cell in cells]

    return convert(source, target, tuple(HEADERS), mapper)


@dataclass(frozen=True, slots=True)
class _Cell:
    column: Column
    where: int

    def read(self, text: str, number: int, report: Report) -> str:
        name = self.column.name
        if self.column.kind == "date":
            if not _DAY.match(text):
                raise DocumentError("bad_date", f"row {number} has no day such as 2026-04-01", HEADERS[name])
            return text
        if self.column.kind == "integer":
            return self._number(text, number, report)
        code = self._code(text)
        if code == "unknown":
            report.note(f"unknown_{name}", number)
        return code

    def _number(self, text: str, number: int, report: Report) -> str:
        low, high = self.column.bounds
        if not text:
            return ""
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            report.note(f"bad_{self.column.name}", number)
            return ""
        return str(int(text))

    def _code(self, text: str) -> str:
        limits = self.column.constraints
        if limits.enum is None:
            return text if re.fullmatch(limits.pattern or "", text) else "unknown"
        # "85-" is how the file writes 85 and over.
        for code in (text, slug(text), f"{text.removesuffix('-')}+"):
            if code in limits.enum:
                return code
        return "unknown"
