"""The columns of an extract are the schema's, each once, in any order; identifiers in their names are refused."""

import pyarrow as pa
import pytest

from service.intake.media import ARROW, CSV, NDJSON, PARQUET
from tests.unit.intake.conftest import Checker
from tests.unit.intake.files import GOOD, ROWS, write, write_csv, write_table


def csv_of(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def renamed(old: str, new: str, media: str) -> bytes:
    """The good rows with one column renamed."""
    if media == CSV:
        head, _, rest = write(ROWS, CSV).partition(b"\r\n")
        return head.replace(old.encode(), new.encode()) + b"\r\n" + rest
    if media == NDJSON:
        return write(ROWS, NDJSON).replace(f'"{old}":'.encode(), f'"{new}":'.encode())
    table = pa.ipc.open_stream(write(ROWS, ARROW)).read_all()
    return write_table(table.rename_columns([new if name == old else name for name in table.column_names]), media)


def test_columns_may_stand_in_any_order(checker: Checker) -> None:
    names = list(reversed(GOOD))
    body = csv_of(",".join(names), ",".join(GOOD[name] for name in names))
    assert checker.stored(body) == checker.stored(write_csv([GOOD]))


@pytest.mark.parametrize("media", [CSV, NDJSON, PARQUET, ARROW])
def test_a_renamed_column_is_missing_and_unknown_and_its_new_name_is_not_repeated(checker: Checker, media: str) -> None:
    refusal = checker.refusal(renamed("knife", "cutlass", media), media)
    found = {(finding.rule, finding.column) for finding in refusal.findings}
    assert ("missing_column", "knife") in found
    (place,) = [column for rule, column in found if rule == "unknown_column"]
    assert place.startswith("#")
    assert "cutlass" not in repr(refusal.findings)


@pytest.mark.parametrize("media", [CSV, NDJSON, PARQUET, ARROW])
def test_a_column_named_for_an_identifier_is_named_so(checker: Checker, media: str) -> None:
    found = checker.rules(renamed("knife", "nhs_number", media), media)
    assert any(rule == "identifier:NHS number" and column == "nhs_number" for rule, column in found)


@pytest.mark.parametrize("media", [PARQUET, ARROW])
def test_columns_that_differ_in_case_are_different_columns(checker: Checker, media: str) -> None:
    assert checker.rules(renamed("age", "Age", media), media) == {
        ("missing_column", "age"),
        ("unknown_column", "#6"),
    }


@pytest.mark.parametrize("media", [CSV, PARQUET, ARROW])
def test_a_column_that_stands_twice_is_refused(checker: Checker, media: str) -> None:
    found = checker.rules(renamed("knife", "age", media), media)
    assert {("duplicate_column", "age"), ("missing_column", "knife")} <= found


def test_a_key_that_stands_twice_in_a_json_object_is_refused(checker: Checker) -> None:
    body = write(ROWS, NDJSON).replace(b'"knife": true', b'"knife": true, "knife": true')
    (found,) = checker.findings(body, NDJSON)
    assert (found.rule, found.column, found.count, found.rows) == ("duplicate_column", "knife", 3, (1, 3, 4))


def test_a_file_without_a_header_does_not_get_its_first_row_repeated(checker: Checker) -> None:
    body = write_csv([{**GOOD, "group": "secretcode"}]).partition(b"\r\n")[2]
    refusal = checker.refusal(body)
    assert {finding.rule for finding in refusal.findings} >= {"missing_column", "unknown_column"}
    assert "secretcode" not in repr(refusal.findings)
    assert GOOD["person"] not in repr(refusal.findings)


def test_identifiers_in_a_column_that_the_schema_does_not_know_are_named(checker: Checker) -> None:
    body = csv_of(",".join([*GOOD, "extra"]), *(",".join([*GOOD.values(), "BS1 4DJ"]) for _ in range(3)))
    assert checker.rules(body) == {("unknown_column", "#10"), ("identifier:postcode", "#10")}


def test_a_byte_order_mark_is_accepted(checker: Checker) -> None:
    assert checker.stored(b"\xef\xbb\xbf" + write_csv(ROWS)) == checker.stored(write_csv(ROWS))
    quoted = b'\xef\xbb\xbf"person"' + write_csv(ROWS).removeprefix(b"person")
    assert checker.stored(quoted) == checker.stored(write_csv(ROWS))
    assert checker.stored(b"\xef\xbb\xbf" + write(ROWS, NDJSON), NDJSON) == checker.stored(write_csv(ROWS))
