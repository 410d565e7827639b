"""Each worked agreement is registered, signed by all and answers a question, as ``concordat dev`` runs it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

import agreements
from connectors.synth import World, write_csv
from tests.support.server import schema, serve_here

DAYS = {"from": "2026-04-01", "to": "2026-06-30"}
PERIOD = (date(2026, 4, 1), date(2026, 6, 30))
BY_MONTH: Any = {"field": "occurred", "level": "month"}

# agreement, what is pushed by whom, who asks for what of which dataset, grouped by what
CASES = [
    ("avon-somerset", "police-violence", "as-police", "somerset", "needs-assessment", [BY_MONTH, {"field": "lad"}]),
    ("west-yorkshire", "deliberate-fires", "wy-fire", "leeds", "needs-assessment", [BY_MONTH, {"field": "kind"}]),
    (
        "west-yorkshire", "probation", "wy-probation", "wy-mayor", "serious-violence-duty",
        [{"field": "risk", "level": "level"}],
    ),
    (
        "cardiff-minimal", "ed-assaults", "cardiff-ed", "south-wales-police", "violence-prevention",
        [{"field": "method", "level": "weapon"}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "dataset", "supplier", "asker", "purpose", "by"), CASES)
def test_a_worked_agreement_is_signed_and_answers_a_question(tmp_path, name, dataset, supplier, asker, purpose, by):
    extract = tmp_path / "extract.csv"
    write_csv(extract, schema(f"{dataset}/v1"), 400, world=World(7), period=PERIOD)
    with serve_here(tmp_path, agreements.path(name)) as served:
        with served.http(asker, "steward") as http:
            held = http.get(served.agreement).json()
        assert (held["standing"], held["unsigned"]) == ("in_force", [])
        assert len(held["signatures"]) == len(held["document"]["parties"])
        pushed = served.push(supplier, dataset, extract.read_bytes(), params=DAYS)
        assert pushed.status_code == 201, pushed.text
        request = {
            "purpose": purpose, "dataset": dataset, "measures": [{"count": {}}], "by": by, "spend": {"share": "0.05"},
            "where": [{"field": "occurred", **DAYS}] if BY_MONTH in by else [],
        }  # fmt: skip
        answer = served.ask(request, "one", party=asker)
        assert answer.status_code == 200, answer.text
        rows = answer.json()["rows"]
        assert rows
        stranger = served.ask(request | {"purpose": "marketing"}, "two", party=asker)
        assert stranger.status_code == 403
