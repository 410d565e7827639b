import json

import pytest

from benchmarks.aggregate import errors
from benchmarks.data import Truth
from benchmarks.results import Result, median


def test_where_smaller_is_better_the_ratio_is_other_by_ours():
    result = Result("push", ours=0.5, other=1.5, unit="s", against="a peer")
    assert result.ratio == 3


def test_where_larger_is_better_the_ratio_is_ours_by_other():
    result = Result("preview", ours=600, other=300, unit="1/s", against="target", larger_is_better=True)
    assert result.ratio == 2


def test_a_result_is_one_line_of_json():
    result = Result("push", 0.123456, 1.0, "s", "a peer", details={"error_ours": 1.5})
    assert "\n" not in result.line()
    assert json.loads(result.line()) == {
        "name": "push",
        "ours": 0.1235,
        "other": 1.0,
        "unit": "s",
        "ratio": 8.1,
        "against": "a peer",
        "error_ours": 1.5,
    }


def test_the_median_is_what_is_told():
    assert median([5.0, 1.0, 2.0]) == 2.0


def test_errors_are_means_over_cells_and_repetitions_and_a_missing_cell_is_zero():
    one, two = ("2025-01", "E06000022", "female"), ("2025-01", "E06000022", "male")
    truth = {one: Truth(10, 6.0), two: Truth(4, 4.0)}
    found = errors(truth, [{one: 7.0, two: 4.0}, {one: 6.0}])
    assert found.of_rows == pytest.approx((3 + 0 + 4 + 4) / 4)
    assert found.of_bounded == pytest.approx((1 + 0 + 0 + 4) / 4)
