"""Measures worked out from others: functions of noisy values by key, whatever the order of keys and groupings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.calendar import start_before
from schemas.measures import DERIVED
from service.policy.plan import DateKeys, EffectivePlan, Keys, Measured
from service.privacy.fixed import SCALE
from service.privacy.measures.registry import DERIVED as MADE
from service.privacy.measures.registry import vectors
from service.privacy.mechanism import Mechanism, gaussian, laplace
from service.privacy.postprocess import ALPHA
from service.privacy.sensitivity import Sensitivity
from tests.property.questions import code_keys, date_keys, flag_keys, number_keys
from tests.spec.harness import question
from tests.support.derived import Cell, cells, made_of

Key = tuple[Any, ...]
HARM = Measured("sum", "harm", -100, 100, 1)
AGE = Measured("sum", "age", 0, 120)
noises = st.builds(
    lambda make, scale: make(Sensitivity(SCALE, SCALE**2), scale),
    st.sampled_from([gaussian, laplace]),
    st.integers(1, 9000),
)


@st.composite
def asked(draw: st.DrawFn) -> tuple[Measured, EffectivePlan, list[int]]:
    """Draw a measure, a question with periods in any order, and its noisy totals: small, great and below zero."""
    others = draw(st.lists(st.sampled_from([code_keys, number_keys, flag_keys]), max_size=1))
    by = draw(st.permutations([date_keys(draw), *(keys(draw) for keys in others)]))
    kind = draw(st.sampled_from(DERIVED))
    bases: list[Measured] = [Measured("count"), Measured("persons"), AGE, *([] if kind == "share" else [HARM])]
    periods = None if kind == "share" else draw(st.integers(1 if kind == "change" else 2, 3))
    base = draw(st.sampled_from(bases))
    measure = made_of(kind, base, periods)
    plan = question([base, measure], *by)
    units = SCALE * 10**measure.decimals
    totals = st.integers(-30 * units, 300 * units) | st.integers(-(10**12), 10**12)
    return measure, plan, draw(st.lists(totals, min_size=plan.cells, max_size=plan.cells))


def by_key(plan: EffectivePlan, found: list[Any]) -> dict[Key, Any]:
    """Return what is in each cell by its keys, those of each grouping with its column, in no order."""
    keys = itertools.product(*([(keys.field, key) for key in _keys(keys)] for keys in plan.by))
    return {tuple(sorted(key, key=lambda part: part[0])): item for key, item in zip(keys, found, strict=True)}


def _keys(keys: Keys) -> tuple[Any, ...]:
    return keys.starts if isinstance(keys, DateKeys) else keys.keys


def earlier(plan: EffectivePlan, key: Key, periods: int) -> Key:
    (dates,) = (keys for keys in plan.by if isinstance(keys, DateKeys))
    return tuple(
        (field, start_before(value, dates.level, periods) if field == dates.field else value) for field, value in key
    )


def expected(measure: Measured, plan: EffectivePlan, noise: Mechanism, noisy: Mapping[Key, int]) -> dict[Key, Any]:
    """Return the unrounded numbers by their definitions in docs/adr/0004, None where there is none."""
    units = SCALE * 10**measure.decimals
    periods = getattr(measure.detail, "periods", None) or 0
    made: dict[Key, Any] = {}
    whole = sum(noisy.values())
    for key, value in noisy.items():
        if measure.kind == "share":
            enough = whole > noise.half_width_of_sum(len(noisy), ALPHA)
            made[key] = Fraction(value, whole) if enough else None
        elif measure.kind == "rolling":
            window = [earlier(plan, key, back) for back in range(periods)]
            full = all(item in noisy for item in window)
            made[key] = Fraction(sum(noisy[item] for item in window), units) if full else None
        else:
            old = noisy.get(earlier(plan, key, periods))
            told = old is not None and old > noise.half_width(ALPHA / 2)
            made[key] = (
                None if old is None else Fraction(value - old, units),
                Fraction(100 * (value - old), old) if told and old is not None else None,
            )
    return made


def unrounded(measure: Measured, cell: Cell) -> Any:
    if measure.part_names:
        return tuple(cell[name]["unrounded"] for name in measure.part_names)
    return cell["unrounded"]


def same(one: Any, other: Any) -> bool:
    if isinstance(other, tuple):
        return all(map(same, one, other))
    return one is None if other is None else one is not None and abs(one - other) <= 1e-9 * max(1, abs(other))


@settings(max_examples=300)
@given(asked(), noises)
def test_what_is_released_equals_its_definition_over_the_unrounded_noisy_values(drawn, noise):
    measure, plan, values = drawn
    found = by_key(plan, cells(measure, values, plan, noise))
    wanted = expected(measure, plan, noise, by_key(plan, values))
    assert found.keys() == wanted.keys()
    for key, cell in found.items():
        assert same(unrounded(measure, cell), wanted[key]), key


@settings(max_examples=200)
@given(asked(), noises, st.randoms(use_true_random=False))
def test_order_of_groupings_and_keys_moves_no_number(drawn, noise, random):
    measure, plan, values = drawn
    by = random.sample([_shuffled(keys, random) for keys in plan.by], len(plan.by))
    turned = question(list(plan.measures), *by)
    noisy = by_key(plan, values)
    again = [noisy[key] for key in by_key(turned, [None] * turned.cells)]
    assert by_key(turned, cells(measure, again, turned, noise)) == by_key(plan, cells(measure, values, plan, noise))


def _shuffled(keys: Keys, random: Any) -> Keys:
    turned = tuple(random.sample(_keys(keys), len(_keys(keys))))
    return replace(keys, starts=turned) if isinstance(keys, DateKeys) else replace(keys, keys=turned)


@settings(max_examples=200)
@given(asked(), noises)
def test_values_lie_where_such_numbers_can_and_within_their_intervals(drawn, noise):
    measure, plan, values = drawn
    for cell in cells(measure, values, plan, noise):
        for name, number in cell.items() if measure.part_names else [(measure.kind, cell)]:
            if number["value"] is None:
                told = {field: held for field, held in number.items() if field != "part"}
                assert told == {"value": None, "unrounded": None, "noise_interval": None, "usable": False}
                continue
            low, high = number["noise_interval"]
            assert low <= high
            if name == "share":
                assert 0 <= low <= high <= 1
                assert 0 <= number["value"] <= 1
            if name == "percent" and measure.low >= 0:
                assert number["value"] >= -100
            if name == "rolling" and measure.low >= 0:
                assert number["value"] >= 0


@given(asked())
def test_it_owns_no_vector_and_reads_no_total_of_its_own(drawn):
    _, plan, _ = drawn
    assert set(MADE) == set(DERIVED)
    assert [vector.measure for vector in vectors(plan)] == [plan.measures[0].name]
