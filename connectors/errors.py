"""What can go wrong between a client and a broker; every error has a stable ``code`` and its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """The root.

    Attributes:
        code: Stable and documented.
        detail: What is wrong and where; never a token, a key or a value of the data.
    """

    def __init__(self, code: str, detail: str) -> None:
        """Keep the code apart from the words."""
        super().__init__(detail)
        self.code = code
        self.detail = detail


class LocalError(ClientError):
    """Something given on this side cannot be used: a file, a key, an address."""


class ProblemError(ClientError):
    """The broker refused, with problem details (RFC 9457).

    Attributes:
        title: The kind of problem in a few words.
        status: The HTTP status.
        decision: Which clauses of the agreement decided, where they did.
        errors: Each broken rule: ``rule``, ``column``, ``count``, ``rows``, ``detail``.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        title: str,
        status: int,
        decision: Mapping[str, Any] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Keep each member."""
        super().__init__(code, detail)
        self.title = title
        self.status = status
        self.decision = decision
        self.errors = tuple(errors)


class WaitingError(ClientError):
    """The question waits for stewards to approve it; nothing was charged.

    Attributes:
        approval: The approval's id.
        needs: The parties of whom a steward has to approve.
        has: Those that have.
        idempotency_key: Asked again with it, the question is answered once all have approved.
    """

    def __init__(self, approval: str, needs: Sequence[str], has: Sequence[str], idempotency_key: str) -> None:
        """Say for whom it waits."""
        missing = ", ".join(party for party in needs if party not in has)
        super().__init__("needs_approval", f"{approval} waits for a steward of {missing}; nothing was charged")
        self.approval = approval
        self.needs = tuple(needs)
        self.has = tuple(has)
        self.idempotency_key = idempotency_key


class UnreachableError(ClientError):
    """No answer came that Concordat's protocol knows.

    Attributes:
        idempotency_key: The key the call went out with: the same call with it is safe, and answered once.
    """

    def __init__(self, code: str, detail: str, *, idempotency_key: str | None = None) -> None:
        """Keep the key beside the words."""
        super().__init__(code, detail)
        self.idempotency_key = idempotency_key


class GoneError(ClientError):
    """What was pushed is not in the dataset any more: it was withdrawn or replaced since."""


class UnverifiedError(ClientError):
    """The broker answered, but what it says cannot be shown to be true; it must not be used."""
