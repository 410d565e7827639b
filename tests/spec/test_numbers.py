"""Sums and means, specified by example. Totals are in 1/1024 of a stored unit, before noise."""

from __future__ import annotations

from service.policy.plan import Measured
from tests.spec.harness import AREAS, question, totals

HARM_SUM = Measured("sum", "harm", low=-100, high=100, decimals=1)
HARM_MEAN = Measured("mean", "harm", low=-100, high=100, decimals=1)


def test_a_sum_multiplies_stored_integers_by_the_weight(engine, lake):
    table = """
        person | area  | harm
        ann    | north | 1.5
        ann    | north | -2.0
        bob    | south | 0.1
    """
    assert totals(engine, lake, question(HARM_SUM, AREAS, per_person=1), {"police": table}) == {
        ("north",): 512 * 15 - 512 * 20,
        ("south",): 1024,
    }


def test_values_are_clamped_to_the_declared_bounds(engine, lake):
    table = """
        person | area  | harm
        ann    | north | 99.9
        bob    | south | -99.9
    """
    assert totals(engine, lake, question(HARM_SUM, AREAS), {"police": table}) == {
        ("north",): 1024 * 100,
        ("south",): -1024 * 100,
    }


def test_a_missing_number_adds_nothing_but_its_row_still_takes_its_part_of_the_weight(engine, lake):
    table = """
        person | area  | harm
        ann    | north | 4.0
        ann    | north | -
        bob    | south | -
    """
    plan = question([HARM_SUM, "count"], AREAS, per_person=1)
    assert totals(engine, lake, plan, {"police": table}) == {
        ("north",): (512 * 40, 2 * 512),
        ("south",): (0, 1024),
    }


def test_a_mean_is_the_sum_and_the_count_of_the_rows_that_have_the_number(engine, lake):
    table = """
        person | area  | harm
        ann    | north | 4.0
        ann    | north | -
        bob    | north | 1.0
        bob    | south | -
    """
    assert totals(engine, lake, question(HARM_MEAN, AREAS, per_person=1), {"police": table}) == {
        ("north",): (512 * 40 + 512 * 10, 512 + 512),
        ("south",): (0, 0),
    }


def test_a_record_dataset_is_summed_at_full_weight(engine, lake):
    table = """
        area  | minutes
        north | 5
        north | 70
        south | -
    """
    plan = question(Measured("sum", "minutes", 0, 60), AREAS, dataset="calls", per_person=1)
    assert totals(engine, lake, plan, {"calls": table}) == {("north",): 65 * 1024, ("south",): 0}
