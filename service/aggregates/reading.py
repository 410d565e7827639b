"""Reading what was released."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.aggregates import release as shapes
from service.aggregates.ports import Store, Transaction
from service.agreements.standing import seen_by, stopped
from service.audit.appends import Appends
from service.audit.entry import AgreementRef, Decision, Entry, Kind
from service.audit.entry import Caller as EntryCaller
from service.errors import NotFound
from service.identity.caller import Caller, Role


@dataclass(frozen=True, slots=True)
class Reading:
    """Releases, as a party may see them: nothing that the newest checkpoint does not cover yet."""

    store: Store
    appends: Appends
    broker: str
    clock: Callable[[], datetime]

    def release(self, caller: Caller, agreement_id: str, release_id: str) -> str:
        """Return one of the caller's party's releases as it is stored; logged.

        Raises:
            NotFound: there is none of that id that is the party's.
        """
        caller.require(Role.ANALYST, Role.IG_LEAD)
        with self.store.read() as tx:
            self._check_standing(tx, caller, agreement_id)
            held = tx.answers.release(release_id)
            latest = tx.log.latest_checkpoint()
        unseen = held is None or latest is None or held.log_index >= latest[0]
        if held is None or unseen or held.agreement != agreement_id or held.party != caller.party:
            raise NotFound("there is no such release of your party")
        reference = json.loads(held.body)["agreement"]
        self.appends.append(
            Entry(
                kind=Kind.READ,
                time=self.clock(),
                caller=EntryCaller(caller.client, caller.party, caller.role),
                nonce=caller.nonce(),
                agreement=AgreementRef(agreement_id, reference["version"], reference["digest"]),
                request={"dataset": held.dataset},
                decision=Decision("allowed", "allowed"),
                result={"release": release_id},
            )
        )
        return held.body

    def releases(self, caller: Caller, agreement_id: str, limit: int, before: str | None) -> list[dict[str, Any]]:
        """Return the caller's party's releases, the newest first, without their rows."""
        caller.require(Role.ANALYST, Role.IG_LEAD)
        with self.store.read() as tx:
            self._check_standing(tx, caller, agreement_id)
            rows = tx.answers.releases(agreement_id, caller.party, limit, before)
            latest = tx.log.latest_checkpoint()
        size = latest[0] if latest else 0
        return [shapes.summary(json.loads(row.body), row.released_at) for row in rows if row.log_index < size]

    def _check_standing(self, tx: Transaction, caller: Caller, agreement_id: str) -> None:
        """Let a party read what was released to it, also after the period, unless it was stopped or the party left."""
        if not seen_by(tx.agreements, agreement_id, self.broker, caller.party):
            raise NotFound("there is no such release of your party")
        failure = stopped(tx.agreements, agreement_id, self.broker, caller.party)
        if failure is not None:
            raise failure
