"""The audit in one request (guarantee.md 2.6), on the real mechanism as pricing chooses it.

A question with 2,000 public groups is answered once. In half of them the bounded count is n, in the other half n + 1:
what one person with one record moves at K = 1, which is the true sensitivity. p1 and p0 are the chances that a noisy
count is n + 1 or more in the one half and in the other; Clopper-Pearson bounds them, each failing with chance 5e-4.

False alarms: for an audit to fail on a correct mechanism, the two bounds together must err by more than their sum,
since the true ratio lies exactly at the limit: at least one must fail, which is below 1e-3 an audit by the union
bound, and, as the two halves are independent and both must lean the same way, about 2e-6 by the normal
approximation (sqrt(2) times 3.29 standard deviations). The other tests here allow six standard deviations or more.
Altogether a correct build fails this file with chance below 1e-4.
"""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from statistics import NormalDist, fmean

import pytest

from service.policy.plan import EffectivePlan, Measured, NumberKeys
from service.privacy.fixed import SCALE
from service.privacy.mechanism import GAUSSIAN, LAPLACE, Mechanism
from service.privacy.pricing import EpsilonSpend, ShareSpend, price_plan
from tests.privacy.clopper_pearson import lower, upper

GROUPS = 2000
N = 40
ALPHA = 5e-4
DELTA = Decimal("1e-7")
STANDARD = NormalDist()


def priced(spend) -> Mechanism:
    groups = NumberKeys("age", "as-is", tuple(map(str, range(GROUPS))), ())
    plan = EffectivePlan("d", "s/d", "person", (), (groups,), (Measured("count"),), (), per_person=1)
    (query,) = price_plan(plan, spend, DELTA).queries
    return query.mechanism


def bounds(mechanism: Mechanism) -> tuple[float, float]:
    """Answer once; return a lower bound of p1 and an upper bound of p0."""
    half = GROUPS // 2
    noisy = mechanism.add_noise([N * SCALE] * half + [(N + 1) * SCALE] * half, GROUPS)
    reached = [value >= (N + 1) * SCALE for value in noisy]
    return lower(sum(reached[half:]), half, ALPHA), upper(sum(reached[:half]), half, ALPHA)


def laplace_audit(mechanism: Mechanism, epsilon: Decimal) -> bool:
    p1, p0 = bounds(mechanism)
    return math.log(p1 / p0) <= float(epsilon)


def gaussian_audit(mechanism: Mechanism, rho_nano: int) -> bool:
    p1, p0 = bounds(mechanism)
    return STANDARD.inv_cdf(p1) - STANDARD.inv_cdf(p0) <= math.sqrt(2 * rho_nano / 1e9)


def halved(mechanism: Mechanism) -> Mechanism:
    """Return the mechanism with half its noise and all its promises."""
    return replace(mechanism, scale=mechanism.scale // 2)


def test_a_laplace_answer_at_epsilon_1_passes_the_audit():
    mechanism = priced(EpsilonSpend(Decimal(1)))
    assert mechanism.name == LAPLACE
    assert laplace_audit(mechanism, Decimal(1))


def test_the_laplace_audit_catches_noise_halved_on_purpose():
    """Expected 1.53 against the limit of 1, more than four standard deviations away: missed once in 100,000 runs."""
    assert not laplace_audit(halved(priced(EpsilonSpend(Decimal(1)))), Decimal(1))


def test_a_gaussian_answer_passes_the_audit():
    mechanism = priced(ShareSpend(500_000_000))
    assert mechanism.name == GAUSSIAN
    assert gaussian_audit(mechanism, mechanism.rho_nano)


def test_the_gaussian_audit_catches_noise_halved_on_purpose():
    """Expected 1.60 against the limit of 1, more than five standard deviations away."""
    mechanism = priced(ShareSpend(500_000_000))
    assert not gaussian_audit(halved(mechanism), mechanism.rho_nano)


@pytest.mark.parametrize("spend", [EpsilonSpend(Decimal(1)), ShareSpend(500_000_000), ShareSpend(1000)])
def test_the_noise_has_the_variance_that_is_declared(spend):
    mechanism = priced(spend)
    noise = mechanism.add_noise([0] * 20_000, 20_000)
    kurtosis = 3 if mechanism.name == GAUSSIAN else 6
    spread = math.sqrt((kurtosis - 1) / len(noise))
    found = fmean(value**2 for value in noise) / mechanism.variance
    assert abs(found - 1) < 6 * spread
    assert abs(fmean(noise)) < 6 * math.sqrt(mechanism.variance / len(noise))


@pytest.mark.parametrize("spend", [EpsilonSpend(Decimal(1)), ShareSpend(500_000_000)])
def test_the_95_percent_half_width_covers_95_percent(spend):
    mechanism = priced(spend)
    noise = mechanism.add_noise([0] * 20_000, 20_000)
    outside = sum(abs(value) > mechanism.half_width(Decimal("0.05")) for value in noise)
    assert abs(outside / len(noise) - 0.05) < 6 * math.sqrt(0.05 * 0.95 / len(noise))


def test_the_same_question_twice_has_fresh_noise():
    mechanism = priced(ShareSpend(500_000_000))
    assert mechanism.add_noise([0] * 50, 50) != mechanism.add_noise([0] * 50, 50)


@pytest.mark.parametrize(
    ("successes", "trials", "alpha", "low", "high"),
    [
        (0, 10, 0.025, 0.0, 0.308497),
        (5, 10, 0.025, 0.187086, 0.812914),
        (10, 10, 0.025, 0.691503, 1.0),
        (1, 100, 0.025, 0.000253, 0.054459),
    ],
)
def test_clopper_pearson_agrees_with_published_tables(successes, trials, alpha, low, high):
    assert lower(successes, trials, alpha) == pytest.approx(low, abs=1e-6)
    assert upper(successes, trials, alpha) == pytest.approx(high, abs=1e-6)
