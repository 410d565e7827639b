"""``variance``, specified by example: squares, numbers and rows. Totals are in 1/1024, before noise.

Numbers are taken less the middle of their bounds, in stored units. Each cell is a tuple: squares, sum, count.
"""

from __future__ import annotations

from service.policy.plan import FlagFilter, Measured
from tests.spec.harness import AREAS, question, totals

HARM = Measured("variance", "harm", -100, 100, 1)
AGE = Measured("variance", "age", 0, 121)


def test_numbers_and_their_squares_are_taken_from_the_middle_of_the_bounds(engine, lake):
    table = """
        person | area  | harm | age
        ann    | north | 1.5  | 60
        bob    | north | -2.0 | 61
        cas    | south | 0.0  | 0
    """
    assert totals(engine, lake, question(HARM, AREAS), {"police": table}) == {
        ("north",): (1024 * (15**2 + 20**2), 1024 * (15 - 20), 2048),
        ("south",): (0, 0, 1024),
    }
    assert totals(engine, lake, question(AGE, AREAS), {"police": table}) == {
        ("north",): (1024, 1024, 2048),
        ("south",): (1024 * 60**2, 1024 * -60, 1024),
    }


def test_each_row_counts_its_square_at_its_persons_weight_and_not_at_the_weights_square(engine, lake):
    table = """
        person | area  | harm
        ann    | north | 1.0
        ann    | north | 3.0
        bob    | north | 2.0
    """
    assert totals(engine, lake, question(HARM, AREAS, per_person=1), {"police": table}) == {
        ("north",): (512 * (100 + 900) + 1024 * 400, 512 * (10 + 30) + 1024 * 20, 2048),
        ("south",): (0, 0, 0),
    }


def test_values_are_clamped_before_they_are_squared(engine, lake):
    table = """
        person | harm | age
        ann    | 99.9 | 120
    """
    narrow = Measured("variance", "age", 0, 41)
    assert totals(engine, lake, question([HARM, narrow]), {"police": table}) == {
        (): (1024 * 100**2, 1024 * 100, 1024, 1024 * 21**2, 1024 * 21, 1024),
    }


def test_a_missing_number_is_no_row_of_the_variance_but_takes_its_part_of_the_weight(engine, lake):
    table = """
        person | area  | harm
        ann    | north | 4.0
        ann    | north | -
        bob    | south | -
    """
    assert totals(engine, lake, question(HARM, AREAS, per_person=1), {"police": table}) == {
        ("north",): (512 * 1600, 512 * 40, 512),
        ("south",): (0, 0, 0),
    }


def test_bounds_of_one_number_leave_nothing_to_vary(engine, lake):
    table = """
        person | harm
        ann    | 3.0
        bob    | -3.0
    """
    assert totals(engine, lake, question(Measured("variance", "harm", 7, 7, 1)), {"police": table}) == {
        (): (0, 0, 2048)
    }


def test_what_a_filter_leaves_out_is_in_no_total(engine, lake):
    table = """
        person | harm | knife
        ann    | 1.0  | yes
        ann    | 9.0  | no
    """
    asked = question(HARM, filters=(FlagFilter("knife", True),))
    assert totals(engine, lake, asked, {"police": table}) == {(): (1024 * 100, 1024 * 10, 1024)}
    none = question(HARM, AREAS, filters=(FlagFilter("knife", False),))
    assert totals(engine, lake, none, {"police": "person | knife\n ann | yes"}) == {
        ("north",): (0, 0, 0),
        ("south",): (0, 0, 0),
    }


def test_a_variance_of_records_is_at_full_weight(engine, lake):
    table = """
        area  | minutes
        north | 5
        north | 50
        south | -
    """
    asked = question(Measured("variance", "minutes", 0, 60), AREAS, dataset="calls", per_person=1)
    assert totals(engine, lake, asked, {"calls": table}) == {
        ("north",): (1024 * (25**2 + 20**2), 1024 * -5, 2048),
        ("south",): (0, 0, 0),
    }
