"""When an agreement holds."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import model_validator

from schemas.clauses.said import said
from schemas.model import Strict
from schemas.names import IsoDate


class Period(Strict):
    """When the agreement holds. Outside it, and past its review, nothing is taken and nothing is answered."""

    start: Annotated[IsoDate, said("The first day on which it holds.", "2026-04-01")]
    end: Annotated[IsoDate, said("The last day on which it holds; the data is purged after grace.", "2028-03-31")]
    review_by: Annotated[
        IsoDate,
        said("The last day by which the parties review it. From the day after, it is not in force.", "2027-03-31"),
    ]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.start <= self.review_by <= self.end:
            raise ValueError("start, review_by and end stand in that order")
        return self
