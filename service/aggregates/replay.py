"""Past decisions decided again under a proposed version: which would flip. Pure; it knows entries and documents alone.

What comes out is a function of the entries that go in, which are those that the caller's party may read, and of the
proposed version: a replay tells a party nothing that it could not find out by reading the log with the document
beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.agreement import Agreement
from schemas.artefacts import Library
from service.aggregates.intents import approving
from service.aggregates.logged import NO_QUESTION, Asked, Unreadable, asked, is_question
from service.audit.entry import Kind
from service.errors import Malformed
from service.policy.decide import decide

KINDS = (Kind.CHARGED, Kind.REPEATED, Kind.PREVIEWED, Kind.REFUSED, Kind.APPROVAL_REQUESTED)
"""Kinds of entries that tell of a decision; an answer's second entry would count it twice."""

_POLICY = frozenset({
    "allowed", "needs_approval", "not_granted", "forbidden",
    "date_range_needed", "unknown_code", "wrong_operator", "contradiction", "too_many_cells", "wrong_bins",
    "no_periods", "wrong_share",
})  # fmt: skip
"""Codes that ``decide`` gives from agreement and request alone, so that another version may give another."""
WAITING = "waiting"
"""The outcome of what is allowed once stewards have approved it, asked before they did or after."""
_BUDGET = frozenset({
    "over_budget", "over_lifetime_budget", "over_request_cap", "no_budget_share", "over_quota", "over_selection_delta",
    "over_reservation", "reservation_for_other", "reservation_over",
})  # fmt: skip
BUDGET = "refused for the budget, which is no part of a version"
STANDING = "refused because the agreement was not in force"
STEWARD = "refused by a steward of whom approval was asked"
OTHERWISE = "refused for a reason that no version changes"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a question comes to under a version."""

    outcome: str
    code: str
    clauses: tuple[str, ...]
    words: str


@dataclass
class Replay:
    """The sum of a replay.

    Attributes:
        same: Questions that would come to the same.
        flips: Questions that would not, in the order of the log.
        unreadable: Entries that no question could be read from, by why.
        not_replayed: Entries whose decision does not depend on a version's clauses, by why.
    """

    same: int = 0
    flips: list[dict[str, Any]] = field(default_factory=list)
    unreadable: Counter[str] = field(default_factory=Counter)
    not_replayed: Counter[str] = field(default_factory=Counter)

    def add(self, n: int, entry: Mapping[str, Any], agreement: Agreement, library: Library) -> None:
        """Decide one entry's question again.

        Args:
            n: The entry's index.
            entry: Its JSON value.
            agreement: The proposed version.
            library: The artefacts it pins.
        """
        if entry.get("kind") not in KINDS:
            return
        why = _not_replayed(entry)
        if why is not None:
            self.not_replayed[why] += 1
            return
        try:
            question = asked(entry)
        except Unreadable as error:
            self.unreadable[error.why] += 1
            return
        before, after = _before(entry["decision"]), outcome(agreement, library, question)
        if before == after.outcome:
            self.same += 1
            return
        self.flips.append({
            "n": n,
            "party": question.party,
            "purpose": question.request.purpose,
            "dataset": question.request.dataset,
            "before": before,
            "after": after.outcome,
            "code": after.code,
            "clauses": list(after.clauses),
            "words": after.words,
        })  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Return it in the shape of the API."""
        return {
            "replayed": self.same + len(self.flips),
            "same": self.same,
            "flips": self.flips,
            "unreadable": self.unreadable.total(),
            "unreadable_because": dict(sorted(self.unreadable.items())),
            "not_replayed": self.not_replayed.total(),
            "not_replayed_because": dict(sorted(self.not_replayed.items())),
        }


def outcome(agreement: Agreement, library: Library, question: Asked) -> Outcome:
    """Return what a question comes to under a version, whatever its standing and its budget."""
    try:
        decision = decide(agreement, library, question.party, question.request, question.roles)
    except Malformed as error:
        return Outcome("refused", error.code, (), error.detail)
    if decision.allowed and decision.approvals:
        words = f"allowed once a steward of {' and of '.join(decision.approvals)} has approved it"
        return Outcome(WAITING, "needs_approval", (*decision.clauses, *approving(agreement, decision.clauses)), words)
    words = "; ".join(dict.fromkeys(reason.words for reason in decision.reasons))
    return Outcome("allowed" if decision.allowed else "refused", decision.code, decision.clauses, words)


def _before(decision: Mapping[str, Any]) -> str:
    """Return the outcome that an entry tells of; one allowed by a clause on approval had to be approved."""
    found: str = decision["outcome"]
    needed = any(clause.endswith("/approval") for clause in decision.get("clauses", ()))
    return WAITING if found == "allowed" and needed else found


def _not_replayed(entry: Mapping[str, Any]) -> str | None:
    if not is_question(entry):
        return NO_QUESTION
    code = (entry.get("decision") or {}).get("code", "")
    if code in _POLICY:
        return None
    if code in _BUDGET:
        return BUDGET
    if code == "approval_refused":
        return STEWARD
    return STANDING if code.startswith(("agreement_", "artefact_")) else OTHERWISE
