from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.policy.plan import Measured
from service.privacy.mechanism import gaussian
from service.privacy.postprocess import NoisyVector, UsableRule, release_measure
from service.privacy.sensitivity import Sensitivity

COUNT = Measured("count")
HARM = Measured("sum", "harm", -100, 100, decimals=1)
MEAN = Measured("mean", "harm", -100, 100, decimals=1)
RULE = UsableRule(Decimal("0.30"), 10)
NOISE = gaussian(Sensitivity(1024, 1024**2), 1024)
"""One record's standard deviation: a 95% half-width of 1.96 records."""
HALF = Decimal(NOISE.half_width(Decimal("0.05"))) / 1024


def released(measure, *values, rule=RULE):
    return release_measure(measure, {measure.kind: NoisyVector(values, NOISE)}, rule)


def mean(total, count, noise=NOISE):
    vectors = {"sum": NoisyVector([total], noise), "count": NoisyVector([count], noise)}
    (made,) = release_measure(MEAN, vectors, RULE)
    return made


def test_a_count_is_rounded_and_its_exact_noisy_value_kept_beside():
    (made,) = released(COUNT, 20 * 1024 + 700)
    assert made.value == 21
    assert made.unrounded == Decimal("20.68359375")
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
    assert made.high - made.low < Decimal("0.01")


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


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_unrounded_value_loses_nothing(noisy):
    (made,) = released(HARM, noisy)
    assert Fraction(made.unrounded) * 10 * 1024 == noisy
