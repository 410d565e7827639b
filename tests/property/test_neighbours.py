"""Neighbouring databases: one with all rows of one pseudonym, one with none (guarantee.md sections 1 and 2).

Whatever a person adds is added apart from everyone else: removing the person leaves the others' totals bit-identical,
and takes away no more than the sensitivity that the noise is made for.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.policy.plan import Binned, LinkPlan, Measured, NumberKeys
from service.privacy.bounds import Scaled, bound_of
from service.privacy.measures.registry import KINDS, vectors
from service.privacy.sensitivity import Sensitivity, sensitivity
from service.privacy.vectors import Frame
from tests.property import reference
from tests.property.questions import by_kind, databases, questions
from tests.property.stored import compacted_layouts, is_compacted, layouts, plain
from tests.spec.harness import AREAS, MONTHS, REPEAT, SCHEMAS, question
from tests.spec.test_quantile import on_grid

ROW = {"unlinked": False, "occurred": date(2026, 4, 1), "area": "north", "age": None, "harm": None, "knife": False}


def without(database, person):
    return {name: [row for row in rows if row[SCHEMAS[name].pseudonym] != person] for name, rows in database.items()}


def alone(database, person):
    return {name: [row for row in rows if row[SCHEMAS[name].pseudonym] == person] for name, rows in database.items()}


def persons(database):
    return sorted({row[SCHEMAS[name].pseudonym] for name, rows in database.items() for row in rows})


def stored(lake, database, files=1):
    return {
        name: lake.table(name, *[rows[part::files] for part in range(files) if rows[part::files]])
        for name, rows in database.items()
    }


def assert_within(moved: list[int], bound: Sensitivity) -> None:
    assert sum(abs(step) for step in moved) <= bound.l1
    assert sum(step**2 for step in moved) <= bound.l2_squared


def minus(with_person, without_person):
    return {
        name: [one - other for one, other in zip(with_person[name], without_person[name], strict=True)]
        for name in with_person
    }


@settings(max_examples=60)
@given(databases(), questions())
def test_removing_any_person_leaves_every_other_contribution_bit_identical(engine, lake, database, plan):
    everyone = engine.totals(plan, stored(lake, database))
    for person in persons(database):
        others = engine.totals(plan, stored(lake, without(database, person)))
        own = engine.totals(plan, stored(lake, alone(database, person)))
        assert minus(everyone, others) == own


@settings(max_examples=150)
@given(databases(), questions(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_duckdb_equals_the_reference_whatever_the_files_and_their_order(engine, lake, database, plan, files, random):
    expected = reference.totals(plan, database, SCHEMAS)
    assert engine.totals(plan, stored(lake, database)) == expected
    shuffled = {name: random.sample(rows, len(rows)) for name, rows in database.items()}
    assert engine.totals(plan, stored(lake, shuffled, files)) == expected


@settings(max_examples=50)
@given(databases(), questions(), st.tuples(compacted_layouts, layouts, layouts), st.data())
def test_removing_a_person_leaves_the_others_bit_identical_before_and_after_compaction(
    engine, compactable, database, plan, stored_as, data
):
    """Each of the three databases is stored in a way of its own, so none leans on another's files."""
    everyone = compactable.tables(database, stored_as[0])
    assert all(is_compacted(table) for table in everyone.values())
    found = engine.totals(plan, everyone)
    assert found == engine.totals(plan, compactable.tables(database, plain))
    if persons(database):
        person = data.draw(st.sampled_from(persons(database)))
        others = engine.totals(plan, compactable.tables(without(database, person), stored_as[1]))
        own = engine.totals(plan, compactable.tables(alone(database, person), stored_as[2]))
        assert minus(found, others) == own


@settings(max_examples=100)
@given(databases(), questions(), layouts, st.randoms(use_true_random=False))
def test_duckdb_equals_the_reference_compacted_or_not(engine, compactable, database, plan, layout, random):
    """Compacted, partly compacted, compacted twice, with an extract withdrawn out of the compacted file."""
    shuffled = {name: random.sample(rows, len(rows)) for name, rows in database.items()}
    expected = reference.totals(plan, database, SCHEMAS)
    assert engine.totals(plan, compactable.tables(shuffled, layout)) == expected


@settings(max_examples=500)
@given(databases(), questions())
def test_no_person_moves_the_totals_by_more_than_the_sensitivity(database, plan):
    everyone = reference.totals(plan, database, SCHEMAS)
    for person in persons(database):
        moved = minus(everyone, reference.totals(plan, without(database, person), SCHEMAS))
        for vector in vectors(plan):
            assert_within(moved[vector.name], sensitivity(vector, bound_of(plan)))


def test_every_kind_of_measure_takes_part_in_these_tests():
    assert set(by_kind) == set(KINDS)


@settings(max_examples=25)
@given(databases(), st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_bounded_bit_identical_and_equal_to_the_reference(engine, lake, kind, database, data):
    """The tests above draw kinds at random; here none is left out."""
    plan = replace(data.draw(questions()), measures=(data.draw(by_kind[kind]),))
    everyone = engine.totals(plan, stored(lake, database))
    assert everyone == reference.totals(plan, database, SCHEMAS)
    assert {name: len(found) for name, found in everyone.items()} == {item.name: item.cells for item in vectors(plan)}
    for person in persons(database)[:2]:
        moved = minus(everyone, engine.totals(plan, stored(lake, without(database, person))))
        assert moved == engine.totals(plan, stored(lake, alone(database, person)))
        for vector in vectors(plan):
            assert_within(moved[vector.name], sensitivity(vector, bound_of(plan)))


@given(st.integers(1, 1000), st.integers(1, 5000), st.integers(1, 5000))
def test_the_persons_bound_holds_for_every_number_of_cells_touched(per_person, touched, cells):
    touched = min(touched, cells)
    weight = min(1024, 1024 * per_person // touched)
    bands = NumberKeys("age", "as-is", tuple(map(str, range(cells))), ())
    for measure in (Measured("persons"), REPEAT):
        (vector,) = vectors(question(measure, bands))
        bound = sensitivity(vector, Scaled(per_person))
        assert touched * weight <= bound.l1
        assert touched * weight**2 <= bound.l2_squared


def test_the_sensitivity_is_reached(engine, lake):
    """The bounds are no larger than need be: someone with K rows of the largest value moves by exactly that."""
    harm, ages = Measured("sum", "harm", -100, 50, 1), (("under 18", Binned.LOWEST, 17), ("18 and over", 18, 120))
    bins = Binned(NumberKeys("age", "cuts", ("under 18", "18 and over", "unknown"), ages))
    histogram = Measured("histogram", "age", 0, 120, 0, bins)
    mean = replace(harm, kind="mean")
    variance = replace(harm, kind="variance", high=-20)  # the middle is -60, and -100 as far as any
    measures = ["count", "persons", harm, mean, REPEAT, histogram, variance, on_grid("age", 0, 120, 0, (17, 120))]
    plan = question(measures, MONTHS, AREAS, per_person=2)
    assert {measure.kind for measure in plan.measures} == set(KINDS)
    rows = [ROW | {"person": "ann", "harm": -1000, "area": area} for area in ("north", "south")]
    found = engine.totals(plan, {"police": lake.table("police", rows)})
    in_one_cell = engine.totals(plan, {"police": lake.table("police", rows[:1] * 2)})
    for vector in vectors(plan):
        bound = sensitivity(vector, bound_of(plan))
        assert sum(abs(step) for step in found[vector.name]) == bound.l1
        widest = found if vector.frame is Frame.PERSONS else in_one_cell
        assert sum(step**2 for step in widest[vector.name]) == bound.l2_squared


@pytest.mark.parametrize("measure", ["count", "persons", Measured("sum", "harm", -100, 100, 1)])
def test_a_person_with_1000_rows_moves_the_table_by_no_more_than_K(engine, lake, measure):  # noqa: N802 - K is its name
    plan = question(measure, MONTHS, AREAS, per_person=3)
    others = [
        ROW | {"person": f"other {n}", "harm": n % 90, "area": AREAS.keys[n % 2], "occurred": MONTHS.starts[n % 2]}
        for n in range(300)
    ]
    own = [
        ROW | {"person": "ann", "harm": 1000, "area": AREAS.keys[n % 2], "occurred": MONTHS.starts[n // 500]}
        for n in range(1000)
    ]
    moved = minus(
        engine.totals(plan, {"police": lake.table("police", others, own)}),
        engine.totals(plan, {"police": lake.table("police", others)}),
    )
    (cells,) = moved.values()
    unit = 1024 * 100 if isinstance(measure, Measured) else 1024
    assert 0 < sum(abs(step) for step in cells) <= 3 * unit
    assert math.isqrt(sum(step**2 for step in cells)) <= 3 * unit


def test_a_person_with_1000_rows_in_a_linked_dataset_moves_nothing_more(engine, lake):
    plan = question("count", AREAS, links=(LinkPlan("hospital", "supplier/hospital", True, ()),))
    police = lake.table("police", [ROW | {"person": "ann"}])
    seen = {"patient": "ann", "unlinked": False, "attended": date(2026, 4, 1), "site": "north", "admitted": True}
    hospital = lake.table("hospital", [seen] * 1000)
    assert engine.totals(plan, {"police": police, "hospital": hospital}) == {"count.count": [1024, 0]}


def test_a_key_present_for_one_person_only_changes_no_key_set(engine, lake):
    plan = question(["count", "persons"], MONTHS, AREAS)
    common = [ROW | {"person": "bob"}]
    rare = [
        ROW | {"person": "ann", "area": "east"},
        ROW | {"person": "ann", "occurred": date(2031, 7, 1)},
    ]
    with_ann = engine.totals(plan, {"police": lake.table("police", common, rare)})
    assert with_ann == engine.totals(plan, {"police": lake.table("police", common)})
    assert {len(cells) for cells in with_ann.values()} == {plan.cells}


def test_one_added_person_moves_nobody_elses_weight_however_many_they_are(engine, lake):
    """What surrogate keys and row numbers get wrong: one added person moved 1,368 others' contributions."""
    plan = question("count", AREAS, per_person=2)
    others = [ROW | {"person": f"other {n % 500}", "area": AREAS.keys[n % 2]} for n in range(2000)]
    before = engine.totals(plan, {"police": lake.table("police", others)})
    own = [ROW | {"person": "ann", "area": "south"}]
    after = engine.totals(plan, {"police": lake.table("police", own + others[::-1])})
    assert minus(after, before) == {"count.count": [0, 1024]}
