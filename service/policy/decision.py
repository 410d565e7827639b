"""What a decision says: the outcome, a stable code, the clauses that determined it, and what would be allowed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from service.policy.plan import EffectivePlan

ALLOWED = "allowed"
NOT_GRANTED = "not_granted"
FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: the clause it rests on, as ``grants/3/group_by/age``, and the words for people."""

    clause: str
    words: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of one request against one agreement.

    Attributes:
        code: ``allowed``; ``not_granted`` (no grant covers this), ``forbidden`` (a grant says otherwise), or the
            code of why the agreement is not in force or what the budget lacks.
        reasons: Why, each with its clause.
        weighed: Clause paths of every grant that was looked at.
        allowed_instead: What the nearest grant allows; None where nothing comes near.
        plan: The effective plan of an allowed request.
        approvals: The parties, sorted, of whom a steward has to approve an allowed request before it is answered.
    """

    code: str
    reasons: tuple[Reason, ...]
    weighed: tuple[str, ...] = ()
    allowed_instead: dict[str, Any] | None = None
    plan: EffectivePlan | None = field(default=None, compare=False)
    approvals: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.code == ALLOWED

    @property
    def clauses(self) -> tuple[str, ...]:
        """The clause paths that determined the outcome."""
        return tuple(dict.fromkeys(reason.clause for reason in self.reasons))

    def as_json(self) -> dict[str, Any]:
        """Return the decision in the shape of the API."""
        made: dict[str, Any] = {
            "outcome": "allowed" if self.allowed else "refused",
            "code": self.code,
            "clauses": list(self.clauses),
            "reasons": [{"clause": reason.clause, "words": reason.words} for reason in self.reasons],
            "weighed": list(self.weighed),
        }
        if self.allowed_instead is not None:
            made["allowed_instead"] = self.allowed_instead
        return made


def refused(code: str, clause: str, words: str) -> Decision:
    """Return a refusal that rests on one clause."""
    return Decision(code, (Reason(clause, words),))
