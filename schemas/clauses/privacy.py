"""The privacy budget: what all answers together may tell of one person."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.clauses.said import said
from schemas.model import Strict
from schemas.names import ExactDecimal, IsoDate, IsoDuration, Slug


class Budget(Strict):
    """The privacy budget of a period."""

    epsilon: Annotated[ExactDecimal, said("Epsilon of all releases of a period together.", "8")]
    delta_conversion: Annotated[ExactDecimal, said("Delta at which rho is converted to epsilon.", "5e-8")]
    delta_selection: Annotated[ExactDecimal, said("Delta kept for choosing keys by threshold.", "5e-8")]
    every: Annotated[IsoDuration, said("How long a period is.", "P3M")]
    from_: Annotated[
        IsoDate,
        said("First day of the first period; fixed by the first version in force.", "2026-04-01", alias="from"),
    ]

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if not Decimal(0) < self.epsilon <= Decimal(50):
            raise ValueError("epsilon lies above 0 and at most 50")
        if not Decimal("1e-15") <= self.delta_conversion <= Decimal("1e-3"):
            raise ValueError("delta_conversion lies between 1e-15 and 1e-3")
        if not Decimal(0) <= self.delta_selection <= Decimal("1e-3"):
            raise ValueError("delta_selection lies between 0 and 1e-3")
        return self


class Lifetime(Strict):
    """The cap over all periods, at the same delta_conversion."""

    epsilon: Annotated[ExactDecimal, said("Epsilon of all releases ever made, together.", "24")]
    delta_selection: Annotated[
        ExactDecimal | None,
        said("Delta of all choices of keys ever made, together; a period's where left out.", "4e-7"),
    ] = None

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if not Decimal(0) < self.epsilon <= Decimal(200):
            raise ValueError("the lifetime's epsilon lies above 0 and at most 200")
        if self.delta_selection is not None and not Decimal(0) <= self.delta_selection <= Decimal("1e-3"):
            raise ValueError("the lifetime's delta_selection lies between 0 and 1e-3")
        return self


class PerRequest(Strict):
    """The most that one request may spend."""

    share: Annotated[ExactDecimal, said("A part of the caller's share of the period.", "0.10")]

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if not Decimal(0) < self.share <= Decimal(1):
            raise ValueError("a share lies above 0 and at most 1")
        return self


class Usable(Strict):
    """When a value is flagged usable: small enough an error on large enough a value."""

    half_width: Annotated[ExactDecimal, said("The 95% half-width is at most this part of the value.", "0.30")]
    value: Annotated[int, said("The value is at least this.", 10, ge=0)]


class Privacy(Strict):
    """Budgets and shares."""

    budget: Annotated[
        Budget,
        said(
            "The budget of each period.",
            {
                "epsilon": "8",
                "delta_conversion": "5e-8",
                "delta_selection": "5e-8",
                "every": "P3M",
                "from": "2026-04-01",
            },
        ),
    ]
    lifetime: Annotated[Lifetime, said("The cap over all periods; mandatory.", {"epsilon": "24"})]
    per_request: Annotated[PerRequest, said("The cap on one request.", {"share": "0.10"})]
    shares: Annotated[
        dict[Slug, ExactDecimal],
        said(
            "Each recipient's part of the period's budget; at most 1 together.",
            {"as-opcc": "0.6", "bristol": "0.2"},
            min_length=1,
        ),
    ]
    analysts: Annotated[
        dict[Slug, ExactDecimal],
        said(
            "Of a recipient, the most of its share that any one of its clients may spend in a period. "
            "Its stewards may set less for a client.",
            {"as-opcc": "0.25"},
        ),
    ] = Field(default_factory=dict)
    usable: Annotated[Usable, said("When a value is flagged usable.", {"half_width": "0.30", "value": 10})]

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if any(share <= 0 for share in self.shares.values()) or sum(self.shares.values()) > 1:
            raise ValueError("shares lie above 0 and sum to at most 1")
        if not all(0 < quota <= 1 for quota in self.analysts.values()):
            raise ValueError("an analyst's quota lies above 0 and at most 1")
        if not self.analysts.keys() <= self.shares.keys():
            raise ValueError("analysts' quotas are parts of a share: a party under analysts has none")
        return self
