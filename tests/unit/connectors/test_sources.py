"""Published files are mapped row by row; nothing is lost and every misfit is counted."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import pytest
from frictionless import Resource, Schema

from connectors.sources.hospital_ae import convert_attendances
from connectors.sources.police_street import convert_street, councils_by_lsoa
from schemas import artefacts
from schemas.errors import DocumentError

SHARED = Path(__file__).parents[3] / "../shared/data"
LIBRARY = artefacts.load()
KNOWN = artefacts.Library(LIBRARY)
STREET = KNOWN.schema("street-crime/v1")
ATTENDANCES = KNOWN.schema("ed-attendances/v1")

STREET_HEADER = (
    "Crime ID,Month,Reported by,Falls within,Longitude,Latitude,Location,LSOA code,LSOA name,"
    "Crime type,Last outcome category,Context"
)
AE_HEADER = (
    "Time in A&E (mins),Treatment,Gender,Index of Multiple Deprivation Decile,Hospital ID,Arrival Date,"
    "Arrival hour range,Age bracket"
)
LOOKUP = {"E01014399": "E06000022", "E01014540": "E06000023", "E01010568": "E08000032"}


def street(crime: str = "", lsoa: str = "E01014540", kind: str = "Robbery", outcome: str = "") -> str:
    return f'{crime},2026-04,A Police,A Police,-2.5,51.4,"On or near, X",{lsoa},Name,{kind},{outcome},'


def read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def run_street(tmp_path: Path, *lines: str, header: str = STREET_HEADER) -> tuple[Any, list[list[str]]]:
    (tmp_path / "in.csv").write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    target = tmp_path / "out.csv"
    report = convert_street(tmp_path / "in.csv", target, schema=STREET, lookup=LOOKUP)
    return report, read(target)


def errors(path: Path, name: str) -> list[Any]:
    schema = Schema.from_descriptor(LIBRARY[name].value)
    found: list[Any] = Resource(path=path.name, basepath=str(path.parent), schema=schema).validate().flatten(["note"])
    return found


def needs(file: str) -> Path:
    if not (SHARED / file).exists():
        pytest.skip(f"the shared data {file} is not there")
    return SHARED / file


class TestStreet:
    def test_month_area_type_and_outcome_are_kept_and_the_rest_is_dropped(self, tmp_path: Path) -> None:
        line = street("ab12", outcome="Offender given a caution")
        report, rows = run_street(tmp_path, line)
        assert rows == [
            ["month", "lsoa", "lad", "crime_type", "outcome"],
            [
                "2026-04-01",
                "E01014540",
                "E06000023",
                "robbery",
                "offender-given-a-caution",
            ],
        ]
        assert report.rows == 1
        assert report.problems == {}

    @pytest.mark.parametrize(
        ("lsoa", "written", "problem"),
        [
            ("", "unknown", "no_lsoa"),
            ("W01001628", "unknown", "lsoa_not_in_lookup"),
            ("E01999999", "E01999999", "lsoa_not_in_lookup"),
            ("E01010568", "E01010568", "outside_councils"),
        ],
    )
    def test_a_row_of_no_known_council_is_kept_and_counted(
        self, tmp_path: Path, lsoa: str, written: str, problem: str
    ) -> None:
        report, rows = run_street(tmp_path, street(), street(lsoa=lsoa))
        assert rows[2][1:3] == [written, "unknown"]
        assert report.rows == 2
        assert {name: (found.count, found.rows) for name, found in report.problems.items()} == {problem: (1, [3])}

    def test_repeated_crime_ids_are_counted_and_kept_but_blank_ones_are_not(self, tmp_path: Path) -> None:
        report, rows = run_street(tmp_path, street("aa"), street(""), street(""), street("aa"), street("aa"))
        assert len(rows) == 6
        assert report.problems["repeated_crime_id"].rows == [5, 6]

    def test_new_types_and_outcomes_become_unknown_and_a_blank_outcome_is_none(self, tmp_path: Path) -> None:
        report, rows = run_street(tmp_path, street(kind="Piracy", outcome="Walked the plank"), street(kind=""))
        assert [row[3:] for row in rows[1:]] == [["unknown", "unknown"], ["unknown", "none"]]
        assert report.count("unknown_type") == 2
        assert report.count("unknown_outcome") == 1

    @pytest.mark.parametrize(
        ("header", "line", "code"),
        [
            (STREET_HEADER.replace("Month", "When"), street(), "missing_column"),
            (STREET_HEADER, street().replace("2026-04", "April"), "bad_month"),
            (STREET_HEADER, street().replace("2026-04", "2026-13"), "bad_month"),
            (STREET_HEADER, "a,b", "ragged_row"),
            (STREET_HEADER, 'a,"b"c' + "," * 10, "not_csv"),
        ],
    )
    def test_a_file_of_another_shape_is_refused_and_leaves_nothing(
        self, tmp_path: Path, header: str, line: str, code: str
    ) -> None:
        with pytest.raises(DocumentError) as caught:
            run_street(tmp_path, line, header=header)
        assert caught.value.code == code
        assert [file.name for file in tmp_path.iterdir()] == ["in.csv"]

    def test_a_gzipped_file_is_read_and_a_damaged_one_refused(self, tmp_path: Path) -> None:
        packed = gzip.compress(f"{STREET_HEADER}\n{street()}\n".encode())
        (tmp_path / "in.csv.gz").write_bytes(packed)
        settings: dict[str, Any] = {"schema": STREET, "lookup": LOOKUP}
        assert convert_street(tmp_path / "in.csv.gz", tmp_path / "out.csv", **settings).rows == 1
        (tmp_path / "in.csv.gz").write_bytes(packed[:-12])
        with pytest.raises(DocumentError) as caught:
            convert_street(tmp_path / "in.csv.gz", tmp_path / "other.csv", **settings)
        assert caught.value.code == "not_gzip"
        assert not (tmp_path / "other.csv").exists()

    def test_lookups_of_both_vintages_are_united(self, tmp_path: Path) -> None:
        new, old = tmp_path / "new.csv", tmp_path / "old.csv"
        new.write_text("LSOA21CD,LADCD\nE01000002,E06000023\n")
        old.write_text("LSOA11CD,LSOA21CD,LADCD\nE01000001,E01000002,E06000024\n")
        assert councils_by_lsoa(new, old) == {"E01000002": "E06000023", "E01000001": "E06000024"}

    def test_a_lookup_without_areas_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "bad.csv").write_text("code,LADCD\nE01000002,E06000023\n")
        with pytest.raises(DocumentError, match="LSOA21CD"):
            councils_by_lsoa(tmp_path / "bad.csv")

    def test_every_published_row_is_kept_and_fits_the_schema(self, tmp_path: Path) -> None:
        folder = needs("police-street")
        lookup = councils_by_lsoa(
            needs("geography/lsoa21-ward25-lad.csv.gz"),
            needs("geography/lsoa11-lsoa21-imd2019-population2015.csv.gz"),
        )
        enums = {column.name: column.constraints.enum for column in STREET.fields}
        total = 0
        for path in sorted(folder.glob("*.csv.gz")):
            report = convert_street(path, tmp_path / "out.csv", schema=STREET, lookup=lookup)
            rows = read(tmp_path / "out.csv")[1:]
            with gzip.open(path, "rt", encoding="utf-8", newline="") as raw:
                assert report.rows == len(rows) == sum(1 for _ in csv.reader(raw)) - 1
            assert {row[0] for row in rows} == {f"{path.name[:7]}-01"}
            for place, name in ((2, "lad"), (3, "crime_type"), (4, "outcome")):
                assert {row[place] for row in rows} <= set(enums[name] or ())
            unknown = sum(report.count(name) for name in ("no_lsoa", "lsoa_not_in_lookup", "outside_councils"))
            assert sum(row[2] == "unknown" for row in rows) == unknown
            assert unknown < len(rows) / 10
            assert report.count("no_lsoa") > 0
            assert report.count("repeated_crime_id") > 0
            assert report.count("unknown_type") == report.count("unknown_outcome") == 0
            total += report.rows
        assert total == 82_796
        with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
            head = [next(file) for _ in range(500)]
        (tmp_path / "head.csv").write_text("".join(head), encoding="utf-8")
        assert errors(tmp_path / "head.csv", "street-crime/v1") == []


class TestAttendances:
    def run(self, tmp_path: Path, *lines: str, header: str = AE_HEADER) -> tuple[Any, list[list[str]]]:
        (tmp_path / "in.csv").write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
        report = convert_attendances(tmp_path / "in.csv", tmp_path / "out.csv", schema=ATTENDANCES)
        return report, read(tmp_path / "out.csv")

    def test_headers_and_labels_become_the_schemas(self, tmp_path: Path) -> None:
        report, rows = self.run(tmp_path, "56,Dressing/wound review,Male,8,061685,2019-04-07,00-03,85-")
        assert rows[0] == [column.name for column in ATTENDANCES.fields]
        assert rows[1] == ["2019-04-07", "00-03", "56", "dressing-wound-review", "male", "85+", "8", "061685"]
        assert report.problems == {}
        assert errors(tmp_path / "out.csv", "ed-attendances/v1") == []

    def test_values_that_nobody_listed_become_unknown_and_are_counted(self, tmp_path: Path) -> None:
        report, rows = self.run(tmp_path, "9999,Leeches,Not Known,,St Elsewhere,2019-04-07,24-27,teens")
        assert rows[1] == ["2019-04-07", "unknown", "", "unknown", "unknown", "unknown", "", "unknown"]
        assert {name: found.rows for name, found in report.problems.items()} == {
            "unknown_arrival_hours": [2],
            "bad_minutes": [2],
            "unknown_treatment": [2],
            "unknown_gender": [2],
            "unknown_age_bracket": [2],
            "unknown_hospital_id": [2],
        }

    def test_a_file_with_identifying_columns_is_refused_and_each_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DocumentError) as caught:
            self.run(tmp_path, header=f"Health Service ID,Postcode,{AE_HEADER}")
        assert caught.value.code == "identifying_column"
        assert "Health Service ID, Postcode" in caught.value.detail

    def test_a_file_without_a_day_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DocumentError) as caught:
            self.run(tmp_path, "56,Dressing,Male,8,061685,yesterday,00-03,85-")
        assert caught.value.code == "bad_date"
        assert "yesterday" not in str(caught.value)

    def test_the_de_identified_file_is_taken_whole(self, tmp_path: Path) -> None:
        source = needs("hospital-ae/hospital_ae_data_deidentify.csv.gz")
        report = convert_attendances(source, tmp_path / "out.csv", schema=ATTENDANCES)
        assert report.rows == 9897
        assert report.problems == {}
        assert errors(tmp_path / "out.csv", "ed-attendances/v1") == []

    def test_the_identified_file_is_refused(self, tmp_path: Path) -> None:
        source = needs("hospital-ae/hospital_ae_data.csv.gz")
        with pytest.raises(DocumentError, match="Health Service ID, Postcode"):
            convert_attendances(source, tmp_path / "out.csv", schema=ATTENDANCES)
