"""The use cases of asking: preview and ask. The order of steps is the guarantee (guarantee.md section 3).

1. One transaction decides, finds a stored answer or prices, charges, and writes the intent with its pinned data
   versions, its idempotency binding and its log entry.
2. The engine runs at the pinned versions; noise is drawn; nothing of it is kept anywhere yet.
3. On the tick, one transaction stores the release, at most one an intent, and its log entry.
4. What was stored is read back and answered.

Step 1 stands here, steps 2 to 4 in ``completion.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from schemas.canonical import canonical
from schemas.request import AggregateRequest
from service.aggregates import approvals, reservations, spending
from service.aggregates import release as releases
from service.aggregates.amended import check_same
from service.aggregates.case import Case, Scope, binding, decided, entry, names, pinned, refused, request_text, versions
from service.aggregates.intents import Question, datasets, spend_as_text
from service.aggregates.kept import Overdue, Settle, overdue
from service.aggregates.ports import Binding, IntentRow, ReleaseRow, Store, Transaction, VersionName
from service.aggregates.refusals import OUR_FAULT, refusal
from service.agreements.periods import current_period
from service.audit.appends import Appends
from service.audit.entry import Charge, Kind, Screen, format_time
from service.audit.entry import Decision as EntryDecision
from service.budget.caps import Caps, caps
from service.budget.ledger import ChargeRequest, Left
from service.errors import ConcordatError
from service.identity.caller import Caller

ROUTE = "aggregates"


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer that exists already, as canonical JSON: stored, or stored for an equal question."""

    text: str


@dataclass(frozen=True, slots=True)
class Pending:
    """An intent that was charged and has to be answered."""

    intent: IntentRow


@dataclass(frozen=True, slots=True)
class Asking:
    """Preview and ask.

    Attributes:
        store: Opens transactions.
        appends: Appends entries that stand alone.
        broker: The issuer.
        sign: Signs a release and returns its canonical JSON, signature and all.
        clock: The time, in UTC.
        new_id: Makes a readable unique id with a prefix.
        screen: Finds identifiers in a reason.
        fault: Called with the name of each step that a crash could follow; tests kill the process there.
        settle: Removes what is kept no longer from the datasets of a question, before it is charged.
    """

    store: Store
    appends: Appends
    broker: str
    sign: Callable[[dict[str, Any]], bytes]
    clock: Callable[[], datetime]
    new_id: Callable[[str], str]
    screen: Screen
    fault: Callable[[str], None] = field(default=lambda _: None)
    settle: Settle = field(default=lambda *_: None)

    # --- preview

    def preview(
        self, caller: Caller, agreement_id: str, request: AggregateRequest, reservation: str | None = None
    ) -> dict[str, Any]:
        """Say what a question would cost and how wrong its answer may be; free, logged, reads no data.

        Args:
            caller: Who would ask.
            agreement_id: The agreement.
            request: The question.
            reservation: The caller's reservation that it would be charged to, so that what remains is what is left of
                that.

        Raises:
            Forbidden: the caller has no role that a grant names, or the agreement is not in force; logged.
            Malformed: the request makes no sense, or its reason names someone; logged.
        """
        now = self.clock()
        with self._logging_refusals(caller, agreement_id, request), self.store.read() as tx:
            case = self._case(tx, caller, agreement_id, request, now)
            body = self._previewed(tx, case, reservation)
        self.appends.append(entry(Kind.PREVIEWED, case))
        return body

    def _previewed(self, tx: Transaction, case: Case, reservation: str | None) -> dict[str, Any]:
        made: dict[str, Any] = {"agreement": case.found.reference(), "decision": case.shown()}
        if not case.decision.allowed:
            return made
        limits = caps(case.found.agreement)
        question = case.priced(limits)
        if case.decision.approvals:
            made["needs_approval"] = approvals.outlook(tx, _asked(case, question, limits))
        held = tx.answers.best_release(case.found.row.id, case.plan.identity(names(versions(tx, case))))
        if overdue(tx, case.found.agreement, datasets(case.plan), case.now):
            held = None  # the question itself will find another version of the data
        repeat = held is not None and held.rho_nano >= question.price.rho_nano
        left = self._left(tx, case, question, limits, reservation)
        made["remaining"] = spending.told(left, case, limits)
        return made | releases.preview(
            question, case.found.agreement, limits, case.caller.party, remaining=left.rho_nano, repeat=repeat
        )

    def _left(self, tx: Transaction, case: Case, question: Question, limits: Caps, reservation: str | None) -> Left:
        nothing = spending.nothing(case)
        if reservation is None:
            return spending.remaining(tx, case.found, nothing, limits)
        asked_for = (case.request.purpose, _asked(case, question, limits).plan_identity)
        return reservations.left_of(tx, reservation, case.found, nothing, limits, asked_for)

    # --- ask

    def prepare(
        self,
        caller: Caller,
        agreement_id: str,
        key: str,
        request: AggregateRequest,
        reservation: str | None = None,
    ) -> Ready | Pending | approvals.Waiting:
        """Decide, and charge or find the stored answer, or say who has to approve first: step 1.

        Args:
            caller: An analyst, or who has another role that a grant to its party names.
            agreement_id: The agreement.
            key: The idempotency key.
            request: The question.
            reservation: The caller's reservation that its charge is taken from; nothing else depends on it.

        Raises:
            Forbidden: with the decision; logged.
            Malformed: logged too; nothing was charged.
            NotFound: the caller has no such reservation.
            Conflict: the key was used with another body, or the reservation is over.
        """
        now = self.clock()
        scope = (caller.party, caller.client, ROUTE, agreement_id, key)
        with self._logging_refusals(caller, agreement_id, request):
            with self.store.read() as tx:
                case = self._case(tx, caller, agreement_id, request, now)
                binding(tx, case, scope)
            if case.decision.allowed:
                try:
                    return self._decided(caller, agreement_id, request, scope, reservation)
                except Overdue:
                    self.settle(agreement_id, datasets(case.plan), self.clock())
                    return self._decided(caller, agreement_id, request, scope, reservation)
        error = case.refusal()  # most refusals end here: they keep nobody waiting for the write lock
        self.appends.append(refused(case, error))
        raise error

    def _decided(
        self,
        caller: Caller,
        agreement_id: str,
        request: AggregateRequest,
        scope: Scope,
        reservation: str | None,
    ) -> Ready | Pending | approvals.Waiting:
        with self.store.write() as tx:
            now = self.clock()  # and not before: whoever waited for the lock is decided by the time it got it
            case = self._case(tx, caller, agreement_id, request, now)
            made = self._prepare(tx, case, scope, reservation)
            self.fault("before-charge-commit")
        return made

    def _prepare(
        self, tx: Transaction, case: Case, scope: Scope, reservation: str | None
    ) -> Ready | Pending | approvals.Waiting:
        body_digest, bound = binding(tx, case, scope)
        if not case.decision.allowed:
            raise case.refusal()
        limits = caps(case.found.agreement)
        if case.decision.approvals:
            asked = _asked(case, case.priced(limits), limits)
            waiting = approvals.gate(tx, asked, self.new_id, lambda result: self._log_waiting(tx, case, result))
            if waiting is not None:
                if bound is None:
                    tx.answers.bind(scope, Binding(body_digest, waiting.approval), format_time(case.now))
                return waiting
        if bound is not None and not approvals.is_approval(bound.subject):
            return self._replay(tx, case, bound)
        question = case.priced(limits)
        read = versions(tx, case)
        identity = case.plan.identity(names(read))
        if overdue(tx, case.found.agreement, datasets(case.plan), case.now):
            self._charge(tx, case, question, limits, reservation)  # what it would be refused for comes first
            raise Overdue  # takes the charge back
        held = tx.answers.best_release(case.found.row.id, identity)
        if held is not None and held.rho_nano >= question.price.rho_nano:
            index = self._log(tx, Kind.REPEATED, case, result={"release": held.id, "digest": held.digest})
            tx.answers.bind(scope, Binding(body_digest, f"{held.id}@{index}"), format_time(case.now))
            return self._repeated(case, held, index)
        running = tx.answers.running(
            case.found.digest, case.caller.party, case.caller.role, identity, request_text(case.request)
        )
        if running is not None:  # asked twice at once: one charge, one release, for both
            self._log(tx, Kind.REPEATED, case, result={"intent": running.id})
            tx.answers.bind(scope, Binding(body_digest, running.id), format_time(case.now))
            return Pending(running)
        charge = self._charge(tx, case, question, limits, reservation)
        intent = self._intend(tx, case, question, charge, read, reservation)
        tx.answers.bind(scope, Binding(body_digest, intent.id), format_time(case.now))
        return Pending(intent)

    def _replay(self, tx: Transaction, case: Case, bound: Binding) -> Ready | Pending:
        """Give the same answer to the same key and body again, decided anew; or complete its intent."""
        subject, _, index = bound.subject.partition("@")
        if index:
            held = tx.answers.release(subject)
            if held is None:
                raise RuntimeError("an idempotency key is bound to an intent or a release")
            check_same(case, held)
            self._log(tx, Kind.REPEATED, case, result={"release": held.id, "digest": held.digest})
            return self._repeated(case, held, int(index))
        held = tx.answers.release_of(subject)
        if held is not None:
            check_same(case, held)
            self._log(tx, Kind.REPEATED, case, result={"release": held.id, "digest": held.digest})
            return Ready(held.body)
        intent = tx.answers.intent(subject)
        if intent is None:
            raise RuntimeError("an idempotency key is bound to an intent or a release")
        return Pending(intent)

    def _repeated(self, case: Case, held: ReleaseRow, index: int) -> Ready:
        body = releases.repeated(json.loads(held.body), case.plan, case.request.purpose, case.found, index)
        return Ready(self.sign(body).decode())

    def _charge(
        self, tx: Transaction, case: Case, question: Question, limits: Caps, reservation: str | None
    ) -> ChargeRequest:
        """Take what a question costs from the accounts, or from what the reservation holds on them."""
        found = case.found
        period = tx.agreements.raise_period_floor(found.row.id, current_period(found, case.now))
        charge = spending.charge_request(case, period, self.new_id("intent"), question.price.rho_nano)
        reservations.free_expired(tx, charge.agreement, charge.at)
        wanted = spending.wanted(tx, found, charge, limits)
        if reservation is None:
            failed = tx.ledger.post(charge, wanted)
        else:
            asked_for = (case.request.purpose, _asked(case, question, limits).plan_identity)
            failed = reservations.draw(tx, reservation, charge, wanted, asked_for)
        if failed is not None:
            raise spending.refused(failed, case.decision.weighed)
        return charge

    def _intend(
        self,
        tx: Transaction,
        case: Case,
        question: Question,
        charge: ChargeRequest,
        read: dict[str, VersionName],
        reservation: str | None,
    ) -> IntentRow:
        """Log a charge, and write down everything needed to answer its question once."""
        found, caller = case.found, case.caller
        told = Charge(charge.intent, charge.period, charge.rho_nano, charge.delta_e18, charge.unit)
        drawn = {"reservation": reservation} if reservation is not None else None
        index = self._log(tx, Kind.CHARGED, case, charge=told, result=drawn)
        row = IntentRow(
            id=charge.intent,
            agreement=found.row.id,
            version=found.version,
            digest=found.digest,
            party=caller.party,
            client=caller.client,
            role=caller.role,
            purpose=case.request.purpose,
            dataset=case.request.dataset,
            request=request_text(case.request),
            identity=case.plan.identity(names(read)),
            spend=spend_as_text(question.spend),
            rho_nano=question.price.rho_nano,
            pinned=canonical(pinned(tx, case, read)).decode(),
            state="open",
            charged_index=index,
            created_at=charge.at,
        )
        tx.answers.add_intent(row)
        return row

    def refused(
        self,
        caller: Caller,
        agreement_id: str,
        error: ConcordatError,
        request: AggregateRequest | None = None,
    ) -> None:
        """Log a refusal; with the request where it could be read, without its reason."""
        with self.store.read() as tx:
            made = refusal(tx, self.broker, caller, agreement_id, error, request, self.clock())
        self.appends.append(made)

    @contextmanager
    def _logging_refusals(self, caller: Caller, agreement_id: str, request: AggregateRequest) -> Iterator[None]:
        try:
            yield
        except ConcordatError as error:
            self.refused(caller, agreement_id, error, request)
            raise
        except Exception:
            self.refused(caller, agreement_id, OUR_FAULT, request)
            raise

    def _case(
        self, tx: Transaction, caller: Caller, agreement_id: str, request: AggregateRequest, now: datetime
    ) -> Case:
        return decided(tx, self.broker, self.screen, caller, agreement_id, request, now)

    def _log(
        self,
        tx: Transaction,
        kind: Kind,
        case: Case,
        *,
        charge: Charge | None = None,
        result: dict[str, Any] | None = None,
    ) -> int:
        return tx.log.append(entry(kind, case, charge=charge, result=result))

    def _log_waiting(self, tx: Transaction, case: Case, result: dict[str, Any]) -> int:
        made = entry(Kind.APPROVAL_REQUESTED, case, result=result)
        clauses = made.decision.clauses if made.decision is not None else ()
        return tx.log.append(replace(made, decision=EntryDecision("waiting", "needs_approval", clauses)))


def _asked(case: Case, question: Question, limits: Caps) -> approvals.Asked:
    return approvals.Asked(case.caller, case.found, question, case.decision, limits, case.now)
