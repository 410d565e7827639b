"""The real files in ``shared/data`` beside the checkout, pushed and asked as users would; skipped without them."""

from __future__ import annotations

import copy
import gzip
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import agreements
from connectors.sources.hospital_ae import convert_attendances
from connectors.sources.police_street import convert_street, councils_by_lsoa
from schemas import agreement as documents
from schemas import strict_yaml
from schemas.canonical import canonical
from service import importing
from service.importing import Lookup
from tests.support.server import schema, serve_here

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="shared/data does not lie beside this checkout")
MONTHS = [f"2023-{month:02d}" for month in range(1, 7)]


def agreement_file(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    value = copy.deepcopy(documents.load(agreements.path("avon-somerset").read_bytes()))
    edit(value)
    path = folder / "agreement.yaml"
    path.write_text(strict_yaml.dumps(value))
    return path


@needs_data
def test_six_months_of_street_crime_come_back_as_a_monthly_trend_by_council_and_type(tmp_path):
    lookup = councils_by_lsoa(
        DATA / "geography" / "lsoa21-ward25-lad.csv.gz",
        DATA / "geography" / "lsoa11-lsoa21-imd2019-population2015.csv.gz",
    )
    truth: dict[tuple[str, str], int] = {}
    rows = 0
    problems: dict[str, int] = {}
    with serve_here(tmp_path) as served:
        for month in MONTHS:
            target = tmp_path / f"{month}.csv"
            source = DATA / "police-street" / f"{month}-avon-and-somerset-street.csv.gz"
            report = convert_street(source, target, schema=schema("street-crime/v1"), lookup=lookup)
            lines = [line.split(",") for line in target.read_text().splitlines()]
            assert report.rows == len(lines) - 1 == len(gzip.decompress(source.read_bytes()).splitlines()) - 1, (
                "no row is lost"
            )
            for name, found in report.problems.items():
                problems[name] = problems.get(name, 0) + found.count
            lad, kind = lines[0].index("lad"), lines[0].index("crime_type")
            for line in lines[1:]:
                truth[line[lad], line[kind]] = truth.get((line[lad], line[kind]), 0) + 1
            rows += report.rows
            answer = served.push(
                "as-police", "street-crime", target.read_bytes(), month,
                params={"from": f"{month}-01", "to": f"{month}-28"},
            )  # fmt: skip
            assert answer.status_code == 201, answer.text
        assert rows == 82_796
        assert problems["no_lsoa"] > 0, "the dirty rows are reported"
        assert sum(count for (lad, _), count in truth.items() if lad == "unknown") > 0, "and counted as unknown"
        answer = served.ask(
            {
                "purpose": "needs-assessment",
                "dataset": "street-crime",
                "measures": [{"count": {}}],
                "by": [{"field": "month", "level": "month"}, {"field": "lad"}, {"field": "crime_type"}],
                "where": [{"field": "month", "from": "2023-01-01", "to": "2023-06-30"}],
                "spend": {"share": "0.05"},
            },
            "street",
        )
    release = answer.json()
    assert answer.status_code == 200, answer.text
    assert release["guarantee"]["unit"] == "record"
    assert release["columns"] == ["month", "lad", "crime_type", "count"] or release["columns"][0] == "month_month"
    measured: dict[tuple[str, str], float] = {}
    for row in release["rows"]:
        key = (row["keys"]["lad"], row["keys"]["crime_type"])
        measured[key] = measured.get(key, 0) + row["measures"]["count"]["unrounded"]
    scale = release["guarantee"]["scale"]["count"]
    for key in itertools.chain(truth, measured):
        assert abs(measured[key] - truth.get(key, 0)) < 8 * scale * len(MONTHS) ** 0.5, key


@needs_data
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_identifiable_hospital_attendances_are_refused_and_every_identifying_column_is_named(tmp_path, packed):
    source = DATA / "hospital-ae" / "hospital_ae_data.csv.gz"
    body = source.read_bytes() if packed else gzip.decompress(source.read_bytes())
    headers = {"Content-Encoding": "gzip"} if packed else {}
    with serve_here(tmp_path) as served:
        answer = served.push("bri-ed", "ed-assaults", body, headers=headers)
        entries = served.entries("bri-ed", kind="push-refused")
    assert (answer.status_code, answer.json()["code"]) == (422, "extract_refused")
    named = {item["column"] for item in answer.json()["errors"] if item["rule"].startswith("identifier")}
    assert {"Health Service ID", "Postcode"} <= named
    first = gzip.decompress(source.read_bytes()).decode().splitlines()[1].split(",")
    for secret in (first[0], first[-1]):
        assert secret not in answer.text
        assert secret not in str(entries)
    with pytest.raises(Exception, match="identif") as caught:
        convert_attendances(source, tmp_path / "out.csv", schema=schema("ed-attendances/v1"))
    assert first[0] not in str(caught.value)


@needs_data
def test_the_de_identified_twin_is_accepted_under_its_schema(tmp_path):
    def with_attendances(value):
        value["datasets"]["attendances"] = {
            "schema": "ed-attendances/v1", "supplier": "bri-ed", "every": "P1M", "keep": "P1Y",
            "bounds": {"per_person": 1}, "privacy_unit": "record",
        }  # fmt: skip
        value["grants"].append(
            {
                "to": ["as-opcc"], "for": ["needs-assessment"], "dataset": "attendances",
                "group_by": {"age_bracket": ["as-is"]}, "filter_by": {},
                "measure": {"count": True, "mean": ["minutes"]},
            }
        )  # fmt: skip

    target = tmp_path / "twin.csv"
    source = DATA / "hospital-ae" / "hospital_ae_data_deidentify.csv.gz"
    report = convert_attendances(source, target, schema=schema("ed-attendances/v1"))
    assert report.rows == 9897
    with serve_here(tmp_path, agreement_file(tmp_path, with_attendances)) as served:
        days = {"from": "2019-04-01", "to": "2019-04-07"}
        pushed = served.push("bri-ed", "attendances", target.read_bytes(), params=days)
        assert pushed.status_code == 201, pushed.text
        assert pushed.json()["rows"] == 9897
        asked = served.ask(
            {
                "purpose": "needs-assessment", "dataset": "attendances",
                "measures": [{"count": {}}, {"mean": {"field": "minutes"}}], "by": [{"field": "age_bracket"}],
                "spend": {"share": "0.05"},
            },
            "ages",
        )  # fmt: skip
    assert asked.status_code == 200, asked.text
    total = sum(row["measures"]["count"]["unrounded"] for row in asked.json()["rows"])
    assert abs(total - 9897) < 1000


VINTAGES = {
    "2021": ("lsoa21-ward25-lad.csv.gz", "lsoa21cd"),
    "2011": ("lsoa11-lsoa21-imd2019-population2015.csv.gz", "lsoa11cd"),
}


@needs_data
@pytest.mark.parametrize("vintage", VINTAGES)
def test_street_crime_is_asked_by_council_and_ward_through_imported_areas_of_either_vintage(tmp_path, vintage):
    file, column = VINTAGES[vintage]
    councils = ("E06000022", "E06000023", "E06000024", "E06000025", "E06000066")
    coarser = {"council": "ladcd"} | ({"ward": "wd25cd"} if vintage == "2021" else {})
    folder = tmp_path / "artefacts"
    folder.mkdir()

    def lookup(name: str) -> Lookup:
        return Lookup(DATA / "geography" / file, name, name, "as published", {"ladcd": councils})

    made = {"areas": importing.codelist(lookup("areas"), column, column.replace("cd", "nm"))}
    made |= {name: importing.hierarchy(lookup(name), column, to, None) for name, to in coarser.items()}
    for name, item in made.items():
        (folder / f"{name}.json").write_bytes(canonical(item.value))

    def bind(value: dict[str, Any]) -> None:
        value["datasets"]["street-crime"] |= {
            "codes": {"lsoa": "areas"}, "levels": {"lsoa": {name: name for name in coarser}},
        }  # fmt: skip
        grant = next(grant for grant in value["grants"] if grant["dataset"] == "street-crime")
        grant["group_by"]["lsoa"] = list(coarser)

    target = tmp_path / "month.csv"
    source = DATA / "police-street" / f"{MONTHS[0]}-avon-and-somerset-street.csv.gz"
    convert_street(source, target, schema=schema("street-crime/v1"), lookup={})
    lines = [line.split(",") for line in target.read_text().splitlines()]
    place = lines[0].index("lsoa")
    with serve_here(tmp_path, agreement_file(tmp_path, bind), imports=folder) as served:
        params = {"from": f"{MONTHS[0]}-01", "to": f"{MONTHS[0]}-28"}
        assert served.push("as-police", "street-crime", target.read_bytes(), params=params).status_code == 201
        for level, item in made.items():
            if level == "areas":
                continue
            truth = Counter(item.value["map"].get(line[place], "unknown") for line in lines[1:])
            assert truth["unknown"] > 0, "some rows lie in no area that is listed"
            asked = {
                "purpose": "needs-assessment", "dataset": "street-crime", "measures": [{"count": {}}],
                "by": [{"field": "lsoa", "level": level}], "spend": {"share": "0.05"},
            }  # fmt: skip
            answer = served.ask(asked, level)
            assert answer.status_code == 200, answer.text
            release = answer.json()
            found = {next(iter(row["keys"].values())): row["measures"]["count"]["unrounded"] for row in release["rows"]}
            assert set(found) == {*item.value["map"].values()}
            scale = release["guarantee"]["scale"]["count"]
            for key, value in found.items():
                assert abs(value - truth.get(key, 0)) < 8 * scale, key
            assert sum(truth.values()) == len(lines) - 1
