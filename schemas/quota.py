"""What a recipient's steward sends to limit what one of its clients may spend."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from schemas.model import Strict, read
from schemas.names import ExactDecimal


class Quota(Strict):
    """The part of its party's share that a client may spend in a period; 0 lets it spend nothing."""

    share: Annotated[ExactDecimal, Field(ge=0, le=1)]


def parse(value: Any) -> Quota:
    """Read a quota from its JSON value.

    Raises:
        InvalidDocument: with every finding.
    """
    return read(Quota, value)
