"""A party withdraws from an agreement, with what it supplies, and may think better of it until the grace is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.confirmations import WITHDRAWAL_TYPE, withdrawal_payload
from service.agreements.confirming import check
from service.agreements.grace import over
from service.agreements.ports import EVERYBODY, AgreementStore, Confirmation, Transaction, VersionRow
from service.agreements.standing import State, document, state
from service.audit.entry import AgreementRef, Decision, Entry, Kind, format_time
from service.audit.entry import Caller as EntryCaller
from service.errors import Conflict, NotFound
from service.identity.caller import Caller, Role


@dataclass(frozen=True, slots=True)
class Leaving:
    """The use cases of a party that leaves.

    Attributes:
        broker: The issuer that confirmations name.
    """

    broker: str

    def withdraw(self, tx: Transaction, caller: Caller, agreement_id: str, jws: str, now: datetime) -> datetime:
        """Withdraw the caller's party, at once; everything of others' goes on.

        Args:
            tx: An open write transaction.
            caller: An IG lead of a party of the version that decides.
            agreement_id: The agreement.
            jws: Detached JWS of the party over ``withdrawal_payload``.
            now: The time.

        Returns:
            When the grace is over: until then the party may rescind, after it what it supplied is purged.

        Raises:
            NotFound: there is no such agreement in force for the caller's party.
            Forbidden: ``bad_signature``.
            Conflict: ``already_withdrawn``, or the agreement has ended.
        """
        held, version = self._decides(tx.agreements, caller, agreement_id)
        if held.row.terminated_at is not None or EVERYBODY in held.row.purges:
            raise Conflict("the agreement has ended", code="agreement_terminated")
        if caller.party in held.row.withdrawn:
            raise Conflict("your party has withdrawn already", code="already_withdrawn")
        payload = withdrawal_payload(agreement_id, version.digest, self.broker)
        key = check(tx.agreements, caller.party, payload, jws, WITHDRAWAL_TYPE)
        row = Confirmation(caller.party, version.version, version.digest, jws, key.thumbprint, format_time(now))
        tx.agreements.withdraw(agreement_id, row)
        ends = over(document(version.document), now)
        self._log(tx, caller, Kind.PARTY_WITHDRAWN, version, now, {"party": caller.party, "final": format_time(ends)})
        return ends

    def rescind(self, tx: Transaction, caller: Caller, agreement_id: str, now: datetime) -> None:
        """Take the caller's party's withdrawal back.

        Raises:
            Conflict: ``not_withdrawn``; or ``grace_over``: what the party supplied is purged, or is about to be.
        """
        held, version = self._decides(tx.agreements, caller, agreement_id)
        row = next((item for item in tx.agreements.withdrawals(agreement_id) if item.party == caller.party), None)
        if row is None:
            raise Conflict("your party has not withdrawn from the agreement", code="not_withdrawn")
        gone = {caller.party, EVERYBODY} & set(held.row.purges)
        named = next(item for item in held.versions if item.version == row.version)  # later ones move no grace of its
        if gone or now >= over(document(named.document), datetime.fromisoformat(row.at)):
            raise Conflict("the period of grace is over: the withdrawal is final", code="grace_over")
        tx.agreements.rescind(agreement_id, caller.party)
        self._log(tx, caller, Kind.WITHDRAWAL_RESCINDED, version, now, {"party": caller.party})

    def _decides(self, store: AgreementStore, caller: Caller, agreement_id: str) -> tuple[State, VersionRow]:
        """Return the deciding version, to an IG lead of one of its parties."""
        caller.require(Role.IG_LEAD)
        held = state(store, agreement_id, self.broker)
        if held is None or held.decides is None or document(held.decides.document).party(caller.party) is None:
            raise NotFound("there is no such agreement")
        return held, held.decides

    @staticmethod
    def _log(
        tx: Transaction, caller: Caller, kind: Kind, version: VersionRow, now: datetime, result: Mapping[str, Any]
    ) -> None:
        tx.log.append(
            Entry(
                kind=kind,
                time=now,
                caller=EntryCaller(caller.client, caller.party, caller.role),
                nonce=caller.nonce(),
                agreement=AgreementRef(version.agreement, str(version.version), version.digest),
                decision=Decision("allowed", "allowed"),
                result=result,
            )
        )
