"""``concordat erase`` against a broker that serves: from a file, from standard input, from identifiers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from connectors import cli
from connectors.pseudonymise import Pseudonymiser, new_key
from service import dev
from tests.support.lifecycle import small_extract
from tests.support.persons import about, files_with
from tests.support.server import Served, serve_here

ANN, BOB, NHS = "a1" * 32, "b2" * 32, "943 476 5919"


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[tuple[Served, Path, str]]:
    """A broker with three persons pushed by two suppliers, its folder, and the pseudonym of one known by a number."""
    folder = tmp_path_factory.mktemp("command")
    with serve_here(folder) as served:
        key = new_key(folder / "pseudonyms.key")
        cat = Pseudonymiser(key, served.clients["agreement"]["id"]).pseudonym(NHS, "nhs-number")
        for party, dataset in (("as-police", "police-violence"), ("bri-ed", "ed-assaults")):
            body = about(small_extract(folder, dataset, 60), ANN, BOB, cat)
            assert served.push(party, dataset, body, dataset).status_code == 201
        dev.write_clients(folder, served.clients)
        yield served, folder, cat


@pytest.fixture
def run(stage, monkeypatch) -> Any:
    _, folder, _ = stage
    monkeypatch.setenv("COLUMNS", "200")
    app = cli.build(())

    def one(*words: Any, said: str = "", party: str = "as-police") -> Result:
        told = ["erase", *map(str, words), "--clients", str(folder / "clients.json"), "--as", party]
        return CliRunner().invoke(app, told, input=said)

    return one


def test_a_supplier_erases_from_a_file_and_reads_what_its_datasets_lost(stage, run):
    served, folder, _ = stage
    listed = folder / "persons.txt"
    listed.write_text(f"{ANN}\n\n{ANN}\n")
    done = run(listed, "--reason", "an objection was upheld")
    assert done.exit_code == 0, done.stderr
    assert "police-violence: 20 rows" in done.stdout
    assert "street-crime: holds no pseudonyms" in done.stdout
    assert "1 lines named somebody again" in done.stdout
    assert ANN not in done.stdout + done.stderr
    assert [file for file in files_with(served.state / "broker" / "lake", ANN) if "police" in file] == []


def test_a_steward_erases_everywhere_from_standard_input_and_learns_nothing(stage, run):
    served, _, _ = stage
    done = run("-", "--reason", "a court's order", "--everywhere", "--json", said=f"{BOB}\n", party="as-opcc")
    assert done.exit_code == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert (receipt["reach"], "datasets" in receipt) == ("agreement", False)
    assert files_with(served.state / "broker" / "lake", BOB) == []


def test_what_is_said_of_an_erasure_everywhere_is_what_was_done_and_not_who_was_there(run):
    done = run("-", "--reason", "a court's order", "--everywhere", said=f"{'d4' * 32}\n", party="as-opcc")
    assert done.exit_code == 0, done.stderr
    assert "every dataset reached is without the 1 persons asked for" in done.stdout
    assert "rows" not in done.stdout


def test_identifiers_become_pseudonyms_on_this_side(stage, run):
    served, folder, cat = stage
    named = ("--pseudonym-key", folder / "pseudonyms.key", "--id-type", "nhs-number")
    done = run("-", "--reason", "an objection", *named, said=f"{NHS}\n", party="bri-ed")
    assert done.exit_code == 0, done.stderr
    assert [file for file in files_with(served.state / "broker" / "lake", cat) if "ed-assaults" in file] == []


def test_what_cannot_be_an_erasure_is_not_sent(stage, run):
    folder = stage[1]
    bad = run("-", "--reason", "x", said=f"{NHS}\n{ANN}\n")
    assert (bad.exit_code, NHS in bad.stderr, "bad_persons" in bad.stderr) == (4, False, True)
    assert run("-", "--reason", "x", "--id-type", "upn", said=ANN).exit_code == 2
    assert run("-", "--reason", "x", said="x" * (4 * 1024 * 1024 + 1)).exit_code == 4
    (folder / "latin").write_bytes(b"\xff\xfe")
    assert run(folder / "latin", "--reason", "x").exit_code == 4
    refused = run("-", "--reason", f"for {NHS}", said=ANN)
    assert (refused.exit_code, "reason_identifier" in refused.stderr) == (4, True)
    nobody = run("-", "--reason", "x", said=ANN, party="as-opcc")
    assert (nobody.exit_code, "not_a_supplier" in nobody.stderr) == (3, True)
