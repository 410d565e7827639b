"""An erasure, as a supplier or a steward writes it, and how far it reaches."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.model import Strict, read
from schemas.request import Reason

MAX_PERSONS = 10_000
"""Persons in one erasure; send more in several."""
ERASURE_RECEIPT_TYPE = "concordat-erasure-receipt+jws"

Pseudonym = Annotated[str, StringConstraints(strict=True, pattern="^[0-9a-f]{64}$")]


class Reach(StrEnum):
    """Which datasets an erasure reaches: those of the caller's party, or all of the agreement's."""

    OWN = "own"
    AGREEMENT = "agreement"


class ErasureRequest(Strict):
    """Whose rows are to be erased, and why; nobody is named in the reason.

    Without a ``reach`` it is the narrowest that the caller's roles allow.
    """

    persons: tuple[Pseudonym, ...] = Field(min_length=1, max_length=MAX_PERSONS)
    reason: Reason = ""
    reach: Reach | None = None

    @model_validator(mode="after")
    def _no_repeats(self) -> Self:
        if len(set(self.persons)) != len(self.persons):
            raise ValueError("a person stands twice")
        return self


def parse(value: Any) -> ErasureRequest:
    """Read an erasure from its JSON value.

    Raises:
        InvalidDocument: with every finding; none repeats a pseudonym.
    """
    return read(ErasureRequest, value)
