"""``concordat agreement check``: what it prints for people and machines, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from typer.testing import CliRunner, Result

import agreements
from connectors import cli
from schemas import agreement as documents
from schemas.law.catalogue import DISCLAIMER, RULES

DAY = ("--today", "2026-11-24")
Run = Callable[..., Result]

# What the SARIF 2.1.0 standard requires of the objects that are written (sections 3.13, 3.14, 3.18, 3.19, 3.27 to
# 3.30, 3.49). No package that is installed brings the standard's own schema.
MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "format": "uri-reference"}},
                },
                "region": {
                    "type": "object",
                    "required": ["startLine"],
                    "properties": {"startLine": {"type": "integer", "minimum": 1}},
                },
            },
        },
        "logicalLocations": {"type": "array", "items": {"type": "object", "required": ["fullyQualifiedName"]}},
    },
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "properties": {"type": "object"},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "fullDescription": MESSAGE,
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": MESSAGE,
                                                "fullDescription": MESSAGE,
                                                "help": MESSAGE,
                                                "defaultConfiguration": {
                                                    "type": "object",
                                                    "properties": {"level": LEVEL},
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": LEVEL,
                                "message": MESSAGE,
                                "locations": {"type": "array", "items": LOCATION},
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    app = cli.build(())
    return lambda *words: CliRunner().invoke(app, ["agreement", "check", *map(str, words)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The smallest worked agreement, its records kept as long as it runs, so that nothing is remarked on."""
    path = tmp_path / "agreement.yaml"
    text = agreements.path("cardiff-minimal").read_text(encoding="utf-8")
    path.write_text(text.replace("keep: P1Y", "keep: P2Y"), encoding="utf-8")
    return path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def by_section_16(file: Path) -> None:
    edit(file, "gateway: [cda-1998-s115]", "gateway: [pcsc-2022-s16]")


def without_rights(file: Path) -> None:
    edit(file, "  rights_contact:", "  rights_of_people:")


@pytest.mark.parametrize("name", agreements.names())
def test_every_worked_agreement_passes_without_error_or_warning(run: Run, name: str) -> None:
    done = run(agreements.path(name), *DAY, "--fail-on", "warning")
    assert done.exit_code == 0, done.stdout
    assert "No errors, no warnings" in done.stdout


def test_it_says_plainly_that_it_is_no_legal_advice(run: Run, file: Path) -> None:
    assert "not legal advice" in DISCLAIMER
    assert DISCLAIMER in run(file, *DAY).stdout
    assert json.loads(run(file, *DAY, "--format", "json").stdout)["disclaimer"] == DISCLAIMER
    driver = json.loads(run(file, *DAY, "--format", "sarif").stdout)["runs"][0]["tool"]["driver"]
    assert driver["fullDescription"]["text"] == DISCLAIMER


def test_people_read_what_where_by_which_source_and_what_to_do(run: Run, file: Path) -> None:
    by_section_16(file)
    done = run(file, *DAY)
    assert done.exit_code == 4
    assert "agreement_fails_check" in done.stderr
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "gateway: [pcsc" in text)
    assert f"patient_information_refused  line {line}, purposes/violence-prevention/legal/gateway" in done.stdout
    assert "s.16(4)(a)" in done.stdout
    assert "legislation.gov.uk/ukpga/2022/32/section/16" in done.stdout.replace("\n", "")
    assert "What to do: " in done.stdout


def test_findings_are_grouped_by_severity_the_gravest_first(run: Run, file: Path) -> None:
    by_section_16(file)
    without_rights(file)
    edit(file, "keep: P2Y", "keep: P3Y")
    told = run(file, *DAY).stdout
    places = [told.index(word) for word in ("errors\n", "1 warning\n", "1 note\n", "errors, 1 warning; 1 note.")]
    assert places == sorted(places)


def test_warnings_fail_only_where_they_shall(run: Run, file: Path) -> None:
    without_rights(file)
    assert run(file, *DAY).exit_code == 0
    assert run(file, *DAY, "--fail-on", "error").exit_code == 0
    done = run(file, *DAY, "--fail-on", "warning")
    assert (done.exit_code, "agreement_fails_check" in done.stderr) == (4, True)


def test_notes_never_fail(run: Run, file: Path) -> None:
    edit(file, "keep: P2Y", "keep: P3Y")
    done = run(file, *DAY, "--fail-on", "warning")
    assert (done.exit_code, "1 note" in done.stdout) == (0, True)


def test_the_day_is_the_callers(run: Run, file: Path) -> None:
    assert run(file, "--today", "2027-03-31").exit_code == 0
    done = run(file, "--today", "2027-04-01", "--format", "json")
    assert done.exit_code == 4
    assert "review_past" in {held["rule"] for held in json.loads(done.stdout)["findings"]}
    assert run(file, "--today", "1 April").exit_code == 2


def test_machines_read_each_finding_with_its_place(run: Run, file: Path) -> None:
    without_rights(file)
    done = run(file, *DAY, "--format", "json")
    told = json.loads(done.stdout)
    assert told == json.loads(run(file, *DAY, "--json").stdout)
    assert told["counts"] == {"error": 0, "warning": 1, "note": 0}
    assert told["today"] == "2026-11-24"
    assert told["digest"].startswith("sha256:")
    (finding,) = told["findings"]
    assert set(finding) == {"rule", "severity", "path", "line", "words", "source", "mend"}
    assert (finding["rule"], finding["path"]) == ("rights_contact_missing", "legal/rights_contact")
    assert file.read_text().splitlines()[finding["line"] - 1] == "legal:"


@pytest.mark.parametrize("break_it", [lambda _: None, by_section_16, without_rights])
def test_sarif_is_sarif_and_points_at_the_line(run: Run, file: Path, break_it: Callable[[Path], None]) -> None:
    break_it(file)
    log: Any = json.loads(run("agreement.yaml", *DAY, "--format", "sarif").stdout)
    jsonschema.Draft202012Validator.check_schema(SARIF)
    jsonschema.validate(log, SARIF, format_checker=jsonschema.FormatChecker())
    (ran,) = log["runs"]
    described = ran["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in described] == [rule.id for rule in RULES]
    told = json.loads(run("agreement.yaml", *DAY, "--format", "json").stdout)["findings"]
    assert len(ran["results"]) == len(told)
    for result, finding in zip(ran["results"], told, strict=True):
        assert described[result["ruleIndex"]]["id"] == result["ruleId"] == finding["rule"]
        assert result["level"] == finding["severity"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "agreement.yaml"
        assert location["physicalLocation"]["region"]["startLine"] == finding["line"]
        assert location["logicalLocations"] == [{"fullyQualifiedName": finding["path"]}]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('version: "1"', "version: 1.5", "inexact_number"),
        ('version: "1"', 'version: ""', "invalid_document"),
        ("    dataset: ed-assaults\n", "    dataset: ed-assault\n", "invalid_document"),
        ('  lad-2025: "sha256:', "  # ", "pin_missing"),
        ("offence_group: [as-is]", "offence_group: [finest]", "unknown_level"),
        ("arrived: [month, quarter]", "lsoa: [as-is]", "keys_not_public"),
        ("measure: {count: true, persons: true}", "measure: {mean: [sex]}", "not_a_number"),
        ("    link: [police-violence]\n", "    link: [police-violence]\n    combine: {age: 2}\n", "not_combinable"),
    ],
)
def test_the_law_is_looked_at_only_when_the_document_is_one(
    run: Run, file: Path, old: str, new: str, code: str
) -> None:
    edit(file, old, new)
    for form in ("json", "sarif"):
        done = run(file, *DAY, "--format", form)
        assert (done.exit_code, "agreement_malformed" in done.stderr) == (4, True)
        told = json.loads(done.stdout)
        if form == "sarif":
            jsonschema.validate(told, SARIF)
            rules = {result["ruleId"] for result in told["runs"][0]["results"]}
        else:
            rules = {finding["rule"] for finding in told["findings"]}
        assert rules == {code}


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.yaml", "concordat: agreement/v1\nid: [\nversion: }\n", 3),
        ("a.yaml", 'id: a\nversion: "1"\nid: b\n', 3),
        ("a.yaml", "id: a\ntitle: &b c\n", 2),
        ("a.json", '{"id": "a",\n "version": }\n', 2),
    ],
)
def test_what_cannot_be_parsed_is_told_at_its_line(run: Run, tmp_path: Path, name: str, text: str, line: int) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    (result,) = json.loads(run(name, *DAY, "--format", "sarif").stdout)["runs"][0]["results"]
    (location,) = result["locations"]
    assert location["physicalLocation"]["region"]["startLine"] == line
    (finding,) = json.loads(run(name, *DAY, "--format", "json").stdout)["findings"]
    assert finding["line"] == line


def test_a_file_is_named_by_a_uri(run: Run, file: Path) -> None:
    without_rights(file)
    spaced = file.with_name("our agreement.yaml")
    file.rename(spaced)

    def uri(name: object) -> str:
        log = json.loads(run(name, *DAY, "--format", "sarif").stdout)
        told: str = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        return told

    assert uri("our agreement.yaml") == "our%20agreement.yaml"
    assert uri(spaced) == spaced.as_uri()


def test_a_json_file_is_read_by_its_suffix(run: Run, tmp_path: Path) -> None:
    value = documents.load(agreements.path("cardiff-minimal").read_bytes())
    del value["legal"]["review"]
    for dataset in value["datasets"].values():
        dataset["keep"] = "P2Y"
    (tmp_path / "a.json").write_text(json.dumps(value, indent=1))
    told = json.loads(run("a.json", *DAY, "--format", "json").stdout)["findings"]
    assert [finding["rule"] for finding in told] == ["review_missing"]
    assert '"legal"' in (tmp_path / "a.json").read_text().splitlines()[told[0]["line"] - 1]


def test_words_from_the_document_cannot_move_the_cursor(run: Run, file: Path) -> None:
    edit(file, "gateway: [cda-1998-s115]", 'gateway: [cda-1998-s115, "\\e[2J[bold]x"]')
    done = run(file, *DAY)
    assert (done.exit_code, "gateway_unknown" in done.stdout) == (4, True)
    assert "\x1b[2J" not in done.stdout


def test_a_file_that_is_not_there_is_told(run: Run) -> None:
    done = run("gone.yaml", *DAY)
    assert (done.exit_code, "file_unreadable" in done.stderr) == (4, True)
