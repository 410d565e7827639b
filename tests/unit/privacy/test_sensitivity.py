from __future__ import annotations

import pytest

from service.policy.plan import Measured
from service.privacy.fixed import SCALE, weight
from service.privacy.sensitivity import Sensitivity, of_part, parts, query_name

COUNT, PERSONS = Measured("count"), Measured("persons")
HARM = Measured("sum", "harm", low=-300, high=100)


@pytest.mark.parametrize(
    ("per_person", "shares", "each"),
    [(3, 1, 1024), (3, 3, 1024), (3, 4, 768), (1, 7, 146), (1, 1024, 1), (1, 1025, 0), (1000, 1, 1024)],
)
def test_a_weight_is_the_bound_shared_out_and_rounded_down(per_person, shares, each):
    assert weight(per_person, shares) == each
    assert weight(per_person, shares) * shares <= SCALE * per_person


def test_a_count_moves_by_k_records_all_of_which_may_be_in_one_cell():
    assert of_part(COUNT, "count", per_person=3, cells=480) == Sensitivity(3 * 1024, (3 * 1024) ** 2)


def test_persons_move_by_at_most_k_cells_one_each():
    assert of_part(PERSONS, "persons", per_person=3, cells=480) == Sensitivity(3 * 1024, 3 * 1024**2)


def test_persons_move_by_no_more_cells_than_there_are():
    assert of_part(PERSONS, "persons", per_person=3, cells=1) == Sensitivity(1024, 1024**2)


def test_a_sum_moves_by_the_larger_bound_for_each_record():
    assert of_part(HARM, "sum", per_person=2, cells=5) == Sensitivity(2 * 1024 * 300, (2 * 1024 * 300) ** 2)


def test_a_column_that_can_only_be_zero_gets_noise_all_the_same():
    assert of_part(Measured("sum", "harm"), "sum", per_person=1, cells=1) == Sensitivity(1024, 1024**2)


def test_a_mean_is_a_sum_and_a_count():
    mean = Measured("mean", "harm", -300, 100)
    assert parts(mean) == ("sum", "count")
    assert of_part(mean, "count", 2, 5) == of_part(COUNT, "count", 2, 5)
    assert of_part(mean, "sum", 2, 5) == of_part(HARM, "sum", 2, 5)
    assert query_name(mean, "sum") == "mean_harm.sum"


@pytest.mark.parametrize(("part", "per_person", "cells"), [("count", 0, 1), ("count", 1, 0), ("median", 1, 1)])
def test_what_has_no_bound_has_no_sensitivity(part, per_person, cells):
    with pytest.raises(RuntimeError):
        of_part(COUNT, part, per_person, cells)


def test_an_unknown_measure_has_no_parts():
    with pytest.raises(RuntimeError, match="no such measure"):
        parts(Measured("median"))
