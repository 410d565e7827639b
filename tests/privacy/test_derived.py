"""Measures worked out from others cost nothing, because they are made from what is released already (post-processing).

What fails here if that is false: a kind that reads a total, draws noise of its own, or takes a part of the charge.
And their intervals cover the numbers of the exact bounded totals as often as they say. The coverage tests alarm falsely
with chance 5e-4 each, by Clopper and Pearson's bound.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from schemas.measures import DERIVED
from service.aggregates import release
from service.errors import Malformed
from service.policy.plan import CodeKeys, DateKeys, Measured
from service.privacy.fixed import SCALE
from service.privacy.mechanism import Mechanism, gaussian, laplace
from service.privacy.pricing import EpsilonSpend, ShareSpend, WithinSpend
from service.privacy.sensitivity import Sensitivity
from tests.privacy.clopper_pearson import lower
from tests.privacy.test_release_noise import AGREEMENT, SHARE, question
from tests.spec import harness
from tests.support.derived import cells, made_of

COUNT, PERSONS, SUM = Measured("count"), Measured("persons"), Measured("sum", "gravity", 1, 8)
MADE = [made_of("share"), made_of("rolling", "persons", 3), made_of("change", SUM, 1), made_of("change", periods=365)]
SPENDS = [ShareSpend(500_000_000), EpsilonSpend(Decimal(1)), EpsilonSpend(Decimal(8))]


@pytest.mark.parametrize("spend", SPENDS, ids=str)
def test_they_take_no_part_of_the_charge_and_move_no_noise(spend):
    alone = question(spend, COUNT, PERSONS, SUM).price
    with_them = question(spend, MADE[0], COUNT, MADE[1], PERSONS, SUM, *MADE[2:]).price
    assert with_them.rho_nano == alone.rho_nano
    assert with_them.epsilon == alone.epsilon
    assert [(query.vector, query.mechanism) for query in with_them.queries] == [
        (query.vector, query.mechanism) for query in alone.queries
    ]


def answered(totals: int) -> list[dict[str, Any]]:
    made = question(SPENDS[0], COUNT, PERSONS, SUM, *MADE)
    exact = {
        query.name: [totals * SCALE + place for place in range(query.vector.cells)] for query in made.price.queries
    }
    answer = release.answer(made, exact, AGREEMENT, SHARE)
    assert set(answer.guarantee["scale"]) == {"count", "persons", "sum_gravity"}
    return [row["measures"] for row in answer.rows]


def test_they_are_a_function_of_the_noisy_values_and_of_nothing_else_of_the_data(monkeypatch):
    """The noise is made to hide the totals wholly: then nothing released can tell one database from another."""
    monkeypatch.setattr(
        Mechanism, "add_noise", lambda self, _, length: [self.scale * (n % 7 + 3) for n in range(length)]
    )
    few, many = answered(5), answered(70_000)
    assert few == many
    assert any(row["change_count_365"]["parts"][1]["value"] is not None for row in few)


def test_a_real_release_has_them_of_the_very_noise_that_it_shows_and_no_fresh_one():
    rows = answered(4000)
    whole = sum(row["count"]["unrounded"] for row in rows)
    for place, row in enumerate(rows):
        assert row["share_count"]["unrounded"] == pytest.approx(row["count"]["unrounded"] / whole, abs=2e-10)
        window = [item["persons"]["unrounded"] for item in rows[max(place - 2, 0) : place + 1]]
        rolled = row["rolling_persons_3"]["unrounded"]
        assert rolled is None if place < 2 else rolled == pytest.approx(sum(window))
        moved = row["change_sum_gravity_1"]["parts"][0]["unrounded"]
        before = rows[place - 1]["sum_gravity"]["unrounded"]
        assert moved is None if place == 0 else moved == pytest.approx(row["sum_gravity"]["unrounded"] - before)
    json.dumps(rows, allow_nan=False)


def test_a_rolling_sums_error_is_told_before_it_is_asked_and_is_as_wide_as_its_intervals():
    made = question(SPENDS[0], PERSONS, made_of("rolling", "persons", 3))
    persons, rolling = made.price.half_widths
    assert persons is not None
    assert rolling is not None
    assert 1.7 * float(persons) < rolling < 1.8 * float(persons)
    answer = release.answer(made, {"persons.persons": [10**6] * 2000}, AGREEMENT, SHARE)
    low, high = answer.rows[-1]["measures"]["rolling_persons_3"]["noise_interval"]
    assert (high - low) / 2 == pytest.approx(float(rolling))
    assert question(SPENDS[0], COUNT, made_of("share"), made_of("change", periods=1)).price.half_widths[1:] == (
        None,
        None,
    )


def test_within_names_the_error_of_a_rolling_sum_too_and_buys_no_more_than_that():
    spend = WithinSpend(Decimal(50), Decimal("0.95"))
    made = question(spend, COUNT, made_of("rolling", periods=3), made_of("rolling", periods=12), PERSONS).price
    count, short, long, persons = (float(width or 0) for width in made.half_widths)
    assert count < short < long <= 50
    assert persons == pytest.approx(50, abs=0.01)
    assert long > 49.9
    assert made.queries[0].mechanism.scale < made.queries[1].mechanism.scale


@pytest.mark.parametrize("kind", ["share", "change"])
def test_within_is_refused_where_the_error_depends_on_the_data(kind):
    made = made_of(kind, periods=None if kind == "share" else 2)
    with pytest.raises(Malformed) as refused:
        question(WithinSpend(Decimal(50), Decimal("0.95")), COUNT, made)
    assert refused.value.code == "within_not_for_mean"


# --- coverage

ROUNDS = 1500
SIZES = (2, 9, 30, 80)
AREAS = CodeKeys("area", "as-is", ("a", "b", "c", "d"), ())
MONTHS = DateKeys("occurred", "month", tuple(date(2026, month, 1) for month in range(1, 5)))
NOISES = {
    "gaussian": gaussian(Sensitivity(SCALE, SCALE**2), 4 * SCALE),
    "laplace": laplace(Sensitivity(SCALE, SCALE**2), 3 * SCALE),
}


def covered(kind: str, noise: Mechanism, drawn_from: Mechanism) -> dict[tuple[int, str], tuple[int, int]]:
    """Release a small table many times; return how often each number was released, and how often not covered."""
    periods = None if kind == "share" else 2 if kind == "rolling" else 1
    measure = made_of(kind, periods=periods)
    plan = harness.question(["count", measure], AREAS if kind == "share" else MONTHS)
    exact = [size * SCALE for size in SIZES]
    truth = [wanted(kind, place) for place in range(len(SIZES))]
    found: dict[tuple[int, str], tuple[int, int]] = {}
    for _ in range(ROUNDS):
        made = cells(measure, drawn_from.add_noise(exact, len(exact)), plan, noise)
        for place, cell in enumerate(made):
            for name in measure.part_names or ("value",):
                interval = (cell[name] if measure.part_names else cell)["noise_interval"]
                if interval is not None:
                    missed = not interval[0] <= truth[place][name] <= interval[1]
                    number, misses = found.get((place, name), (0, 0))
                    found[place, name] = (number + 1, misses + missed)
    return found


def wanted(kind: str, place: int) -> dict[str, Fraction]:
    now, before = Fraction(SIZES[place]), Fraction(SIZES[place - 1] if place else 1)
    if kind == "share":
        return {"value": now / sum(SIZES)}
    return {"value": now + before, "difference": now - before, "percent": 100 * (now - before) / before}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", DERIVED)
def test_intervals_cover_what_the_exact_totals_come_to(kind, noise):
    found = covered(kind, NOISES[noise], NOISES[noise])
    assert len(found) >= 3
    for where, (number, misses) in found.items():
        assert lower(misses, max(number, ROUNDS), 5e-4) <= 0.05, where


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", DERIVED)
def test_intervals_made_for_half_the_noise_are_caught(kind, noise):
    make = gaussian if noise == "gaussian" else laplace
    half = make(NOISES[noise].sensitivity, NOISES[noise].scale // 2)
    found = covered(kind, half, NOISES[noise])
    assert any(lower(misses, max(number, ROUNDS), 5e-4) > 0.05 for number, misses in found.values())
