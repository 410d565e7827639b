from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.privacy import conversion
from service.privacy.conversion import cap_rho_nano, epsilon_of

DELTA = Decimal("1e-7")


@pytest.mark.parametrize("epsilon", ["0.01", "0.5", "1", "4", "8", "13.37", "50", "200"])
@pytest.mark.parametrize("delta", ["1e-15", "5e-8", "1e-7", "1e-3"])
def test_the_cap_is_the_largest_rho_that_converts_to_the_epsilon(epsilon, delta):
    cap = cap_rho_nano(Decimal(epsilon), Decimal(delta))
    assert epsilon_of(cap, Decimal(delta)) <= Decimal(epsilon) < epsilon_of(cap + 1, Decimal(delta))


@given(st.decimals("0.001", "200", places=3), st.sampled_from(["1e-12", "1e-7", "1e-5"]))
@settings(max_examples=25)
def test_the_cap_is_conservative_at_any_epsilon(epsilon, delta):
    cap = cap_rho_nano(epsilon, Decimal(delta))
    assert conversion._epsilon(cap, Decimal(delta)) <= epsilon < conversion._epsilon(cap + 1, Decimal(delta))


@given(st.integers(1, 10**12), st.integers(1, 10**12))
@settings(max_examples=50)
def test_more_rho_is_never_less_epsilon(one, other):
    small, large = sorted((one, other))
    assert epsilon_of(small, DELTA) <= epsilon_of(large, DELTA)


@pytest.mark.parametrize("rho_nano", [1, 1000, 10**6, 20_187_132, 919_228_804, 10**11])
def test_the_epsilon_is_no_looser_than_the_textbook_and_no_tighter_than_the_gaussian(rho_nano):
    """Between Bun and Steinke's closed form and the exact curve of a Gaussian that has this rho."""
    rho, delta = rho_nano / 1e9, float(DELTA)
    found = float(epsilon_of(rho_nano, DELTA))
    assert found <= rho + 2 * math.sqrt(rho * math.log(1 / delta))
    assert gaussian_delta(rho, found) <= delta * (1 + 1e-6)


def gaussian_delta(rho: float, epsilon: float) -> float:
    """Delta of a Gaussian at epsilon: Balle and Wang 2018, theorem 8."""
    shift = math.sqrt(2 * rho)

    def below(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    return below(shift / 2 - epsilon / shift) - math.exp(
        epsilon + math.log(below(-shift / 2 - epsilon / shift) or 1e-300)
    )


def test_eight_quarters_at_epsilon_4_come_to_about_13():
    """The sum that makes a lifetime cap mandatory (guarantee.md 3.2)."""
    quarter = cap_rho_nano(Decimal(4), DELTA)
    assert Decimal(12) < epsilon_of(8 * quarter, DELTA) < Decimal(14)


def test_no_rho_is_no_epsilon_and_an_epsilon_below_the_least_rho_caps_at_nothing():
    assert epsilon_of(0, DELTA) == 0
    assert cap_rho_nano(Decimal("0.000001"), DELTA) == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda: epsilon_of(-1, DELTA),
        lambda: epsilon_of(1, Decimal(0)),
        lambda: epsilon_of(1, Decimal(1)),
        lambda: cap_rho_nano(Decimal(0), DELTA),
        lambda: conversion._never_called(0),
    ],
)
def test_what_makes_no_sense_is_not_converted(ask):
    with pytest.raises(RuntimeError):
        ask()
