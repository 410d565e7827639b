"""Rules about the privacy budget: what epsilon still means, and what periods add up to."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import log, sqrt

from schemas.calendar import period_index
from schemas.law.case import Case
from schemas.law.finding import Place, Rule

PERIOD_CEILING = Decimal(10)
"""Above it a budget is remarked on. At epsilon 10 an answer may be 22,000 times likelier with a person than without,
which says little any more; published releases of public bodies lie below it or near it. A convention, and no law."""
LIFETIME_CEILING = Decimal(40)
"""Likewise over a lifetime: four times the ceiling of a period."""
DELTA_CEILING = Decimal("1e-6")
"""Delta lies well below one in the number of persons: an area such as Avon and Somerset has 1.8 million people."""
BOUND_CEILING = 20
"""Noise grows with the bound; nobody is expected to have more records than this in a quarter."""

SCALE = (
    "Differential privacy: what epsilon, delta and the bound mean, docs/privacy-model.md; the ceiling is a convention"
)


def _period_above(case: Case) -> Iterator[Place]:
    epsilon = case.agreement.privacy.budget.epsilon
    if epsilon > PERIOD_CEILING:
        yield Place("privacy/budget/epsilon", f"epsilon {epsilon} a period is above {PERIOD_CEILING}")


def _lifetime_above(case: Case) -> Iterator[Place]:
    epsilon = case.agreement.privacy.lifetime.epsilon
    if epsilon > LIFETIME_CEILING:
        yield Place("privacy/lifetime/epsilon", f"epsilon {epsilon} over a lifetime is above {LIFETIME_CEILING}")


def _delta_above(case: Case) -> Iterator[Place]:
    budget = case.agreement.privacy.budget
    delta = budget.delta_conversion + budget.delta_selection
    if delta > DELTA_CEILING:
        yield Place("privacy/budget/delta_conversion", f"delta {delta} in all is above {DELTA_CEILING}")


def _lifetime_below_period(case: Case) -> Iterator[Place]:
    privacy = case.agreement.privacy
    if privacy.lifetime.epsilon < privacy.budget.epsilon:
        words = f"the lifetime's epsilon {privacy.lifetime.epsilon} is below a period's {privacy.budget.epsilon}"
        yield Place("privacy/lifetime/epsilon", words)


def composed(epsilon: Decimal, delta: Decimal, periods: int) -> float:
    """Return about the epsilon at ``delta`` of all periods together, each spent to ``epsilon`` at ``delta``.

    By zero-concentrated differential privacy, rho adds up, and epsilon = rho + 2 sqrt(rho ln(1/delta)) (Bun and
    Steinke 2016, Proposition 1.3). The broker's own conversion is tighter; this is for a note, and charges nothing.
    """
    unit = log(1 / float(delta))
    rho = (sqrt(unit + float(epsilon)) - sqrt(unit)) ** 2 * periods
    return rho + 2 * sqrt(rho * unit)


def _periods_exceed(case: Case) -> Iterator[Place]:
    period, privacy = case.agreement.period, case.agreement.privacy
    budget = privacy.budget
    first, last = (period_index(budget.from_, budget.every, day) for day in (period.start, period.end))
    periods = last - first + 1
    together = composed(budget.epsilon, budget.delta_conversion, periods)
    if privacy.lifetime.epsilon >= budget.epsilon and together > float(privacy.lifetime.epsilon):
        words = f"{periods} periods at epsilon {budget.epsilon} come to about {together:.1f} together"
        yield Place("privacy/lifetime/epsilon", f"{words}, beyond the lifetime's {privacy.lifetime.epsilon}")


def _bound_of_records(case: Case) -> Iterator[Place]:
    for name, dataset in case.agreement.datasets.items():
        if dataset.privacy_unit == "record" and dataset.bounds.per_person > 1:
            words = f"{name} protects records, and one adds 1, never {dataset.bounds.per_person}"
            yield Place(f"datasets/{name}/bounds/per_person", words)


def _bound_large(case: Case) -> Iterator[Place]:
    for name, dataset in case.agreement.datasets.items():
        if dataset.privacy_unit == "person" and dataset.bounds.per_person > BOUND_CEILING:
            words = f"{name} lets one person add {dataset.bounds.per_person}; noise grows with it"
            yield Place(f"datasets/{name}/bounds/per_person", words)


RULES = (
    Rule(
        "epsilon_above_ceiling",
        "warning",
        f"A period's epsilon is above {PERIOD_CEILING}.",
        SCALE,
        "Take a smaller epsilon, or say in the impact assessment why it has to be as large.",
        _period_above,
    ),
    Rule(
        "lifetime_above_ceiling",
        "warning",
        f"The lifetime's epsilon is above {LIFETIME_CEILING}.",
        SCALE,
        "Take a smaller epsilon, or say in the impact assessment why it has to be as large.",
        _lifetime_above,
    ),
    Rule(
        "delta_above_ceiling",
        "warning",
        f"Delta in all is above {DELTA_CEILING}.",
        SCALE,
        "Take a delta well below one in the number of persons in the data.",
        _delta_above,
    ),
    Rule(
        "lifetime_below_period",
        "error",
        "The lifetime's budget is smaller than one period's.",
        "How the broker charges: docs/privacy-model.md",
        "Make the lifetime's epsilon at least a period's.",
        _lifetime_below_period,
    ),
    Rule(
        "periods_exceed_lifetime",
        "note",
        "All periods spent in full would exceed the lifetime's budget.",
        "Composition of zero-concentrated differential privacy: Bun and Steinke 2016 (remembered, not read)",
        "Know that answers may end before the agreement does, or take a smaller epsilon a period.",
        _periods_exceed,
    ),
    Rule(
        "bound_of_records",
        "warning",
        "A dataset that protects records lets one add more than 1.",
        "How noise is calibrated: docs/privacy-model.md",
        "Set `bounds.per_person` to 1.",
        _bound_of_records,
    ),
    Rule(
        "bound_large",
        "note",
        f"One person may add more than {BOUND_CEILING} records.",
        SCALE,
        "Take a smaller bound: what it cuts off is less than the noise that it saves.",
        _bound_large,
    ),
)
