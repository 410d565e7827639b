"""From a question's public side to its noise and its charge. Looks at the plan alone, never at data.

Measures share a charge equally; a measure of several vectors, as a mean, shares its part among them. By composition in
zCDP the release costs the sum of its queries' rho (and, of Laplace noise alone, the sum of their epsilons).
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
from service.privacy.bounds import bound_of
from service.privacy.conversion import cap_rho_nano, epsilon_of
from service.privacy.measures.registry import kind_of, summed_of, vectors_of
from service.privacy.mechanism import (
    Mechanism,
    gaussian_for_accuracy,
    gaussian_for_rho,
    laplace_for_epsilon,
)
from service.privacy.postprocess import ALPHA
from service.privacy.sensitivity import Sensitivity, sensitivity


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
class Needed:
    """What the price of one vector depends on, and no more, so that prices are found again fast.

    Attributes:
        name: The vector's name, as ``mean_gravity.sum``.
        part: Which of its measure's vectors it is.
        cells: How many totals it has.
        units: How many fixed-point units make one.
        sensitivity: The distance between neighbours.
    """

    name: str
    part: str
    cells: int
    units: int
    sensitivity: Sensitivity


@dataclass(frozen=True, slots=True)
class Ask:
    """One measure to be priced.

    Attributes:
        kind: Its kind.
        own_noise: As ``Kind.OWN_NOISE``: whether its error is its only vector's noise.
        needs: Its vectors; none where it is worked out from another measure, and costs nothing.
        summed: How many of another measure's numbers each of its own is the sum of, and that measure's index; None
            where it is no such sum.
    """

    kind: str
    own_noise: bool
    needs: tuple[Needed, ...]
    summed: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One vector of totals to be released with noise.

    Attributes:
        measure: Index of the measure that it serves.
        vector: The vector.
        mechanism: Its noise and charge.
    """

    measure: int
    vector: Needed
    mechanism: Mechanism

    @property
    def name(self) -> str:
        """The engine's name for the vector, as ``mean_gravity.sum``."""
        return self.vector.name

    @property
    def half_width(self) -> Decimal:
        """The 95% half-width of its noise, in the vector's own units."""
        return Decimal(self.mechanism.half_width(ALPHA)) / self.vector.units

    def half_width_of_sum(self, count: int) -> Decimal:
        """The 95% half-width of the noise of ``count`` of its totals together, in the vector's own units."""
        return Decimal(self.mechanism.half_width_of_sum(count, ALPHA)) / self.vector.units


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
        queries: One for each vector of each measure, in order.
        rho_nano: The charge: the sum of the queries' charges, in nano-rho.
        epsilon: What the release alone satisfies at the conversion delta, rounded up: the conversion of its
            rho or, of Laplace noise, its pure epsilon where that is less.
        half_widths: For each measure the 95% half-width of its noise in its own units; None where the error
            depends on the data, as a mean's does.
        alternatives: Under an ``EpsilonSpend``, both kinds of noise, the chosen one first; else empty.
    """

    mechanism: str
    queries: tuple[Query, ...]
    rho_nano: int
    epsilon: Decimal
    half_widths: tuple[Decimal | None, ...]
    alternatives: tuple[Alternative, ...] = ()


def price_plan(plan: EffectivePlan, spend: Spend, delta: Decimal) -> Price:
    """Return the price of an effective plan; see ``price``."""
    return price(tuple(_ask(measured, plan) for measured in plan.measures), spend, delta)


def _derived(measured: Measured, plan: EffectivePlan) -> Ask:
    """Return what a measure that owns no vector is priced by: nothing."""
    summed = summed_of(measured)
    base = [item.name for item in plan.measures].index(measured.base or "")
    return Ask(measured.kind, own_noise=False, needs=(), summed=None if summed is None else (summed, base))


def _ask(measured: Measured, plan: EffectivePlan) -> Ask:
    if measured.base is not None:
        return _derived(measured, plan)
    bound = bound_of(plan)
    needs = tuple(
        Needed(vector.name, vector.part, vector.cells, vector.units, sensitivity(vector, bound))
        for vector in vectors_of(measured, plan)
    )
    return Ask(measured.kind, kind_of(measured).OWN_NOISE, needs)


@lru_cache(maxsize=4096)
def price(asks: tuple[Ask, ...], spend: Spend, delta: Decimal) -> Price:
    """Return the noise and the charge of some measures.

    Args:
        asks: The measures, at least one.
        spend: How much to spend, in one of three ways.
        delta: The conversion delta of the agreement.

    Raises:
        Malformed: ``within_not_for_mean``; ``within_too_fine``: no noise is as small; ``spend_too_small``: no
            noise is as large as that little would need.
    """
    if isinstance(spend, WithinSpend):
        return _price(asks, _within(asks, spend), delta)
    if isinstance(spend, ShareSpend):
        return _price(asks, _gaussian(asks, spend.rho_nano), delta)
    return _for_epsilon(asks, spend.epsilon, delta)


def _for_epsilon(asks: tuple[Ask, ...], epsilon: Decimal, delta: Decimal) -> Price:
    """Price both kinds of noise under (epsilon, delta) and take the one of lower variance (guarantee 2.6)."""
    wanted = Fraction(epsilon)

    def normal() -> tuple[Query, ...]:
        return _gaussian(asks, cap_rho_nano(epsilon, delta))

    def pure() -> tuple[Query, ...]:
        return _queries(asks, lambda distance, part: laplace_for_epsilon(distance, wanted * part))

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
    made = _price(asks, priced[0], delta)
    return replace(
        made,
        epsilon=min(made.epsilon, epsilon),  # it holds exactly; twelve digits rounded up may lie above
        alternatives=tuple(_alternative(asks, queries) for queries in priced),
    )


def _gaussian(asks: tuple[Ask, ...], rho_nano: int) -> tuple[Query, ...]:
    """Split a charge, rounding down, and take each part's cheapest Gaussian."""
    return _queries(
        asks, lambda distance, part: gaussian_for_rho(distance, rho_nano * part.numerator // part.denominator)
    )


def _within(asks: tuple[Ask, ...], spend: WithinSpend) -> tuple[Query, ...]:
    """Make each vector so exact that its measure, and every sum of it that is asked, keeps within the half-width."""
    alpha = 1 - spend.confidence
    made = []
    for index, ask in enumerate(asks):
        if not ask.own_noise and ask.summed is None:
            raise Malformed(
                f"the error of a {ask.kind} depends on the data: spend a share or an epsilon instead",
                code="within_not_for_mean",
            )
        for vector in ask.needs:
            units = int((spend.half_width * vector.units).to_integral_value(ROUND_FLOOR))
            count = max([1, *(item.summed[0] for item in asks if item.summed is not None and item.summed[1] == index)])
            made.append(Query(index, vector, gaussian_for_accuracy(vector.sensitivity, units, alpha, count)))
    return tuple(made)


def _queries(asks: tuple[Ask, ...], choose: Callable[[Sensitivity, Fraction], Mechanism]) -> tuple[Query, ...]:
    """Give each vector its part of the whole: measures that own any share equally, and so do the vectors of one."""
    owners = sum(bool(ask.needs) for ask in asks)
    return tuple(
        Query(index, vector, choose(vector.sensitivity, Fraction(1, owners * len(ask.needs))))
        for index, ask in enumerate(asks)
        for vector in ask.needs
    )


def _price(asks: tuple[Ask, ...], queries: tuple[Query, ...], delta: Decimal) -> Price:
    rho_nano = _rho_nano(queries)
    epsilon = epsilon_of(rho_nano, delta)
    pure = [query.mechanism.epsilon for query in queries if query.mechanism.epsilon is not None]
    if len(pure) == len(queries):
        epsilon = min(epsilon, sum(pure, Decimal(0)))
    return Price(queries[0].mechanism.name, queries, rho_nano, epsilon, _half_widths(asks, queries))


def _alternative(asks: tuple[Ask, ...], queries: tuple[Query, ...]) -> Alternative:
    return Alternative(queries[0].mechanism.name, _rho_nano(queries), _half_widths(asks, queries))


def _rho_nano(queries: tuple[Query, ...]) -> int:
    """Return the release's charge: in zCDP, queries on the same persons add up."""
    return sum(query.mechanism.rho_nano for query in queries)


def _variances(queries: tuple[Query, ...]) -> int:
    """Return the product of the queries' variances, which compares two kinds of noise whatever the units."""
    return prod(query.mechanism.variance for query in queries)


def _half_widths(asks: tuple[Ask, ...], queries: tuple[Query, ...]) -> tuple[Decimal | None, ...]:
    made: list[Decimal | None] = [None] * len(asks)
    for query in queries:
        if asks[query.measure].own_noise:
            made[query.measure] = query.half_width
    for index, ask in enumerate(asks):
        if ask.summed is not None:
            count, base = ask.summed
            made[index] = next(query.half_width_of_sum(count) for query in queries if query.measure == base)
    return tuple(made)
