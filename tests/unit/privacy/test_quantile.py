from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.privacy.combined import half_width
from service.privacy.measures.quantile import half_widths, quantile, rising
from service.privacy.measures.registry import released
from service.privacy.mechanism import gaussian, laplace
from service.privacy.postprocess import NoisyVector, UsableRule
from service.privacy.sensitivity import Sensitivity
from tests.spec.test_quantile import on_grid

ONE = Sensitivity(1024, 1024**2)
NOISES = {"gaussian": gaussian(ONE, 3000), "laplace": laplace(ONE, 2000)}
EACH = pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
RULE = UsableRule(Decimal("0.30"), 10)
AGE = on_grid("age", 0, 120, 0, (17, 40, 65, 120), ("0.25", "0.5"))
DRAWS = 4000

bins = st.lists(st.integers(0, 50_000), min_size=2, max_size=8)
parts = st.sampled_from(["0.0001", "0.1", "0.25", "0.5", "0.75", "0.9999"]).map(Fraction)


def exact(rows: list[int], part: Fraction) -> int:
    """Return the quantile's place by its definition."""
    return next(place for place, reached in enumerate(accumulate(rows)) if reached >= part * sum(rows))


@given(bins, parts, st.data())
def test_the_interval_holds_whenever_no_noise_is_larger_than_its_half_width(rows, part, data):
    """Noise of D is what counts: it is drawn as large as it may be, in any direction."""
    noise = [data.draw(st.integers(-4000, 4000)) for _ in rows]
    noisy = [number + step for number, step in zip(rows, noise, strict=True)]
    total = sum(noise)
    halves = [abs(part.denominator * reached - part.numerator * total) for reached in accumulate(noise)][:-1]
    found = quantile(noisy, part, halves)
    assert found.low <= exact(rows, part) <= found.high
    assert found.low <= found.place <= found.high


@given(bins, parts)
def test_without_noise_the_quantile_is_exact(rows, part):
    assert quantile(rows, part, [0] * (len(rows) - 1)).place == exact(rows, part)


@given(st.lists(st.integers(-(2**70), 2**70), max_size=12))
def test_numbers_made_to_rise_rise_and_are_the_nearest(numbers):
    made = rising(numbers)
    assert len(made) == len(numbers)
    assert sum(made) == sum(numbers)
    assert all(one <= two for one, two in pairwise(made))
    if list(numbers) == sorted(numbers):
        assert made == numbers
    gaps = [one - two for one, two in zip(numbers, made, strict=True)]
    # least squares on a cone (the projection's own conditions): what is left is orthogonal to it, and points out of it
    assert sum(gap * number for gap, number in zip(gaps, made, strict=True)) == 0
    assert all(reached >= 0 for reached in accumulate(gaps))


@EACH
@pytest.mark.parametrize("coefficients", [((1, 1),), ((1, 12),), ((3, 5), (-1, 15)), ((1, 1), (99, 1)), ((1, 33),)])
def test_noises_added_up_exceed_their_half_width_as_seldom_as_is_said(noise, coefficients):
    """By 4,000 draws: 0.05 +- 0.0034 exceed an exact half-width, and one half as wide is exceeded by 0.17 or more."""
    alpha = Decimal("0.05")
    half = half_width(noise, coefficients, alpha)
    weights = [coefficient for coefficient, count in coefficients for _ in range(count)]
    drawn = noise.add_noise([0] * (len(weights) * DRAWS), len(weights) * DRAWS)
    sums = [
        sum(weight * drawn[first + place] for place, weight in enumerate(weights))
        for first in range(0, len(drawn), len(weights))
    ]
    assert sum(abs(number) > half for number in sums) / DRAWS <= 0.05 + 4.5 * 0.0034
    spread = (sum(number**2 for number in sums) / DRAWS) ** 0.5
    assert half <= 4.5 * spread, "a half-width so wide says nothing"


@EACH
def test_a_half_width_grows_with_certainty_and_with_what_is_added(noise):
    wide = [half_width(noise, ((1, count),), Decimal("0.05")) for count in (1, 2, 10)]
    assert wide == sorted(wide)
    assert wide[0] >= noise.half_width(Decimal("0.05")) - 1
    assert half_width(noise, ((1, 1),), Decimal("0.01")) > wide[0]
    assert half_width(noise, ((0, 5), (1, 0)), Decimal("0.05")) == 0
    doubled = half_width(noise, ((2, 10),), Decimal("0.05"))
    assert abs(doubled - 2 * wide[2]) <= 2


@EACH
def test_the_interval_covers_the_quantile_95_percent_of_the_time(noise):
    rows, cells = [30 * 1024, 45 * 1024, 20 * 1024, 60 * 1024, 0], 1000
    noisy = NoisyVector(noise.add_noise(rows * cells, len(rows) * cells), noise, 1024)
    made = released(AGE, {"count": noisy}, RULE)
    truth = [(17, 40, 65, 120)[exact(rows[:-1], Fraction(q))] for q in ("0.25", "0.5")]
    ends = enumerate(zip(made.low, made.high, strict=True))
    held = [low is not None and high is not None and low <= truth[n % 2] <= high for n, (low, high) in ends]
    assert len(held) == 2 * cells
    assert sum(held) / len(held) >= 0.95
    assert len(set(made.values)) > 1, "without noise all cells agree"


def shown(noise, *rows):
    made = released(AGE, {"count": NoisyVector([1024 * number for number in rows], noise, 1024)}, RULE)
    return list(zip(made.values, made.low, made.high, made.usable, strict=True)), made


def test_a_quantile_is_released_as_points_of_the_grid_for_each_part_asked_for():
    found, made = shown(NOISES["gaussian"], 2000, 5000, 1000, 1000, 300)
    assert found == [(40, 40, 40, True), (40, 40, 40, True)]
    assert (made.unrounded, made.units, made.places) == ([40, 40], 1, 0)
    assert [(part.name, dict(part.says)) for part in made.parts] == [("0.25", {"q": "0.25"}), ("0.5", {"q": "0.5"})]


def test_over_no_more_rows_than_the_noise_a_quantile_may_be_any_point_and_is_not_usable():
    for rows in ((0, 0, 0, 0, 0), (-3, 2, 0, 1, 9), (1, 1, 1, 1, 5000)):
        found, _ = shown(NOISES["gaussian"], *rows)
        assert [(low, high, usable) for _, low, high, usable in found] == [(17, 120, False)] * 2


def test_the_points_of_a_decimal_column_are_in_its_own_units():
    measure = on_grid("harm", -100, 100, 1, (-50, 0, 100))
    made = released(measure, {"count": NoisyVector([0, 10**8, 0, 0], NOISES["laplace"], 1024)}, RULE)
    assert (made.values, made.places, made.units) == ([0], 1, 10)
    low = released(measure, {"count": NoisyVector([10**8, 0, 0, 0], NOISES["laplace"], 1024)}, RULE)
    assert (low.values, low.low, low.high) == ([-50], [-50], [-50])


def test_the_half_widths_are_those_of_all_points_but_the_last_together():
    found = half_widths(NOISES["gaussian"], Fraction(1, 4), 4)
    alpha = Decimal("0.05") / 3
    assert found == [half_width(NOISES["gaussian"], ((3, j), (1, 4 - j)), alpha) for j in (1, 2, 3)]
    assert half_widths(NOISES["gaussian"], Fraction(1, 2), 1) == []
