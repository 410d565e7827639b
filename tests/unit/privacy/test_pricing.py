from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import Malformed
from service.policy.plan import Binned, EffectivePlan, Measured, NumberKeys, Quantiles
from service.privacy.conversion import epsilon_of
from service.privacy.mechanism import GAUSSIAN, LAPLACE
from service.privacy.pricing import EpsilonSpend, ShareSpend, WithinSpend, price_plan
from tests.spec.harness import REPEAT

DELTA = Decimal("1e-7")
COUNT, PERSONS = Measured("count"), Measured("persons")
MEAN = Measured("mean", "gravity", 0, 1000, decimals=1)
SUM = Measured("sum", "gravity", 0, 1000, decimals=1)
BINS = NumberKeys("age", "cuts", ("under 18", "18 and over", "unknown"), (("under 18", 0, 17), ("18 and over", 18, 99)))
VARIANCE = Measured("variance", "gravity", 0, 1000, decimals=1)
HISTOGRAM = Measured("histogram", "age", 0, 99, 0, Binned(BINS))
QUANTILE = Measured("quantile", "age", 0, 99, 0, Quantiles(BINS, ("0.25", "0.5")))
SHARE = ShareSpend(10_000_000)


def ask(*measures, spend, per_person=3, cells=480):
    return price_plan(plan("person", per_person, measures, keys(cells)), spend, DELTA)


def keys(cells):
    return (NumberKeys("age", "as-is", tuple(map(str, range(cells))), ()),)


def plan(unit, per_person, measures=(COUNT,), by=()):
    return EffectivePlan("d", "s/d", unit, (), by, tuple(measures), (), per_person)


def test_measures_share_the_charge_equally_and_a_mean_halves_its_part():
    made = ask(COUNT, MEAN, spend=SHARE)
    assert [query.name for query in made.queries] == ["count.count", "mean_gravity.sum", "mean_gravity.count"]
    parts = [query.mechanism.rho_nano for query in made.queries]
    assert parts == pytest.approx([5_000_000, 2_500_000, 2_500_000], rel=1e-3)
    assert made.rho_nano == sum(parts) <= 10_000_000


def test_quantiles_cost_one_histogram_however_many_are_read_off_it_and_take_no_within():
    made, bins = ask(QUANTILE, spend=SHARE), ask(HISTOGRAM, spend=SHARE)
    assert (made.rho_nano, made.queries[0].mechanism) == (bins.rho_nano, bins.queries[0].mechanism)
    assert made.half_widths == (None,)
    with pytest.raises(Malformed) as refused:
        ask(QUANTILE, spend=WithinSpend(Decimal(20), Decimal("0.95")))
    assert refused.value.code == "within_not_for_mean"


def test_a_variance_takes_three_parts_and_no_within():
    made = ask(VARIANCE, spend=SHARE)
    assert [query.vector.part for query in made.queries] == ["square", "sum", "count"]
    assert [query.mechanism.rho_nano for query in made.queries] == pytest.approx([3_333_333] * 3, rel=1e-3)
    assert (made.half_widths, made.rho_nano <= 10_000_000) == ((None,), True)
    with pytest.raises(Malformed) as refused:
        ask(VARIANCE, spend=WithinSpend(Decimal(20), Decimal("0.95")))
    assert refused.value.code == "within_not_for_mean"


@given(
    st.lists(
        st.sampled_from([COUNT, PERSONS, MEAN, SUM, REPEAT, HISTOGRAM, VARIANCE, QUANTILE]),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    st.integers(10_000, 10**10),
    st.integers(1, 20),
    st.integers(1, 5000),
)
@settings(max_examples=50)
def test_a_share_is_never_overspent(measures, rho_nano, per_person, cells):
    made = ask(*measures, spend=ShareSpend(rho_nano), per_person=per_person, cells=cells)
    assert made.rho_nano <= rho_nano
    assert made.mechanism == GAUSSIAN
    assert made.epsilon == epsilon_of(made.rho_nano, DELTA)
    assert made.alternatives == ()


@pytest.mark.parametrize(
    ("measure", "half_width"),
    [(COUNT, "20"), (PERSONS, "20"), (SUM, "2500.5"), (COUNT, "0.5"), (REPEAT, "7"), (HISTOGRAM, "30")],
)
def test_within_is_kept_in_the_measures_own_units_and_hardly_undercut(measure, half_width):
    made = ask(measure, spend=WithinSpend(Decimal(half_width), Decimal("0.95")))
    (found,) = made.half_widths
    assert found is not None
    assert Decimal(half_width) * Decimal("0.99") < found <= Decimal(half_width)


def test_bins_and_bands_cost_what_their_count_costs_however_many_they_are():
    for measure, whole in ((HISTOGRAM, COUNT), (REPEAT, PERSONS)):
        made, plain = ask(measure, spend=SHARE), ask(whole, spend=SHARE)
        assert (made.rho_nano, made.half_widths) == (plain.rho_nano, plain.half_widths)
        assert made.queries[0].vector.cells == plain.queries[0].vector.cells * measure.parts


def test_within_at_a_higher_confidence_costs_more():
    sure = ask(COUNT, spend=WithinSpend(Decimal(20), Decimal("0.999")))
    assert sure.rho_nano > ask(COUNT, spend=WithinSpend(Decimal(20), Decimal("0.95"))).rho_nano


def test_within_is_refused_for_a_mean():
    with pytest.raises(Malformed) as refused:
        ask(COUNT, MEAN, spend=WithinSpend(Decimal(20), Decimal("0.95")))
    assert refused.value.code == "within_not_for_mean"


def test_an_error_below_the_least_noise_is_refused():
    with pytest.raises(Malformed) as refused:
        ask(COUNT, spend=WithinSpend(Decimal("0.001"), Decimal("0.95")))
    assert refused.value.code == "within_too_fine"


@pytest.mark.parametrize("spend", [ShareSpend(0), ShareSpend(1), EpsilonSpend(Decimal("1e-15"))])
def test_a_spend_that_gives_no_noise_scale_is_refused(spend):
    with pytest.raises(Malformed) as refused:
        ask(COUNT, MEAN, PERSONS, spend=spend)
    assert refused.value.code == "spend_too_small"


def test_epsilon_1_for_one_count_is_laplace_and_charges_one_half():
    made = ask(COUNT, spend=EpsilonSpend(Decimal(1)))
    assert made.mechanism == LAPLACE
    assert made.rho_nano == 500_000_000
    assert made.epsilon == 1
    assert [item.mechanism for item in made.alternatives] == [LAPLACE, GAUSSIAN]
    assert made.alternatives[0].rho_nano == made.rho_nano
    assert made.alternatives[0].half_widths == made.half_widths
    assert 15_000_000 < made.alternatives[1].rho_nano < 25_000_000


def test_epsilon_for_many_measures_is_gaussian_whose_split_costs_less():
    many = [Measured("sum", f"field_{place}", 0, 10) for place in range(40)]
    made = ask(*many, spend=EpsilonSpend(Decimal("0.1")))
    assert made.mechanism == GAUSSIAN
    assert made.epsilon <= Decimal("0.1")
    variances = [query.mechanism.variance for query in made.queries]
    assert variances[0] < 2 * (10 * 3 * 1024 * 400) ** 2


@given(
    st.lists(
        st.sampled_from([COUNT, PERSONS, MEAN, SUM, REPEAT, HISTOGRAM, VARIANCE, QUANTILE]),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    st.decimals("0.01", "20", places=2),
)
@settings(max_examples=40)
def test_a_release_satisfies_the_epsilon_that_was_asked(measures, epsilon):
    made = ask(*measures, spend=EpsilonSpend(epsilon))
    assert made.epsilon <= epsilon
    if made.mechanism == LAPLACE:
        pure = sum(query.mechanism.epsilon for query in made.queries if query.mechanism.epsilon)
        assert pure <= epsilon * (1 + Decimal("1e-11"))
    else:
        assert epsilon_of(made.rho_nano, DELTA) <= epsilon


def test_where_the_gaussian_is_out_of_range_the_laplace_alone_is_priced():
    made = ask(COUNT, spend=EpsilonSpend(Decimal("0.00001")))
    assert [item.mechanism for item in made.alternatives] == [LAPLACE]


def test_a_mean_has_no_half_width_of_its_own():
    assert ask(MEAN, COUNT, spend=SHARE).half_widths[0] is None


def test_a_record_adds_one_row_whatever_the_bound():
    assert price_plan(plan("record", 5), SHARE, DELTA) == price_plan(plan("person", 1), SHARE, DELTA)
    assert price_plan(plan("person", 5), SHARE, DELTA) != price_plan(plan("person", 1), SHARE, DELTA)


def test_a_preview_prices_in_well_under_a_millisecond_once_warm():
    asked = plan("person", 3, (COUNT, PERSONS, MEAN), keys(480))
    price_plan(asked, SHARE, DELTA)
    began = time.process_time()
    for _ in range(1000):
        price_plan(asked, SHARE, DELTA)
    assert time.process_time() - began < 0.5
