"""What was signed decides: whoever changes a schema, code list, hierarchy or gateway table afterwards gets nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.synth import World, write_csv
from tests.support.server import Process, Served, count_request, schema, start_process

BY_AGE = count_request(by=[{"field": "age", "level": "sna-band"}, {"field": "lad"}], where=[])


def take_another_council(body: dict[str, Any]) -> None:
    column = next(field for field in body["fields"] if field["name"] == "lad")
    column["constraints"]["enum"] = [*column["constraints"]["enum"], "E06999999"]


def name_another_council(body: dict[str, Any]) -> None:
    body["codes"].append({"code": "E06999999", "label": "Elsewhere"})


def make_bands_of_one_year(body: dict[str, Any]) -> None:
    body["bands"] = {str(age): [age, age] for age in range(100)}
    body["labels"] = {code: code for code in body["bands"]}


def ask_nothing_of_anyone(body: dict[str, Any]) -> None:
    body["conditions"] = {}


CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "schema": ("police-violence/v1", take_another_council),
    "code list": ("lad-2025", name_another_council),
    "hierarchy": ("age-sna", make_bands_of_one_year),
    "gateway table": ("gateways/v1", ask_nothing_of_anyone),
}


@dataclass
class Stage:
    """A folder with a signed agreement, and an operator who can open its database."""

    folder: Path
    processes: list[Process]

    def start(self, **more: Any) -> Served:
        """Start a broker, once the one before it is gone."""
        if self.processes:
            self.processes[-1].kill()
        self.processes.append(start_process(self.folder, **more))
        return self.processes[-1].served

    def control(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "state" / "broker" / "concordat.db", timeout=30)

    def change(self, name: str, edit: Callable[[dict[str, Any]], None]) -> None:
        """Change an artefact's body as an operator would who removes the triggers, and leave its digest."""
        with closing(self.control()) as control, control:
            held = control.execute("SELECT body FROM artefact WHERE name = ?", (name,)).fetchone()[0]
            body = json.loads(held)
            edit(body)
            assert body != json.loads(held)
            for (trigger,) in control.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                control.execute(f"DROP TRIGGER {trigger}")
            control.execute("UPDATE artefact SET body = ? WHERE name = ?", (json.dumps(body), name))


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    made = Stage(tmp_path, [])
    yield made
    for process in made.processes:
        if process.process.poll() is None:
            process.kill()


@pytest.fixture(scope="module")
def extract(tmp_path_factory) -> bytes:
    path: Path = tmp_path_factory.mktemp("extract") / "police.csv"
    write_csv(path, schema("police-violence/v1"), 500, world=World(3), period=(date(2026, 4, 1), date(2026, 6, 30)))
    return path.read_bytes()


def keys(answer: httpx.Response) -> list[dict[str, str]]:
    """Return the keys of an answer's cells."""
    assert answer.status_code == 200, answer.text
    return [row["keys"] for row in answer.json()["rows"]]


def catalogue(served: Served) -> Any:
    with served.http("as-opcc", "analyst") as http:
        return http.get(f"{served.agreement}/datasets/police-violence").json()


def rho(served: Served) -> str:
    with closing(sqlite3.connect(served.state / "broker" / "concordat.db")) as control:
        return str(control.execute("SELECT coalesce(sum(rho_nano), 0) FROM charge").fetchone()[0])


@pytest.mark.parametrize("kind", CHANGES)
def test_whoever_changes_a_schema_code_list_or_hierarchy_after_signing_gets_nothing(stage, extract, kind):
    """A running broker goes on by what was signed; a restarted one refuses everything under the agreement."""
    served = stage.start()
    assert served.push("as-police", "police-violence", extract).status_code == 201
    before, described = keys(served.ask(BY_AGE, "before")), catalogue(served)
    stage.change(*CHANGES[kind])

    assert keys(served.ask(BY_AGE | {"spend": {"share": "0.03"}}, "running")) == before
    assert catalogue(served) == described
    elsewhere = count_request(where=[{"field": "lad", "in": ["E06999999"]}], by=[{"field": "lad"}])
    assert served.ask(elsewhere, "elsewhere").status_code == 422
    sneaked = extract.replace(b"E06000023", b"E06999999")
    assert served.push("as-police", "police-violence", sneaked, key="sneaked").status_code == 422
    spent = rho(served)

    served = stage.start()
    for answer in (
        served.ask(BY_AGE, "restarted"),
        served.ask(BY_AGE, "before"),
        served.ask(elsewhere, "elsewhere"),
        served.preview(BY_AGE),
        served.push("as-police", "police-violence", extract, key="restarted"),
        served.push("as-police", "police-violence", sneaked, key="sneaked"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "artefact_changed"), answer.text
    assert rho(served) == spent
    refused = [item["entry"]["decision"]["code"] for item in served.entries(kind="refused")]
    assert refused.count("artefact_changed") == 4


def test_an_artefact_changed_after_the_charge_releases_nothing(stage, extract):
    """The start that would complete the question finds the artefact changed; so does the retry."""
    served = stage.start(crash_at="after-charge-commit")
    assert served.push("as-police", "police-violence", extract).status_code == 201
    with pytest.raises(httpx.TransportError):
        served.ask(BY_AGE, "charged")
    stage.change(*CHANGES["hierarchy"])
    served = stage.start()
    answer = served.ask(BY_AGE, "charged")
    assert (answer.status_code, answer.json()["code"]) == (403, "artefact_changed")
    kinds = [item["entry"]["kind"] for item in served.entries()]
    assert (kinds.count("charged"), kinds.count("released")) == (1, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE artefact SET body = '{}'",
        "DELETE FROM artefact",
        "INSERT OR REPLACE INTO artefact (digest, name, body) SELECT digest, name, '{}' FROM artefact",
        "UPDATE agreement_version SET document = '{}'",
        "DELETE FROM agreement_version",
        "UPDATE agreement_completion SET signers = '[]'",
        "DELETE FROM agreement_completion",
    ],
)
def test_the_database_refuses_to_change_what_was_signed(stage, statement):
    stage.start()
    with closing(stage.control()) as control, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        control.execute(statement)
