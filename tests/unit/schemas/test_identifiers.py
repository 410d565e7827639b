"""Identifiers are found wherever they turn up, and ordinary codes are left alone."""

from __future__ import annotations

import csv
import gzip
import io
import random
import time
from pathlib import Path

import duckdb
import pytest

from schemas import artefacts
from schemas.identifiers import (
    FORMATS,
    find_in_text,
    is_nhs_number,
    is_pnc_id,
    is_upn,
    judge_column,
    judge_header,
)

SHARED = Path(__file__).parents[3] / "../shared/data"

# Made up, or published as examples by the bodies that issue such numbers.
FOUND = [
    ("NHS number", "943 476 5919"),
    ("NHS number", "943-476-5919"),
    ("NHS number", "9434765919"),
    ("UPN", "B801200005001"),
    ("UPN", "b801200005001"),
    ("PNC id", "2012/0052494Q"),
    ("PNC id", "12/52494Q"),
    ("National Insurance number", "AB 12 34 56 C"),
    ("National Insurance number", "ab123456c"),
    ("postcode", "BS1 4DJ"),
    ("postcode", "BS14DJ"),
    ("postcode", "ec3n 3dh"),
    ("prison number", "A1234BC"),
    ("CRN", "X320741"),
    ("e-mail address", "jo.bloggs@example.org"),
    ("e-mail address", "o'neil+news@mail.example.co.uk"),
    ("telephone number", "0117 496 0123"),
    ("telephone number", "(0117) 496-0123"),
    ("telephone number", "+44 7700 900123"),
    ("telephone number", "+44 (0)117 496 0123"),
    ("telephone number", "07700900123"),
    ("driving licence number", "MORGA657054SM9IJ"),
]

LEFT_ALONE = [
    "",
    "no identifier here",
    "E01014399",
    "E05014393",
    "E06000023",
    "2026-04-01",
    "2026-04-01T02:16:52Z",
    "2019-04-07 02:16:52",
    "01-02-2026 08:30",
    "25-34",
    "-2.491616",
    "51.424619",
    "714199",
    "9434765918",  # ten digits that fail the check
    "943476591900",
    "BG123456A",  # no National Insurance number begins so
    "12/52494A",  # wrong letter
    "C801200005001",
    "c74b2f2e64d0ed2a0cb481c995332ca8eec8c1e89b67be8817091dc186275310",
    "b1a2c3d4-e5f6-4a1b-8c2d-0123456789ab",
    "quarterly profile for the Bristol spoke, Q1 2nd draft",
    "None (consider guidance/advice option)",
    "King's College Hospital",
    "On or near Julius Place",
    "BS1",
    "M5 and A370",
    "half of 24/25",
]


@pytest.mark.parametrize(("name", "text"), FOUND)
@pytest.mark.parametrize("around", ["{}", "see {}.", "({})", "id:{};", "\n{}\n"])
def test_an_identifier_is_found_alone_and_in_a_sentence(name: str, text: str, around: str) -> None:
    assert name in find_in_text(around.format(text))


@pytest.mark.parametrize(("name", "text"), FOUND)
def test_an_identifier_is_not_found_inside_a_longer_word(name: str, text: str) -> None:
    assert find_in_text(f"zz{text.replace(' ', '')}zz".replace("@", "at").replace("+", "")) == ()


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_codes_dates_and_plain_words_are_left_alone(text: str) -> None:
    assert find_in_text(text) == ()
    assert judge_column([text]) == ()


WIDE = "".join(chr(0xFF10 + int(digit)) for digit in "9434765919")


@pytest.mark.parametrize("text", [WIDE, "943\u00a0476\u00a05919", "943\u2011476\u20115919"])
def test_wide_digits_and_typographic_spaces_and_dashes_hide_nothing(text: str) -> None:
    assert find_in_text(text) == ("NHS number",)


def test_the_nhs_check_digit_follows_the_published_rule() -> None:
    """Weights 10 to 2; the check is 11 less the remainder, 11 becomes 0 and 10 is never issued."""
    assert is_nhs_number("9434765919")
    assert is_nhs_number("0000000000")
    assert not any(is_nhs_number(f"943476591{digit}") for digit in range(9))
    assert not is_nhs_number("943476591")
    assert not is_nhs_number("94347659190")


def test_a_stem_whose_check_would_be_ten_has_no_valid_nhs_number() -> None:
    """100 000 001 weighs 10 + 2 = 12, which leaves 1, and 11 less 1 is 10."""
    assert not any(is_nhs_number(f"100000001{digit}") for digit in range(10))


def test_upn_and_pnc_letters_follow_their_rules() -> None:
    assert is_upn("B801200005001")
    assert not is_upn("B80120000500")
    assert not is_pnc_id("03-11985X")
    assert [letter for letter in "ABCDEFGHJKLMNPQRTUVWXYZ" if is_upn(f"{letter}801200005001")] == ["B"]
    assert is_pnc_id("2003/0011985X")
    assert is_pnc_id("03/11985X")
    assert [letter for letter in "ABCDEFGHJKLMNPQRTUVWXYZ" if is_pnc_id(f"03/11985{letter}")] == ["X"]


def nhs_numbers(count: int) -> list[str]:
    source = random.Random(1)  # noqa: S311 - made-up numbers
    made: list[str] = []
    while len(made) < count:
        text = f"{source.randrange(4 * 10**9, 8 * 10**9)}"
        if is_nhs_number(text):
            made.append(text)
    return made


class TestColumns:
    def test_random_ten_digit_numbers_are_no_nhs_numbers_though_one_in_eleven_passes(self) -> None:
        source = random.Random(2)  # noqa: S311 - made-up numbers
        column = [f"{source.randrange(4 * 10**9, 8 * 10**9)}" for _ in range(2000)]
        assert sum(map(is_nhs_number, column)) > 100
        assert judge_column(column) == ()

    @pytest.mark.parametrize("count", [1, 2, 5, 1000])
    def test_a_column_of_nhs_numbers_is_named(self, count: int) -> None:
        assert judge_column(nhs_numbers(count)) == ("NHS number",)

    def test_some_real_numbers_among_other_ten_digit_numbers_are_noticed(self) -> None:
        source = random.Random(3)  # noqa: S311 - made-up numbers
        others = [f"{source.randrange(4 * 10**9, 8 * 10**9)}" for _ in range(800)]
        assert judge_column([*others, *nhs_numbers(200)]) == ("NHS number",)

    def test_a_column_written_as_nhs_numbers_are_is_named_whatever_its_check_digits(self) -> None:
        assert judge_column(["744-256-9522", "247-238-7041", "111-111-1112", "044-238-7041"]) == ("NHS number",)

    def test_one_cell_is_enough_for_the_other_formats(self) -> None:
        assert judge_column([*["E01014399"] * 500, "BS1 4DJ"]) == ("postcode",)
        assert judge_column([*["unknown"] * 500, "call jo@example.org"]) == ("e-mail address",)

    def test_property_numbers_need_half_of_the_column(self) -> None:
        assert judge_column(["100023336956", "10033545000", ""]) == ("UPRN",)
        assert judge_column(["100023336956", "1", "2"]) == ()

    def test_picked_cells_are_judged_against_the_whole_column(self) -> None:
        assert judge_column(["100023336956"], filled=1000) == ()
        assert judge_column(["744-256-9522"], filled=1000) == ()

    def test_empty_and_missing_cells_say_nothing(self) -> None:
        assert judge_column(["", None, ""]) == ()
        assert judge_column([]) == ()

    def test_whole_numbers_of_a_dataset_are_left_alone(self) -> None:
        assert judge_column(map(str, range(2000))) == ()


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("Health Service ID", ("NHS number",)),
        ("NHSNumber", ("NHS number",)),
        ("nhs_number", ("NHS number",)),
        ("NHS No.", ("NHS number",)),
        ("Name", ("name",)),
        ("surname", ("name",)),
        ("Victim name", ("name",)),
        ("firstName", ("name",)),
        ("Address Line 1", ("address",)),
        ("home_address", ("address",)),
        ("DOB", ("date of birth",)),
        ("Date of birth", ("date of birth",)),
        ("birth_date", ("date of birth",)),
        ("Postcode", ("postcode",)),
        ("post code", ("postcode",)),
        ("UPRN", ("UPRN",)),
        ("Unique Pupil Number", ("UPN",)),
        ("PNC ID", ("PNC id",)),
        ("NI number", ("National Insurance number",)),
        ("E-mail", ("e-mail address",)),
        ("mobile_phone", ("telephone number",)),
        ("Hospital number", ("patient number",)),
        ("NOMS ID", ("prison number",)),
    ],
)
def test_a_header_tells_what_a_column_holds(header: str, names: tuple[str, ...]) -> None:
    assert judge_header(header) == names


@pytest.mark.parametrize(
    "header",
    [
        "LSOA name", "Ward name", "Hospital", "Hospital ID", "NHS trust", "Crime ID", "Location",
        "Postcode district", "person", "unlinked", "age", "Reported by", "", "filename", "renamed",
        "Context", "telling",
    ],
)  # fmt: skip
def test_headers_of_places_and_codes_are_left_alone(header: str) -> None:
    assert judge_header(header) == ()


def test_nothing_in_the_shipped_schemas_and_code_lists_looks_like_an_identifier() -> None:
    loaded = artefacts.load()
    library = artefacts.Library(loaded)
    for name, made in loaded.items():
        if "concordat:schema" in made.value:
            for column in library.schema(name).fields:
                assert judge_header(column.name) == ()
        if "concordat:codelist" in made.value:
            assert judge_column(entry.code for entry in library.codelist(name).codes) == ()


@pytest.mark.parametrize(
    "text",
    [
        "0" * 100_000,
        "1-" * 50_000,
        "a." * 50_000,
        "a@" * 50_000,
        "a@b." * 25_000,
        "x@" + "a." * 49_999,
        ("a" * 63 + ".") * 1_562,
        "A1" * 50_000,
        "A1 " * 33_333,
        " 0(1" * 25_000,
        "+44 " * 25_000,
        "12/" * 33_333,
        "0 1 2 3 " * 12_500,
        "AB 12 34 56 " * 8_333,
    ],
    ids=lambda text: text[:8],
)
def test_matching_is_linear(text: str) -> None:
    started = time.perf_counter()
    find_in_text(text)
    judge_column([text])
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(("name", "text"), FOUND)
def test_the_re2_form_finds_what_the_python_form_finds(name: str, text: str) -> None:
    for known in FORMATS:
        for cell in (text, f"see {text}.", f"zz{text}"):
            row = duckdb.execute("SELECT regexp_matches(?, ?)", [cell, known.re2]).fetchone()
            assert row == (known.pattern.search(cell) is not None,)


def real_columns(path: Path) -> dict[str, list[str]]:
    with gzip.open(path) as raw:
        rows = list(csv.reader(io.TextIOWrapper(raw, "utf-8-sig", newline="")))
    return {name: [row[index] for row in rows[1:]] for index, name in enumerate(rows[0])}


def needs(folder: str) -> Path:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"the shared data folder {folder} is not there")
    return SHARED / folder


def test_no_false_hit_on_real_police_rows() -> None:
    for path in sorted(needs("police-street").glob("*.csv.gz")):
        for name, column in real_columns(path).items():
            assert (name, judge_header(name), judge_column(column)) == (name, (), ())


def test_no_false_hit_on_the_de_identified_attendances() -> None:
    for name, column in real_columns(needs("hospital-ae") / "hospital_ae_data_deidentify.csv.gz").items():
        assert (name, judge_header(name), judge_column(column)) == (name, (), ())


def test_every_identifying_column_of_the_attendances_is_named_and_no_other() -> None:
    columns = real_columns(needs("hospital-ae") / "hospital_ae_data.csv.gz")
    named = {name: (judge_header(name), judge_column(column)) for name, column in columns.items()}
    assert {name: found for name, found in named.items() if any(found)} == {
        "Health Service ID": (("NHS number",), ("NHS number",)),
        "Postcode": (("postcode",), ("postcode",)),
    }
