"""Filters and links, specified by example."""

from __future__ import annotations

from datetime import date

import pytest

from service.policy.plan import CodeFilter, DateFilter, FlagFilter, LinkPlan, Measured, NumberFilter
from tests.spec.harness import AREAS, question, totals

TABLE = """
    person | area  | age | knife | occurred
    ann    | north | 17  | yes   | 2026-04-01
    bob    | north | 18  | no    | 2026-04-02
    cat    | south | -   | no    | 2026-04-03
    dan    | south | 65  | yes   | 2026-04-04
"""


@pytest.mark.parametrize(
    ("kept", "counted"),
    [
        ((), 4),
        ((CodeFilter("area", ("south",)),), 2),
        ((CodeFilter("area", ("north", "south")),), 4),
        ((CodeFilter("area", ()),), 0),
        ((FlagFilter("knife", True),), 2),
        ((FlagFilter("knife", False),), 2),
        ((DateFilter("occurred", date(2026, 4, 2), date(2026, 4, 3)),), 2),
        ((DateFilter("occurred", None, date(2026, 4, 1)),), 1),
        ((DateFilter("occurred", date(2026, 4, 4), None),), 1),
        ((DateFilter("occurred", None, None),), 4),
        ((NumberFilter("age", ((0, 17), (65, 120))),), 2),
        ((NumberFilter("age", ((18, 18),), missing=True),), 2),
        ((NumberFilter("age", (), missing=True),), 1),
        ((NumberFilter("age", ()),), 0),
        ((CodeFilter("area", ("north",)), FlagFilter("knife", True)), 1),
    ],
)
def test_filters_keep_rows_that_meet_all_of_them(engine, lake, kept, counted):
    assert totals(engine, lake, question("count", filters=kept), {"police": TABLE}) == {(): counted * 1024}


def test_filtered_rows_do_not_weigh_on_the_others(engine, lake):
    table = """
        person | area
        ann    | north
        ann    | south
        ann    | south
    """
    plan = question("count", AREAS, per_person=1, filters=(CodeFilter("area", ("north",)),))
    assert totals(engine, lake, plan, {"police": table}) == {("north",): 1024, ("south",): 0}


HOSPITAL = """
    patient | site  | admitted
    ann     | north | yes
    ann     | north | no
    bob     | south | no
    zoe     | north | yes
"""
POLICE = """
    person | area
    ann    | north
    ann    | south
    bob    | north
    cat    | south
"""


def linked(*links, measure="count", **parts):
    return question(measure, AREAS, links=links, **parts)


def to_hospital(*filters, has=True):
    return LinkPlan("hospital", "supplier/hospital", has, filters)


def test_a_link_keeps_the_rows_of_persons_who_are_in_the_other_dataset_once(engine, lake):
    tables = {"police": POLICE, "hospital": HOSPITAL}
    assert totals(engine, lake, linked(to_hospital()), tables) == {("north",): 2048, ("south",): 1024}


def test_the_other_datasets_own_filter_comes_before_the_link(engine, lake):
    tables = {"police": POLICE, "hospital": HOSPITAL}
    plan = linked(to_hospital(FlagFilter("admitted", True)), measure=["count", "persons"])
    assert totals(engine, lake, plan, tables) == {("north",): (1024, 1024), ("south",): (1024, 1024)}


def test_a_link_that_has_not_keeps_the_rest_even_when_the_other_dataset_is_empty(engine, lake):
    tables = {"police": POLICE, "hospital": HOSPITAL}
    plan = linked(to_hospital(has=False))
    assert totals(engine, lake, plan, tables) == {("north",): 0, ("south",): 1024}
    stored = {"police": POLICE, "hospital": "patient"}
    assert totals(engine, lake, plan, stored) == {("north",): 2048, ("south",): 2048}


def test_rows_left_after_the_link_are_what_is_weighed(engine, lake):
    tables = {"police": POLICE, "hospital": HOSPITAL}
    plan = linked(to_hospital(FlagFilter("admitted", True)), per_person=1)
    assert totals(engine, lake, plan, tables) == {("north",): 512, ("south",): 512}


def test_unlinked_rows_take_no_part_in_a_link_on_either_side(engine, lake):
    police = """
        person | unlinked | area
        ann    | yes      | north
        one    | yes      | north
        bob    | no       | south
    """
    hospital = """
        patient | unlinked
        ann     | no
        bob     | yes
    """
    tables = {"police": police, "hospital": hospital}
    assert totals(engine, lake, linked(to_hospital()), tables) == {("north",): 0, ("south",): 0}
    assert totals(engine, lake, linked(to_hospital(has=False)), tables) == {("north",): 0, ("south",): 1024}


def test_several_links_hold_together_and_a_dataset_may_be_linked_with_itself(engine, lake):
    tables = {"police": POLICE, "hospital": HOSPITAL}
    south = LinkPlan("police", "supplier/police", True, (CodeFilter("area", ("south",)),))
    plan = linked(to_hospital(), south)
    assert totals(engine, lake, plan, tables) == {("north",): 1024, ("south",): 1024}


def test_the_same_dataset_may_be_linked_twice(engine, lake):
    tables = {"police": POLICE, "hospital": HOSPITAL}
    plan = linked(to_hospital(), to_hospital(FlagFilter("admitted", True), has=False), measure=["count", "persons"])
    assert totals(engine, lake, plan, tables) == {("north",): (1024, 1024), ("south",): (0, 0)}


def test_records_have_no_persons_and_no_links(engine, lake):
    for plan in (
        question("persons", dataset="calls"),
        question("count", dataset="calls", links=(to_hospital(),)),
    ):
        with pytest.raises(RuntimeError, match="records"):
            totals(engine, lake, plan, {"calls": "area", "hospital": HOSPITAL})


@pytest.mark.parametrize("pushed", [False, True])
def test_empty_and_full_filter_give_the_same_shape(engine, lake, pushed):
    measures = ["count", "persons", Measured("mean", "harm", -100, 100, 1)]
    table = lake.table("police", *([[]] if pushed else []))
    found = engine.totals(question(measures, AREAS), {"police": table})
    full = totals(engine, lake, question(measures, AREAS), {"police": TABLE})
    names = ["count.count", "persons.persons", "mean_harm.sum", "mean_harm.count"]
    assert found == {name: [0, 0] for name in names}
    nothing = question(measures, AREAS, filters=(CodeFilter("area", ("east",)),))
    assert list(totals(engine, lake, nothing, {"police": TABLE})) == list(full)


def test_a_link_tells_persons_apart_who_share_words_of_their_pseudonym(engine, lake):
    base = {"unlinked": False, "occurred": date(2026, 4, 1), "area": "north", "age": None, "harm": None, "knife": False}
    police = lake.table("police", [base | {"person": (1, 2, 3, 4)}])
    seen = {"unlinked": False, "attended": date(2026, 4, 1), "site": "north", "admitted": True}
    for almost in ((0, 2, 3, 4), (1, 0, 3, 4), (1, 2, 0, 4), (1, 2, 3, 0)):
        hospital = lake.table("hospital", [seen | {"patient": almost}])
        for has, counted in ((True, 0), (False, 1024)):
            found = engine.totals(linked(to_hospital(has=has)), {"police": police, "hospital": hospital})
            assert found == {"count.count": [counted, 0]}
