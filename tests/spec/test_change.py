"""``change``, specified by example: a period less an earlier one, and that in percent, of exact totals."""

from __future__ import annotations

from datetime import date

from service.policy.plan import DateKeys, Measured
from tests.spec.harness import AREAS, question
from tests.support.derived import made_of, of_table

MONTHS = DateKeys("occurred", "month", tuple(date(2026, month, 1) for month in range(1, 5)))
TABLE = """
    person | area  | occurred   | harm
    ann    | north | 2026-01-02 | 2.0
    bob    | north | 2026-01-31 | 2.0
    cas    | south | 2026-02-01 | -4.0
    dee    | north | 2026-02-03 | 1.0
    eve    | north | 2026-02-28 | 2.0
    fay    | north | 2026-04-28 | 9.5
"""
HARM = Measured("sum", "harm", -100, 100, 1)


def test_each_period_is_held_against_an_earlier_one(engine, lake):
    plan = question(["count", made_of("change", periods=1)], MONTHS)
    assert of_table(engine, lake, plan, {"police": TABLE}) == {
        ("2026-01",): [None, None],
        ("2026-02",): [1, 50.0],
        ("2026-03",): [-3, -100.0],
        ("2026-04",): [1, None],
    }


def test_percent_of_nothing_is_nothing_but_the_difference_is_told(engine, lake):
    plan = question(["count", made_of("change", periods=1)], AREAS, MONTHS)
    found = of_table(engine, lake, plan, {"police": TABLE})
    assert found["south", "2026-02"] == [1, None]
    assert found["south", "2026-03"] == [-1, -100.0]
    assert found["north", "2026-02"] == [0, 0.0]


def test_twelve_months_before_is_a_year_on_year(engine, lake):
    months = DateKeys("occurred", "month", tuple(date(2025 + n // 12, n % 12 + 1, 1) for n in range(16)))
    table = """
        person | occurred
        ann    | 2025-02-28
        bob    | 2026-02-01
        cas    | 2026-02-02
        dee    | 2026-01-31
    """
    found = of_table(engine, lake, question(["count", made_of("change", periods=12)], months), {"police": table})
    assert found["2025-12",] == [None, None]
    assert (found["2026-01",], found["2026-02",], found["2026-03",]) == ([1, None], [1, 100.0], [0, None])


def test_an_earlier_period_that_is_no_key_gives_nothing(engine, lake):
    gap = DateKeys("occurred", "month", (date(2026, 1, 1), date(2026, 2, 1), date(2026, 4, 1)))
    plan = question(["count", made_of("change", periods=2)], gap)
    assert list(of_table(engine, lake, plan, {"police": TABLE}).values()) == [[None, None], [None, None], [-2, -66.7]]


def test_quarters_and_years_and_days_step_by_the_calendar(engine, lake):
    quarters = DateKeys("occurred", "quarter", (date(2025, 10, 1), date(2026, 1, 1), date(2026, 4, 1)))
    years = DateKeys("occurred", "year", (date(2025, 1, 1), date(2026, 1, 1)))
    days = DateKeys("occurred", "day", (date(2026, 2, 28), date(2026, 3, 1)))
    for keys, expected in ((quarters, [-4, -80.0]), (years, [6, None]), (days, [-1, -100.0])):
        plan = question(["count", made_of("change", periods=1)], keys)
        assert list(of_table(engine, lake, plan, {"police": TABLE}).values())[-1] == expected


def test_a_sum_that_may_be_negative_has_differences_and_no_percent_of_less_than_nothing(engine, lake):
    plan = question([HARM, made_of("change", HARM, 1)], MONTHS)
    assert list(of_table(engine, lake, plan, {"police": TABLE}).values()) == [
        [None, None], [-5.0, -125.0], [1.0, None], [9.5, None],
    ]  # fmt: skip
