"""Questions that wait for stewards: where a grant names parties, one steward of each has to approve first.

An approval is bound to what the stewards saw: the effective plan (at any data version), the asking party, the purpose,
the agreement version and the cost. It lets that question, or a cheaper one that is otherwise the same, be asked for as
long as it lasts; it never lets anything be asked that the agreement does not allow, since each ask is decided anew.
A refusal holds for that question at that cost and any higher one. Nothing here reads data or charges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from schemas.agreement import Agreement
from schemas.canonical import canonical
from schemas.errors import DocumentError
from service.aggregates import release as releases
from service.aggregates.intents import Question
from service.aggregates.ports import ApprovalRow, Store, Transaction, VerdictRow
from service.agreements.standing import Current, visible
from service.audit.entry import AgreementRef, CheckedReason, Entry, Kind, Screen, check_reason, format_time
from service.audit.entry import Caller as EntryCaller
from service.audit.entry import Decision as EntryDecision
from service.budget.caps import Caps
from service.errors import Conflict, Forbidden, Malformed, NotFound
from service.identity.caller import Caller, Role
from service.policy.decision import Decision
from service.policy.plan import EffectivePlan

LIFE = timedelta(days=90)
"""How long an approval lasts, counted from when it was asked for."""
MOST_WAITING = 100
"""How many questions of one party may wait under one agreement version."""
_MOST_LISTED = 200
_PREFIX = "approval"

Standing = Literal["waiting", "approved", "refused", "lapsed"]
Verdict = Literal["approve", "refuse"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that needs approval, as one party asks it now.

    Attributes:
        found: The agreement version in force.
        question: Decided and priced.
        decision: Names whose approval it needs.
        caps: The agreement's caps, which the cost is shown against.
    """

    caller: Caller
    found: Current
    question: Question
    decision: Decision
    caps: Caps
    now: datetime

    @property
    def plan_identity(self) -> str:
        """What is approved: the effective plan, whatever the version of the data.

        Datasets stand in the place of their versions, so that two of one source are never taken for each other.
        """
        plan: EffectivePlan = self.question.plan
        return plan.identity({name: name for name in (plan.dataset, *(link.dataset for link in plan.links))})


@dataclass(frozen=True, slots=True)
class Waiting:
    """A question that waits: nothing was charged. Each of ``needs`` has to approve; ``has`` have."""

    approval: str
    needs: tuple[str, ...]
    has: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the standing as the API tells it."""
        return {"standing": "waiting", "approval": self.approval, "needs": list(self.needs), "has": list(self.has)}


@dataclass(frozen=True, slots=True)
class _Held:
    """An approval with what was said of it."""

    row: ApprovalRow
    verdicts: Sequence[VerdictRow]

    @property
    def has(self) -> tuple[str, ...]:
        return tuple(sorted(item.party for item in self.verdicts if item.verdict == "approve"))

    @property
    def refused_by(self) -> str | None:
        return next((item.party for item in self.verdicts if item.verdict == "refuse"), None)

    def covers(self, needs: Sequence[str]) -> bool:
        return self.refused_by is None and set(needs) <= set(self.has)


def is_approval(subject: str) -> bool:
    """Whether an idempotency key's subject is an approval: the key is not bound to an answer yet."""
    return subject.startswith(f"{_PREFIX}-")


def gate(
    tx: Transaction, asked: Asked, new_id: Callable[[str], str], log: Callable[[dict[str, Any]], int]
) -> Waiting | None:
    """Let a question pass that every party named has approved, or say that it waits; a new one is written down.

    Args:
        tx: The transaction that would charge it.
        asked: The question.
        new_id: Makes a readable unique id with a prefix.
        log: Appends the ``approval-requested`` entry with a result; returns its index.

    Raises:
        Forbidden: ``approval_refused``, with the party that refused.
        Conflict: ``too_many_waiting``.
    """
    needs = asked.decision.approvals
    held = _of_question(tx, asked)
    refusal = _refusal(held, asked)
    if refusal is not None and refusal.refused_by is not None:
        raise _refused(asked, refusal.refused_by)
    enough = _enough(held, asked)
    if any(item.covers(needs) for item in enough):
        return None
    if enough:
        log({"approval": enough[0].row.id})
        return Waiting(enough[0].row.id, needs, enough[0].has)
    approval = new_id(_PREFIX)
    _check_few_wait(tx, asked)
    tx.approvals.add(_row(asked, approval, log({"approval": approval})))
    return Waiting(approval, needs, ())


def outlook(tx: Transaction, asked: Asked) -> dict[str, Any]:
    """Return what a preview tells of the approvals that a question needs, and of those it has."""
    needs = asked.decision.approvals
    made: dict[str, Any] = {"needs": list(needs)}
    held = _of_question(tx, asked)
    refusal = _refusal(held, asked)
    if refusal is not None:
        return made | {"standing": "refused", "approval": refusal.row.id, "refused_by": refusal.refused_by}
    enough = _enough(held, asked)
    if not enough:
        return made | {"standing": "not-asked"}
    item = next((item for item in enough if item.covers(needs)), enough[0])
    standing = "approved" if item.covers(needs) else "waiting"
    return made | {"standing": standing, "approval": item.row.id, "has": list(item.has)}


def _refusal(held: Sequence[_Held], asked: Asked) -> _Held | None:
    """Return a refusal of this question, at its cost or a lower one."""
    return next((item for item in held if item.refused_by is not None and item.row.rho_nano <= _cost(asked)), None)


def _enough(held: Sequence[_Held], asked: Asked) -> list[_Held]:
    """Return the approvals that would let the question pass, or do: for its cost or more, by all whom it needs."""
    needs = set(asked.decision.approvals)
    return [
        item
        for item in held
        if item.refused_by is None and item.row.rho_nano >= _cost(asked) and needs <= set(item.row.needs)
    ]


def _of_question(tx: Transaction, asked: Asked) -> list[_Held]:
    party, purpose, now = asked.caller.party, asked.question.request.purpose, format_time(asked.now)
    rows = tx.approvals.of_question(asked.found.digest, party, purpose, asked.plan_identity, now)
    return [_Held(row, tx.approvals.verdicts(row.id)) for row in rows]


def _cost(asked: Asked) -> int:
    return asked.question.price.rho_nano


def _check_few_wait(tx: Transaction, asked: Asked) -> None:
    waiting = [
        row
        for row in tx.approvals.live(asked.found.row.id, asked.found.digest, format_time(asked.now))
        if row.party == asked.caller.party and _waits(tx, row, asked)
    ]
    if len(waiting) >= MOST_WAITING:
        words = f"{MOST_WAITING} questions of your party wait for approval; let stewards decide on them first"
        raise Conflict(words, code="too_many_waiting")


def _waits(tx: Transaction, row: ApprovalRow, asked: Asked) -> bool:
    return _standing(_Held(row, tx.approvals.verdicts(row.id)), asked.found, asked.now) == "waiting"


def _row(asked: Asked, approval: str, log_index: int) -> ApprovalRow:
    question, found, caller = asked.question, asked.found, asked.caller
    party = caller.party
    priced = releases.preview(question, found.agreement, asked.caps, party, remaining=0, repeat=False)
    shown = {name: priced[name] for name in ("cost", "cells", "measures")}
    shown["question"] = releases.question_json(question)
    return ApprovalRow(
        id=approval,
        agreement=found.row.id,
        version=found.version,
        digest=found.digest,
        party=party,
        client=caller.client,
        purpose=question.request.purpose,
        dataset=question.request.dataset,
        identity=asked.plan_identity,
        rho_nano=_cost(asked),
        needs=asked.decision.approvals,
        shown=canonical(shown).decode(),
        log_index=log_index,
        requested_at=format_time(asked.now),
        expires_at=format_time(asked.now + LIFE),
    )


def _refused(asked: Asked, party: str) -> Forbidden:
    words = f"{party} refused this question"
    clause = next(
        (path for path in asked.decision.clauses if party in _named(asked.found.agreement, path)),
        asked.decision.clauses[0],
    )
    clause = f"{clause}/approval"
    return Forbidden(
        words,
        code="approval_refused",
        decision={
            "outcome": "refused",
            "code": "approval_refused",
            "clauses": [clause],
            "reasons": [{"clause": clause, "words": words}],
            "weighed": list(asked.decision.weighed),
            "refused_by": party,
        },
    )


def _named(agreement: Agreement, path: str) -> tuple[str, ...]:
    kind, _, index = path.partition("/")
    return agreement.grants[int(index)].approval if kind == "grants" and index.isdigit() else ()


# --- what stewards do


@dataclass(frozen=True, slots=True)
class Approvals:
    """Reading approvals and deciding on them.

    Attributes:
        broker: The issuer.
        clock: The time, in UTC.
        screen: Finds identifiers in a reason.
    """

    store: Store
    broker: str
    clock: Callable[[], datetime]
    screen: Screen

    def listed(self, caller: Caller, agreement_id: str) -> list[dict[str, Any]]:
        """Return what waits for the caller's party to decide, and the newest of its own questions.

        Raises:
            NotFound: the caller's party is no party of such an agreement.
            Forbidden: the agreement is not in force.
        """
        caller.require(Role.STEWARD, Role.ANALYST, Role.IG_LEAD)
        now = self.clock()
        with self.store.read() as tx:
            found = visible(tx.agreements, agreement_id, now.date(), self.broker, caller.party)
            live = tx.approvals.live(agreement_id, found.digest, format_time(now))
            named = [_Held(row, tx.approvals.verdicts(row.id)) for row in live if caller.party in row.needs]
            own = [
                _Held(row, tx.approvals.verdicts(row.id))
                for row in tx.approvals.own(agreement_id, caller.party, _MOST_LISTED)
            ]
            chosen = {item.row.id: item for item in named if _may_decide(caller, item, found, now)}
            chosen |= {item.row.id: item for item in own}
            return [self._told(tx, caller, item, found, now) for item in chosen.values()]

    def shown(self, caller: Caller, agreement_id: str, approval_id: str) -> dict[str, Any]:
        """Return one approval, to the party that asks and to those who decide.

        Raises:
            NotFound: there is none of that id that the caller's party may see.
            Forbidden: the agreement is not in force.
        """
        caller.require(Role.STEWARD, Role.ANALYST, Role.IG_LEAD)
        now = self.clock()
        with self.store.read() as tx:
            found = visible(tx.agreements, agreement_id, now.date(), self.broker, caller.party)
            return self._told(tx, caller, _held(tx, caller, agreement_id, approval_id), found, now)

    def decide(
        self, caller: Caller, agreement_id: str, approval_id: str, verdict: Verdict, reason: str
    ) -> dict[str, Any]:
        """Take one named party's decision, which is final; logged in the transaction that keeps it.

        Args:
            caller: A steward of a party that the grant names; not the client that asked.
            agreement_id: The agreement.
            approval_id: What is decided.
            verdict: ``approve`` or ``refuse``.
            reason: Why; screened as the reasons of questions are.

        Raises:
            NotFound: there is none of that id that the caller's party may see.
            Forbidden: ``not_an_approver``, ``own_question``, or the agreement is not in force.
            Conflict: ``approval_lapsed``, or ``already_decided``: by the caller's party, or refused by another.
            Malformed: the reason names someone.
        """
        caller.require(Role.STEWARD)
        checked = self._reason(reason)
        now = self.clock()
        with self.store.write() as tx:
            found = visible(tx.agreements, agreement_id, now.date(), self.broker, caller.party)
            held = _held(tx, caller, agreement_id, approval_id)
            self._check(caller, held, found, now)
            index = tx.log.append(_entry(caller, held.row, verdict, checked, now))
            row = VerdictRow(approval_id, caller.party, caller.client, verdict, index, format_time(now))
            tx.approvals.add_verdict(row)
            return self._told(tx, caller, _Held(held.row, (*held.verdicts, row)), found, now)

    def _reason(self, reason: str) -> CheckedReason:
        try:
            return check_reason(reason, self.screen)
        except DocumentError as error:
            raise Malformed(error.detail, code=error.code) from None

    def _check(self, caller: Caller, held: _Held, found: Current, now: datetime) -> None:
        if caller.party not in held.row.needs:
            raise Forbidden("only a steward of a party that the grant names decides", code="not_an_approver")
        if (caller.client, caller.party) == (held.row.client, held.row.party):
            raise Forbidden("whoever asks does not decide: another steward has to", code="own_question")
        if _lapsed(held.row, found, now):
            words = "it lapsed, after 90 days or with its agreement version; the question has to be asked again"
            raise Conflict(words, code="approval_lapsed")
        if held.refused_by is not None or any(item.party == caller.party for item in held.verdicts):
            raise Conflict("this was decided, and decisions are final", code="already_decided")

    def _told(self, tx: Transaction, caller: Caller, held: _Held, found: Current, now: datetime) -> dict[str, Any]:
        row = held.row
        made: dict[str, Any] = {
            "approval": row.id,
            "standing": _standing(held, found, now),
            "needs": list(row.needs),
            "has": list(held.has),
            "agreement": {"id": row.agreement, "version": str(row.version), "digest": row.digest},
            "party": row.party,
            "client": row.client,
            "purpose": row.purpose,
            "reason": _reason_in(tx, row.log_index),
            **json.loads(row.shown),
            "requested": row.requested_at,
            "expires": row.expires_at,
            "decisions": [
                {"party": item.party, "decision": item.verdict, "reason": _reason_in(tx, item.log_index), "at": item.at}
                for item in held.verdicts
            ],
            "you_may_decide": _may_decide(caller, held, found, now),
        }
        return made | ({"refused_by": held.refused_by} if held.refused_by is not None else {})


def _held(tx: Transaction, caller: Caller, agreement_id: str, approval_id: str) -> _Held:
    row = tx.approvals.approval(approval_id)
    if row is None or row.agreement != agreement_id or caller.party not in (row.party, *row.needs):
        raise NotFound("there is no such approval for your party to see")
    return _Held(row, tx.approvals.verdicts(row.id))


def _may_decide(caller: Caller, held: _Held, found: Current, now: datetime) -> bool:
    """Whether the caller's party has yet to decide, and the caller is not the one who asked."""
    spoken = any(item.party == caller.party for item in held.verdicts)
    asked = (caller.client, caller.party) == (held.row.client, held.row.party)
    waits = _standing(held, found, now) == "waiting"
    return caller.party in held.row.needs and waits and not spoken and not asked


def _standing(held: _Held, found: Current, now: datetime) -> Standing:
    if held.refused_by is not None:
        return "refused"
    if _lapsed(held.row, found, now):
        return "lapsed"
    return "approved" if held.covers(held.row.needs) else "waiting"


def _lapsed(row: ApprovalRow, found: Current, now: datetime) -> bool:
    return row.digest != found.digest or row.expires_at <= format_time(now)


def _reason_in(tx: Transaction, index: int) -> str | None:
    """Return the reason in an entry of the log, which keeps the only copy: what is expunged there is gone."""
    entry = tx.log.entry(index)
    reason: str | None = json.loads(entry.entry)["reason"] if entry is not None else None
    return reason


def _entry(caller: Caller, row: ApprovalRow, verdict: Verdict, reason: CheckedReason, now: datetime) -> Entry:
    return Entry(
        kind=Kind.APPROVAL_DECIDED,
        time=now,
        caller=EntryCaller(caller.client, caller.party, caller.role),
        nonce=caller.nonce(),
        agreement=AgreementRef(row.agreement, str(row.version), row.digest),
        purpose=row.purpose,
        reason=reason or None,
        request={"dataset": row.dataset},
        decision=EntryDecision("allowed", "allowed"),
        result={"approval": row.id, "verdict": verdict, "asked_by": row.party},
    )
