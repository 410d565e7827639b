"""What is released of measures worked out from others: of given noisy totals, or of tables without noise."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from service.aggregates import release
from service.policy.plan import Derived, EffectivePlan, Measured
from service.privacy.fixed import SCALE
from service.privacy.measures.registry import derived
from service.privacy.mechanism import Mechanism, gaussian
from service.privacy.postprocess import Column, NoisyVector, UsableRule
from service.privacy.sensitivity import Sensitivity
from tests.spec import harness

RULE = UsableRule(Decimal("0.30"), 10)
LEAST = gaussian(Sensitivity(SCALE, SCALE**2), 1)
"""Noise of a standard deviation of 1/1024: next to none."""
Cell = dict[str, Any]


def made_of(kind: str, base: Measured | str = "count", periods: int | None = None) -> Measured:
    """Return a measure of a kind that is worked out from another."""
    of = Measured(base) if isinstance(base, str) else base
    return replace(of, kind=kind, detail=Derived(of.kind, periods))


def columns(
    measure: Measured, values: Sequence[int], plan: EffectivePlan, noise: Mechanism = LEAST, rule: UsableRule = RULE
) -> tuple[Column, ...]:
    """Return the columns of a measure of noisy totals, which are in 1/1024 of the least unit of their column."""
    assert isinstance(measure.detail, Derived)
    noisy = NoisyVector(values, noise, SCALE * 10**measure.decimals)
    return derived(measure, {measure.detail.base: noisy}, plan.by, rule)


def cells(
    measure: Measured, values: Sequence[int], plan: EffectivePlan, noise: Mechanism = LEAST, rule: UsableRule = RULE
) -> list[Cell]:
    """Return what is released in each cell, parts by their names."""
    joined = release._joined(columns(measure, values, plan, noise, rule))
    return [{part["part"]: part for part in cell["parts"]} if "parts" in cell else cell for cell in joined]


def of_table(
    engine: Any, lake: Any, plan: EffectivePlan, tables: Mapping[str, str], *, part: str = "value"
) -> dict[tuple[str, ...], Any]:
    """Return what the last measure of a plan is, of exact totals, by keys: its value, or that of each of its parts."""
    measure = plan.measures[-1]
    base = plan.measures[[item.name for item in plan.measures].index(measure.base or "")]
    read = {name: lake.table(name, harness.rows(name, text)) for name, text in tables.items()}
    totals = engine.totals(plan, read)
    (values,) = [found for name, found in totals.items() if name.startswith(f"{base.name}.")]
    found = cells(measure, values, plan)
    keys = itertools.product(*(release.key_texts(item) for item in plan.by))
    return {
        key: cell[part] if part in cell else [cell[name][part] for name in measure.part_names]
        for key, cell in zip(keys, found, strict=True)
    }
