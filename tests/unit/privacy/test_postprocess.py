from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.policy.plan import Binned, Measured, NumberKeys
from service.privacy.measures.registry import released as column_of
from service.privacy.measures.variance import Range, extremes
from service.privacy.mechanism import gaussian
from service.privacy.postprocess import Column, NoisyVector, UsableRule
from service.privacy.sensitivity import Sensitivity
from tests.spec.harness import REPEAT

COUNT = Measured("count")
HARM = Measured("sum", "harm", -100, 100, decimals=1)
MEAN = Measured("mean", "harm", -100, 100, decimals=1)
VARIANCE = Measured("variance", "harm", -100, 100, decimals=1)
RULE = UsableRule(Decimal("0.30"), 10)
NOISE = gaussian(Sensitivity(1024, 1024**2), 1024)
"""One record's standard deviation: a 95% half-width of 1.96 records."""
HALF = Fraction(NOISE.half_width(Decimal("0.05")), 1024)


@dataclass(frozen=True)
class Released:
    """One number of a column, in the measure's own units."""

    value: Decimal
    unrounded: Fraction
    low: Fraction
    high: Fraction
    usable: bool


def numbers(made: Column) -> list[Released]:
    def exact(number: int) -> Fraction:
        return Fraction(number, made.units)

    columns = zip(made.values, made.unrounded, made.low, made.high, made.usable, strict=True)
    return [
        Released(Decimal(value).scaleb(-made.places), exact(unrounded), exact(low), exact(high), usable)
        for value, unrounded, low, high, usable in columns
        if value is not None and unrounded is not None and low is not None and high is not None
    ]


def released(measure, *values, rule=RULE):
    noisy = NoisyVector(values, NOISE, 1024 * 10**measure.decimals)
    return numbers(column_of(measure, {measure.kind: noisy}, rule))


def mean(total, count, noise=NOISE):
    vectors = {"sum": NoisyVector([total], noise, 10240), "count": NoisyVector([count], noise, 1024)}
    (made,) = numbers(column_of(MEAN, vectors, RULE))
    return made


def test_a_count_is_rounded_and_its_exact_noisy_value_kept_beside():
    (made,) = released(COUNT, 20 * 1024 + 700)
    assert made.value == 21
    assert made.unrounded == Fraction(20 * 1024 + 700, 1024)
    assert made.low == made.unrounded - HALF
    assert made.high == made.unrounded + HALF


def test_a_count_is_never_negative_but_the_noisy_value_may_be():
    (made,) = released(COUNT, -3 * 1024)
    assert (made.value, made.unrounded, made.usable) == (0, -3, False)


def test_a_sum_is_in_the_columns_own_units_and_may_be_negative():
    (made,) = released(HARM, -1024 * 123)
    assert made.value == Decimal("-12.3")
    assert made.high - made.low == 2 * HALF / 10


def test_a_sum_of_what_cannot_be_negative_is_not():
    (made,) = released(Measured("sum", "age", 0, 120), -5000)
    assert made.value == 0


@pytest.mark.parametrize(
    ("records", "rule", "usable"),
    [
        (10, UsableRule(Decimal("0.30"), 10), True),
        (9, UsableRule(Decimal("0.30"), 10), False),
        (10, UsableRule(Decimal("0.19"), 10), False),
        (0, UsableRule(Decimal("0.30"), 0), False),
    ],
)
def test_usable_is_a_small_error_on_a_large_enough_value(records, rule, usable):
    (made,) = released(COUNT, records * 1024, rule=rule)
    assert made.usable is usable


def test_a_mean_is_the_ratio_of_two_noisy_totals():
    made = mean(total=1024 * 2500, count=1024 * 1000)
    assert made.value == Decimal("0.250")
    assert made.low < made.unrounded < made.high
    assert made.high - made.low < Fraction(1, 100)


def test_a_mean_over_many_rows_is_usable_when_its_interval_is_narrow():
    assert mean(total=1024 * 50_000, count=1024 * 1000).usable
    assert not mean(total=1024 * 2, count=1024 * 1000).usable
    assert not mean(total=1024 * 9 * 90, count=1024 * 9).usable


@pytest.mark.parametrize("count", [0, -5000])
def test_a_mean_over_no_rows_is_the_middle_of_its_bounds_and_not_usable(count):
    made = mean(total=12345, count=count)
    assert (made.value, made.low, made.high, made.usable) == (0, -10, 10, False)


def test_a_mean_over_fewer_rows_than_the_noise_could_be_anything():
    made = mean(total=1024 * 30, count=1024)
    assert (made.low, made.high, made.usable) == (-10, 10, False)
    assert made.value == 3


def test_a_mean_lies_within_the_declared_bounds():
    made = mean(total=1024 * 10**6, count=1024 * 100)
    assert (made.value, made.unrounded, made.high) == (10, 1000, 10)


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**7), st.integers(-3000, 3000), st.integers(-3000, 3000))
def test_a_means_interval_holds_whenever_both_totals_lie_in_theirs(total, count, sum_noise, count_noise):
    half = NOISE.half_width(Decimal("0.025"))
    sum_noise, count_noise = (max(-half, min(half, noise)) for noise in (sum_noise, count_noise))
    total = max(-100 * count, min(100 * count, total))
    made = mean(total + sum_noise, count + count_noise)
    slack = Fraction(1, 10**10)
    assert Fraction(made.low) - slack <= Fraction(total, count) / 10 <= Fraction(made.high) + slack


def variance(square, total, count, measure=VARIANCE):
    units = {"square": 1024 * 100, "sum": 10240, "count": 1024}
    values = {"square": square, "sum": total, "count": count}
    vectors = {part: NoisyVector([value], NOISE, units[part]) for part, value in values.items()}
    (made,) = numbers(column_of(measure, vectors, RULE))
    return made


def test_a_variance_is_the_mean_of_squares_less_the_square_of_the_mean():
    made = variance(square=1024 * 1000 * 500, total=1024 * 1000 * 10, count=1024 * 1000)
    assert (made.value, made.unrounded) == (Decimal("4.0000"), 4)  # 500 - 100 in tenths squared
    assert made.low < 4 < made.high
    assert made.usable


@pytest.mark.parametrize("count", [0, -5000])
def test_a_variance_over_no_rows_could_be_anything_that_the_bounds_let_it_be(count):
    made = variance(12345, 678, count)
    assert (made.value, made.low, made.high, made.usable) == (50, 0, 100, False)


def test_a_variance_over_fewer_rows_than_the_noise_could_be_anything():
    made = variance(square=1024 * 900, total=0, count=1024)
    assert (made.value, made.low, made.high, made.usable) == (9, 0, 100, False)


def test_a_variance_is_never_negative_nor_larger_than_its_bounds_let_it_be():
    made = variance(square=0, total=1024 * 10**5, count=1024 * 10**4)
    assert (made.value, made.low, made.unrounded) == (0, 0, -1)
    made = variance(square=1024 * 10**9, total=0, count=1024 * 100)
    assert (made.value, made.high) == (100, 100)
    odd = variance(square=1024 * 10**9, total=0, count=1024 * 100, measure=Measured("variance", "harm", 0, 5, 1))
    assert odd.value == Decimal("0.0625")  # Popoviciu's, not the larger square of the distance from the middle


noises = st.integers(-3000, 3000)


@given(
    st.lists(st.integers(-100, 100), min_size=1, max_size=6), st.integers(1, 10**5), st.tuples(noises, noises, noises)
)
def test_a_variances_interval_holds_whenever_all_three_totals_lie_in_theirs(numbers_held, weight, noise):
    half = NOISE.half_width(Decimal("0.05") / 3)
    noise = [max(-half, min(half, step)) for step in noise]
    count = weight * len(numbers_held)
    total, square = (weight * sum(number**power for number in numbers_held) for power in (1, 2))
    truth = (Fraction(square, count) - Fraction(total, count) ** 2) / 100
    made = variance(square + noise[0], total + noise[1], count + noise[2])
    slack = Fraction(1, 10**10)
    assert made.low - slack <= truth <= made.high + slack


ends = st.tuples(st.integers(-50, 50), st.integers(0, 20)).map(lambda pair: Range(pair[0], pair[0] + pair[1]))
counts = st.tuples(st.integers(1, 30), st.integers(0, 20)).map(lambda pair: Range(pair[0], pair[0] + pair[1]))


@given(ends, ends, counts)
def test_the_extremes_of_a_variance_are_those_of_all_totals_within(square, added, count):
    low, high = extremes(square, added, count)
    found = [
        Fraction(q, c) - Fraction(s, c) ** 2
        for q in square
        for s in range(added.low, added.high + 1)
        for c in range(count.low, count.high + 1)
    ]
    assert low == min(found)
    assert high >= max(found)
    assert high == max(found) or high <= Fraction(
        square.high**2, 4
    )  # the one extreme that may lie between whole counts


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_unrounded_value_loses_nothing(noisy):
    (made,) = released(HARM, noisy)
    assert Fraction(made.unrounded) * 10 * 1024 == noisy


def test_bands_have_a_number_each_in_every_cell_with_their_ends():
    noisy = NoisyVector([1024 * n for n in (9, 4, 2, -1, 30, 3, 1, 0)], NOISE, 1024)
    made = column_of(REPEAT, {"persons": noisy}, RULE)
    assert [(part.name, part.says["from"], part.says["to"]) for part in made.parts] == [
        ("1", 1, 1), ("2", 2, 2), ("3-4", 3, 4), ("5+", 5, None),
    ]  # fmt: skip
    assert made.values == [9, 4, 2, 0, 30, 3, 1, 0]
    assert made.usable == [False] * 4 + [True] + [False] * 3


def test_the_bins_of_a_decimal_column_tell_their_ends_in_its_own_units():
    bands = (("under 1.5", Binned.LOWEST, 14), ("1.5 and over", 15, Binned.HIGHEST))
    bins = Binned(NumberKeys("harm", "cuts", ("under 1.5", "1.5 and over", "unknown"), bands))
    measure = Measured("histogram", "harm", -100, 100, 1, bins)
    made = column_of(measure, {"count": NoisyVector([1024, 2048, 3072], NOISE, 1024)}, RULE)
    assert [dict(part.says) for part in made.parts] == [
        {"from": None, "to": 1.4}, {"from": 1.5, "to": None}, {"from": None, "to": None},
    ]  # fmt: skip
    assert (made.values, made.units) == ([1, 2, 3], 1024)
