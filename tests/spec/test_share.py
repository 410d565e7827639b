"""``share``, specified by example: each cell's part of the sum of all cells, of exact totals."""

from __future__ import annotations

from service.policy.plan import Measured
from tests.spec.harness import AREAS, MONTHS, question
from tests.support.derived import made_of, of_table

AGES = Measured("sum", "age", 0, 120)


def test_each_cell_has_its_part_of_all_cells(engine, lake):
    table = """
        person | area  | occurred
        ann    | north | 2026-04-02
        bob    | north | 2026-05-02
        cas    | south | 2026-05-03
        dee    | south | 2026-05-04
    """
    by_area = question(["count", made_of("share")], AREAS)
    assert of_table(engine, lake, by_area, {"police": table}) == {("north",): 0.5, ("south",): 0.5}
    by_both = question(["count", made_of("share")], AREAS, MONTHS)
    assert of_table(engine, lake, by_both, {"police": table}) == {
        ("north", "2026-04"): 0.25,
        ("north", "2026-05"): 0.25,
        ("south", "2026-04"): 0.0,
        ("south", "2026-05"): 0.5,
    }


def test_the_whole_is_the_cells_of_the_table_and_not_the_rows_that_fall_out(engine, lake):
    table = """
        person | area
        ann    | north
        bob    | south
        cas    | east
        dee    | east
    """
    plan = question(["count", made_of("share")], AREAS)
    assert of_table(engine, lake, plan, {"police": table}) == {("north",): 0.5, ("south",): 0.5}


def test_a_person_in_two_cells_is_in_the_whole_twice(engine, lake):
    table = """
        person | area
        ann    | north
        ann    | north
        ann    | south
        bob    | north
    """
    plan = question(["persons", made_of("share", "persons")], AREAS)
    assert of_table(engine, lake, plan, {"police": table}) == {("north",): 0.6667, ("south",): 0.3333}


def test_a_share_of_a_sum_is_of_the_numbers(engine, lake):
    table = """
        person | area  | age
        ann    | north | 10
        bob    | south | 25
        cas    | south | 5
        dee    | south | -
    """
    plan = question([AGES, made_of("share", AGES)], AREAS)
    assert of_table(engine, lake, plan, {"police": table}) == {("north",): 0.25, ("south",): 0.75}


def test_a_table_of_one_cell_is_the_whole(engine, lake):
    plan = question(["count", made_of("share")])
    assert of_table(engine, lake, plan, {"police": "person\n ann"}) == {(): 1.0}


def test_nothing_has_no_shares(engine, lake):
    plan = question(["count", made_of("share")], AREAS)
    assert of_table(engine, lake, plan, {"police": "person | area\n ann | east"}) == {
        ("north",): None,
        ("south",): None,
    }
