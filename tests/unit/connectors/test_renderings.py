"""``concordat agreement export | import | page`` on an agency's machine, with nothing but files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import agreements
from connectors import cli
from schemas import agreement as documents
from schemas.canonical import digest
from schemas.page.render import page

EXAMPLE = agreements.path("avon-somerset")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    app = cli.build(())

    def work(*words: str | Path) -> Result:
        return CliRunner().invoke(app, ["agreement", *map(str, words)])

    return work


def value() -> Any:
    return documents.load(EXAMPLE.read_bytes())


@pytest.mark.parametrize("back", ["back.yaml", "back.json"])
def test_an_agreement_comes_back_with_the_same_digest(run, back):
    assert run("export", EXAMPLE, "--format", "odrl", "--out", "policy.jsonld").exit_code == 0
    done = run("import", "policy.jsonld", "--out", back, "--json")
    assert json.loads(done.stdout)["digest"] == digest(value())
    kind = "application/json" if back.endswith(".json") else "application/yaml"
    assert documents.load(Path(back).read_bytes(), kind) == value()
    assert json.loads(run("digest", back, "--json").stdout)["digest"] == digest(value())


def test_an_export_goes_to_standard_output_where_no_file_is_named(run):
    assert json.loads(run("export", EXAMPLE).stdout)["@type"] == "odrl:Agreement"


def test_another_form_is_wrong_usage(run):
    assert run("export", EXAMPLE, "--format", "xacml").exit_code == 2


def test_what_yaml_cannot_hold_goes_to_json(run, tmp_path):
    held = value()
    held["legal"]["threshold"] = 0.5
    (tmp_path / "own.json").write_text(json.dumps(held))
    assert run("export", "own.json", "--out", "own.jsonld").exit_code == 0
    done = run("import", "own.jsonld", "--out", "own.yaml")
    assert (done.exit_code, "[not_yaml]" in done.stderr, Path("own.yaml").exists()) == (4, True, False)
    assert run("import", "own.jsonld", "--out", "again.json").exit_code == 0
    assert json.loads(Path("again.json").read_text()) == held


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "not_json"),
        ("[]", "odrl_not_ours"),
        ('{"@context": "https://www.w3.org/ns/odrl.jsonld", "@type": "Set", "secret": 1}', "odrl_not_ours"),
        ('{"@type": "a", "@type": "b"}', "duplicate_key"),
    ],
)
def test_json_ld_of_others_ends_with_4(run, tmp_path, text, code):
    (tmp_path / "other.jsonld").write_text(text)
    done = run("import", "other.jsonld", "--out", "new.yaml")
    assert (done.exit_code, f"[{code}]" in done.stderr) == (4, True)
    assert not Path("new.yaml").exists()


def test_a_changed_export_ends_with_4_and_the_place(run, tmp_path):
    policy = json.loads(run("export", EXAMPLE).stdout)
    policy["permission"][0]["assigner"] = ["urn:concordat:party:bristol"]
    (tmp_path / "changed.jsonld").write_text(json.dumps(policy))
    done = run("import", "changed.jsonld", "--out", "new.yaml")
    assert (done.exit_code, "permission/0/assigner/0" in done.stderr) == (4, True)


def test_a_page_is_one_file(run):
    done = run("page", EXAMPLE, "--out", "page.html", "--json")
    assert json.loads(done.stdout) == {"digest": digest(value()), "file": "page.html"}
    assert Path("page.html").read_text() == page(value())


@pytest.mark.parametrize("command", [("export",), ("page", "--out", "x.html")])
def test_what_is_no_agreement_ends_with_4_and_makes_nothing(run, tmp_path, command):
    (tmp_path / "bad.yaml").write_text("concordat: agreement/v1\n")
    done = run(command[0], "bad.yaml", *command[1:])
    assert (done.exit_code, "[invalid_document]" in done.stderr) == (4, True)
    assert not Path("x.html").exists()
