"""Replaying an export of the log on a party's own machine, by the command and by what it rests on."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from connectors import cli
from schemas import agreement as documents
from schemas import strict_yaml
from schemas.errors import DocumentError
from schemas.request import parse
from service import cli as service_cli
from service.aggregates.intents import log_request
from service.errors import Malformed, NotFound
from service.replaying import OTHERS, entries, replay_file
from tests.support.requests import AGREEMENT, LIBRARY, VALUE


def line(n: int, party: str, dataset: str, kind: str = "charged", agreement: str = AGREEMENT.id) -> str:
    request = logged(dataset)
    made = {
        "kind": kind, "caller": {"client": "c", "party": party, "role": "analyst"}, "purpose": "needs-assessment",
        "agreement": {"id": agreement, "version": "1", "digest": "sha256:0"}, "reason": None, "request": request,
        "decision": {"outcome": "allowed", "code": "allowed", "clauses": ["grants/0"]},
    }  # fmt: skip
    return json.dumps({"n": n, "entry": made})


def logged(dataset: str) -> dict[str, Any]:
    question = {
        "purpose": "needs-assessment",
        "dataset": dataset,
        "measures": [{"count": {}}],
        "spend": {"share": "0.02"},
    }
    return log_request(parse(question), AGREEMENT, LIBRARY.words)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export: two parties' questions, one hidden entry, another agreement's."""
    lines = [
        json.dumps({"checkpoint": "note"}),
        line(0, "as-opcc", "police-violence"),
        line(1, "as-opcc", "ed-assaults"),
        line(2, "bristol", "ed-assaults"),
        json.dumps({"n": 3, "leaf": "AAAA"}),
        line(4, "bristol", "ed-assaults", kind="released"),
        line(5, "bristol", "ed-assaults", agreement="another"),
    ]
    file = tmp_path / "export.ndjson"
    file.write_text("".join(item + "\n" for item in lines))
    return file


def without_ed() -> dict[str, Any]:
    value = copy.deepcopy(VALUE) | {"version": "2"}
    value["grants"] = [grant for grant in value["grants"] if grant["dataset"] != "ed-assaults"]
    return value


def flips(export: Path, party: str | None, value: dict[str, Any] | None = None, *earlier: Any) -> list[int]:
    proposed = documents.parse(value or without_ed())
    return [flip["n"] for flip in replay_file(export, proposed, party, earlier)["flips"]]


def test_a_question_flips_where_its_roles_may_no_longer_ask(export: Path) -> None:
    value = copy.deepcopy(VALUE) | {"version": "2"}
    for grant in value["grants"]:
        if grant["dataset"] == "police-violence":
            grant["roles"] = ["steward"]
    assert flips(export, None, value) == [0], "an analyst asked it"


def test_a_party_sees_its_own_questions_and_those_of_the_datasets_it_supplies(export: Path) -> None:
    assert flips(export, None) == [1, 2]
    assert flips(export, "as-opcc") == [1]
    assert flips(export, "bristol") == [2]
    assert flips(export, "bri-ed") == [1, 2]
    assert flips(export, "as-police") == []
    made = replay_file(export, documents.parse(without_ed()), "as-opcc", [])
    assert (made["hidden"], made["not_replayed_because"]) == (1, {OTHERS: 1})


def test_what_a_party_supplied_under_an_earlier_version_counts_too(export: Path) -> None:
    value = without_ed()
    del value["datasets"]["ed-assaults"]
    for grant in value["grants"]:
        grant["link"] = [name for name in grant.get("link", []) if name != "ed-assaults"]
    assert flips(export, "bri-ed", value) == []
    assert flips(export, "bri-ed", value, AGREEMENT) == [1, 2]


def test_a_stranger_and_a_version_that_does_not_fit_its_artefacts_are_refused(export: Path) -> None:
    with pytest.raises(NotFound) as stranger:
        flips(export, "nobody")
    assert stranger.value.code == "not_a_party"
    value = without_ed()
    value["pins"]["sex"] = "sha256:" + "0" * 64
    with pytest.raises(Malformed) as changed:
        flips(export, None, value)
    assert (changed.value.code, changed.value.findings[0].rule) == ("incoherent", "changed_artefact")


@pytest.mark.parametrize("text", [b"[1]", b"{", b'{"n":"1","entry":{}}', b'{"n":1}', b'{"checkpoint":"late"}'])
def test_a_line_that_is_none_of_an_export_is_refused_by_its_number(text: bytes) -> None:
    with pytest.raises(DocumentError, match="line 2") as caught:
        list(entries([b'{"checkpoint":"note"}', text]))
    assert caught.value.code == "export_malformed"


# --- the commands


def run(*words: object) -> Result:
    app = cli.build(())
    service_cli.register(app)
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


@pytest.fixture
def versions(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "one.yaml", tmp_path / "two.json"
    old.write_text(strict_yaml.dumps(VALUE))
    new.write_text(json.dumps(without_ed()))
    return old, new


def test_the_command_shows_what_would_flip(export: Path, versions: tuple[Path, Path]) -> None:
    done = run("agreement", "replay", versions[1], "--log", export, "--as", "bri-ed")
    assert done.exit_code == 0, done.output
    assert "2 past decisions decided again, 2 would flip, 0 would not" in done.stdout
    assert "allowed" in done.stdout
    assert "no grant covers bristol asking of ed-assaults" in done.stdout
    same = run("agreement", "replay", versions[0], "--log", export, "--json")
    assert json.loads(same.stdout)["flips"] == []
    assert json.loads(same.stdout)["replayed"] == 3
    none = run("agreement", "replay", versions[0], "--log", export, "--as", "bristol", "--before", versions[0])
    assert (none.exit_code, "0 would flip" in none.stdout) == (0, True)
    assert run("agreement", "replay", versions[1], "--log", export, "--as", "nobody").exit_code == 3
    export.write_text("nothing\n")
    assert run("agreement", "replay", versions[1], "--log", export).exit_code == 4


def test_the_command_shows_what_changed(versions: tuple[Path, Path], tmp_path: Path) -> None:
    done = run("agreement", "diff", *versions)
    assert done.exit_code == 0, done.output
    assert "version 1 to 2. 0 changes widen, 6 narrow, 0 are neutral." in done.stdout
    assert "grants/1" in done.stdout
    told = json.loads(run("agreement", "diff", *versions, "--json").stdout)
    assert told["effects"] == {"widens": 0, "narrows": 6, "neutral": 0}
    assert (told["from"]["version"], told["to"]["version"]) == ("1", "2")
    same = run("agreement", "diff", versions[0], versions[0])
    assert (same.exit_code, same.stdout.count("\n")) == (0, 1)
    (tmp_path / "bad.yaml").write_text("- [")
    assert run("agreement", "diff", versions[0], tmp_path / "bad.yaml").exit_code == 4
    (tmp_path / "bad.yaml").write_text("id: x\n")
    assert run("agreement", "diff", tmp_path / "bad.yaml", versions[0]).exit_code == 4
