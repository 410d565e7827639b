"""``concordat agreement explain``: the policy's own words, offline, for people and for machines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

import agreements
from connectors import cli
from schemas import strict_yaml

FILE = agreements.path("avon-somerset")


@pytest.fixture
def explain(tmp_path):
    def made(question: Any, *options: str, file=FILE):
        path = tmp_path / "request.json"
        path.write_text(json.dumps(question))
        return CliRunner().invoke(cli.build(), ["agreement", "explain", str(file), str(path), *options])

    return made


ALLOWED = {"dataset": "police-violence", "measures": [{"count": {}}], "by": [{"field": "lad"}]}
HUB = ("--as", "as-opcc", "--purpose", "needs-assessment")


def test_an_allowed_question_ends_well_and_says_that_the_broker_alone_decides(explain):
    done = explain(ALLOWED, *HUB)
    assert done.exit_code == 0, done.output
    assert "allowed (allowed)" in done.output
    assert "grants/0: this grant covers the request" in done.output
    assert "The broker alone decides" in done.output


def test_a_refused_question_ends_with_3_and_says_what_would_be_allowed(explain):
    done = explain(ALLOWED | {"by": [{"field": "age"}]}, *HUB)
    assert done.exit_code == 3
    assert "grants/0/group_by/age: age may be grouped by sna-band" in done.output
    assert "group age by sna-band instead of as it is" in done.output


def test_machines_get_the_decision_in_the_shape_of_the_api(explain):
    done = explain(ALLOWED | {"by": [{"field": "age"}]}, *HUB, "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 3
    assert (found["as"], found["roles"], found["decision"]["code"]) == ("as-opcc", ["analyst"], "forbidden")
    again = explain(found["decision"]["nearest"]["request"], "--as", "as-opcc", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["decision"]["outcome"] == "allowed"


def test_roles_are_those_that_are_named(explain):
    done = explain(ALLOWED, *HUB, "--role", "steward", "--role", "ig-lead", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["roles"]) == (3, ["ig-lead", "steward"])
    assert found["decision"]["clauses"] == ["grants/0/roles"]


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (ALLOWED | {"where": [{"field": "lad", "in": ["E99999999"]}]}, "unknown_code"),
        (ALLOWED | {"surprise": 1}, "invalid_document"),
        ([], "invalid_document"),
    ],
)
def test_a_question_that_makes_no_sense_ends_with_4(explain, question, code):
    done = explain(question, *HUB, "--json")
    assert done.exit_code == 4
    assert code in done.output


def test_a_document_that_does_not_fit_what_it_pins_explains_nothing(explain, tmp_path):
    value = strict_yaml.loads(FILE.read_bytes())
    value["pins"]["sex"] = "sha256:" + "0" * 64
    path = tmp_path / "changed.yaml"
    path.write_text(strict_yaml.dumps(value))
    done = explain(ALLOWED, *HUB, "--json", file=path)
    assert done.exit_code == 4
    assert "changed_artefact" in done.output
