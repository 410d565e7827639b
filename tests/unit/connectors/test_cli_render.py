"""What people see: numbers with their error, rounded so that nothing is promised that does not hold."""

import io
import re
from typing import Any

import pytest
from rich.console import Console, RenderableType

from connectors import charts, render
from connectors.commands.question import Question
from connectors.errors import LocalError
from connectors.release_table import to_csv
from tests.unit.connectors.broker_double import REQUEST, BrokerDouble, row


def shown(*parts: RenderableType) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    for part in parts:
        console.print(part)
    return console.export_text()


@pytest.fixture
def release() -> dict[str, Any]:
    return BrokerDouble().release(REQUEST)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (1234567, "1,234,567"),
        (9.876, "9.88"),
        (-40.26, "-40.3"),
        (1e20, "100,000,000,000,000,000,000.0"),
    ],
)
def test_numbers_have_few_decimals(value: float | None, text: str) -> None:
    assert render.number(value) == text


@pytest.mark.parametrize(
    ("value", "up", "text"),
    [
        ("0.732231223282", True, "0.733"), ("0.732231223282", False, "0.732"), ("7.94526", False, "7.95"),
        ("24", True, "24"), ("1234.5", True, "1235"), ("0", True, "0"), ("5e-8", True, "0.00000005"),
        (None, False, "None"),
    ],
)  # fmt: skip
def test_an_epsilon_is_never_told_smaller_than_it_is(value: Any, up: bool, text: str) -> None:
    assert render.rounded(value, up=up) == text


@pytest.mark.parametrize(
    ("value", "text"), [("0.019999", "2%"), ("0.980001", "98%"), ("0.0005", "0.05%"), (None, "None")]
)
def test_a_share_is_told_in_percent(value: Any, text: str) -> None:
    assert render.percent(value) == text


def test_error_bars_share_one_scale_and_tell_what_is_too_noisy(release: dict[str, Any]) -> None:
    heading, first, second, scale = shown(render.error_bars(release, width=24)).splitlines()
    assert heading == "count"
    assert first.startswith("E06000022 ")
    assert first.endswith("├─●─┤ 100 ± 9.80")
    assert second == "E06000023 ├─○─┤                    3 ± 9.80"
    assert scale.split() == ["-6.60", "110.2"]


def test_many_rows_are_cut_and_counted(release: dict[str, Any]) -> None:
    rows = [row(f"area-{n}", 10.0 + n, 5.0, usable=True) for n in range(70)]
    text = shown(render.error_bars(release | {"rows": rows}))
    assert text.splitlines()[-1] == "... and 10 more rows"


def test_a_value_without_an_interval_is_shown_without_a_bar(release: dict[str, Any]) -> None:
    cell = {"value": None, "unrounded": None, "noise_interval": None, "usable": False}
    empty = {"keys": {"lad": "E06000024"}, "measures": {"count": cell}}
    assert "nothing to draw" in shown(render.error_bars(release | {"rows": [empty]}))
    text = shown(render.error_bars(release | {"rows": [*release["rows"], empty]}))
    assert "E06000024" in text
    assert to_csv(release | {"rows": [empty]}).splitlines()[1] == "E06000024,,,,,false"
    assert b"<svg" in charts.svg(release | {"rows": [empty]})


def test_a_release_without_groups_has_one_row(release: dict[str, Any]) -> None:
    total = {"keys": {}, "measures": release["rows"][0]["measures"]}
    alone = release | {"keys": [], "columns": ["count"], "rows": [total]}
    assert shown(render.error_bars(alone)).splitlines()[1].startswith("all")
    assert b"all" in charts.svg(alone)


def test_a_repeat_is_told_to_cost_nothing(release: dict[str, Any]) -> None:
    assert "charged nothing" in shown(render.guarantee(release | {"repeat": True}))
    assert "charged rho 0.02" in shown(render.guarantee(release))


def test_a_party_that_is_new_since_has_no_spending_before() -> None:
    before, after = BrokerDouble().budget(), BrokerDouble().budget()
    before["shares"] = {}
    line = next(line for line in shown(render.budget_table(before, after)).splitlines() if "opcc" in line)
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["opcc", "0.6 (5)", "-", "0.02 (1.2)", "0.58 (4.9)"]


def test_what_would_be_allowed_instead_is_told() -> None:
    decision = {
        "outcome": "refused",
        "code": "forbidden",
        "reasons": [{"clause": "grants/1", "words": "not by age"}],
        "allowed_instead": {
            "group_by": {"age": ["sna-band"], "lad": ["as-is"]},
            "measure": {"count": True, "persons": False, "mean": ["gravity"]},
            "link": [],
            "overall": False,
        },
    }
    assert shown(render.decision_lines(decision)).splitlines() == [
        "refused (forbidden)",
        "  grants/1: not by age",
        "  the nearest grant allows:",
        "    group by: age (sna-band), lad",
        "    measure: count, mean (gravity)",
        "    link: nothing",
        "    overall: no",
    ]


def test_a_preview_tells_which_tier_limits_a_question_unless_it_is_the_share_that_is_told_anyway() -> None:
    limited = {"tier": "quota", "words": "what is left of your own quota"}
    remaining = {"rho": "0.15", "share": "0.25", "limited_by": limited}
    text = shown(render.preview_lines(BrokerDouble().preview() | {"remaining": remaining}))
    assert "what is left of your own quota: 25% of your share, rho 0.15" in text
    remaining["limited_by"] = {"tier": "share", "words": "what is left of the share"}
    assert "limited by" not in shown(render.preview_lines(BrokerDouble().preview() | {"remaining": remaining}))


def test_a_preview_tells_of_repeats_and_of_what_cannot_be_afforded() -> None:
    preview = BrokerDouble().preview() | {"repeat": True, "affordable": False}
    text = shown(render.preview_lines(preview))
    assert "released before" in text
    assert "2% of your share" in text
    assert "affordable" in text
    why = "one request may spend at most 0.1 of your share, and this would spend 0.5: ask for less"
    assert f"no: {why}" in " ".join(shown(render.preview_lines(preview | {"unaffordable": why})).split())


def test_a_chart_has_a_limit_and_known_measures(release: dict[str, Any]) -> None:
    assert charts.svg(release, "count").count(b"<title>") >= 1
    with pytest.raises(LocalError) as caught:
        charts.svg(release, "mean_gravity")
    assert caught.value.code == "measure_unknown"
    with pytest.raises(LocalError) as caught:
        charts.svg(release | {"rows": release["rows"] * 101})
    assert caught.value.code == "too_many_bars"


def test_a_measure_of_several_numbers_has_a_column_a_row_of_bars_and_a_csv_column_for_each(
    release: dict[str, Any],
) -> None:
    bands = {
        name: {"value": value, "unrounded": value, "noise_interval": [value - 2, value + 2], "usable": value > 5}
        for name, value in (("1", 9.0), ("5+", 3.0))
    }
    parts = [{"part": name, "from": None, "to": None, **number} for name, number in bands.items()]
    made = release | {
        "columns": ["lad", "repeat"],
        "rows": [{"keys": {"lad": "E06000022"}, "measures": {"repeat": {"parts": parts}}}],
    }
    head, line = to_csv(made).splitlines()
    assert head == (
        "lad,repeat_1,repeat_1_unrounded,repeat_1_low,repeat_1_high,repeat_1_usable,"
        "repeat_5+,repeat_5+_unrounded,repeat_5+_low,repeat_5+_high,repeat_5+_usable"
    )
    assert line == "E06000022,9.0,9.0,7.0,11.0,true,3.0,3.0,1.0,5.0,false"
    assert "repeat_5+" in shown(render.release_table(made))
    assert shown(render.error_bars(made)).count("E06000022") == 2
    assert charts.svg(made, "repeat_5+").startswith(b"<?xml")


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("repeat", {"repeat": {}}),
        ("mean:gravity", {"mean": {"field": "gravity"}}),
        ("variance:gravity", {"variance": {"field": "gravity"}}),
        ("quantile:age=0.5,0.9@18,65", {"quantile": {"field": "age", "q": ["0.5", "0.9"], "grid": ["18", "65"]}}),
        ("histogram:age=sna-band", {"histogram": {"field": "age", "level": "sna-band"}}),
        ("histogram:age=18", {"histogram": {"field": "age", "cuts": ["18"]}}),
        ("histogram:harm=-1,2.5", {"histogram": {"field": "harm", "cuts": ["-1", "2.5"]}}),
    ],
)
def test_a_measure_is_written_on_the_command_line_with_its_column_and_bins(text: str, measure: dict[str, Any]) -> None:
    asked = Question(dataset="police-violence", purpose="needs-assessment", measures=[text], share="0.1")
    assert asked.request()["measures"] == [measure]


def test_a_measure_made_of_another_names_it_on_the_command_line() -> None:
    texts = ["sum:gravity", "share:sum_gravity", "rolling:sum_gravity=3", "change:sum_gravity=12"]
    asked = Question(dataset="police-violence", purpose="needs-assessment", measures=texts, share="0.1")
    assert asked.request()["measures"][1:] == [
        {"share": {"of": "sum_gravity"}},
        {"rolling": {"of": "sum_gravity", "periods": 3}},
        {"change": {"of": "sum_gravity", "periods": 12}},
    ]


def test_a_cell_without_a_number_is_a_dash_an_empty_field_and_no_bar() -> None:
    nothing = {"value": None, "unrounded": None, "noise_interval": None, "usable": False}
    some = {"value": 7, "unrounded": 7.2, "noise_interval": [5.2, 9.2], "usable": True}
    made = {
        "id": "r", "keys": ["month"], "columns": ["month", "change_count_1"],
        "rows": [
            {"keys": {"month": month}, "measures": {"change_count_1": {"parts": [
                {"part": "difference", **held}, {"part": "percent", **nothing}]}}}
            for month, held in (("2026-04", nothing), ("2026-05", some))
        ],
    }  # fmt: skip
    first, second = to_csv(made).splitlines()[1:]
    assert first == "2026-04,,,,,false,,,,,false"
    assert second == "2026-05,7,7.2,5.2,9.2,true,,,,,false"
    assert charts.svg(made, "change_count_1_percent").startswith(b"<?xml")
    assert charts.svg(made, "change_count_1_difference").count(b"2026-0") >= 2
    told = shown(render.release_table(made), render.error_bars(made))
    assert "change_count_1_percent: nothing to draw" in told
    assert re.search(r"2026-04 +. +- +. +- +. +no", told)
