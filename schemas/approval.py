"""What a steward sends to approve or refuse a question that waits."""

from __future__ import annotations

from typing import Any, Literal

from schemas.model import Strict, read
from schemas.request import Reason


class Decision(Strict):
    """One party's decision on a question, final, and why."""

    decision: Literal["approve", "refuse"]
    reason: Reason = ""


def parse(value: Any) -> Decision:
    """Read a decision from its JSON value.

    Raises:
        InvalidDocument: with every finding.
    """
    return read(Decision, value)
