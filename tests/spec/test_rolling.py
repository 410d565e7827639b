"""``rolling``, specified by example: each period and the ones before it together, of exact totals."""

from __future__ import annotations

from datetime import date

from service.policy.plan import DateKeys, Measured
from tests.spec.harness import AREAS, question
from tests.support.derived import made_of, of_table

MONTHS = DateKeys("occurred", "month", tuple(date(2026, month, 1) for month in range(1, 6)))
TABLE = """
    person | area  | occurred   | harm
    ann    | north | 2026-01-02 | 1.5
    bob    | north | 2026-01-31 | -2.0
    cas    | north | 2026-02-01 | 4.0
    dee    | south | 2026-02-03 | 5.0
    eve    | north | 2026-04-30 | -
    fay    | south | 2026-05-01 | 0.5
"""
HARM = Measured("sum", "harm", -100, 100, 1)


def test_each_period_has_itself_and_those_before_it(engine, lake):
    plan = question(["count", made_of("rolling", periods=3)], MONTHS)
    assert of_table(engine, lake, plan, {"police": TABLE}) == {
        ("2026-01",): None,
        ("2026-02",): None,
        ("2026-03",): 4,
        ("2026-04",): 3,
        ("2026-05",): 2,
    }


def test_it_goes_along_the_periods_of_each_group_wherever_the_grouping_stands(engine, lake):
    rolling = made_of("rolling", periods=2)
    found = of_table(engine, lake, question(["count", rolling], AREAS, MONTHS), {"police": TABLE})
    assert [found["north", f"2026-0{month}"] for month in range(1, 6)] == [None, 3, 1, 1, 1]
    assert [found["south", f"2026-0{month}"] for month in range(1, 6)] == [None, 1, 1, 0, 1]
    turned = of_table(engine, lake, question(["count", rolling], MONTHS, AREAS), {"police": TABLE})
    assert turned == {(month, area): value for (area, month), value in found.items()}


def test_a_gap_between_periods_is_not_stepped_over(engine, lake):
    gap = DateKeys("occurred", "month", tuple(date(2026, month, 1) for month in (1, 2, 4, 5)))
    plan = question(["count", made_of("rolling", periods=2)], gap)
    assert list(of_table(engine, lake, plan, {"police": TABLE}).values()) == [None, 4, None, 2]


def test_persons_are_added_up_by_period(engine, lake):
    table = """
        person | occurred
        ann    | 2026-01-01
        ann    | 2026-02-01
    """
    plan = question(["persons", made_of("rolling", "persons", 2)], MONTHS)
    assert list(of_table(engine, lake, plan, {"police": table}).values()) == [None, 2, 1, 0, 0]


def test_a_sum_keeps_its_decimals_and_its_sign(engine, lake):
    plan = question([HARM, made_of("rolling", HARM, 2)], MONTHS)
    assert list(of_table(engine, lake, plan, {"police": TABLE}).values()) == [None, 8.5, 9.0, 0.0, 0.5]


def test_more_periods_than_the_table_has_give_nothing(engine, lake):
    plan = question(["count", made_of("rolling", periods=6)], MONTHS)
    assert set(of_table(engine, lake, plan, {"police": TABLE}).values()) == {None}
