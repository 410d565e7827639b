"""Completing a charged question: run the engine at the pinned versions, draw noise, store the release, read it back.

A crash after the charge leaves an open intent, which any replica completes once, uncharged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from schemas.canonical import digest_of
from service.aggregates import release as releases
from service.aggregates.amended import amended
from service.aggregates.engine import Engine, Table
from service.aggregates.intents import ask_price, library_schemas, log_request, spend_from_text, stored_request
from service.aggregates.ports import IntentRow, Lake, ReleaseRow, Store, Transaction
from service.aggregates.refusals import words
from service.agreements.standing import document, halted, library
from service.audit.entry import AgreementRef, Entry, Kind, format_time
from service.audit.entry import Caller as EntryCaller
from service.budget.caps import caps
from service.errors import ConcordatError, Conflict, EngineFailed, Forbidden
from service.identity.caller import Caller
from service.policy.decide import decide

_LOG = logging.getLogger(__name__)


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
class Completion:
    """Steps 2 to 4 of asking (``asking.py`` says which).

    Attributes:
        store: Opens transactions.
        engine: Totals a plan over files.
        lake: Knows the files of a data version.
        broker: The issuer.
        sign: Signs a release and returns its canonical JSON, signature and all.
        clock: The time, in UTC.
        new_id: Makes a readable unique id with a prefix.
        fault: Called with the name of each step that a crash could follow; tests kill the process there.
    """

    store: Store
    engine: Engine
    lake: Lake
    broker: str
    sign: Callable[[dict[str, Any]], bytes]
    clock: Callable[[], datetime]
    new_id: Callable[[str], str]
    fault: Callable[[str], None] = field(default=lambda _: None)

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
        text = self.sign(body)
        return SealedRelease(release_id, text.decode(), digest_of(text))

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
        return stopped or amended(tx, self.broker, intent, {name: version["name"] for name, version in pinned.items()})

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

    def recover(self, older_than: timedelta | None = None) -> int:
        """Complete every open intent, as after a crash; return how many.

        Args:
            older_than: Leave alone those that were charged less than this ago: whoever was asked may be about to
                answer. No intent gets two releases, whoever completes it how often.
        """
        last = self.clock() - older_than if older_than is not None else None
        with self.store.read() as tx:
            found = [tx.answers.intent(intent) for intent in tx.answers.open_intents()]
        done = 0
        for intent in found:
            if intent is None or (last is not None and datetime.fromisoformat(intent.created_at) > last):
                continue
            try:
                self.complete(self.compute(intent))
                done += 1
            except ConcordatError as error:
                _LOG.warning("intent %s was not completed: %s", intent.id, error.code)
            except Exception as error:  # noqa: BLE001 - one question must not keep the others from being answered
                _LOG.error("intent %s was not completed: %s", intent.id, type(error).__name__)
        return done

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
                request=log_request(stored_request(intent.request), agreement, words(tx, agreement)),
                result=result,
            )
        )
