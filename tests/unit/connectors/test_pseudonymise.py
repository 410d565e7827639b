"""Pseudonyms are made on the agency's side, alike for every agency and never half a file."""

from __future__ import annotations

import csv
import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest

from connectors.pseudonymise import (
    IdType,
    Pseudonymiser,
    load_key,
    new_key,
    normalise,
    one_off,
    pseudonymise_csv,
)
from schemas.errors import DocumentError

KEY = bytes(range(32))
MAKER = Pseudonymiser(KEY, "violence-2026")

# Computed with another implementation: openssl dgst -sha256 -mac HMAC over the parts joined by zero bytes.
KNOWN: list[tuple[IdType, str, str]] = [
    ("nhs-number", "943 476 5919", "4a45b80e4c711916f446bef82bba6333ef214bae6cc1e95c4be85cacd1242075"),
    ("upn", "b801200005001", "ed92b8f4df11e5bdcaa6529375164a2eafbff7d4fcc67c9fe3794a7b05ad4329"),
    ("person-ref", " A/17 ", "ccb1cf57ae4b5d676f8331824007ad05a5117dd028ef8a1985974ae9749ee46d"),
]


@pytest.mark.parametrize(("kind", "identifier", "expected"), KNOWN)
def test_known_answers(kind: IdType, identifier: str, expected: str) -> None:
    assert MAKER.pseudonym(identifier, kind) == expected


def test_the_construction_is_hmac_written_out() -> None:
    """RFC 2104: H(key xor opad, H(key xor ipad, message))."""
    message = b"concordat/pseudonym/hmac-sha-256/v1\0violence-2026\0pnc-id\x0012/0052494Q"
    padded = KEY.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + message).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).hexdigest()
    assert MAKER.pseudonym("2012/52494q", "pnc-id") == outer


@pytest.mark.parametrize(
    ("kind", "ways"),
    [
        (
            "nhs-number",
            ["9434765919", "943 476 5919", "943-476-5919", " 943 4765919 ", "943\u00a0476\u00a05919"],
        ),
        ("upn", ["B801200005001", "b801200005001 "]),
        ("pnc-id", ["2012/0052494Q", "12/52494Q", "12/0052494q"]),
        ("person-ref", ["Straße 12", "STRASSE  12", " strasse 12"]),
    ],
)
def test_every_way_of_writing_an_identifier_gives_one_person(kind: IdType, ways: list[str]) -> None:
    assert len({MAKER.pseudonym(way, kind) for way in ways}) == 1


def test_kinds_agreements_and_keys_are_kept_apart() -> None:
    made = {
        MAKER.pseudonym("9434765919", "nhs-number"),
        MAKER.pseudonym("9434765919", "person-ref"),
        Pseudonymiser(KEY, "violence-2027").pseudonym("9434765919", "nhs-number"),
        Pseudonymiser(KEY[::-1], "violence-2026").pseudonym("9434765919", "nhs-number"),
    }
    assert len(made) == 4


@pytest.mark.parametrize(
    ("kind", "identifier"),
    [
        ("nhs-number", "9434765918"),
        ("nhs-number", "943476591"),
        ("nhs-number", "0000000000"),
        ("nhs-number", "9" * 10),
        ("nhs-number", "94347x65919"),
        ("upn", "C801200005001"),
        ("pnc-id", "12/52494A"),
        ("person-ref", "Unknown"),
        ("person-ref", "  "),
        ("person-ref", "x" * 201),
    ],
)
def test_a_bad_identifier_is_refused_without_being_shown(kind: IdType, identifier: str) -> None:
    with pytest.raises(DocumentError) as caught:
        normalise(identifier, kind)
    assert caught.value.code == "bad_identifier"
    assert str(caught.value) == f"not a valid {kind}"


class TestKeys:
    def test_a_new_key_is_for_its_owner_alone_and_can_be_read_back(self, tmp_path: Path) -> None:
        file = tmp_path / "pseudonym.key"
        key = new_key(file)
        assert len(key) == 32
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert load_key(file) == key

    def test_a_key_is_never_overwritten(self, tmp_path: Path) -> None:
        key = new_key(tmp_path / "key")
        with pytest.raises(FileExistsError):
            new_key(tmp_path / "key")
        assert load_key(tmp_path / "key") == key

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
    def test_a_key_that_others_can_read_is_refused(self, tmp_path: Path, mode: int) -> None:
        new_key(tmp_path / "key")
        (tmp_path / "key").chmod(mode)
        with pytest.raises(DocumentError, match="chmod 600") as caught:
            load_key(tmp_path / "key")
        assert caught.value.code == "key_readable_by_others"

    @pytest.mark.parametrize("text", ["", "00" * 31, "not hex", "zz" * 32])
    def test_a_short_or_malformed_key_is_refused_without_being_shown(self, tmp_path: Path, text: str) -> None:
        file = tmp_path / "key"
        file.write_text(text)
        file.chmod(0o600)
        with pytest.raises(DocumentError) as caught:
            load_key(file)
        assert caught.value.code == "bad_key"
        assert not text or text not in str(caught.value)

    def test_a_short_key_makes_no_pseudonymiser(self) -> None:
        with pytest.raises(DocumentError, match="32 bytes"):
            Pseudonymiser(b"short", "violence-2026")

    def test_an_agreement_id_cannot_run_into_the_next_part(self) -> None:
        with pytest.raises(DocumentError):
            Pseudonymiser(KEY, "violence\0nhs-number")

    def test_the_key_is_not_shown(self) -> None:
        assert KEY.hex() not in repr(MAKER)


def test_one_offs_look_like_pseudonyms_and_never_repeat() -> None:
    made = {one_off() for _ in range(100)}
    assert len(made) == 100
    assert all(len(text) == 64 and set(text) <= set("0123456789abcdef") for text in made)


def run(tmp_path: Path, text: str, **options: Any) -> tuple[Any, list[list[str]]]:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(text.encode("utf-8"))
    settings: dict[str, Any] = {
        "id_column": "nhs",
        "id_type": "nhs-number",
        "pseudonymiser": MAKER,
        **options,
    }
    report = pseudonymise_csv(source, target, **settings)
    with target.open(newline="") as file:
        return report, list(csv.reader(file))


class TestFiles:
    def test_the_identifier_becomes_person_and_unlinked(self, tmp_path: Path) -> None:
        rows_in = ('943 476 5919,"Bloggs, jr",2026-04-01', ",Doe,2026-04-02", "9434765918,Roe,2026-04-03")
        text = "\n".join(("nhs,surname,arrived", *rows_in)) + "\n"
        report, rows = run(tmp_path, text, drop=["surname"])
        assert rows[0] == ["person", "unlinked", "arrived"]
        assert rows[1] == [MAKER.pseudonym("9434765919", "nhs-number"), "false", "2026-04-01"]
        assert [row[1:] for row in rows[2:]] == [["true", "2026-04-02"], ["true", "2026-04-03"]]
        assert len({row[0] for row in rows[1:]}) == 3
        assert (report.rows, report.unlinked, report.bad, report.bad_rows) == (3, 2, 1, (4,))

    def test_an_empty_file_stays_empty_with_its_header(self, tmp_path: Path) -> None:
        report, rows = run(tmp_path, "nhs,arrived\r\n")
        assert rows == [["person", "unlinked", "arrived"]]
        assert report.rows == 0

    def test_a_byte_order_mark_is_no_part_of_the_first_column(self, tmp_path: Path) -> None:
        assert run(tmp_path, "\ufeffnhs,arrived\n9434765919,x\n")[0].unlinked == 0

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("", "bad_header"),
            ("nhs,a,a\n", "bad_header"),
            ("nhs,person\n", "bad_header"),
            ("other,arrived\n", "unknown_column"),
            ("nhs,surname\n", "identifying_column"),
            ("nhs,arrived\n9434765919\n", "ragged_row"),
            ("nhs,arrived\n9434765919,x,y\n", "ragged_row"),
            ('nhs,arrived\n9434765919,"x"y\n', "not_csv"),
        ],
    )
    def test_a_refused_file_leaves_nothing_behind(self, tmp_path: Path, text: str, code: str) -> None:
        with pytest.raises(DocumentError) as caught:
            run(tmp_path, text)
        assert caught.value.code == code
        assert "9434765919" not in str(caught.value)
        assert [file.name for file in tmp_path.iterdir()] == ["in.csv"]

    def test_a_failure_half_way_keeps_the_file_that_was_there(self, tmp_path: Path) -> None:
        (tmp_path / "out.csv").write_text("yesterday")
        with pytest.raises(DocumentError):
            run(tmp_path, "nhs,arrived\n" + "9434765919,x\n" * 5000 + "9434765919\n")
        assert (tmp_path / "out.csv").read_text() == "yesterday"
        assert len(list(tmp_path.iterdir())) == 2

    def test_bytes_that_are_not_utf_8_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "in.csv").write_bytes(b"nhs,arrived\n9434765919,\xff\n")
        with pytest.raises(DocumentError) as caught:
            pseudonymise_csv(
                tmp_path / "in.csv",
                tmp_path / "out.csv",
                id_column="nhs",
                id_type="nhs-number",
                pseudonymiser=MAKER,
            )
        assert caught.value.code == "not_utf8"
        assert not (tmp_path / "out.csv").exists()

    def test_only_the_first_thousand_bad_rows_are_named(self, tmp_path: Path) -> None:
        report, _ = run(tmp_path, "nhs\n" + "9434765918\n" * 1500)
        assert report.bad == 1500
        assert len(report.bad_rows) == 1000
        assert report.bad_rows[:2] == (2, 3)
