"""Code lists and hierarchies out of lookup tables, such as those of small areas that statistics offices publish.

A lookup has a row a code, and says in another column which coarser code it belongs to. What is made here has the
shape of any code list or hierarchy: it gets a name and a digest, and an agreement pins it. Files are read
elsewhere. Rows are counted as a spreadsheet shows them: the header is row 1. No word of an error is a cell's value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.canonical import canonical
from schemas.errors import DocumentError
from schemas.hierarchy import CodeList, Hierarchy
from schemas.model import read
from schemas.names import Code
from schemas.strict_json import MAX_BYTES

MAX_ROWS = 250_000
"""The longest lookup read; England and Wales have some 36,000 small areas of the kind LSOA."""
MAX_CODES = 10_000
"""The longest code list or map made: some four times the small areas of two police force areas."""
MAX_LABEL = 200
UNKNOWN = "unknown"
_UNKNOWN_LABEL = "Not known"
_FIRST_ROW = 2

Row = Mapping[str, str | None]
Keep = Mapping[str, Collection[str]]

_CODE: TypeAdapter[str] = TypeAdapter(Code)


def codelist_from_lookup(
    rows: Iterable[Row],
    code_column: str,
    label_column: str,
    name: str,
    title: str,
    source: str,
    *,
    keep: Keep | None = None,
) -> dict[str, Any]:
    """Make a code list of the codes in one column, labelled by another.

    Args:
        rows: Rows by column name, without the header. A code may stand in many rows with one label.
        code_column: Where the codes are.
        label_column: Where their labels are; the column of codes where there are none.
        name: The artefact's name, with its vintage, such as ``ward-2025``; a later vintage is another artefact.
        title: What people call it.
        source: Who published the lookup, when, and under which licence.
        keep: Column by column, which of its values a row must have to count, such as a partnership's councils;
            every row counts where it is left out. Columns named here may hold anything in other rows.

    Returns:
        The JSON value of a `CodeList`: codes in order, ``unknown`` last. Rows in any order make the same value.

    Raises:
        DocumentError: ``lookup_missing_column``, ``lookup_ragged_row``, ``lookup_empty_cell``,
            ``lookup_bad_code``, ``lookup_bad_label``, ``lookup_two_labels``, ``lookup_no_rows``, or
            ``lookup_too_large``.
        InvalidDocument: name, title or source are not what an artefact's are.
    """
    labels: dict[str, str] = {}
    for number, row in _kept(rows, (code_column, label_column), keep):
        code = _code(row, code_column, number)
        _note(labels, code, _label(row, label_column, number), _TWO_LABELS, _place(number, label_column))
        _check_count(labels)
    labels.setdefault(UNKNOWN, _UNKNOWN_LABEL)
    value = {
        "concordat:codelist": name,
        "title": title,
        "source": source,
        "codes": [{"code": code, "label": labels[code]} for code in _ordered(labels)],
    }
    read(CodeList, value)
    return _small(value)


def hierarchy_from_lookup(  # noqa: PLR0913 - three columns make a hierarchy
    rows: Iterable[Row],
    from_column: str,
    to_column: str,
    label_column: str,
    name: str,
    title: str,
    source: str,
    *,
    keep: Keep | None = None,
) -> dict[str, Any]:
    """Make a hierarchy that turns the codes of one column into the coarser codes of another.

    Args:
        rows: Rows by column name, without the header. A code may stand in many rows with one coarser code.
        from_column: Where the codes are.
        to_column: Where the coarser codes are.
        label_column: Where the labels of the coarser codes are; ``to_column`` where there are none.
        name: The artefact's name, with its vintage, such as ``lsoa-ward-2025``; a later vintage is another artefact.
        title: What people call it.
        source: Who published the lookup, when, and under which licence.
        keep: As for `codelist_from_lookup`; give both the same, and the map names exactly the list's codes.

    Returns:
        The JSON value of a `Hierarchy` of the kind ``map``: codes in order, ``unknown`` to ``unknown``. Rows
        in any order make the same value.

    Raises:
        DocumentError: as `codelist_from_lookup`, and ``lookup_two_coarser`` where a code, or ``unknown``, would
            belong to two coarser codes, as a small area does that a later vintage splits.
        InvalidDocument: name, title or source are not what an artefact's are.
    """
    coarser: dict[str, str] = {}
    labels: dict[str, str] = {}
    for number, row in _kept(rows, (from_column, to_column, label_column), keep):
        code, wider = _code(row, from_column, number), _code(row, to_column, number)
        if code == UNKNOWN and wider != UNKNOWN:
            raise DocumentError(*_TWO_COARSER, _place(number, to_column))
        _note(coarser, code, wider, _TWO_COARSER, _place(number, to_column))
        _note(labels, wider, _label(row, label_column, number), _TWO_LABELS, _place(number, label_column))
        _check_count(coarser)
    coarser.setdefault(UNKNOWN, UNKNOWN)
    labels.setdefault(UNKNOWN, _UNKNOWN_LABEL)
    value = {
        "concordat:hierarchy": name,
        "title": title,
        "source": source,
        "kind": "map",
        "map": {code: coarser[code] for code in _ordered(coarser)},
        "labels": {code: labels[code] for code in _ordered(labels)},
    }
    read(Hierarchy, value)
    return _small(value)


_TWO_COARSER = ("lookup_two_coarser", "a code of an earlier row has another coarser code here: keep one row a code")
_TWO_LABELS = ("lookup_two_labels", "a code of an earlier row has another label here: make them the same")


def _kept(rows: Iterable[Row], columns: tuple[str, ...], keep: Keep | None) -> Iterator[tuple[int, Row]]:
    """Yield the rows that count with their numbers; every row has every column that is needed."""
    wanted = {column: frozenset(values) for column, values in (keep or {}).items()}
    none = True
    for number, row in enumerate(rows, start=_FIRST_ROW):
        if number - _FIRST_ROW >= MAX_ROWS:
            raise DocumentError("lookup_too_large", f"the lookup has more than {MAX_ROWS} rows")
        _check_columns(row, (*columns, *wanted), number)
        if all(row[column] in values for column, values in wanted.items()):
            none = False
            yield number, row
    if none:
        raise DocumentError("lookup_no_rows", "no row of the lookup counts: it is empty, or no row has what is kept")


def _check_columns(row: Row, columns: tuple[str, ...], number: int) -> None:
    for column in columns:
        if column not in row:
            raise DocumentError("lookup_missing_column", "the lookup lacks this column", _place(number, column))
    if None in row:  # where csv.DictReader puts what stands beyond the header
        raise DocumentError("lookup_ragged_row", "the row has more cells than the header", f"row {number}")


def _code(row: Row, column: str, number: int) -> str:
    cell = _cell(row, column, number)
    try:
        if cell != cell.strip():
            raise DocumentError("lookup_bad_code", "spaces stand around the code", _place(number, column))
        return _CODE.validate_python(cell)
    except ValidationError:
        words = "a code begins with a letter or digit and has up to 63 letters, digits, spaces and + _ . -"
        raise DocumentError("lookup_bad_code", words, _place(number, column)) from None


def _label(row: Row, column: str, number: int) -> str:
    label = _cell(row, column, number).strip()
    if len(label) > MAX_LABEL or not label.isprintable():
        words = f"a label is at most {MAX_LABEL} characters, on one line"
        raise DocumentError("lookup_bad_label", words, _place(number, column))
    return label


def _cell(row: Row, column: str, number: int) -> str:
    cell = row[column]
    if cell is None or not cell.strip():
        raise DocumentError("lookup_empty_cell", "the cell is empty", _place(number, column))
    return cell


def _place(number: int, column: str) -> str:
    return f"row {number}/{column}"


def _note(held: dict[str, str], code: str, said: str, conflict: tuple[str, str], path: str) -> None:
    if held.setdefault(code, said) != said:
        raise DocumentError(*conflict, path)


def _check_count(made: Collection[str]) -> None:
    if len(made) > MAX_CODES:
        raise DocumentError("lookup_too_large", f"the lookup has more than {MAX_CODES} codes: keep those of your area")


def _ordered(codes: Iterable[str]) -> list[str]:
    return sorted(codes, key=lambda code: (code == UNKNOWN, code))


def _small(value: dict[str, Any]) -> dict[str, Any]:
    """Return what an artefact's file may hold."""
    if len(canonical(value)) > MAX_BYTES:
        raise DocumentError("lookup_too_large", f"what is made is larger than {MAX_BYTES} bytes: keep fewer rows")
    return value
