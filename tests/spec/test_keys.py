"""The public key set, specified by example: what is counted where, zeros included."""

from __future__ import annotations

from datetime import date

import pytest

from service.policy.plan import CodeFilter, CodeKeys, DateKeys, FlagKeys, NumberKeys
from tests.spec.harness import AREAS, MONTHS, question, totals

AGES = NumberKeys("age", "band", ("0-17", "18-24", "unknown"), (("0-17", 0, 17), ("18-24", 18, 24)))


def test_every_key_of_the_key_set_appears_and_no_other(engine, lake):
    table = """
        person | area
        ann    | east
    """
    assert totals(engine, lake, question("count", AREAS), {"police": table}) == {("north",): 0, ("south",): 0}


def test_keys_come_in_the_order_of_the_plan_the_last_grouping_fastest(engine, lake):
    table = """
        person | area  | occurred
        ann    | south | 2026-04-30
        bob    | north | 2026-05-31
    """
    found = totals(engine, lake, question("count", MONTHS, AREAS), {"police": table})
    assert list(found.items()) == [
        (("2026-04-01", "north"), 0),
        (("2026-04-01", "south"), 1024),
        (("2026-05-01", "north"), 1024),
        (("2026-05-01", "south"), 0),
    ]


@pytest.mark.parametrize(
    ("level", "starts", "counted"),
    [
        ("day", (date(2026, 4, 1), date(2026, 4, 2)), [2, 0]),
        ("month", (date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)), [1, 2, 1]),
        ("quarter", (date(2025, 10, 1), date(2026, 1, 1), date(2026, 4, 1)), [1, 1, 3]),
        ("year", (date(2025, 1, 1), date(2026, 1, 1)), [1, 4]),
        ("month", (date(2026, 5, 1), date(2026, 3, 1)), [1, 1]),
    ],
)
def test_dates_are_counted_in_their_periods_and_periods_that_are_no_keys_fall_out(engine, lake, level, starts, counted):
    table = """
        person | occurred
        ann    | 2025-12-31
        bob    | 2026-03-31
        cat    | 2026-04-01
        dan    | 2026-04-01
        eve    | 2026-05-31
    """
    plan = question("count", DateKeys("occurred", level, starts))
    found = totals(engine, lake, plan, {"police": table})
    assert [number // 1024 for number in found.values()] == counted


def test_codes_become_the_keys_that_they_map_to(engine, lake):
    table = """
        person | area
        ann    | north
        bob    | south
        cat    | east
        dan    | unknown
    """
    compass = CodeKeys(
        "area", "axis", ("sideways", "upright"), (("east", "sideways"), ("north", "upright"), ("south", "upright"))
    )
    assert totals(engine, lake, question("count", compass), {"police": table}) == {
        ("sideways",): 1024,
        ("upright",): 2048,
    }


def test_a_key_that_no_code_maps_to_is_zero(engine, lake):
    table = """
        person | area
        ann    | north
    """
    nothing = CodeKeys("area", "axis", ("none",), (("north", "elsewhere"),))
    assert totals(engine, lake, question("count", nothing), {"police": table}) == {("none",): 0}


def test_numbers_in_no_band_and_missing_numbers_are_unknown(engine, lake):
    table = """
        person | age
        ann    | 0
        bob    | 17
        cat    | 18
        dan    | 25
        eve    | -
    """
    assert totals(engine, lake, question("count", AGES), {"police": table}) == {
        ("0-17",): 2048,
        ("18-24",): 1024,
        ("unknown",): 2048,
    }


def test_numbers_between_bands_fall_out_where_unknown_is_no_key(engine, lake):
    table = """
        person | age
        ann    | 5
        bob    | 15
        cat    | 25
        dan    | -
        eve    | 95
    """
    plan = question("count", NumberKeys("age", "band", ("b", "a"), (("a", 0, 9), ("b", 20, 29), ("c", 90, 99))))
    assert totals(engine, lake, plan, {"police": table}) == {("b",): 1024, ("a",): 1024}


def test_single_numbers_are_keys_of_their_own(engine, lake):
    table = """
        person | age
        ann    | 17
        bob    | 18
        cat    | 19
        dan    | 20
        eve    | -
    """
    plan = question("count", NumberKeys("age", "as-is", ("17", "18", "19", "unknown"),
                                        (("17", 17, 17), ("18", 18, 18), ("19", 19, 19))))  # fmt: skip
    assert list(totals(engine, lake, plan, {"police": table}).values()) == [1024, 1024, 1024, 2048]


def test_bands_may_be_none_at_all(engine, lake):
    table = """
        person | age
        ann    | 17
    """
    plan = question("count", NumberKeys("age", "band", ("unknown",), ()))
    assert totals(engine, lake, plan, {"police": table}) == {("unknown",): 1024}


def test_flags_are_counted_under_both_keys_or_one(engine, lake):
    table = """
        person | knife
        ann    | yes
        bob    | no
        cat    | no
    """
    both = question("count", FlagKeys("knife", "as-is", ("false", "true")))
    one = question("count", FlagKeys("knife", "as-is", ("true",)))
    assert totals(engine, lake, both, {"police": table}) == {("false",): 2048, ("true",): 1024}
    assert totals(engine, lake, one, {"police": table}) == {("true",): 1024}


def test_without_groupings_there_is_one_cell(engine, lake):
    table = """
        person | area
        ann    | north
        bob    | unknown
    """
    assert totals(engine, lake, question("count"), {"police": table}) == {(): 2048}


PLACES = CodeKeys(
    "area", "as-is", ("north", "south", "unknown"),
    (("north", "north"), ("south", "south"), ("unknown", "unknown")), "unknown",
)  # fmt: skip
"""A list that an agreement bound to a column that holds more."""

ABROAD = """
    person | area
    ann    | north
    bob    | elsewhere
    cat    | unknown
    dan    | nowhere
"""


def test_codes_outside_a_bound_list_count_as_unknown_and_make_no_key(engine, lake):
    assert totals(engine, lake, question("count", PLACES), {"police": ABROAD}) == {
        ("north",): 1024,
        ("south",): 0,
        ("unknown",): 3072,
    }


def test_codes_outside_a_bound_list_go_where_unknown_goes_at_a_coarser_level(engine, lake):
    table = """
        person | area
        ann    | north
        bob    | south
        cat    | elsewhere
        dan    | unknown
    """
    mapping = (("north", "upright"), ("south", "lost"), ("unknown", "lost"))
    axis = CodeKeys("area", "axis", ("upright", "lost"), mapping, "lost")
    assert totals(engine, lake, question("count", axis), {"police": table}) == {("upright",): 1024, ("lost",): 3072}
    without = CodeKeys("area", "axis", ("upright",), mapping, "lost")
    assert totals(engine, lake, question("count", without), {"police": table}) == {("upright",): 1024}


def test_a_filter_that_keeps_unknown_keeps_codes_outside_a_bound_list_and_another_does_not(engine, lake):
    unknown = question("count", filters=(CodeFilter("area", ("unknown",), ("north", "south")),))
    listed = question("count", filters=(CodeFilter("area", ("north",)),))
    everything = question("count", filters=(CodeFilter("area", ("north", "south", "unknown"), ()),))
    assert totals(engine, lake, unknown, {"police": ABROAD}) == {(): 3072}
    assert totals(engine, lake, listed, {"police": ABROAD}) == {(): 1024}
    assert totals(engine, lake, everything, {"police": ABROAD}) == {(): 4096}


def test_what_a_person_has_outside_a_bound_list_is_bounded_with_the_rest(engine, lake):
    table = """
        person | area
        ann    | north
        ann    | elsewhere
        ann    | nowhere
        ann    | unknown
    """
    found = totals(engine, lake, question("count", PLACES, per_person=2), {"police": table})
    assert found == {("north",): 512, ("south",): 0, ("unknown",): 1536}
