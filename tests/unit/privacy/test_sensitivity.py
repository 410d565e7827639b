from __future__ import annotations

import pytest

from service.policy.plan import EffectivePlan, Measured, NumberKeys
from service.privacy.bounds import Scaled, bound_of, weight
from service.privacy.fixed import SCALE
from service.privacy.measures.registry import vectors
from service.privacy.sensitivity import Sensitivity, sensitivity
from service.privacy.vectors import Frame, Number, One, RowsPerPerson, Vector
from tests.spec.harness import REPEAT

COUNT, PERSONS = Measured("count"), Measured("persons")
HARM = Measured("sum", "harm", low=-300, high=100)
BINS = NumberKeys("age", "cuts", ("young", "old", "unknown"), (("young", 0, 17), ("old", 18, 120)))


def plan(measure, per_person=3, cells=480, unit="person"):
    by = NumberKeys("age", "as-is", tuple(map(str, range(cells))), ())
    return EffectivePlan("d", "s/d", unit, (), (by,), (measure,), (), per_person)


def found(measure, per_person=3, cells=480):
    made = plan(measure, per_person, cells)
    return {vector.name: sensitivity(vector, bound_of(made)) for vector in vectors(made)}


@pytest.mark.parametrize(
    ("per_person", "shares", "each"),
    [(3, 1, 1024), (3, 3, 1024), (3, 4, 768), (1, 7, 146), (1, 1024, 1), (1, 1025, 0), (1000, 1, 1024)],
)
def test_a_weight_is_the_bound_shared_out_and_rounded_down(per_person, shares, each):
    assert weight(Scaled(per_person), shares) == each
    assert weight(Scaled(per_person), shares) * shares <= SCALE * per_person


def test_a_count_moves_by_k_records_all_of_which_may_be_in_one_cell():
    assert found(COUNT) == {"count.count": Sensitivity(3 * 1024, (3 * 1024) ** 2)}


def test_persons_move_by_at_most_k_cells_one_each():
    assert found(PERSONS) == {"persons.persons": Sensitivity(3 * 1024, 3 * 1024**2)}


def test_persons_move_by_no_more_cells_than_there_are():
    assert found(PERSONS, cells=1) == {"persons.persons": Sensitivity(1024, 1024**2)}


def test_a_label_adds_nothing_for_a_person_has_one_band_in_each_group():
    assert found(REPEAT, cells=2) == {"repeat.persons": Sensitivity(2 * 1024, 2 * 1024**2)}


def test_bins_of_rows_add_nothing_for_a_row_lies_in_one_bin():
    bound = Scaled(2)
    plain = Vector("count", "count", Frame.ROWS, One(), ())
    assert sensitivity(Vector("histogram", "count", Frame.ROWS, One(), (), (BINS,)), bound) == sensitivity(plain, bound)


def test_a_sum_moves_by_the_larger_bound_for_each_record():
    assert found(HARM, per_person=2) == {"sum_harm.sum": Sensitivity(2 * 1024 * 300, (2 * 1024 * 300) ** 2)}


def test_a_column_that_can_only_be_zero_gets_noise_all_the_same():
    assert found(Measured("sum", "harm"), per_person=1) == {"sum_harm.sum": Sensitivity(1024, 1024**2)}


def test_a_mean_is_a_sum_and_a_count():
    assert found(Measured("mean", "harm", -300, 100), per_person=2) == {
        "mean_harm.sum": found(HARM, per_person=2)["sum_harm.sum"],
        "mean_harm.count": found(COUNT, per_person=2)["count.count"],
    }


@pytest.mark.parametrize(("low", "high", "reach"), [(-300, 100, 200), (0, 1, 1), (-1, 0, 1), (7, 7, 1), (1, 8, 4)])
def test_a_variance_moves_by_the_distance_from_the_middle_and_its_square(low, high, reach):
    distances = [abs(number - (low + high) // 2) for number in (low, high)]
    assert max(*distances, 1) == reach
    assert found(Measured("variance", "harm", low, high), per_person=2) == {
        "variance_harm.square": Sensitivity(2 * 1024 * reach**2, (2 * 1024 * reach**2) ** 2),
        "variance_harm.sum": Sensitivity(2 * 1024 * reach, (2 * 1024 * reach) ** 2),
        "variance_harm.count": Sensitivity(2 * 1024, (2 * 1024) ** 2),
    }


def test_a_record_is_one_row_whatever_the_bound():
    assert bound_of(plan(COUNT, per_person=5, unit="record")) == Scaled(1)
    assert bound_of(plan(COUNT, per_person=5)) == Scaled(5)


def test_what_has_no_bound_has_no_sensitivity():
    with pytest.raises(RuntimeError, match="at least 1"):
        Scaled(0)
    with pytest.raises(RuntimeError, match="at least one key"):
        found(COUNT, cells=0)


def test_an_unknown_measure_has_no_vectors():
    with pytest.raises(RuntimeError, match="no such measure"):
        found(Measured("median"))


@pytest.mark.parametrize(
    "parts",
    [
        {"frame": Frame.ROWS, "extra": (BINS,), "label": RowsPerPerson()},
        {"frame": Frame.PERSONS, "extra": (BINS,)},
        {"frame": Frame.PERSONS, "label": RowsPerPerson()},
        {"frame": Frame.PERSONS, "value": Number("age", 0, 120)},
        {"frame": Frame.ROWS, "extra": (NumberKeys("age", "cuts", ("young", "old"), BINS.bands),)},
        {"frame": Frame.ROWS, "extra": (NumberKeys("age", "cuts", ("young", "unknown"), BINS.bands),)},
    ],
)
def test_a_vector_that_no_proof_covers_cannot_be_made(parts):
    with pytest.raises(RuntimeError):
        Vector(**({"measure": "m", "part": "p", "value": One(), "by": ()} | parts))
