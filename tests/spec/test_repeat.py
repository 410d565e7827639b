"""``repeat``, specified by example: persons by how many rows they have in a cell. Totals are in 1/1024, before noise.

Each cell is a list: persons with one row there, with two, with three or four, with five or more.
"""

from __future__ import annotations

from service.policy.plan import CodeFilter, FlagFilter, LinkPlan
from tests.spec.harness import AREAS, REPEAT, question, totals


def test_each_person_stands_in_the_band_of_the_rows_that_they_have_in_the_cell(engine, lake):
    table = """
        person | area
        ann    | north
        bob    | north
        bob    | north
        cas    | north
        cas    | north
        cas    | north
        dee    | south
        dee    | south
        dee    | south
        dee    | south
        eve    | south
        eve    | south
        eve    | south
        eve    | south
        eve    | south
        eve    | south
    """
    assert totals(engine, lake, question(REPEAT, AREAS), {"police": table}) == {
        ("north",): [1024, 1024, 1024, 0],
        ("south",): [0, 0, 1024, 1024],
    }


def test_a_person_has_one_band_in_each_cell_and_is_bounded_by_cells_not_by_rows(engine, lake):
    table = """
        person | area
        ann    | north
        ann    | south
        ann    | south
        ann    | south
        bob    | south
        bob    | south
        bob    | south
        bob    | south
        bob    | south
    """
    assert totals(engine, lake, question(REPEAT, AREAS, per_person=1), {"police": table}) == {
        ("north",): [512, 0, 0, 0],
        ("south",): [0, 0, 512, 1024],
    }


def test_without_groupings_all_rows_left_count(engine, lake):
    table = """
        person | area
        ann    | north
        ann    | south
        ann    | east
        bob    | unknown
    """
    assert totals(engine, lake, question(REPEAT, per_person=1), {"police": table}) == {(): [1024, 0, 1024, 0]}
    assert totals(engine, lake, question(REPEAT, AREAS, per_person=2), {"police": table}) == {
        ("north",): [1024, 0, 0, 0],
        ("south",): [1024, 0, 0, 0],
    }


def test_rows_that_a_filter_or_a_link_leaves_out_are_not_among_those_counted(engine, lake):
    police = """
        person | area  | knife
        ann    | north | yes
        ann    | north | no
        bob    | north | yes
        bob    | north | yes
        cas    | north | yes
    """
    hospital = """
        patient | site
        ann     | north
        bob     | north
    """
    link = LinkPlan("hospital", "supplier/hospital", True, (CodeFilter("site", ("north",)),))
    plan = question(REPEAT, AREAS, filters=(FlagFilter("knife", True),), links=(link,))
    assert totals(engine, lake, plan, {"police": police, "hospital": hospital}) == {
        ("north",): [1024, 1024, 0, 0],
        ("south",): [0, 0, 0, 0],
    }


def test_unlinked_rows_are_no_persons(engine, lake):
    table = """
        person  | unlinked | area
        ann     | no       | north
        one-off | yes      | north
    """
    assert totals(engine, lake, question(REPEAT, AREAS), {"police": table}) == {
        ("north",): [1024, 0, 0, 0],
        ("south",): [0, 0, 0, 0],
    }


def test_bands_add_up_to_persons(engine, lake):
    table = """
        person | area
        ann    | north
        ann    | north
        ann    | south
        bob    | south
    """
    plan = question([REPEAT, "persons"], AREAS, per_person=1)
    for bands, persons in totals(engine, lake, plan, {"police": table}).values():
        assert sum(bands) == persons
