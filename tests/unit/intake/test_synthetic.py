"""Files that ``concordat synth`` makes for every shipped dataset are files that the broker takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from frictionless import Resource, Schema
from typer.testing import CliRunner

from connectors import cli
from schemas import artefacts

LIBRARY = artefacts.load()
KNOWN = artefacts.Library(LIBRARY)
SCHEMAS = [name for name, made in LIBRARY.items() if "concordat:schema" in made.value]
ROWS = 600


@pytest.fixture
def synth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run the command in a folder of its own, with no settings from outside."""
    for name in [name for name in os.environ if name.startswith("CONCORDAT_")]:
        monkeypatch.delenv(name)

    def run(schema: str) -> Path:
        out = tmp_path / "extract.csv"
        words = ("synth", "--schema", schema, "--rows", str(ROWS), "--seed", "7", "--out", str(out))
        done = CliRunner().invoke(cli.build(()), [*words, "--from", "2026-04-01", "--to", "2026-06-30"])
        assert done.exit_code == 0, done.output
        return out

    return run


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_made_up_file_passes_the_public_validator_and_the_brokers_check(synth, checker, name):
    file = synth(name)
    schema = Schema.from_descriptor(LIBRARY[name].value)
    report = Resource(path=file.name, basepath=str(file.parent), schema=schema).validate()
    assert report.flatten(["fieldName", "type", "note"]) == []
    staged = checker.stage(file.read_bytes(), schema=KNOWN.schema(name))
    assert staged.rows == ROWS
    assert (staged.persons > 0) == (KNOWN.schema(name).privacy_unit == "person")


def test_the_brokers_check_refuses_a_made_up_file_with_one_code_of_another_list(synth, checker):
    """So that passing it says something."""
    body = synth("probation/v1").read_bytes().replace(b",very-high,", b",severe,").replace(b",high,", b",severe,")
    assert checker.rules(body, schema=KNOWN.schema("probation/v1")) == {("code", "risk")}
