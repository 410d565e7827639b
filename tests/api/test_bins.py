"""Measures of several numbers a cell, over HTTP: from the request to the table, the log and the free repeat."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pytest

from connectors.release_table import measure_names, to_csv
from connectors.release_table import rows as cells
from schemas import strict_yaml
from service.aggregates.logged import asked
from tests.support.server import WORKED_EXAMPLE, count_request, serve_here

MEASURES = [{"repeat": {}}, {"histogram": {"field": "age", "cuts": [18, 65]}}, {"count": {}}]
BANDS = ["1", "2", "3-4", "5+"]
BINS = ["under 18", "18 to 64", "65 and over", "unknown"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bins")
    value: dict[str, Any] = strict_yaml.loads(WORKED_EXAMPLE.read_bytes())
    value["period"] |= {"end": "2099-03-31", "review_by": "2099-03-31"}
    for grant in value["grants"]:
        if grant["dataset"] == "police-violence" and "as-opcc" in grant["to"]:
            grant["measure"] |= {"count": True, "repeat": True, "histogram": ["age"]}
            grant["measure"] |= {"variance": ["age"], "quantile": ["age"]}
    path = folder / "edited.yaml"
    path.write_text(strict_yaml.dumps(value))
    with serve_here(folder, path) as made:
        yield made


def question(**changes: Any) -> dict[str, Any]:
    return count_request(measures=MEASURES, by=[{"field": "lad"}], where=[], spend={"share": "0.02"}) | changes


def test_bands_and_bins_are_released_with_their_ends_in_every_cell(served):
    answer = served.ask(question(), "first")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["question"]["measures"] == ["repeat", "histogram_age", "count"]
    assert body["question"]["parts"] == {"repeat": BANDS, "histogram_age": BINS}
    assert set(body["guarantee"]["scale"]) == {"repeat", "histogram_age", "count"}
    assert body["unlinked"].endswith("left out of repeat.")
    for row in body["rows"]:
        measured = row["measures"]
        assert [part["part"] for part in measured["repeat"]["parts"]] == BANDS
        assert [part["part"] for part in measured["histogram_age"]["parts"]] == BINS
        assert [(part["from"], part["to"]) for part in measured["histogram_age"]["parts"]] == [
            (None, 17), (18, 64), (65, None), (None, None),
        ]  # fmt: skip
        for part in (*measured["repeat"]["parts"], *measured["histogram_age"]["parts"], measured["count"]):
            low, high = part["noise_interval"]
            assert low < part["unrounded"] < high
            assert part["value"] == max(0, part["value"])


def test_the_preview_prices_them_like_the_release_and_within_may_be_asked(served):
    request = question(where=[{"field": "knife", "is": True}], spend={"within": "50", "confidence": "0.95"})
    shown = served.preview(request).json()
    assert [item["name"] for item in shown["measures"]] == ["repeat", "histogram_age", "count"]
    assert all(item["half_width"] <= 50 for item in shown["measures"])


def test_the_same_bins_again_are_free_and_other_bins_are_charged(served):
    body = served.ask(question(), "once").json()
    again = served.ask(question(measures=[MEASURES[1], MEASURES[2], MEASURES[0]]), "again").json()
    assert again["repeat"] is True
    assert again["columns"] == ["lad", "histogram_age", "count", "repeat"]
    by_area = {row["keys"]["lad"]: row["measures"] for row in body["rows"]}
    assert {row["keys"]["lad"]: row["measures"] for row in again["rows"]} == by_area
    other = [{"histogram": {"field": "age", "cuts": [18, 66]}}]
    assert served.ask(question(measures=other), "other").json()["repeat"] is False


def test_tables_have_a_column_for_each_number(served):
    body = served.ask(question(), "flat").json()
    names = [f"repeat_{band}" for band in BANDS] + [f"histogram_age_{name}" for name in BINS] + ["count"]
    assert measure_names(body) == names
    with served.http("as-opcc", "analyst") as http:
        url, headers = f"{served.agreement}/aggregates", {"Idempotency-Key": "flat", "Content-Type": "application/json"}
        text = http.post(url, content=json.dumps(question()), headers=headers | {"Accept": "text/csv"}).text
        arrow = http.post(
            url,
            content=json.dumps(question()),
            headers=headers | {"Accept": "application/vnd.apache.arrow.stream"},
        )
    told = list(csv.DictReader(io.StringIO(text)))
    assert list(told[0]) == list(csv.DictReader(io.StringIO(to_csv(body))).fieldnames or ())
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table.column_names == list(told[0])
    for row, (keys, numbers), line in zip(body["rows"], cells(body), told, strict=True):
        assert keys == [row["keys"]["lad"]]
        assert [cell.value for cell in numbers[:4]] == [part["value"] for part in row["measures"]["repeat"]["parts"]]
        assert [line[name] for name in names] == [str(cell.value) for cell in numbers]


MADE: list[dict[str, Any]] = [
    {"variance": {"field": "age"}},
    {"quantile": {"field": "age", "q": ["0.25", "0.5", "0.75"], "grid": [10, 20, 30, 40, 50, 60, 70, 80, 90]}},
]


def test_a_variance_and_quantiles_are_released_with_intervals_in_json_and_as_a_table(served):
    asked = question(measures=MADE)
    body = served.ask(asked, "made").json()
    assert body["columns"] == ["lad", "variance_age", "quantile_age"]
    assert body["question"]["parts"] == {"quantile_age": ["0.25", "0.5", "0.75"]}
    assert set(body["guarantee"]["scale"]) == {
        "variance_age.square", "variance_age.sum", "variance_age.count", "quantile_age",
    }  # fmt: skip
    for row in body["rows"]:
        variance, quantiles = row["measures"]["variance_age"], row["measures"]["quantile_age"]["parts"]
        low, high = variance["noise_interval"]
        assert 0 <= low <= high <= 60**2
        assert 0 <= variance["value"] <= 60**2
        assert [part["part"] for part in quantiles] == [part["q"] for part in quantiles] == ["0.25", "0.5", "0.75"]
        for part in quantiles:
            low, high = part["noise_interval"]
            assert low <= part["value"] <= high
            assert {low, high, part["value"]} <= {10, 20, 30, 40, 50, 60, 70, 80, 90, 120}
    names = ["variance_age", "quantile_age_0.25", "quantile_age_0.5", "quantile_age_0.75"]
    assert measure_names(body) == names
    assert next(csv.DictReader(io.StringIO(to_csv(body))))["quantile_age_0.5_low"] != ""
    again = served.ask(asked, "made-again").json()
    assert (again["repeat"], again["rows"]) == (True, body["rows"])


def test_their_preview_tells_no_error_and_within_is_refused(served):
    shown = served.preview(question(measures=MADE, where=[{"field": "knife", "is": True}])).json()
    assert [item["half_width"] for item in shown["measures"]] == [None, None]
    for measure in MADE:
        refused = served.preview(question(measures=[measure], spend={"within": "5", "confidence": "0.95"})).json()
        assert refused["code"] == "within_not_for_mean"


def test_the_log_keeps_the_grid_and_the_question_is_read_back(served):
    served.ask(question(measures=MADE, where=[{"field": "knife", "is": False}]), "grid")
    entries = [item["entry"] for item in served.entries(kind="charged")]
    entry = next(item for item in entries if item["request"]["measures"] == ["variance_age", "quantile_age"])
    assert list(entry["request"]["shapes"]) == ["quantile_age"]
    points = [str(point) for point in MADE[1]["quantile"]["grid"]]
    assert [item.as_json() for item in asked(entry).request.measures] == [
        MADE[0], {"quantile": MADE[1]["quantile"] | {"grid": points}},
    ]  # fmt: skip


def test_the_log_keeps_the_bins_and_the_question_is_read_back(served):
    served.ask(question(), "logged")
    entries = [item["entry"] for item in served.entries(kind="charged")]
    entry = next(item for item in entries if item["request"]["measures"] == ["repeat", "histogram_age", "count"])
    assert entry["request"]["shapes"] == {"histogram_age": {"histogram": {"field": "age", "cuts": ["18", "65"]}}}
    found = asked(entry).request
    assert [item.name for item in found.measures] == ["repeat", "histogram_age", "count"]
    assert found.measures[1].as_json() == {"histogram": {"field": "age", "cuts": ["18", "65"]}}


def test_bins_that_make_no_sense_cost_nothing(served):
    answer = served.ask(question(measures=[{"histogram": {"field": "age", "level": "decade"}}]), "bad")
    assert (answer.status_code, answer.json()["code"]) == (422, "wrong_bins")
