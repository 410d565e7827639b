"""What a client sends to set an amount aside for questions that it plans, such as those of a pack of tables."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from schemas.model import Strict, read
from schemas.names import ExactDecimal, IsoDate, Slug

HEADER = "Concordat-Reservation"
"""The header by which a question names the reservation that it draws on; it changes nothing of the answer."""


class Reserve(Strict):
    """An amount, and the questions that may draw on it: for one purpose, of some datasets.

    Attributes:
        share: Part of the caller's party's share of the period, in rho.
        delta_share: Likewise part of its selection delta.
        until: Last day on which it holds; at most 30 days on, and never beyond the period.
    """

    purpose: Slug
    datasets: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=6)]
    share: Annotated[ExactDecimal, Field(gt=0, le=1)]
    delta_share: Annotated[ExactDecimal | None, Field(ge=0, le=1)] = None
    until: IsoDate | None = None

    @model_validator(mode="after")
    def _no_repeats(self) -> Self:
        if len(set(self.datasets)) != len(self.datasets):
            raise ValueError("a dataset stands twice")
        return self


def parse(value: Any) -> Reserve:
    """Read a reservation from its JSON value.

    Raises:
        InvalidDocument: with every finding.
    """
    return read(Reserve, value)
