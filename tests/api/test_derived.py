"""Measures worked out from others, over HTTP: from the request to the table, the log and the free repeat."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pytest

from connectors.release_table import measure_names, to_csv
from schemas import strict_yaml
from service.aggregates.logged import asked
from service.api import tables
from tests.support.server import WORKED_EXAMPLE, count_request, serve_here

MADE: list[dict[str, Any]] = [
    {"share": {"of": "count"}},
    {"rolling": {"of": "count", "periods": 2}},
    {"change": {"of": "count", "periods": 1}},
]
NAMES = ["count", "share_count", "rolling_count_2", "change_count_1"]
BY = [{"field": "occurred", "level": "month"}]
QUARTER = [{"field": "occurred", "from": "2026-04-01", "to": "2026-06-30"}]


@pytest.fixture(scope="module")
def served(tmp_path_factory, extracts):
    folder = tmp_path_factory.mktemp("derived")
    value: dict[str, Any] = strict_yaml.loads(WORKED_EXAMPLE.read_bytes())
    value["period"] |= {"end": "2099-03-31", "review_by": "2099-03-31"}
    path = folder / "edited.yaml"
    path.write_text(strict_yaml.dumps(value))
    with serve_here(folder, path) as made:
        made.push("as-police", "police-violence", extracts["police-violence"].read_bytes())
        yield made


def question(**changes: Any) -> dict[str, Any]:
    measures = [{"count": {}}, *MADE]
    return count_request(measures=measures, by=BY, where=QUARTER, spend={"share": "0.02"}) | changes


def test_the_grant_of_a_count_grants_what_is_made_of_it_and_the_charge_is_that_of_the_count(served):
    alone = served.preview(question(measures=[{"count": {}}])).json()
    shown = served.preview(question()).json()
    assert shown["cost"] == alone["cost"]
    assert [item["name"] for item in shown["measures"]] == NAMES
    count, share, rolling, change = (item["half_width"] for item in shown["measures"])
    assert (share, change) == (None, None)
    assert 1.4 * count < rolling < 1.43 * count
    body = served.ask(question(), "first").json()
    assert body["guarantee"]["rho"] == alone["cost"]["rho"]
    assert body["guarantee"]["scale"].keys() == {"count"}
    assert body["question"]["measures"] == NAMES
    assert body["question"]["parts"] == {"change_count_1": ["difference", "percent"]}


def test_each_is_what_the_unrounded_counts_of_the_same_release_come_to(served):
    rows = [row["measures"] for row in served.ask(question(), "numbers").json()["rows"]]
    counts = [row["count"]["unrounded"] for row in rows]
    assert [row["share_count"]["unrounded"] for row in rows] == pytest.approx(
        [n / sum(counts) for n in counts], abs=1e-9
    )
    nothing = {"value": None, "unrounded": None, "noise_interval": None, "usable": False}
    assert rows[0]["rolling_count_2"] == nothing
    assert rows[0]["change_count_1"]["parts"] == [{"part": "difference"} | nothing, {"part": "percent"} | nothing]
    for before, now in ((0, 1), (1, 2)):
        difference, percent = rows[now]["change_count_1"]["parts"]
        assert rows[now]["rolling_count_2"]["unrounded"] == pytest.approx(counts[before] + counts[now])
        assert difference["unrounded"] == pytest.approx(counts[now] - counts[before])
        assert percent["unrounded"] == pytest.approx(100 * (counts[now] / counts[before] - 1))
        assert percent["noise_interval"][0] < percent["unrounded"] < percent["noise_interval"][1]


def test_the_same_again_is_free_in_whatever_order(served):
    body = served.ask(question(), "once").json()
    again = served.ask(question(measures=[*MADE[::-1], {"count": {}}]), "again").json()
    assert again["repeat"] is True
    assert again["columns"] == ["occurred_month", *NAMES[1:][::-1], "count"]
    assert [row["measures"] for row in again["rows"]] == [row["measures"] for row in body["rows"]]


def test_tables_leave_a_cell_without_a_number_empty(served):
    body = served.ask(question(), "flat").json()
    names = ["count", "share_count", "rolling_count_2", "change_count_1_difference", "change_count_1_percent"]
    assert measure_names(body) == names
    with served.http("as-opcc", "analyst") as http:
        url, headers = f"{served.agreement}/aggregates", {"Idempotency-Key": "flat", "Content-Type": "application/json"}
        text, arrow = (
            http.post(url, content=json.dumps(question()), headers=headers | {"Accept": accept})
            for accept in ("text/csv", "application/vnd.apache.arrow.stream")
        )
    told = list(csv.DictReader(io.StringIO(text.text)))
    assert list(csv.DictReader(io.StringIO(to_csv(body)))) == told
    assert [told[0][f"rolling_count_2{part}"] for part in ("", "_unrounded", "_low", "_high", "_usable")] == [
        "", "", "", "", "false",
    ]  # fmt: skip
    assert told[1]["rolling_count_2"] == str(body["rows"][1]["measures"]["rolling_count_2"]["value"])
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table.column_names == list(told[0])
    assert table["change_count_1_difference"].to_pylist()[0] is None


def test_the_log_keeps_what_they_are_of_and_the_question_is_read_back(served):
    served.ask(question(), "logged")
    entries = [item["entry"] for item in served.entries(kind="charged")]
    entry = next(item for item in entries if item["request"]["measures"] == NAMES)
    assert entry["request"]["shapes"] == dict(zip(NAMES[1:], MADE, strict=True))
    assert [item.as_json() for item in asked(entry).request.measures] == [{"count": {}}, *MADE]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"measures": MADE[:1]}, 422, "malformed"),
        ({"by": [{"field": "lad"}], "where": []}, 422, "no_periods"),
        ({"spend": {"within": "50", "confidence": "0.95"}}, 422, "within_not_for_mean"),
    ],
)
def test_what_makes_no_sense_costs_nothing(served, changes, status, code):
    answer = served.ask(question(**changes), f"no-{code}")
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_what_is_not_granted_is_refused_for_what_is_made_of_it_too(served):
    answer = served.ask(question(measures=[{"sum": {"field": "age"}}, {"share": {"of": "sum_age"}}]), "not-granted")
    assert answer.status_code == 403
    nearest = answer.json()["decision"]["nearest"]["request"]["measures"]
    assert not any("share" in item for item in nearest)


def test_a_column_without_any_number_is_still_one_of_numbers(served):
    months = {"by": BY, "where": [QUARTER[0] | {"to": "2026-04-30"}]}
    body = served.ask(question(**months), "one-month").json()
    table = pa.ipc.open_stream(tables.response(json.dumps(body), tables.ARROW).body).read_all()
    assert table["rolling_count_2"].to_pylist() == [None]
    assert table.schema.field("rolling_count_2").type == pa.float64()
