"""Identifiers of persons are refused wherever they turn up, and named whatever else is wrong."""

import pytest

from schemas.identifiers import is_nhs_number
from schemas.table_schema import parse
from service.intake.media import ARROW, CSV, NDJSON
from tests.unit.intake.conftest import Checker
from tests.unit.intake.files import GOOD, field, write, write_csv

IDENTIFIERS = {
    "NHS number": "943 476 5919",
    "UPN": "B801200005001",
    "PNC id": "1998/0012345J",
    "National Insurance number": "AB123456C",
    "postcode": "BS1 4DJ",
    "prison number": "A1234BC",
    "CRN": "X123456",
    "e-mail address": "someone@example.org",
    "telephone number": "0117 496 0000",
}


@pytest.mark.parametrize("column", ["person", "unlinked", "occurred", "group", "lsoa", "age", "gravity"])
@pytest.mark.parametrize("kind", IDENTIFIERS)
def test_an_identifier_in_any_column_is_named_and_not_repeated(checker: Checker, kind: str, column: str) -> None:
    cell = IDENTIFIERS[kind]
    refusal = checker.refusal(write_csv([GOOD, {**GOOD, column: cell}]))
    found = [one for one in refusal.findings if one.rule == f"identifier:{kind}"]
    assert [(one.column, one.count, one.rows) for one in found] == [(column, 1, (2,))]
    assert refusal.findings[0].rule.startswith("identifier:")
    assert cell not in repr(refusal.findings) + str(refusal)


def test_a_column_that_fails_for_another_reason_is_still_named(checker: Checker) -> None:
    rows = [{**GOOD, "age": "old"}, {**GOOD, "age": "9434765919"}]
    found = checker.findings(write_csv(rows))
    assert [(one.rule, one.column, one.count, one.rows) for one in found] == [
        ("identifier:NHS number", "age", 2, (1, 2)),
        ("integer", "age", 1, (1,)),
        ("range", "age", 1, (2,)),
    ]


def test_an_identifier_in_a_line_that_is_broken_elsewhere_is_named(checker: Checker) -> None:
    body = write([GOOD], NDJSON).replace(b'"violence"', b'["BS1 4DJ"]')
    assert checker.rules(body, NDJSON) == {("identifier:postcode", "group"), ("wrong_type", "group")}
    ragged = write_csv([GOOD]) + b"one,BS1 4DJ\r\n"
    assert checker.rules(ragged, CSV) == {("malformed_csv", ""), ("identifier:postcode", "")}


def test_a_number_long_enough_to_be_an_identifier_is_judged(checker: Checker) -> None:
    wide = parse(
        {
            "concordat:schema": "wide/v1",
            "title": "Wide",
            "concordat:privacy_unit": "record",
            "concordat:period": "day",
            "fields": [field("day", "date"), field("ref", "integer", minimum=0, maximum=2**31 - 1)],
        }
    )
    numbers = range(2_000_000_000, 2_000_001_000)
    valid = [{"day": "2026-04-01", "ref": str(number)} for number in numbers if is_nhs_number(str(number))]
    assert checker.rules(write_csv(valid, wide), CSV, wide) == {("identifier:NHS number", "ref")}
    chance = [{"day": "2026-04-01", "ref": str(number)} for number in numbers]
    assert checker.stage(write_csv(chance, wide), CSV, wide).rows == 1000


@pytest.mark.parametrize("media", [CSV, ARROW])
def test_a_pattern_that_lets_identifiers_pass_does_not_help_them(checker: Checker, media: str) -> None:
    loose = parse(
        {
            "concordat:schema": "loose/v1",
            "title": "Loose",
            "concordat:privacy_unit": "record",
            "concordat:period": "day",
            "fields": [field("day", "date"), field("ref", "code", pattern="^[A-Z0-9]{1,12}$")],
        }
    )
    rows = [{"day": "2026-04-01", "ref": ref} for ref in ("ABC", "X123456")]
    assert checker.stage(write(rows[:1], media, loose), media, loose).rows == 1
    assert checker.rules(write(rows, media, loose), media, loose) == {("identifier:CRN", "ref")}
