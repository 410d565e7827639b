"""``histogram``, specified by example: rows by the bin of a number. Totals are in 1/1024, before noise.

Each cell is a list: one total a bin, in the order of the bins, the unknown last.
"""

from __future__ import annotations

from service.policy.plan import Binned, DateFilter, Measured, NumberKeys
from tests.spec.harness import AREAS, MONTHS, question, totals

AGES = (("under 18", Binned.LOWEST, 17), ("18 to 64", 18, 64), ("65 and over", 65, Binned.HIGHEST))
AGE = Measured(
    "histogram", "age", 0, 120, 0, Binned(NumberKeys("age", "cuts", (*(key for key, _, _ in AGES), "unknown"), AGES))
)
HARMS = (("minor", -100, -1), ("major", 50, 100))
HARM = Measured(
    "histogram", "harm", -100, 100, 1, Binned(NumberKeys("harm", "band", ("minor", "major", "unknown"), HARMS))
)


def test_each_row_counts_in_the_bin_of_its_number(engine, lake):
    table = """
        person | area  | age
        ann    | north | 17
        bob    | north | 18
        cas    | north | 64
        dee    | north | 65
        eve    | south | 0
        fay    | south | 120
    """
    assert totals(engine, lake, question(AGE, AREAS), {"police": table}) == {
        ("north",): [1024, 2048, 1024, 0],
        ("south",): [1024, 0, 1024, 0],
    }


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


def test_a_number_between_bands_is_unknown_so_that_no_row_is_lost(engine, lake):
    table = """
        person | area  | harm
        ann    | north | -0.1
        bob    | north | 0.0
        cas    | north | 4.9
        dee    | north | 5.0
        eve    | north | -
    """
    assert totals(engine, lake, question(HARM, AREAS), {"police": table}) == {
        ("north",): [1024, 1024, 3072],
        ("south",): [0, 0, 0],
    }


def test_bins_add_up_to_the_count_whatever_the_bound(engine, lake):
    table = """
        person | area  | age | occurred
        ann    | north | 10  | 2026-04-02
        ann    | north | 20  | 2026-04-03
        ann    | south | 30  | 2026-05-04
        ann    | south | -   | 2026-05-05
        ann    | east  | 40  | 2026-05-05
        bob    | south | 70  | 2026-04-30
    """
    plan = question([AGE, HARM, "count"], AREAS, MONTHS, per_person=3)
    found = totals(engine, lake, plan, {"police": table})
    assert found["north", "2026-04-01"] == ([768, 768, 0, 0], [0, 0, 1536], 1536)
    for ages, harms, count in found.values():
        assert sum(ages) == sum(harms) == count


def test_what_a_filter_leaves_out_is_in_no_bin(engine, lake):
    table = """
        person | age | occurred
        ann    | 30  | 2026-04-02
        ann    | 31  | 2026-05-02
    """
    april = DateFilter("occurred", MONTHS.starts[0], None)
    assert totals(engine, lake, question(AGE, filters=(april,)), {"police": table}) == {(): [0, 2048, 0, 0]}
    none = DateFilter("occurred", None, MONTHS.starts[0].replace(year=2025))
    assert totals(engine, lake, question(AGE, filters=(none,)), {"police": table}) == {(): [0, 0, 0, 0]}


def test_a_histogram_of_records_is_at_full_weight(engine, lake):
    bands = (("under 10", Binned.LOWEST, 9), ("10 and over", 10, Binned.HIGHEST))
    bins = Binned(NumberKeys("minutes", "cuts", ("under 10", "10 and over", "unknown"), bands))
    table = """
        area  | minutes
        north | 5
        north | 50
        south | -
    """
    plan = question(Measured("histogram", "minutes", 0, 60, 0, bins), AREAS, dataset="calls", per_person=1)
    assert totals(engine, lake, plan, {"calls": table}) == {("north",): [1024, 1024, 0], ("south",): [0, 0, 1024]}
