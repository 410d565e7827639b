"""Geographies through the operator's commands: import, list, refuse, hand to partners, check and sign."""

from __future__ import annotations

import copy
import gzip
import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import agreements
from connectors import cli
from schemas import agreement as documents
from schemas import artefacts, strict_yaml
from tests.support import geography

SAID = ("--title", "Small areas", "--source", "made up for tests")
WARDS = ("hierarchy", "import", "current.csv", "--name", "lsoa21-ward25", "--from", "lsoa21cd", "--to", "wd25cd", *SAID)
AREAS = ("codelist", "import", "current.csv", "--name", "lsoa-2021", "--code", "LSOA21CD", "--label", "LSOA21NM", *SAID)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONCORDAT_STATE", str(tmp_path / "broker"))
    monkeypatch.setenv("COLUMNS", "200")
    geography.write(tmp_path, "current", geography.CURRENT)
    return tmp_path


def run(*words: str, expect: int = 0) -> Result:
    # named here, since pygal, once another test has drawn a chart, hides what is installed from importlib.metadata
    app = cli.build([EntryPoint("service", "service.cli:register", cli.GROUP)])
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == expect, (words, done.exit_code, done.output)
    return done


def digest_of(done: Result) -> str:
    return next(word for word in done.stdout.split() if word.startswith("sha256:"))


def test_a_list_and_a_hierarchy_are_kept_once_and_listed(folder):
    first = run(*AREAS)
    assert "is kept" in first.stdout
    run(*WARDS)
    again = run(*AREAS)
    assert "nothing changed" in again.stdout
    assert digest_of(again) == digest_of(first)
    lines = run("codelist", "list").stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [["lsoa-2021", "codelist", "5"], ["lsoa21-ward25", "hierarchy", "5"]]
    assert digest_of(first) in lines[0]
    assert run("hierarchy", "list").stdout.splitlines() == lines


def test_a_name_that_is_taken_is_refused_and_the_list_stays(folder):
    run(*AREAS)
    before = run("codelist", "list").stdout
    geography.write(folder, "current", geography.CURRENT.replace("E01000004", "E01000005"))
    assert "artefact_name_taken" in run(*AREAS, expect=3).output
    taken = [word if word != "lsoa-2021" else "lad-2025" for word in AREAS]
    assert "artefact_name_taken" in run(*taken, expect=3).output
    assert run("codelist", "list").stdout == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--code", "nothing"), "lookup_missing_column"),
        (("--keep", "LADCD"), "bad_keep"),
        (("--keep", "LADCD=E06000099"), "lookup_no_rows"),
        (("--keep", "nothing=x"), "lookup_missing_column"),
    ],
)
def test_a_lookup_that_makes_no_list_is_refused_with_its_reason(folder, words, code):
    assert code in run(*AREAS, *words, expect=4).output
    assert run("codelist", "list").stdout == ""


def test_an_area_that_a_later_vintage_splits_has_no_single_place_in_it(folder):
    split = geography.FORMER + "E01000009,Hill and Spa,E01000004,E06000023,Bristol\n"
    geography.write(folder, "former", split)
    words = ("hierarchy", "import", "former.csv", "--name", "lsoa11-lsoa21", "--from", "lsoa11cd", *SAID)
    assert "lookup_two_coarser" in run(*words, "--to", "lsoa21cd", expect=4).output
    assert "is kept" in run(*words, "--to", "ladcd").stdout


def test_a_list_of_the_whole_country_is_refused_in_words_and_of_one_area_taken(folder):
    rows = [f"E01{number:06d},E060000{number % 50:02d}" for number in range(33_755)]
    packed = folder / "country.csv.gz"
    packed.write_bytes(gzip.compress(("LSOA21CD,LADCD\n" + "\n".join(rows)).encode()))
    words = ("codelist", "import", packed.name, "--name", "england", "--code", "lsoa21cd", *SAID)
    refused = run(*words, expect=4).output
    assert "lookup_too_large" in refused
    assert "keep those of your area" in refused
    kept = run(*words, "--keep", "ladcd=E06000022,E06000023")
    assert "is kept" in kept.stdout
    assert run("codelist", "list").stdout.split()[2] == str(2 * 675 + 1)


def test_partners_check_and_sign_with_the_files_that_the_operator_hands_out(folder):
    out = folder / "artefacts"
    out.mkdir()
    listed = digest_of(run(*AREAS, "--out", "artefacts/areas.json"))
    wards = digest_of(run(*WARDS, "--out", "artefacts/wards.json"))
    assert run("codelist", "list").stdout == "", "writing a file keeps nothing"
    made = run(*AREAS)
    assert digest_of(made) == listed

    value = copy.deepcopy(documents.load(agreements.path("avon-somerset").read_bytes()))
    key = json.loads(run("key", "new", "as-police.jwk", "--json").stdout)
    value["parties"][0]["key"] = key["kid"]
    value["datasets"]["police-violence"] |= {
        "codes": {"lsoa": "lsoa-2021"}, "levels": {"lsoa": {"ward": "lsoa21-ward25"}},
    }  # fmt: skip
    value["pins"] |= {"lsoa-2021": listed, "lsoa21-ward25": wards}
    (folder / "agreement.yaml").write_text(strict_yaml.dumps(value))
    assert "pin_unknown" in run("agreement", "check", "agreement.yaml", expect=4).output
    run("agreement", "check", "agreement.yaml", "--artefacts", "artefacts")
    sign = ("agreement", "sign", "agreement.yaml", "--key", "as-police.jwk", "--broker", "https://broker.example")
    run(*sign, expect=4)
    assert ".." in run(*sign, "--artefacts", "artefacts").stdout
    (out / "areas.json").write_bytes((out / "areas.json").read_bytes().replace(b"Quay", b"Kuay"))
    assert "pin_differs" in run("agreement", "check", "agreement.yaml", "--artefacts", "artefacts", expect=4).output


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda value: value | {"concordat:codelist": "sex"}, "duplicate_artefact"),
        (lambda _: artefacts.load()["police-violence/v1"].value, "not_importable"),
        (lambda value: {"title": "nothing"}, "not_an_artefact"),
        (lambda value: value | {"codes": []}, "invalid_document"),
    ],
)
def test_a_folder_with_another_thing_in_it_is_refused(folder, change, code):
    out = folder / "artefacts"
    out.mkdir()
    run(*AREAS, "--out", "artefacts/areas.json")
    value = json.loads((out / "areas.json").read_text())
    (out / "areas.json").write_text(json.dumps(change(value)))
    words = ("agreement", "check", str(agreements.path("avon-somerset")), "--artefacts", "artefacts")
    assert code in run(*words, expect=4).output


def test_dev_takes_a_folder_of_artefacts_and_refuses_one_with_another_thing_in_it(folder):
    out = folder / "artefacts"
    out.mkdir()
    (out / "schema.json").write_text(json.dumps(artefacts.load()["police-violence/v1"].value))
    command = [str(Path(sys.executable).parent / "concordat"), "dev", "--state", "dev", "--port", "0"]
    words = ["--agreement", str(agreements.path("avon-somerset")), "--artefacts", "artefacts"]
    done = subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "not_importable" in done.stderr) == (4, True), done.stderr
