from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import opendp.prelude as dp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Malformed
from service.privacy import mechanism
from service.privacy.mechanism import (
    GAUSSIAN,
    LAPLACE,
    MAX_SCALE,
    Mechanism,
    decimal_up,
    gaussian,
    gaussian_for_accuracy,
    gaussian_for_rho,
    laplace,
    laplace_for_epsilon,
    nano_up,
    sqrt_up,
)
from service.privacy.sensitivity import Sensitivity

COUNT = Sensitivity(3 * 1024, (3 * 1024) ** 2)
PERSONS = Sensitivity(3 * 1024, 3 * 1024**2)
HUGE = Sensitivity(1024 * 1000 * 2**31, (1024 * 1000 * 2**31) ** 2)
ALPHA = Decimal("0.05")


@pytest.mark.parametrize("sensitivity", [COUNT, PERSONS])
@pytest.mark.parametrize("scale", [1, 7, 1000, 68_693, 10**9])
def test_a_gaussians_charge_is_at_least_the_exact_rho_and_within_a_nano_of_it(sensitivity, scale):
    exact = Fraction(sensitivity.l2_squared, 2 * scale**2) * 10**9
    assert exact <= gaussian(sensitivity, scale).rho_nano <= exact * (1 + Fraction(1, 10**9)) + 1


@pytest.mark.parametrize("scale", [1, 7, 1000, 3072, 10**9])
def test_a_laplaces_charge_is_at_least_half_its_epsilon_squared(scale):
    made = laplace(COUNT, scale)
    exact = Fraction(COUNT.l1, scale)
    assert made.epsilon is not None
    assert Fraction(made.epsilon) >= exact
    assert made.rho_nano >= exact**2 / 2 * 10**9


@given(st.integers(1, 10**12))
def test_the_gaussian_for_a_rho_is_the_smallest_that_charges_no_more(rho_nano):
    made = gaussian_for_rho(PERSONS, rho_nano)
    assert made.rho_nano <= rho_nano
    assert made.scale == 1 or gaussian(PERSONS, made.scale - 1).rho_nano > rho_nano


@given(st.fractions(Fraction(1, 10**6), 50))
def test_the_laplace_for_an_epsilon_is_no_less_private_and_no_noisier_than_needed(epsilon):
    made = laplace_for_epsilon(COUNT, epsilon)
    assert Fraction(COUNT.l1, made.scale) <= epsilon
    assert made.scale - 1 <= COUNT.l1 / epsilon * (1 + Fraction(1, 10**12))


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_more_noise_never_costs_more(one, other):
    small, large = sorted((one, other))
    assert gaussian(COUNT, small).rho_nano >= gaussian(COUNT, large).rho_nano
    assert laplace(COUNT, small).rho_nano >= laplace(COUNT, large).rho_nano


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_larger_charge_never_buys_more_noise(one, other):
    small, large = sorted((one, other))
    assert gaussian_for_rho(COUNT, small).scale >= gaussian_for_rho(COUNT, large).scale


@given(st.integers(6, 10**9), st.sampled_from([Decimal("0.05"), Decimal("0.5"), Decimal("0.0001")]))
def test_the_gaussian_for_an_accuracy_is_as_accurate_and_no_dearer_than_needed(units, alpha):
    made = gaussian_for_accuracy(COUNT, units, alpha)
    assert made.half_width(alpha) <= units
    assert gaussian(COUNT, made.scale + 2).half_width(alpha) > units


@pytest.mark.parametrize("scale", [1, 2, 10, 300])
@pytest.mark.parametrize("alpha", ["0.5", "0.05", "0.025", "0.0001"])
def test_half_widths_are_no_less_than_the_exact_ones_and_within_two_units(scale, alpha):
    """Against the discrete distributions themselves, summed."""
    for made, mass in (
        (gaussian(COUNT, scale), lambda x: math.exp(-(x**2) / (2 * scale**2))),
        (laplace(COUNT, scale), lambda x: math.exp(-abs(x) / scale)),
    ):
        whole = math.fsum(mass(x) for x in range(-60 * scale, 60 * scale + 1))
        exact, outside = 0, 1 - mass(0) / whole
        while outside > float(alpha):
            exact += 1
            outside -= 2 * mass(exact) / whole
        assert exact <= made.half_width(Decimal(alpha)) <= exact + 2


def test_no_scale_is_large_enough_for_almost_nothing():
    for spend in (
        lambda: gaussian_for_rho(COUNT, 0),
        lambda: gaussian_for_rho(HUGE, 1),
        lambda: laplace_for_epsilon(COUNT, Decimal(0)),
        lambda: laplace_for_epsilon(COUNT, Decimal("1e-18")),
        lambda: laplace_for_epsilon(Sensitivity(MAX_SCALE + 1, 1), Decimal(1)),
        lambda: gaussian_for_accuracy(COUNT, 10**18, ALPHA),
    ):
        with pytest.raises(Malformed) as refused:
            spend()
        assert refused.value.code == "spend_too_small"


def test_no_noise_is_small_enough_for_a_thousandth_of_a_record():
    with pytest.raises(Malformed) as refused:
        gaussian_for_accuracy(COUNT, 1, ALPHA)
    assert refused.value.code == "within_too_fine"


@pytest.mark.parametrize("scale", [0, -1, MAX_SCALE + 1])
def test_a_scale_out_of_range_is_never_made(scale):
    with pytest.raises(RuntimeError, match="scale"):
        gaussian(COUNT, scale)


@pytest.mark.parametrize(
    "bad",
    [1.0, math.nan, math.inf, -math.inf, True, None, "1", Decimal(1), Fraction(1), 2**63, -(2**63) - 1],
)  # fmt: skip
def test_nothing_but_64_bit_integers_reaches_opendp(bad, monkeypatch):
    monkeypatch.setattr(mechanism, "_measurement", lambda *_: pytest.fail("OpenDP was reached"))
    with pytest.raises(RuntimeError, match="a total is not a 64-bit integer"):
        Mechanism(GAUSSIAN, 10, COUNT, 1).add_noise([0, bad], 2)


def test_a_vector_of_the_wrong_length_never_reaches_opendp(monkeypatch):
    monkeypatch.setattr(mechanism, "_measurement", lambda *_: pytest.fail("OpenDP was reached"))
    for values in ([], [1, 2, 3]):
        with pytest.raises(RuntimeError, match="length"):
            Mechanism(GAUSSIAN, 10, COUNT, 1).add_noise(values, 2)


def test_the_largest_totals_pass():
    noisy = gaussian(COUNT, 10).add_noise([2**63 - 1, -(2**63), 0], 3)
    assert [type(value) for value in noisy] == [int] * 3
    assert noisy[0] > 2**62
    assert noisy[1] < -(2**62)


def test_the_noise_is_opendps_own(monkeypatch):
    """Scale and domain go to OpenDP as they are; nothing of ours is added or drawn."""
    seen: dict[str, Any] = {}

    def make_gaussian(domain, metric, scale):
        seen.update(domain=str(domain), metric=str(metric), scale=scale)
        return lambda values: [value + 1 for value in values]

    monkeypatch.setattr(dp.m, "make_gaussian", make_gaussian)
    assert Mechanism(GAUSSIAN, 10, COUNT, 1).add_noise([4, 5], 2) == [5, 6]
    assert seen["scale"] == 10.0
    assert "i64" in seen["domain"]


@given(st.integers(0, 2**130))
def test_square_roots_are_rounded_up_to_the_next_float(square):
    root = sqrt_up(square)
    assert Fraction(root) ** 2 >= square
    assert square == 0 or Fraction(math.nextafter(root, 0)) ** 2 < square


@given(st.floats(0, 1e12))
def test_charges_are_rounded_up_to_whole_nano_rho(rho):
    assert 0 <= nano_up(rho) - Fraction(rho) * 10**9 < 1


@pytest.mark.parametrize("rho", [math.inf, math.nan])
def test_what_has_no_finite_charge_has_none(rho):
    with pytest.raises(RuntimeError):
        nano_up(rho)


@given(st.floats(1e-12, 1e6))
def test_epsilons_are_rounded_up_to_twelve_digits(epsilon):
    assert Fraction(epsilon) <= Fraction(decimal_up(epsilon)) <= Fraction(epsilon) * (1 + Fraction(1, 10**11))


def exact_tail(name: str, scale: int, count: int, beyond: int) -> float:
    """Return the chance that ``count`` draws add up to more than ``beyond`` in size, from their exact chances."""
    reach = 12 * scale if name == GAUSSIAN else 40 * scale
    exponents = [-(k**2) / (2 * scale**2) if name == GAUSSIAN else -abs(k) / scale for k in range(-reach, reach + 1)]
    weights = np.exp(exponents)
    once = weights / weights.sum()
    summed = once
    for _ in range(count - 1):
        summed = np.convolve(summed, once)
    places = np.arange(len(summed)) - len(summed) // 2
    return float(summed[np.abs(places) > beyond].sum())


@pytest.mark.parametrize("name", [GAUSSIAN, LAPLACE])
@pytest.mark.parametrize("scale", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("count", [1, 2, 3, 12])
@pytest.mark.parametrize("alpha", ["0.05", "0.025", "0.01"])
def test_a_sum_of_draws_lies_beyond_its_half_width_with_no_more_than_the_chance(name, scale, count, alpha):
    """Against the exact distribution, by convolution; at a third of the width it does not hold."""
    half = Mechanism(name, scale, COUNT, 1).half_width_of_sum(count, Decimal(alpha))
    assert exact_tail(name, scale, count, half) <= float(alpha)
    assert exact_tail(name, scale, count, half // 3) > float(alpha)


@given(st.integers(1, 10**6), st.integers(1, 400), st.sampled_from([GAUSSIAN, LAPLACE]))
def test_sums_are_wider_the_more_they_hold_and_narrower_than_each_alone_added_up(scale, count, name):
    made = Mechanism(name, scale, COUNT, 1)
    alpha = Decimal("0.05")
    half = made.half_width_of_sum(count, alpha)
    assert made.half_width_of_sum(0, alpha) == 0
    assert made.half_width_of_sum(1, alpha) == made.half_width(alpha)
    assert half <= made.half_width_of_sum(count + 1, alpha)
    assert half <= count * made.half_width(alpha / count)
