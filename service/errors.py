"""The error tree of the service. Each error has a stable code; what HTTP makes of it is decided in ``service.api``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that an input breaks: which rule, where, how often, in which first rows. Never a value."""

    rule: str
    column: str = ""
    count: int = 1
    rows: tuple[int, ...] = ()
    detail: str = ""


class ConcordatError(Exception):
    """The root. ``code`` is stable and documented; ``detail`` says what is wrong, where, what to do."""

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        """Say what is wrong; ``code`` makes the class's own code more exact."""
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class Malformed(ConcordatError):
    """The request itself is malformed, whatever the agreement says."""

    code = "malformed"

    def __init__(self, detail: str, *, code: str | None = None, findings: Sequence[Finding] = ()) -> None:
        """Add the rules that were broken."""
        super().__init__(detail, code=code)
        self.findings = tuple(findings)


class Unauthenticated(ConcordatError):
    """Nobody we know is asking."""

    code = "unauthenticated"


class Forbidden(ConcordatError):
    """Known, but not allowed. ``decision`` tells which clauses decided, in the shape of the API."""

    code = "forbidden"

    def __init__(self, detail: str, *, code: str | None = None, decision: dict[str, Any] | None = None) -> None:
        """Add the decision."""
        super().__init__(detail, code=code)
        self.decision = decision


class NotFound(ConcordatError):
    """There is no such thing, or the caller may not know of it."""

    code = "not_found"


class Conflict(ConcordatError):
    """The state of things does not admit this, as a used idempotency key with another body."""

    code = "conflict"


class TooLarge(ConcordatError):
    """The body is larger than the limit."""

    code = "too_large"


class Unsupported(ConcordatError):
    """The media type is none that is taken."""

    code = "unsupported_media_type"


class EngineFailed(ConcordatError):
    """The engine gave no answer in time or memory; outside the privacy guarantee and named so."""

    code = "engine_failed"
