"""Social care, probation and fire push made-up extracts, and the hub asks of them what a needs assessment asks."""

from __future__ import annotations

import copy
import csv
import io
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import agreements
from agreements.__main__ import pins
from connectors.synth import World, write_csv
from schemas import agreement as documents
from schemas import strict_yaml
from tests.support.server import DAYS, schema, serve_here

NEW = {
    "children-in-need": ("bristol-care", "local-authority", "person"),
    "probation": ("as-probation", "probation", "person"),
    "deliberate-fires": ("as-fire", "fire", "record"),
}
PERIOD = (date.fromisoformat(DAYS["from"]), date.fromisoformat(DAYS["to"]))
PER_PERSON = 3
ROWS = {"police-violence": 20_000, "children-in-need": 6000, "probation": 6000, "deliberate-fires": 2000}
Rows = list[dict[str, str]]


def grant(dataset: str, fields: dict[str, list[str]], **more: Any) -> dict[str, Any]:
    return {
        "to": ["as-opcc"], "for": ["needs-assessment"], "dataset": dataset,
        "group_by": fields, "filter_by": copy.deepcopy(fields), **copy.deepcopy(more),
    }  # fmt: skip


def with_new_datasets(folder: Path) -> Path:
    """The worked agreement, joined by three suppliers."""
    value = copy.deepcopy(documents.load(agreements.path("avon-somerset").read_bytes()))
    for dataset, (party, kind, unit) in NEW.items():
        key = f"placeholder-key-of-{party}".ljust(43, "_")
        value["parties"].append({"id": party, "name": party, "kind": kind, "role": "controller", "key": key})
        bounds = {"per_person": PER_PERSON if unit == "person" else 1}
        common = {"supplier": party, "every": "P1M", "keep": "P3Y", "privacy_unit": unit}
        value["datasets"][dataset] = {"schema": f"{dataset}/v1", "bounds": bounds, **common}
    persons = {"measure": {"count": True, "persons": True}, "link": ["police-violence"]}
    need = {"closed": ["month", "quarter"], "open": ["as-is"], "need": ["group"], "age": ["sna-band"]}
    value["grants"] += [
        grant("children-in-need", {"referred": ["month"], **need}, **persons),
        grant("probation", {"started": ["month"], "order_type": ["group"], "risk": ["level"]}, **persons),
        grant("deliberate-fires", {"occurred": ["month"], "kind": ["as-is"]}, measure={"count": True}),
    ]
    for entry in value["grants"]:
        if entry["dataset"] == "police-violence" and "as-opcc" in entry["to"]:
            entry["link"] += ["children-in-need", "probation"]
    value["pins"] = pins(value)
    path = folder / "agreement.yaml"
    path.write_text(strict_yaml.dumps(value))
    return path


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory):
    """A broker that has everybody's extract, and what was in them."""
    folder = tmp_path_factory.mktemp("area")
    world, rows = World(3), {}
    suppliers = {"police-violence": "as-police"} | {dataset: party for dataset, (party, _, _) in NEW.items()}
    with serve_here(folder, with_new_datasets(folder)) as served:
        for dataset, party in suppliers.items():
            file = folder / f"{dataset}.csv"
            write_csv(file, schema(f"{dataset}/v1"), ROWS[dataset], world=world, period=PERIOD)
            answer = served.push(party, dataset, file.read_bytes(), key=dataset)
            assert answer.status_code == 201, answer.text
            rows[dataset] = list(csv.DictReader(io.StringIO(file.read_text())))
        yield served, rows


def bounded(rows: Rows) -> Counter[str]:
    """How much each person's rows weigh in all: nobody more than the agreement's bound."""
    times = Counter(row["person"] for row in rows)
    return Counter({person: count * min(1024, 1024 * PER_PERSON // count) for person, count in times.items()})


def ask(served: Any, key: str, **question: Any) -> Any:
    answer = served.ask({"purpose": "needs-assessment", "spend": {"share": "0.05"}, **question}, key)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_deliberate_fires_are_counted_by_kind(area):
    served, rows = area
    release = ask(served, "fires", dataset="deliberate-fires", measures=[{"count": {}}], by=[{"field": "kind"}])
    assert release["guarantee"]["unit"] == "record"
    truth = Counter(row["kind"] for row in rows["deliberate-fires"])
    margin = 8 * release["guarantee"]["scale"]["count"]
    assert {row["keys"]["kind"] for row in release["rows"]} == {"primary", "secondary", "unknown"}
    for row in release["rows"]:
        assert abs(row["measures"]["count"]["unrounded"] - truth[row["keys"]["kind"]]) < margin


def test_open_cases_are_left_out_of_closures_and_told_by_their_flag(area):
    served, rows = area
    cases: Rows = rows["children-in-need"]
    closed = [row for row in cases if row["open"] == "false"]
    opened = [row for row in cases if row["open"] == "true"]
    by_quarter = ask(
        served, "closures", dataset="children-in-need", measures=[{"count": {}}],
        by=[{"field": "closed", "level": "quarter"}], where=[{"field": "closed", **DAYS}],
    )  # fmt: skip
    still_open = ask(
        served, "open", dataset="children-in-need", measures=[{"count": {}}], where=[{"field": "open", "is": True}]
    )
    for release, kept in ((by_quarter, closed), (still_open, opened)):
        (row,) = release["rows"]
        margin = 8 * release["guarantee"]["scale"]["count"]
        assert abs(row["measures"]["count"]["unrounded"] - sum(bounded(kept).values()) / 1024) < margin


@pytest.mark.parametrize("dataset", ["children-in-need", "probation"])
def test_suspects_whom_another_service_knew_are_counted_across_agencies(area, dataset):
    served, rows = area
    known = {row["person"] for row in rows[dataset] if row["unlinked"] == "false"}
    suspects = {
        row["person"] for row in rows["police-violence"] if row["role"] == "suspect" and row["unlinked"] == "false"
    }
    release = ask(
        served, f"known-{dataset}", dataset="police-violence", measures=[{"persons": {}}],
        where=[{"field": "role", "in": ["suspect"]}], linked=[{"dataset": dataset, "has": True}],
    )  # fmt: skip
    (row,) = release["rows"]
    met = len(known & suspects)
    margin = 8 * release["guarantee"]["scale"]["persons"]
    assert margin < met < len(suspects) - margin, "neither nobody nor everybody would pass"
    assert abs(row["measures"]["persons"]["unrounded"] - met) < margin
