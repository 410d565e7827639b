"""``quantile``, specified by example: rows between the points of a grid, and the point read off. Totals are in 1/1024.

Each cell is a list: the rows up to each point, the last of which is the column's largest number, and the unknown.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from service.policy.plan import Binned, DateFilter, Measured, NumberKeys, Quantiles
from service.privacy.measures.quantile import quantile
from tests.spec.harness import AREAS, MONTHS, question, totals


def on_grid(field, low, high, decimals, points, q=("0.5",)):
    """Return a quantile on a grid of stored numbers, the column's largest among them."""
    firsts = [Binned.LOWEST, *(point + 1 for point in points[:-1])]
    lasts = [*points[:-1], Binned.HIGHEST]
    bands = tuple(
        (f"up to {point}", *ends) for point, ends in zip(points, zip(firsts, lasts, strict=True), strict=True)
    )
    keys = NumberKeys(field, "cuts", (*(name for name, _, _ in bands), "unknown"), bands)
    return Measured("quantile", field, low, high, decimals, Quantiles(keys, q))


AGE = on_grid("age", 0, 120, 0, (17, 40, 120))
HARM = on_grid("harm", -100, 100, 1, (-50, 0, 100))


def test_each_row_counts_up_to_the_least_point_that_is_no_less_than_its_number(engine, lake):
    table = """
        person | area  | age
        ann    | north | 0
        bob    | north | 17
        cas    | north | 18
        dee    | north | 40
        eve    | south | 41
        fay    | south | 120
    """
    assert totals(engine, lake, question(AGE, AREAS), {"police": table}) == {
        ("north",): [2048, 2048, 0, 0],
        ("south",): [0, 0, 2048, 0],
    }


def test_decimals_and_negative_numbers_count_up_to_their_points(engine, lake):
    table = """
        person | harm
        ann    | -10.0
        bob    | -5.0
        cas    | -4.9
        dee    | 0.0
        eve    | 0.1
    """
    assert totals(engine, lake, question(HARM), {"police": table}) == {(): [2048, 2048, 1024, 0]}


def test_a_row_without_the_number_is_unknown_and_takes_its_part_of_the_weight(engine, lake):
    table = """
        person | area  | age
        ann    | north | 30
        ann    | north | -
        bob    | south | -
    """
    assert totals(engine, lake, question(AGE, AREAS, per_person=1), {"police": table}) == {
        ("north",): [0, 512, 0, 512],
        ("south",): [0, 0, 0, 1024],
    }


def test_whoever_has_more_rows_counts_a_part_for_each(engine, lake):
    table = """
        person | age | occurred
        ann    | 10  | 2026-04-02
        ann    | 20  | 2026-04-03
        ann    | 50  | 2026-05-03
        ann    | 60  | 2026-05-03
        bob    | 70  | 2026-05-03
    """
    assert totals(engine, lake, question(AGE, MONTHS, per_person=2), {"police": table}) == {
        ("2026-04-01",): [512, 512, 0, 0],
        ("2026-05-01",): [0, 0, 2048, 0],
    }


def test_what_a_filter_leaves_out_is_below_no_point(engine, lake):
    table = """
        person | age | occurred
        ann    | 30  | 2026-04-02
        ann    | 31  | 2026-05-02
    """
    may = DateFilter("occurred", MONTHS.starts[1], None)
    assert totals(engine, lake, question(AGE, filters=(may,)), {"police": table}) == {(): [0, 1024, 0, 0]}


def test_a_quantile_of_records_is_at_full_weight(engine, lake):
    table = """
        area  | minutes
        north | 5
        north | 50
        south | -
    """
    minutes = on_grid("minutes", 0, 60, 0, (10, 60))
    asked = question(minutes, AREAS, dataset="calls", per_person=1)
    assert totals(engine, lake, asked, {"calls": table}) == {("north",): [1024, 1024, 0], ("south",): [0, 0, 1024]}


@pytest.mark.parametrize(
    ("rows", "part", "place"),
    [
        ([1, 1, 1, 1], "0.5", 1),  # two of four lie at or below the second point
        ([1, 1, 1, 1], "0.51", 2),
        ([1, 0, 0, 0], "0.9", 0),
        ([0, 0, 0, 7], "0.1", 3),
        ([5, 0, 0, 5], "0.5", 0),  # the least point, where several would do
        ([5, 0, 0, 6], "0.5", 3),
        ([0, 0, 0, 0], "0.5", 0),  # of no rows every point will do
    ],
)
def test_a_quantile_is_the_least_point_at_or_below_which_that_part_of_the_rows_lie(rows, part, place):
    found = quantile([1024 * number for number in rows], Fraction(part), [0] * 3)
    assert found.place == place
    assert found.low <= place <= found.high
