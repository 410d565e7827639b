"""Bounding by scaling, specified by example. Totals are in 1/1024 of a record, before noise."""

from __future__ import annotations

from tests.spec.harness import AREAS, MONTHS, question, totals


def test_whoever_has_no_more_rows_than_the_bound_counts_in_full(engine, lake):
    table = """
        person | area
        ann    | north
        ann    | north
        ann    | south
        bob    | south
    """
    assert totals(engine, lake, question("count", AREAS, per_person=3), {"police": table}) == {
        ("north",): 2 * 1024,
        ("south",): 2 * 1024,
    }


def test_whoever_has_more_rows_counts_a_part_for_each(engine, lake):
    table = """
        person | area
        ann    | north
        ann    | north
        ann    | north
        ann    | south
        bob    | south
    """
    each = 3 * 1024 // 4
    assert totals(engine, lake, question("count", AREAS, per_person=3), {"police": table}) == {
        ("north",): 3 * each,
        ("south",): each + 1024,
    }


def test_weights_are_rounded_down(engine, lake):
    table = "person\n" + "ann\n" * 7
    assert totals(engine, lake, question("count", per_person=1), {"police": table}) == {(): 7 * 146}


def test_whoever_has_more_than_1024_rows_for_each_counted_weighs_nothing(engine, lake):
    table = "person\n" + "ann\n" * 1025
    assert totals(engine, lake, question("count", per_person=1), {"police": table}) == {(): 0}


def test_persons_are_bounded_by_the_cells_they_touch_not_by_their_rows(engine, lake):
    table = """
        person | area  | occurred
        ann    | north | 2026-04-01
        ann    | north | 2026-04-02
        ann    | north | 2026-04-03
        bob    | north | 2026-04-01
        bob    | north | 2026-05-01
        bob    | south | 2026-04-01
        bob    | south | 2026-05-01
        bob    | south | 2026-05-02
    """
    each = 2 * 1024 // 4
    plan = question("persons", MONTHS, AREAS, per_person=2)
    assert totals(engine, lake, plan, {"police": table}) == {
        ("2026-04-01", "north"): 1024 + each,
        ("2026-04-01", "south"): each,
        ("2026-05-01", "north"): each,
        ("2026-05-01", "south"): each,
    }


def test_rows_and_persons_are_weighed_apart_in_one_question(engine, lake):
    table = """
        person | area
        ann    | north
        ann    | north
        ann    | north
        bob    | north
    """
    plan = question(["count", "persons"], AREAS, per_person=1)
    assert totals(engine, lake, plan, {"police": table}) == {
        ("north",): (3 * 341 + 1024, 2 * 1024),
        ("south",): (0, 0),
    }


def test_rows_outside_the_key_set_do_not_weigh_on_the_others(engine, lake):
    table = """
        person | area
        ann    | north
        ann    | unknown
        ann    | unknown
        ann    | unknown
    """
    assert totals(engine, lake, question("count", AREAS, per_person=1), {"police": table}) == {
        ("north",): 1024,
        ("south",): 0,
    }


def test_persons_who_share_a_word_of_their_pseudonym_stay_apart(engine, lake):
    rows = [{"person": (7, 7, 7, last)} for last in (1, 2, 2, 3)]
    base = {"unlinked": False, "area": "north", "age": None, "harm": None, "knife": False}
    table = lake.table("police", [base | {"occurred": MONTHS.starts[0]} | row for row in rows])
    found = engine.totals(question(["count", "persons"], per_person=1), {"police": table})
    assert found == {"count.count": [2 * 1024 + 2 * 512], "persons.persons": [3 * 1024]}


def test_an_unlinked_row_counts_as_a_record_and_never_as_a_person(engine, lake):
    table = """
        person | unlinked | area
        one    | yes      | north
        two    | yes      | north
        ann    | no       | north
        ann    | no       | north
    """
    plan = question(["count", "persons"], AREAS, per_person=1)
    assert totals(engine, lake, plan, {"police": table}) == {
        ("north",): (2 * 1024 + 2 * 512, 1024),
        ("south",): (0, 0),
    }


def test_unlinked_rows_that_repeat_a_pseudonym_are_bounded_together(engine, lake):
    table = """
        person | unlinked
        one    | yes
        one    | yes
    """
    assert totals(engine, lake, question("count", per_person=1), {"police": table}) == {(): 2 * 512}


def test_in_a_record_dataset_each_row_is_its_own_unit(engine, lake):
    table = "area\n" + "north\n" * 5
    plan = question("count", AREAS, dataset="calls", per_person=1)
    assert totals(engine, lake, plan, {"calls": table}) == {("north",): 5 * 1024, ("south",): 0}
