"""The use cases of asking: preview and ask. The order of steps is the guarantee (guarantee.md section 3).

1. One transaction decides, finds a stored answer or prices, charges, and writes the intent with its pinned data
   versions, its idempotency binding and its log entry.
2. The engine runs at the pinned versions; noise is drawn; nothing of it is kept anywhere yet.
3. On the tick, one transaction stores the release, at most one an intent, and its log entry.
4. What was stored is read back and answered.

A crash after 1 leaves the charge and an open intent, which any replica completes once, uncharged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from schemas.agreement import Agreement
from schemas.canonical import canonical, canonical_object, digest, digest_of
from schemas.errors import DocumentError
from schemas.request import AggregateRequest
from service.aggregates import approvals
from service.aggregates import release as releases
from service.aggregates.engine import Engine, Table
from service.aggregates.intents import (
    Question,
    approving,
    ask_price,
    datasets,
    library_schemas,
    log_clauses,
    log_request,
    resolve_spend,
    spend_as_text,
    spend_from_text,
    stored_request,
    unit,
)
from service.aggregates.kept import Overdue, Settle, overdue
from service.aggregates.ports import Binding, IntentRow, Lake, ReleaseRow, Store, Transaction, VersionName
from service.agreements.periods import current_period, period_start
from service.agreements.standing import Current, document, halted, known_to, library, state, visible
from service.audit.appends import Appends
from service.audit.entry import (
    AgreementRef,
    Charge,
    CheckedReason,
    Entry,
    Kind,
    Screen,
    check_reason,
    format_time,
)
from service.audit.entry import Caller as EntryCaller
from service.audit.entry import Decision as EntryDecision
from service.budget.caps import Caps, caps
from service.budget.ledger import ChargeRequest, postings
from service.errors import ConcordatError, Conflict, EngineFailed, Forbidden, Malformed
from service.identity.caller import Caller, Role
from service.policy.asked import may_ask
from service.policy.decide import decide
from service.policy.decision import Decision
from service.policy.nearest import explained
from service.policy.plan import EffectivePlan
from service.policy.withdrawal import withdrawn

ROUTE = "aggregates"
_LOG = logging.getLogger(__name__)
_OUR_FAULT = ConcordatError("the fault is ours", code="internal_error")


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer that exists already, as canonical JSON: stored, or stored for an equal question."""

    text: str


@dataclass(frozen=True, slots=True)
class Pending:
    """An intent that was charged and has to be answered."""

    intent: IntentRow


@dataclass(frozen=True, slots=True)
class SealedRelease:
    """A signed release: its id, its canonical JSON and that text's digest."""

    id: str
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Computed:
    """An intent's release, signed but not yet stored; or the engine's failure, or the refusal to run it."""

    intent: IntentRow
    release: SealedRelease | None
    failure: EngineFailed | Forbidden | None = None


@dataclass(frozen=True, slots=True)
class _Case:
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


@dataclass(frozen=True, slots=True)
class Asking:
    """Preview and ask.

    Attributes:
        store: Opens transactions.
        appends: Appends entries that stand alone.
        engine: Totals a plan over files.
        lake: Knows the files of a data version.
        broker: The issuer.
        sign: Signs a release's canonical JSON; returns the detached JWS.
        clock: The time, in UTC.
        new_id: Makes a readable unique id with a prefix.
        screen: Finds identifiers in a reason.
        fault: Called with the name of each step that a crash could follow; tests kill the process there.
        settle: Removes what is kept no longer from the datasets of a question, before it is charged.
    """

    store: Store
    appends: Appends
    engine: Engine
    lake: Lake
    broker: str
    sign: Callable[[bytes], str]
    clock: Callable[[], datetime]
    new_id: Callable[[str], str]
    screen: Screen
    fault: Callable[[str], None] = field(default=lambda _: None)
    settle: Settle = field(default=lambda *_: None)

    # --- preview

    def preview(self, caller: Caller, agreement_id: str, request: AggregateRequest) -> dict[str, Any]:
        """Say what a question would cost and how wrong its answer may be; free, logged, reads no data.

        Raises:
            Forbidden: the caller has no role that a grant names, or the agreement is not in force; logged.
            Malformed: the request makes no sense, or its reason names someone; logged.
        """
        now = self.clock()
        try:
            with self.store.read() as tx:
                case = self._case(tx, caller, agreement_id, request, now)
                body = self._previewed(tx, case)
        except ConcordatError as error:
            self.refused(caller, agreement_id, error, request)
            raise
        except Exception:
            self.refused(caller, agreement_id, _OUR_FAULT, request)
            raise
        self.appends.append(_entry(Kind.PREVIEWED, case))
        return body

    def _previewed(self, tx: Transaction, case: _Case) -> dict[str, Any]:
        made: dict[str, Any] = {"agreement": case.found.reference(), "decision": case.shown()}
        if not case.decision.allowed:
            return made
        limits = caps(case.found.agreement)
        spend = resolve_spend(case.request.spend, case.caller.party, limits)
        question = ask_price(case.request, case.plan, spend, case.found.agreement)
        if case.decision.approvals:
            made["needs_approval"] = approvals.outlook(tx, _asked(case))
        held = tx.answers.best_release(case.found.row.id, case.plan.identity(_names(_versions(tx, case))))
        if overdue(tx, case.found.agreement, datasets(case.plan), case.now):
            held = None  # the question itself will find another version of the data
        repeat = held is not None and held.rho_nano >= question.price.rho_nano
        remaining = self._remaining(tx, case, limits)
        return made | releases.preview(
            question, case.found.agreement, limits, case.caller.party, remaining=remaining, repeat=repeat
        )

    def _remaining(self, tx: Transaction, case: _Case, limits: Caps) -> int:
        """Return what the caller could still spend now, in nano-rho: the least that any cap leaves."""
        nothing = self._charge_request(case, current_period(case.found, case.now), "", 0)
        wanted = postings(nothing, limits, self._elsewhere(tx, case, nothing))
        spent = tx.ledger.spent([posting.account for posting in wanted])
        return max(0, min(posting.cap - used for posting, used in zip(wanted, spent, strict=True)))

    # --- ask

    def prepare(
        self, caller: Caller, agreement_id: str, key: str, request: AggregateRequest
    ) -> Ready | Pending | approvals.Waiting:
        """Decide, and charge or find the stored answer, or say who has to approve first: step 1.

        Args:
            caller: An analyst, or who has another role that a grant to its party names.
            agreement_id: The agreement.
            key: The idempotency key.
            request: The question.

        Raises:
            Forbidden: with the decision; logged.
            Malformed: logged too; nothing was charged.
            Conflict: the key was used with another body.
        """
        now = self.clock()
        scope = (caller.party, caller.client, ROUTE, agreement_id, key)
        try:
            with self.store.read() as tx:
                case = self._case(tx, caller, agreement_id, request, now)
                _binding(tx, case, scope)
            _check_allowed(case)  # most refusals end here, and keep nobody waiting for the write lock
            try:
                made = self._decided(caller, agreement_id, request, now, scope)
            except Overdue:
                self.settle(agreement_id, datasets(case.plan), now)
                made = self._decided(caller, agreement_id, request, now, scope)
        except ConcordatError as error:
            self.refused(caller, agreement_id, error, request)
            raise
        except Exception:
            self.refused(caller, agreement_id, _OUR_FAULT, request)
            raise
        return made

    def _decided(
        self,
        caller: Caller,
        agreement_id: str,
        request: AggregateRequest,
        now: datetime,
        scope: tuple[str, str, str, str, str],
    ) -> Ready | Pending | approvals.Waiting:
        with self.store.write() as tx:
            case = self._case(tx, caller, agreement_id, request, now)
            made = self._prepare(tx, case, scope)
            self.fault("before-charge-commit")
        return made

    def _prepare(
        self, tx: Transaction, case: _Case, scope: tuple[str, str, str, str, str]
    ) -> Ready | Pending | approvals.Waiting:
        body_digest, bound = _binding(tx, case, scope)
        _check_allowed(case)
        if case.decision.approvals:
            waiting = approvals.gate(tx, _asked(case), self.new_id, lambda result: self._log_waiting(tx, case, result))
            if waiting is not None:
                if bound is None:
                    tx.answers.bind(scope, Binding(body_digest, waiting.approval), format_time(case.now))
                return waiting
        if bound is not None and not approvals.is_approval(bound.subject):
            return self._replay(tx, case, bound)
        limits = caps(case.found.agreement)
        spend = resolve_spend(case.request.spend, case.caller.party, limits)
        question = ask_price(case.request, case.plan, spend, case.found.agreement)
        versions = _versions(tx, case)
        identity = case.plan.identity(_names(versions))
        if overdue(tx, case.found.agreement, datasets(case.plan), case.now):
            self._charge(tx, case, question, limits, versions, identity)  # what it would be refused for comes first
            raise Overdue  # takes the charge back
        held = tx.answers.best_release(case.found.row.id, identity)
        if held is not None and held.rho_nano >= question.price.rho_nano:
            index = self._log(tx, Kind.REPEATED, case, result={"release": held.id, "digest": held.digest})
            tx.answers.bind(scope, Binding(body_digest, f"{held.id}@{index}"), format_time(case.now))
            return self._repeated(case, held, index)
        running = tx.answers.running(
            case.found.digest, case.caller.party, case.caller.role, identity, _request_text(case.request)
        )
        if running is not None:  # asked twice at once: one charge, one release, for both
            self._log(tx, Kind.REPEATED, case, result={"intent": running.id})
            tx.answers.bind(scope, Binding(body_digest, running.id), format_time(case.now))
            return Pending(running)
        intent = self._charge(tx, case, question, limits, versions, identity)
        tx.answers.bind(scope, Binding(body_digest, intent.id), format_time(case.now))
        return Pending(intent)

    def _replay(self, tx: Transaction, case: _Case, bound: Binding) -> Ready | Pending:
        """Give the same answer to the same key and body again, decided anew; or complete its intent."""
        subject, _, index = bound.subject.partition("@")
        if index:
            held = tx.answers.release(subject)
            if held is None:
                raise RuntimeError("an idempotency key is bound to an intent or a release")
            _check_same(case, held)
            self._log(tx, Kind.REPEATED, case, result={"release": held.id, "digest": held.digest})
            return self._repeated(case, held, int(index))
        held = tx.answers.release_of(subject)
        if held is not None:
            _check_same(case, held)
            self._log(tx, Kind.REPEATED, case, result={"release": held.id, "digest": held.digest})
            return Ready(held.body)
        intent = tx.answers.intent(subject)
        if intent is None:
            raise RuntimeError("an idempotency key is bound to an intent or a release")
        return Pending(intent)

    def _repeated(self, case: _Case, held: ReleaseRow, index: int) -> Ready:
        body = releases.repeated(json.loads(held.body), case.plan, case.request.purpose, case.found, index)
        return Ready(self._signed(body).decode())

    def _charge(
        self,
        tx: Transaction,
        case: _Case,
        question: Question,
        limits: Caps,
        versions: dict[str, VersionName],
        identity: str,
    ) -> IntentRow:
        found, caller = case.found, case.caller
        period = tx.agreements.raise_period_floor(found.row.id, current_period(found, case.now))
        charge = self._charge_request(case, period, self.new_id("intent"), question.price.rho_nano)
        failed = tx.ledger.post(charge, postings(charge, limits, self._elsewhere(tx, case, charge)))
        if failed is not None:
            raise Forbidden(
                failed.words,
                code=failed.code,
                decision={
                    "outcome": "refused",
                    "code": failed.code,
                    "clauses": [failed.clause],
                    "reasons": [{"clause": failed.clause, "words": failed.words}],
                    "weighed": list(case.decision.weighed),
                },
            )
        index = self._log(tx, Kind.CHARGED, case, charge=Charge(charge.intent, period, charge.rho_nano, 0, charge.unit))
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
            request=_request_text(case.request),
            identity=identity,
            spend=spend_as_text(question.spend),
            rho_nano=question.price.rho_nano,
            pinned=canonical(_pinned(tx, case, versions)).decode(),
            state="open",
            charged_index=index,
            created_at=charge.at,
        )
        tx.answers.add_intent(row)
        return row

    def _charge_request(self, case: _Case, period: int, intent: str, rho_nano: int) -> ChargeRequest:
        return ChargeRequest(
            intent=intent,
            agreement=case.found.row.id,
            version=case.found.version,
            party=case.caller.party,
            unit=unit(case.plan),
            period=period,
            sources=tuple(sorted(set(datasets(case.plan).values()))),
            rho_nano=rho_nano,
            delta_e18=0,
            at=format_time(case.now),
        )

    def _elsewhere(self, tx: Transaction, case: _Case, charge: ChargeRequest) -> dict[str, int]:
        """Return what other agreements have spent on the same sources: ever, and since the period began."""
        start = datetime.combine(period_start(case.found, charge.period), datetime.min.time(), UTC)
        return tx.ledger.elsewhere(charge.agreement, charge.sources, format_time(start))

    def compute(self, intent: IntentRow) -> Computed:
        """Run the engine at the pinned data versions and draw the noise: step 2. Nothing is stored.

        A question that may not be answered any more is not run at all: its data may be purged.
        Whatever goes wrong after the charge is a failure of the engine, to be logged by ``complete``: no question
        can keep the broker from going on.
        """
        self.fault("after-charge-commit")
        try:
            return self._compute(intent)
        except (EngineFailed, Forbidden) as failure:
            return Computed(intent, None, failure)
        except Exception as error:  # noqa: BLE001 - its words may hold values, so only its type is told
            _LOG.error("intent %s failed with %s", intent.id, type(error).__name__)
            return Computed(intent, None, EngineFailed("the question could not be answered; the fault is ours"))

    def _compute(self, intent: IntentRow) -> Computed:
        with self.store.read() as tx:
            refusal = self._halted(tx, intent)
            if refusal is not None:
                raise refusal
            version = next(v for v in tx.agreements.versions(intent.agreement) if v.version == intent.version)
            agreement = document(version.document)
            artefacts = library(tx.agreements, agreement)
        request = stored_request(intent.request)
        plan = decide(agreement, artefacts, intent.party, request, intent.role.split()).plan
        if plan is None:
            raise RuntimeError("a charged question was allowed")
        question = ask_price(request, plan, spend_from_text(intent.spend), agreement)
        pinned = json.loads(intent.pinned)
        tables = {
            name: Table(schema, tuple(self.lake.files(intent.agreement, name, pinned[name]["lake"])))
            for name, schema in library_schemas(agreement, artefacts, plan).items()
        }
        totals = self.engine.totals(plan, tables)
        self.fault("after-engine")
        made = releases.answer(question, totals, agreement, caps(agreement).shares[intent.party])
        return Computed(intent, self._seal(intent, made))

    def _seal(self, intent: IntentRow, made: releases.Answer) -> SealedRelease:
        """Sign a release before the tick, so that what follows the tick takes the same time whatever the data."""
        release_id = self.new_id("release")
        body = releases.body(release_id, intent, made, json.loads(intent.pinned))
        text = self._signed(body)
        return SealedRelease(release_id, text.decode(), digest_of(text))

    def _signed(self, body: dict[str, Any]) -> bytes:
        """Return an object's canonical JSON with its signature in it; large parts are serialised once."""
        members = {name: canonical(value) for name, value in body.items()}
        signature = self.sign(canonical_object(members))
        return canonical_object(members | {"signature": canonical(signature)})

    def complete(self, computed: Computed) -> str:
        """Store the release and its log entry, and read it back as it is stored: steps 3 and 4.

        Raises:
            EngineFailed: the engine gave no answer; logged, the charge stays, and a retry may complete it.
            Forbidden: the agreement went out of force meanwhile, or the asker or a supplier withdrew; logged,
                the charge stays.
        """
        intent = computed.intent
        self.fault("before-release-commit")
        failure: ConcordatError | None = None
        with self.store.write() as tx:
            if tx.answers.release_of(intent.id) is None:
                failure = self._halted(tx, intent) or computed.failure
                if computed.release is None or failure is not None:
                    failure = failure or EngineFailed("the engine gave no answer")
                    self._log_intent(tx, Kind.FAILED, intent, {"intent": intent.id, "code": failure.code})
                    tx.answers.set_intent_state(intent.id, "failed")
                else:
                    self._store(tx, intent, computed.release)
        if failure is not None:
            raise failure
        self.fault("after-release-commit")
        with self.store.read() as tx:
            held = tx.answers.release_of(intent.id)
        if held is None:
            raise RuntimeError("a stored release can be read back")
        return held.body

    def _halted(self, tx: Transaction, intent: IntentRow) -> Forbidden | None:
        """Return why a charged question may not be answered now, as the agreement stands and by the clock."""
        pinned = json.loads(intent.pinned)
        asked = (intent.version, intent.party, pinned)
        stopped = halted(tx.agreements, intent.agreement, self.clock().date(), self.broker, asked)
        return stopped or self._amended(tx, intent, {name: version["name"] for name, version in pinned.items()})

    def _amended(self, tx: Transaction, intent: IntentRow, names: dict[str, str]) -> Forbidden | None:
        """Return the refusal of a charged question that the version in force by now would not answer alike."""
        held = state(tx.agreements, intent.agreement, self.broker)
        if held is None or held.decides is None or held.decides.version == intent.version:
            return None
        agreement = document(held.decides.document)
        request, roles = stored_request(intent.request), intent.role.split()
        try:
            decision = decide(agreement, library(tx.agreements, agreement), intent.party, request, roles)
        except Malformed:
            return _other_answer()
        if decision.plan is None or decision.approvals or not _is_same(decision.plan, names, intent.identity):
            return _other_answer()
        return None

    def _store(self, tx: Transaction, intent: IntentRow, release: SealedRelease) -> None:
        result = {"release": release.id, "intent": intent.id, "digest": release.digest}
        index = self._log_intent(tx, Kind.RELEASED, intent, result)
        row = ReleaseRow(
            release.id, intent.id, intent.agreement, intent.party, intent.dataset, intent.identity,
            intent.rho_nano, release.text, release.digest, index, format_time(self.clock()),
        )  # fmt: skip
        if not tx.answers.add_release(row):
            raise Conflict("the intent has a release", code="released_already")
        tx.answers.set_intent_state(intent.id, "released")

    def recover(self) -> int:
        """Complete every open intent, as after a crash; return how many."""
        with self.store.read() as tx:
            found = [tx.answers.intent(intent) for intent in tx.answers.open_intents()]
        done = 0
        for intent in found:
            if intent is None:
                continue
            try:
                self.complete(self.compute(intent))
                done += 1
            except ConcordatError as error:
                _LOG.warning("intent %s was not completed: %s", intent.id, error.code)
            except Exception as error:  # noqa: BLE001 - one question must not keep the others from being answered
                _LOG.error("intent %s was not completed: %s", intent.id, type(error).__name__)
        return done

    def refused(
        self,
        caller: Caller,
        agreement_id: str,
        error: ConcordatError,
        request: AggregateRequest | None = None,
    ) -> None:
        """Log a refusal; with the request where it could be read, without its reason."""
        decision = getattr(error, "decision", None) or {}
        with self.store.read() as tx:
            newest = known_to(tx.agreements, agreement_id, self.broker, caller.party)
            agreement = document(newest.document) if newest else None
            words = _words(tx, agreement)
            purpose: str | None = None
            asked: dict[str, Any] | None = None
            clauses: tuple[str, ...] = ()
            if agreement is not None:
                clauses = log_clauses(decision.get("clauses", ()), agreement, words)
                if request is not None:
                    purpose = request.purpose if request.purpose in agreement.purposes else None
                    asked = log_request(request, agreement, words)
        self.appends.append(
            Entry(
                kind=Kind.FAILED if error is _OUR_FAULT else Kind.REFUSED,
                time=self.clock(),
                caller=EntryCaller(caller.client, caller.party, caller.role),
                nonce=caller.nonce(),
                agreement=AgreementRef(newest.agreement, str(newest.version), newest.digest) if newest else None,
                purpose=purpose,
                request=asked,
                decision=EntryDecision("failed" if error is _OUR_FAULT else "refused", error.code, clauses),
            )
        )

    # --- parts

    def _case(
        self, tx: Transaction, caller: Caller, agreement_id: str, request: AggregateRequest, now: datetime
    ) -> _Case:
        """Decide a request under the agreement in force."""
        caller.require(Role.ANALYST, Role.STEWARD, Role.IG_LEAD)
        try:
            reason = check_reason(request.reason, self.screen)
        except DocumentError as error:
            raise Malformed(error.detail, code=error.code) from None
        found = visible(tx.agreements, agreement_id, now.date(), self.broker, caller.party)
        if not may_ask(found.agreement, caller.party, caller.roles):
            caller.require(Role.ANALYST)
        asked_of = (request.dataset, *(link.dataset for link in request.linked))
        refusal = withdrawn(found.agreement, found.row.withdrawn, caller.party, asked_of)
        decision = refusal or decide(found.agreement, found.library, caller.party, request, caller.roles)
        return _Case(caller, found, request, reason, decision, now)

    def _log(
        self,
        tx: Transaction,
        kind: Kind,
        case: _Case,
        *,
        charge: Charge | None = None,
        result: dict[str, Any] | None = None,
    ) -> int:
        return tx.log.append(_entry(kind, case, charge=charge, result=result))

    def _log_waiting(self, tx: Transaction, case: _Case, result: dict[str, Any]) -> int:
        made = _entry(Kind.APPROVAL_REQUESTED, case, result=result)
        clauses = made.decision.clauses if made.decision is not None else ()
        return tx.log.append(replace(made, decision=EntryDecision("waiting", "needs_approval", clauses)))

    def _log_intent(self, tx: Transaction, kind: Kind, intent: IntentRow, result: dict[str, Any]) -> int:
        version = next(v for v in tx.agreements.versions(intent.agreement) if v.version == intent.version)
        agreement = document(version.document)
        return tx.log.append(
            Entry(
                kind=kind,
                time=self.clock(),
                caller=EntryCaller(intent.client, intent.party, intent.role),
                nonce=Caller.nonce(),
                agreement=AgreementRef(intent.agreement, str(intent.version), intent.digest),
                purpose=intent.purpose,
                request=log_request(stored_request(intent.request), agreement, _words(tx, agreement)),
                result=result,
            )
        )


def _entry(kind: Kind, case: _Case, *, charge: Charge | None = None, result: dict[str, Any] | None = None) -> Entry:
    caller, found, decision = case.caller, case.found, case.decision
    outcome = "allowed" if decision.allowed else "refused"
    words = found.library.words
    clauses = decision.clauses
    if decision.approvals:  # so that a replay knows that it had to be approved
        clauses = (*clauses, *approving(found.agreement, clauses))
    return Entry(
        kind=kind,
        time=case.now,
        caller=EntryCaller(caller.client, caller.party, caller.role),
        nonce=caller.nonce(),
        agreement=AgreementRef(found.row.id, str(found.version), found.digest),
        purpose=case.request.purpose if case.request.purpose in found.agreement.purposes else None,
        reason=case.reason or None,
        request=log_request(case.request, found.agreement, words),
        decision=EntryDecision(outcome, decision.code, log_clauses(clauses, found.agreement, words)),
        charge=charge,
        result=result,
    )


def _asked(case: _Case) -> approvals.Asked:
    limits = caps(case.found.agreement)
    spend = resolve_spend(case.request.spend, case.caller.party, limits)
    question = ask_price(case.request, case.plan, spend, case.found.agreement)
    return approvals.Asked(case.caller, case.found, question, case.decision, limits, case.now)


def _binding(tx: Transaction, case: _Case, scope: tuple[str, str, str, str, str]) -> tuple[str, Binding | None]:
    """Return the request's digest and what its idempotency key is bound to.

    Raises:
        Conflict: it is bound to another request.
    """
    body_digest = digest(json.loads(_request_text(case.request)))
    bound = tx.answers.binding(scope)
    if bound is not None and bound.digest != body_digest:
        raise Conflict(
            "this Idempotency-Key was used with another request; take a new key", code="idempotency_key_reused"
        )
    return body_digest, bound


def _request_text(request: AggregateRequest) -> str:
    """Return a request as JSON text, as an intent keeps it."""
    return request.model_dump_json(by_alias=True, exclude_unset=True)


def _check_allowed(case: _Case) -> None:
    """Refuse what the decision refuses.

    Raises:
        Forbidden: with the decision and the nearest request that would be allowed.
    """
    if not case.decision.allowed:
        words = "; ".join(item.words for item in case.decision.reasons)
        raise Forbidden(words, code=case.decision.code, decision=case.shown())


def _is_same(plan: EffectivePlan, names: dict[str, str], identity: str) -> bool:
    """Whether a plan at these data versions is the question that an identity names."""
    return set(datasets(plan)) <= set(names) and plan.identity(names) == identity


def _check_same(case: _Case, held: ReleaseRow) -> None:
    """Refuse to replay a stored answer to what the same words would not ask today.

    Raises:
        Forbidden: ``agreement_amended``.
    """
    if not _is_same(case.plan, json.loads(held.body)["data_versions"], held.identity):
        raise _other_answer()


def _other_answer() -> Forbidden:
    words = (
        "the agreement was amended since, and the version in force answers another question: ask anew with a new key"
    )
    return Forbidden(
        words,
        code="agreement_amended",
        decision={
            "outcome": "refused",
            "code": "agreement_amended",
            "clauses": ["version"],
            "reasons": [{"clause": "version", "words": words}],
            "weighed": [],
        },
    )


def _words(tx: Transaction, agreement: Agreement | None) -> frozenset[str]:
    """Return the words that an agreement's artefacts know; none where they are not the ones that were signed."""
    if agreement is None:
        return frozenset()
    try:
        return library(tx.agreements, agreement).words
    except Forbidden:
        return frozenset()


def _versions(tx: Transaction, case: _Case) -> dict[str, VersionName]:
    """Return the data version of each dataset that a plan reads."""
    return {name: tx.answers.data_version(case.found.row.id, name) for name in datasets(case.plan)}


def _pinned(tx: Transaction, case: _Case, versions: dict[str, VersionName]) -> dict[str, dict[str, Any]]:
    """Return what an intent pins: each dataset's data version, and the days that it was declared to cover."""
    made = {}
    for name, version in versions.items():
        covered = [{"from": first, "to": last} for first, last in tx.answers.covered(case.found.row.id, name)]
        made[name] = {"name": version.name, "lake": version.lake, "covered": covered}
    return made


def _names(versions: dict[str, VersionName]) -> dict[str, str]:
    """Return the opaque name of each data version, which is what a question's identity counts."""
    return {name: version.name for name, version in versions.items()}
