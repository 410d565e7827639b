"""From a question's public side to its noise and its charge. Looks at the plan alone, never at data.

Measures share a charge equally; a mean halves its part between its sum and its count. By composition in zCDP
the release costs the sum of its queries' rho (and, of Laplace noise alone, the sum of their epsilons).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from functools import lru_cache
from math import prod

from service.errors import Malformed
from service.policy.plan import EffectivePlan, Measured
from service.privacy.conversion import cap_rho_nano, epsilon_of
from service.privacy.fixed import SCALE
from service.privacy.mechanism import (
    Mechanism,
    gaussian_for_accuracy,
    gaussian_for_rho,
    laplace_for_epsilon,
)
from service.privacy.sensitivity import Sensitivity, of_part, parts, query_name

ALPHA = Decimal("0.05")
"""Half-widths are shown at 95%."""


@dataclass(frozen=True, slots=True)
class ShareSpend:
    """Spend at most ``rho_nano``; the cheapest way is Gaussian, which is never worse at equal rho."""

    rho_nano: int


@dataclass(frozen=True, slots=True)
class WithinSpend:
    """Spend what makes each measure's noise at most ``half_width``, in its own units, at ``confidence``."""

    half_width: Decimal
    confidence: Decimal


@dataclass(frozen=True, slots=True)
class EpsilonSpend:
    """Spend what makes the release alone satisfy (``epsilon``, conversion delta)."""

    epsilon: Decimal


Spend = ShareSpend | WithinSpend | EpsilonSpend


@dataclass(frozen=True, slots=True)
class Query:
    """One vector of totals to be released with noise.

    Attributes:
        name: The engine's name for it, as ``mean_gravity.sum``.
        measure: Index of the measure that it serves.
        part: ``count``, ``persons`` or ``sum``.
        mechanism: Its noise and charge.
    """

    name: str
    measure: int
    part: str
    mechanism: Mechanism


@dataclass(frozen=True, slots=True)
class Alternative:
    """What one kind of noise would charge and how wide it would be.

    Attributes:
        mechanism: ``discrete_gaussian`` or ``discrete_laplace``.
        rho_nano: The charge.
        half_widths: As in ``Price``.
    """

    mechanism: str
    rho_nano: int
    half_widths: tuple[Decimal | None, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """How a question will be answered and what it costs.

    Attributes:
        mechanism: The noise of all queries, ``discrete_gaussian`` or ``discrete_laplace``.
        queries: One for each count, persons and sum; two for each mean.
        rho_nano: The charge: the sum of the queries' charges, in nano-rho.
        epsilon: What the release alone satisfies at the conversion delta, rounded up: the conversion of its
            rho or, of Laplace noise, its pure epsilon where that is less.
        half_widths: For each measure the 95% half-width of its noise in its own units; None for a mean, whose
            error depends on the data.
        alternatives: Under an ``EpsilonSpend``, both kinds of noise, the chosen one first; else empty.
    """

    mechanism: str
    queries: tuple[Query, ...]
    rho_nano: int
    epsilon: Decimal
    half_widths: tuple[Decimal | None, ...]
    alternatives: tuple[Alternative, ...] = ()


def price_plan(plan: EffectivePlan, spend: Spend, delta: Decimal) -> Price:
    """Return the price of an effective plan; see ``price``.

    A record adds one row, so a record dataset's bound is 1 whatever the plan says.
    """
    per_person = plan.per_person if plan.unit == "person" else 1
    return price(plan.measures, per_person, plan.cells, spend, delta)


@lru_cache(maxsize=4096)
def price(measures: tuple[Measured, ...], per_person: int, cells: int, spend: Spend, delta: Decimal) -> Price:
    """Return the noise and the charge of some measures over a key set.

    Args:
        measures: At least one.
        per_person: K.
        cells: Size of the public key set.
        spend: How much to spend, in one of three ways.
        delta: The conversion delta of the agreement.

    Raises:
        Malformed: ``within_not_for_mean``; ``within_too_fine``: no noise is as small; ``spend_too_small``: no
            noise is as large as that little would need.
    """
    if isinstance(spend, WithinSpend):
        return _price(measures, _within(measures, per_person, cells, spend), delta)
    if isinstance(spend, ShareSpend):
        return _price(measures, _gaussian(measures, per_person, cells, spend.rho_nano), delta)
    return _for_epsilon(measures, per_person, cells, spend.epsilon, delta)


def own_units(measure: Measured) -> int:
    """Return how many fixed-point units make one of a measure: ``SCALE``, times ``10**decimals`` of a sum."""
    return SCALE * 10**measure.decimals if measure.kind in ("sum", "mean") else SCALE


def _for_epsilon(
    measures: tuple[Measured, ...], per_person: int, cells: int, epsilon: Decimal, delta: Decimal
) -> Price:
    """Price both kinds of noise under (epsilon, delta) and take the one of lower variance (guarantee 2.6)."""
    wanted = Fraction(epsilon)

    def normal() -> tuple[Query, ...]:
        return _gaussian(measures, per_person, cells, cap_rho_nano(epsilon, delta))

    def pure() -> tuple[Query, ...]:
        return _queries(measures, per_person, cells, lambda bound, part: laplace_for_epsilon(bound, wanted * part))

    priced = []
    refused: Malformed | None = None
    for queries in (normal, pure):
        try:
            priced.append(queries())
        except Malformed as error:  # one kind may be out of range where the other is not
            refused = error
    if refused is not None and not priced:
        raise refused
    priced.sort(key=_variances)
    made = _price(measures, priced[0], delta)
    return replace(
        made,
        epsilon=min(made.epsilon, epsilon),  # it holds exactly; twelve digits rounded up may lie above
        alternatives=tuple(_alternative(measures, queries) for queries in priced),
    )


def _gaussian(measures: tuple[Measured, ...], per_person: int, cells: int, rho_nano: int) -> tuple[Query, ...]:
    """Split a charge, rounding down, and take each part's cheapest Gaussian."""
    return _queries(
        measures,
        per_person,
        cells,
        lambda bound, part: gaussian_for_rho(bound, rho_nano * part.numerator // part.denominator),
    )


def _within(measures: tuple[Measured, ...], per_person: int, cells: int, spend: WithinSpend) -> tuple[Query, ...]:
    if any(measure.kind == "mean" for measure in measures):
        raise Malformed(
            "the error of a mean depends on the data: spend a share or an epsilon instead",
            code="within_not_for_mean",
        )
    alpha = 1 - spend.confidence
    made = []
    for index, measure in enumerate(measures):
        units = int((spend.half_width * own_units(measure)).to_integral_value(ROUND_FLOOR))
        part = measure.kind
        noise = gaussian_for_accuracy(of_part(measure, part, per_person, cells), units, alpha)
        made.append(Query(query_name(measure, part), index, part, noise))
    return tuple(made)


def _queries(
    measures: tuple[Measured, ...],
    per_person: int,
    cells: int,
    choose: Callable[[Sensitivity, Fraction], Mechanism],
) -> tuple[Query, ...]:
    """Give each query its part of the whole: measures share equally, a mean halves its part."""
    made = []
    for index, measure in enumerate(measures):
        needed = parts(measure)
        for part in needed:
            noise = choose(of_part(measure, part, per_person, cells), Fraction(1, len(measures) * len(needed)))
            made.append(Query(query_name(measure, part), index, part, noise))
    return tuple(made)


def _price(measures: tuple[Measured, ...], queries: tuple[Query, ...], delta: Decimal) -> Price:
    rho_nano = _rho_nano(queries)
    epsilon = epsilon_of(rho_nano, delta)
    pure = [query.mechanism.epsilon for query in queries if query.mechanism.epsilon is not None]
    if len(pure) == len(queries):
        epsilon = min(epsilon, sum(pure, Decimal(0)))
    return Price(queries[0].mechanism.name, queries, rho_nano, epsilon, _half_widths(measures, queries))


def _alternative(measures: tuple[Measured, ...], queries: tuple[Query, ...]) -> Alternative:
    return Alternative(queries[0].mechanism.name, _rho_nano(queries), _half_widths(measures, queries))


def _rho_nano(queries: tuple[Query, ...]) -> int:
    """Return the release's charge: in zCDP, queries on the same persons add up."""
    return sum(query.mechanism.rho_nano for query in queries)


def _variances(queries: tuple[Query, ...]) -> int:
    """Return the product of the queries' variances, which compares two kinds of noise whatever the units."""
    return prod(query.mechanism.variance for query in queries)


def _half_widths(measures: tuple[Measured, ...], queries: tuple[Query, ...]) -> tuple[Decimal | None, ...]:
    made: list[Decimal | None] = [None] * len(measures)
    for query in queries:
        measure = measures[query.measure]
        if measure.kind != "mean":
            made[query.measure] = Decimal(query.mechanism.half_width(ALPHA)) / own_units(measure)
    return tuple(made)
