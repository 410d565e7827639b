"""What an extract's cells must look like, one rule at a time, in every media type that can say it."""

from datetime import date

import pytest

from service.errors import Finding, Malformed
from service.intake.engine import Limits
from service.intake.media import ARROW, CSV, MEDIA_TYPES, NDJSON, PARQUET
from service.intake.problems import RULES
from service.intake.pseudonym import words
from tests.unit.intake.conftest import Checker
from tests.unit.intake.files import GOOD, MANY_CODES_SCHEMA, P1, P2, P3, RECORD_SCHEMA, ROWS, write, write_csv


@pytest.mark.parametrize("media", MEDIA_TYPES)
def test_every_media_type_stores_the_same_typed_rows(checker: Checker, media: str) -> None:
    assert checker.stored(write(ROWS, media), media) == sorted(
        [
            (*words(P1), False, date(2026, 4, 1), "violence", "E01000001", 17, -5, 725, True),
            (*words(P1), False, date(2026, 6, 30), "violence", "E01000001", None, 0, None, False),
            (*words(P2), False, date(2026, 4, 1), "robbery", "unknown", 0, 5, -50, True),
            (*words(P3), True, date(2026, 5, 31), "violence", "E01000001", 120, -5, 800, True),
        ],
        key=repr,
    )


@pytest.mark.parametrize("media", MEDIA_TYPES)
def test_rows_are_counted_and_persons_are_counted_without_unlinked_rows(checker: Checker, media: str) -> None:
    staged = checker.stage(write(ROWS, media), media)
    assert (staged.rows, staged.persons) == (4, 2)
    assert staged.bytes == staged.path.stat().st_size
    assert len(staged.sha256) == 64


@pytest.mark.parametrize("media", MEDIA_TYPES)
def test_an_extract_without_rows_is_good(checker: Checker, media: str) -> None:
    staged = checker.stage(write([], media), media)
    assert (staged.rows, staged.persons) == (0, 0)


@pytest.mark.parametrize("media", MEDIA_TYPES)
def test_a_record_dataset_has_no_persons(checker: Checker, media: str) -> None:
    rows = [{"month": "2026-04-01", "primary": "true"}] * 2
    staged = checker.stage(write(rows, media, RECORD_SCHEMA), media, RECORD_SCHEMA)
    assert (staged.rows, staged.persons) == (2, 0)


def test_a_pseudonym_survives_as_four_signed_words() -> None:
    assert words("8" + "0" * 15 + "f" * 16 + "0" * 15 + "1" + "7" + "f" * 15) == (-(2**63), -1, 1, 2**63 - 1)
    with pytest.raises(ValueError, match="64 lowercase hex digits"):
        words(P2.upper())


BAD_CELLS = [
    ("person", "", "required"),
    ("person", "1" * 63, "pseudonym"),
    ("person", "1" * 65, "pseudonym"),
    ("person", "AB" * 32, "pseudonym"),
    ("person", "g" * 64, "pseudonym"),
    ("person", "0x" + "1" * 62, "pseudonym"),
    ("person", " " + "1" * 63, "pseudonym"),
    ("person", "é" * 32, "pseudonym"),
    ("unlinked", "", "required"),
    ("unlinked", "True", "flag"),
    ("unlinked", "0", "flag"),
    ("knife", "yes", "flag"),
    ("occurred", "", "required"),
    ("occurred", "2026-4-1", "date"),
    ("occurred", "2026-04-31", "date"),
    ("occurred", "01/04/2026", "date"),
    ("occurred", "2026-04-01 ", "date"),
    ("occurred", "2026-04-01T00:00", "date"),
    ("occurred", "20260401", "date"),
    ("occurred", "infinity", "date"),
    ("occurred", "0001-01-01 (BC)", "date"),
    ("occurred", "2026-03-31", "outside_period"),
    ("occurred", "2026-07-01", "outside_period"),
    ("group", "", "required"),
    ("group", "Violence", "code"),
    ("group", "violence ", "code"),
    ("lsoa", "", "required"),
    ("lsoa", "E010000011", "code"),
    ("lsoa", "e01000001", "code"),
    ("lsoa", "E0100000\u0661", "code"),
    ("lsoa", "E01000001\n", "code"),
    ("change", "", "required"),
    ("change", "6", "range"),
    ("change", "-6", "range"),
    ("change", "99999999999", "range"),
    ("change", "+5", "integer"),
    ("change", "05", "integer"),
    ("change", "-0", "integer"),
    ("change", "5.0", "integer"),
    ("change", "1e0", "integer"),
    ("change", "0x1", "integer"),
    ("change", "1_0", "integer"),
    ("change", " 5", "integer"),
    ("change", "NaN", "integer"),
    ("age", "121", "range"),
    ("age", "-1", "range"),
    ("gravity", "8.01", "range"),
    ("gravity", "-1.01", "range"),
    ("gravity", "7.255", "decimal"),
    ("gravity", "7.", "decimal"),
    ("gravity", ".5", "decimal"),
    ("gravity", "07.5", "decimal"),
    ("gravity", "+7", "decimal"),
    ("gravity", "7,5", "decimal"),
    ("gravity", "1e0", "decimal"),
    ("gravity", "inf", "decimal"),
    ("gravity", "NaN", "decimal"),
]


@pytest.mark.parametrize(("column", "cell", "rule"), BAD_CELLS)
def test_a_bad_cell_is_named_by_rule_column_and_row(checker: Checker, column: str, cell: str, rule: str) -> None:
    rows = [GOOD, {**GOOD, column: cell}, GOOD]
    found = [one for one in checker.findings(write_csv(rows)) if not one.rule.startswith("identifier:")]
    assert found == [Finding(rule=rule, column=column, count=1, rows=(2,), detail=RULES[rule])]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("occurred", "2026-06-30"),
        ("lsoa", "unknown"),
        ("age", ""),
        ("age", "0"),
        ("age", "120"),
        ("change", "-5"),
        ("gravity", ""),
        ("gravity", "0"),
        ("gravity", "8"),
        ("gravity", "8.00"),
        ("gravity", "-1"),
        ("gravity", "-0.25"),
    ],
)
def test_a_good_cell_passes(checker: Checker, column: str, cell: str) -> None:
    assert checker.stage(write_csv([{**GOOD, column: cell}])).rows == 1


def test_every_rule_broken_is_listed_with_its_count_and_first_five_rows(checker: Checker) -> None:
    bad = {**GOOD, "group": "Arson", "age": "200"}
    found = checker.findings(write_csv([GOOD, *[bad] * 7, {**GOOD, "age": "old"}]))
    assert [(one.rule, one.column, one.count, one.rows) for one in found] == [
        ("code", "group", 7, (2, 3, 4, 5, 6)),
        ("integer", "age", 1, (9,)),
        ("range", "age", 7, (2, 3, 4, 5, 6)),
    ]


@pytest.mark.parametrize("media", MEDIA_TYPES)
def test_a_row_outside_the_covered_period_is_refused(checker: Checker, media: str) -> None:
    rows = [GOOD, {**GOOD, "occurred": "2026-07-01"}]
    assert checker.rules(write(rows, media), media) == {("outside_period", "occurred")}


@pytest.mark.parametrize("media", MEDIA_TYPES)
def test_an_unlinked_rows_pseudonym_must_stand_on_no_other_row(checker: Checker, media: str) -> None:
    unlinked = {**GOOD, "person": P2, "unlinked": "true"}
    (found,) = checker.findings(write([GOOD, unlinked, {**unlinked, "unlinked": "false"}, GOOD], media), media)
    assert (found.rule, found.column, found.count, found.rows) == ("unlinked_repeated", "unlinked", 1, (2,))
    (found,) = checker.findings(write([unlinked, unlinked], media), media)
    assert (found.count, found.rows) == (2, (1, 2))


@pytest.mark.parametrize("rows", [0, 1])
def test_a_long_code_list_is_checked_too(checker: Checker, rows: int) -> None:
    column = MANY_CODES_SCHEMA.fields[3].name
    good = {**GOOD, column: "code-099"}
    assert checker.stage(write_csv([good] * rows), schema=MANY_CODES_SCHEMA).rows == rows
    bad = {**GOOD, column: "code-100"}
    assert checker.rules(write_csv([good, bad]), schema=MANY_CODES_SCHEMA) == {("code", column)}


def test_a_dataset_that_could_overflow_a_total_is_refused(checker: Checker) -> None:
    most = 2**63 // (1024 * 1000 * 800)
    assert checker.stage(write_csv([GOOD]), existing_rows=most - 1).rows == 1
    with pytest.raises(Malformed) as caught:
        checker.stage(write_csv([GOOD]), existing_rows=most)
    assert caught.value.code == "too_many_rows"
    assert not list(checker.lake.iterdir())


def test_more_rows_than_the_limit_are_refused_in_every_media_type(checker: Checker) -> None:
    for media in (CSV, NDJSON, PARQUET, ARROW):
        found = checker.rules(write([GOOD] * 4, media), media, limits=Limits(memory_mb=64, rows=3))
        assert ("too_many_rows", "") in found, media
