"""One request of one caller, decided under the agreement in force, and its entry in the log."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.canonical import digest
from schemas.errors import DocumentError
from schemas.request import AggregateRequest
from service.aggregates.intents import Question, approving, ask_price, datasets, log_clauses, log_request, resolve_spend
from service.aggregates.ports import Binding, Transaction, VersionName
from service.agreements.standing import Current, visible
from service.audit.entry import AgreementRef, Charge, CheckedReason, Entry, Kind, Screen, check_reason
from service.audit.entry import Caller as EntryCaller
from service.audit.entry import Decision as EntryDecision
from service.budget.caps import Caps
from service.errors import ConcordatError, Conflict, Forbidden, Malformed
from service.identity.caller import Caller, Role
from service.policy.asked import may_ask
from service.policy.decide import decide
from service.policy.decision import Decision
from service.policy.nearest import explained
from service.policy.plan import EffectivePlan
from service.policy.withdrawal import withdrawn

Scope = tuple[str, str, str, str, str]
"""What an idempotency key belongs to: party, client, route, agreement, and the key itself, concealed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request of one caller, decided under the agreement in force at one time."""

    caller: Caller
    found: Current
    request: AggregateRequest
    reason: CheckedReason
    decision: Decision
    now: datetime

    @property
    def plan(self) -> EffectivePlan:
        """The effective plan of an allowed request."""
        if self.decision.plan is None:
            raise RuntimeError("only an allowed request has a plan")
        return self.decision.plan

    def shown(self) -> dict[str, Any]:
        """Return the decision as the caller sees it; a refusal tells the nearest request that would be allowed."""
        found, caller = self.found, self.caller
        said = explained(self.decision, found.agreement, found.library, caller.party, self.request, caller.roles)
        return said.as_json()

    def refusal(self) -> Forbidden:
        """Return the refusal of what the decision refuses, with the nearest request that would be allowed."""
        words = "; ".join(item.words for item in self.decision.reasons)
        return Forbidden(words, code=self.decision.code, decision=self.shown())

    def priced(self, limits: Caps) -> Question:
        """Return the question with its price.

        Raises:
            Malformed: no noise can be what is asked.
        """
        spend = resolve_spend(self.request.spend, self.caller.party, limits)
        return ask_price(self.request, self.plan, spend, self.found.agreement)


def decided(
    tx: Transaction,
    broker: str,
    screen: Screen,
    caller: Caller,
    agreement_id: str,
    request: AggregateRequest,
    now: datetime,
) -> Case:
    """Decide a request under the agreement in force.

    Args:
        tx: A transaction; nothing is written.
        broker: The issuer.
        screen: Finds identifiers in a reason.
        caller: Who asks.
        agreement_id: Under which agreement.
        request: What.
        now: The time, in UTC.

    Raises:
        Forbidden: the caller has no role that a grant names, or the agreement is not in force.
        Malformed: the request makes no sense, or its reason names someone.
    """
    caller.require(Role.ANALYST, Role.STEWARD, Role.IG_LEAD)
    try:
        reason = check_reason(request.reason, screen)
    except DocumentError as error:
        raise Malformed(error.detail, code=error.code) from None
    found = visible(tx.agreements, agreement_id, now.date(), broker, caller.party)
    if not may_ask(found.agreement, caller.party, caller.roles):
        caller.require(Role.ANALYST)
    asked_of = (request.dataset, *(link.dataset for link in request.linked))
    refusal = withdrawn(found.agreement, found.row.withdrawn, caller.party, asked_of)
    decision = refusal or decide(found.agreement, found.library, caller.party, request, caller.roles)
    return Case(caller, found, request, reason, decision, now)


def entry(kind: Kind, case: Case, *, charge: Charge | None = None, result: dict[str, Any] | None = None) -> Entry:
    """Return a case's entry in the log."""
    decision, clauses = case.decision, case.decision.clauses
    if decision.approvals:  # so that a replay knows that it had to be approved
        clauses = (*clauses, *approving(case.found.agreement, clauses))
    outcome = "allowed" if decision.allowed else "refused"
    told = EntryDecision(outcome, decision.code, _log_clauses(case, clauses))
    return _entry(kind, case, told, reason=case.reason or None, charge=charge, result=result)


def refused(case: Case, error: ConcordatError) -> Entry:
    """Return the entry of a refusal, by the decision or by what came after it; without the caller's reason."""
    clauses = (getattr(error, "decision", None) or {}).get("clauses", ())
    return _entry(Kind.REFUSED, case, EntryDecision("refused", error.code, _log_clauses(case, clauses)))


def _log_clauses(case: Case, clauses: Iterable[str]) -> tuple[str, ...]:
    return log_clauses(clauses, case.found.agreement, case.found.library.words)


def _entry(
    kind: Kind,
    case: Case,
    decision: EntryDecision,
    *,
    reason: CheckedReason | None = None,
    charge: Charge | None = None,
    result: dict[str, Any] | None = None,
) -> Entry:
    caller, found = case.caller, case.found
    return Entry(
        kind=kind,
        time=case.now,
        caller=EntryCaller(caller.client, caller.party, caller.role),
        nonce=caller.nonce(),
        agreement=AgreementRef(found.row.id, str(found.version), found.digest),
        purpose=case.request.purpose if case.request.purpose in found.agreement.purposes else None,
        reason=reason,
        request=log_request(case.request, found.agreement, found.library.words),
        decision=decision,
        charge=charge,
        result=result,
    )


def binding(tx: Transaction, case: Case, scope: Scope) -> tuple[str, Binding | None]:
    """Return the request's digest and what its idempotency key is bound to.

    Raises:
        Conflict: it is bound to another request.
    """
    body_digest = digest(json.loads(request_text(case.request)))
    bound = tx.answers.binding(scope)
    if bound is not None and bound.digest != body_digest:
        raise Conflict(
            "this Idempotency-Key was used with another request; take a new key", code="idempotency_key_reused"
        )
    return body_digest, bound


def request_text(request: AggregateRequest) -> str:
    """Return a request as JSON text, as an intent keeps it."""
    return request.model_dump_json(by_alias=True, exclude_unset=True)


def versions(tx: Transaction, case: Case) -> dict[str, VersionName]:
    """Return the data version of each dataset that a plan reads."""
    return {name: tx.answers.data_version(case.found.row.id, name) for name in datasets(case.plan)}


def pinned(tx: Transaction, case: Case, read: dict[str, VersionName]) -> dict[str, dict[str, Any]]:
    """Return what an intent pins: each dataset's data version, and the days that it was declared to cover."""
    made = {}
    for name, version in read.items():
        covered = [{"from": first, "to": last} for first, last in tx.answers.covered(case.found.row.id, name)]
        made[name] = {"name": version.name, "lake": version.lake, "covered": covered}
    return made


def names(read: dict[str, VersionName]) -> dict[str, str]:
    """Return the opaque name of each data version, which is what a question's identity counts."""
    return {name: version.name for name, version in read.items()}
