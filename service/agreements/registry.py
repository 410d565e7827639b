"""Registering and signing agreement versions, suspending and ending agreements. Rules of guarantee.md section 4."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.agreement import SIGNATURE_TYPE, Agreement, signature_payload
from schemas.artefacts import Artefact, Library
from schemas.canonical import canonical, digest
from schemas.errors import DocumentError
from schemas.jws import public_key, verify
from service.agreements.ports import (
    AgreementRow,
    AgreementStore,
    PinnedKey,
    SignatureRow,
    Transaction,
    VersionRow,
)
from service.agreements.standing import document, fully_signed, required_signers, standing
from service.audit.entry import AgreementRef, Entry, Kind
from service.audit.entry import Caller as EntryCaller
from service.audit.entry import Decision as EntryDecision
from service.budget.caps import caps
from service.errors import Conflict, Finding, Forbidden, Malformed, NotFound
from service.identity.caller import Caller, Role
from service.policy.coherence import findings


@dataclass(frozen=True, slots=True)
class Registry:
    """The use cases of agreements.

    Attributes:
        broker: The issuer that signatures name.
        artefacts: The schemas, code lists, hierarchies and gateway tables that this broker can execute, by name.
    """

    broker: str
    artefacts: Mapping[str, Artefact]

    def register(self, tx: Transaction, caller: Caller, value: Any, agreement: Agreement, now: datetime) -> VersionRow:
        """Register a version.

        Args:
            tx: An open write transaction.
            caller: A steward of one of the agreement's parties.
            value: The document's JSON value; its canonical form is what gets signed.
            agreement: The same, read.
            now: The time.

        Raises:
            Forbidden: the caller is no steward of a party, or a party's key is not the pinned one.
            Malformed: the document does not fit its artefacts, or moves the budget's anchor.
            Conflict: the version is not the next one.
        """
        caller.require(Role.STEWARD)
        if agreement.party(caller.party) is None:
            raise Forbidden("only a party of the agreement registers it", code="not_a_party")
        self._check_keys(tx.agreements, agreement)
        self._check_fit(agreement)
        row = self._check_succession(tx.agreements, agreement)
        version = VersionRow(
            agreement.id, int(agreement.version), digest(value), canonical(value).decode(), timestamp(now)
        )
        if row is None:
            budget = agreement.privacy.budget
            every = value["privacy"]["budget"]["every"]
            tx.agreements.add_agreement(AgreementRow(agreement.id, budget.from_.isoformat(), every, 0, None, None))
        for name in agreement.pins:
            if name in self.artefacts:
                made = self.artefacts[name]
                tx.agreements.add_artefact(made.digest, name, canonical(made.value).decode())
        tx.agreements.add_version(version)
        self._log(tx, caller, Kind.REGISTERED, version, now, {"caps": caps(agreement).as_json()})
        return version

    def _check_keys(self, store: AgreementStore, agreement: Agreement) -> None:
        for party in agreement.parties:
            pinned = store.pinned_key(party.id)
            if pinned is None:
                raise Forbidden(f"{party.id} is not enrolled with this broker", code="party_not_enrolled")
            if pinned.thumbprint != party.key:
                raise Forbidden(
                    f"the document names another key for {party.id} than the one pinned at enrolment",
                    code="key_not_pinned",
                )

    def _check_fit(self, agreement: Agreement) -> None:
        found = findings(agreement, Library(self.artefacts))
        if found:
            raise Malformed("the agreement does not fit the artefacts it pins", code="incoherent", findings=found)

    def _check_succession(self, store: AgreementStore, agreement: Agreement) -> AgreementRow | None:
        row = store.agreement(agreement.id)
        versions = store.versions(agreement.id) if row else []
        newest = versions[-1].version if versions else 0
        if int(agreement.version) != newest + 1:
            raise Conflict(
                f"the next version to register is {newest + 1}; versions are never changed",
                code="version_conflict",
            )
        if row is None:
            return None
        if row.terminated_at is not None:
            raise Conflict("the agreement has ended", code="agreement_terminated")
        budget = agreement.privacy.budget
        first = document(versions[0].document).privacy.budget
        if budget.from_.isoformat() != row.anchor or budget.every != first.every:
            raise Malformed(
                "a new version restarts nothing",
                code="anchor_moved",
                findings=[Finding("anchor_moved", "privacy/budget/from", detail="fixed by version 1")],
            )
        return row

    def sign(
        self, tx: Transaction, caller: Caller, agreement_id: str, version: int, signature: str, now: datetime
    ) -> list[str]:
        """Take the caller's party's detached JWS over a version; return who has yet to sign.

        Raises:
            NotFound: there is no such version, or the party is none of its signers.
            Forbidden: ``bad_signature``, or the party's key is not the pinned one.
            Conflict: the party has signed already.
        """
        caller.require(Role.IG_LEAD, Role.STEWARD)
        versions = tx.agreements.versions(agreement_id)
        found = next((row for row in versions if row.version == version), None)
        if found is None:
            raise NotFound("there is no such version")
        needed = required_signers(tx.agreements, found, versions, self.broker)
        if caller.party not in needed:
            raise Forbidden("only a party of the agreement signs it", code="not_a_party")
        held = {row.party for row in tx.agreements.signatures(agreement_id, version)}
        if caller.party in held:
            raise Conflict("your party has signed this version", code="already_signed")
        key = tx.agreements.pinned_key(caller.party)
        if key is None:
            raise Forbidden(f"{caller.party} is not enrolled with this broker", code="party_not_enrolled")
        payload = signature_payload(json.loads(found.document), self.broker)
        try:
            verify(payload, signature, public_key(json.loads(key.jwk)), typ=SIGNATURE_TYPE)
        except DocumentError as error:
            raise Forbidden(error.detail, code="bad_signature") from None
        row = SignatureRow(caller.party, signature, key.thumbprint, timestamp(now))
        tx.agreements.add_signature(agreement_id, version, row)
        self._log(tx, caller, Kind.SIGNED, found, now, {"thumbprint": key.thumbprint})
        return sorted(needed - held - {caller.party})

    def suspend(self, tx: Transaction, caller: Caller, agreement_id: str, now: datetime) -> None:
        """Stop an agreement at once; any supplier's IG lead may.

        Raises:
            NotFound: there is no such agreement.
            Forbidden: the caller's party supplies nothing under it.
        """
        caller.require(Role.IG_LEAD)
        version = self._newest(tx.agreements, agreement_id)
        suppliers = {dataset.supplier for dataset in document(version.document).datasets.values()}
        if caller.party not in suppliers:
            raise Forbidden("only a supplier suspends an agreement", code="not_a_supplier")
        tx.agreements.set_suspended(agreement_id, timestamp(now))
        self._log(tx, caller, Kind.SUSPENDED, version, now, {})

    def resume(self, tx: Transaction, caller: Caller, agreement_id: str, now: datetime) -> None:
        """Lift a suspension; again a supplier's IG lead."""
        caller.require(Role.IG_LEAD)
        version = self._newest(tx.agreements, agreement_id)
        suppliers = {dataset.supplier for dataset in document(version.document).datasets.values()}
        if caller.party not in suppliers:
            raise Forbidden("only a supplier resumes an agreement", code="not_a_supplier")
        tx.agreements.set_suspended(agreement_id, None)
        self._log(tx, caller, Kind.RESUMED, version, now, {})

    def terminate(self, tx: Transaction, caller: Caller, agreement_id: str, confirmation: str, now: datetime) -> None:
        """End an agreement for good, on a supplier's signed confirmation. Nothing is answered or taken after it.

        Args:
            confirmation: Detached JWS of the caller's party over ``termination_payload``.

        Raises:
            Forbidden: no supplier, or ``bad_signature``.
        """
        caller.require(Role.IG_LEAD)
        version = self._newest(tx.agreements, agreement_id)
        suppliers = {dataset.supplier for dataset in document(version.document).datasets.values()}
        key = tx.agreements.pinned_key(caller.party)
        if caller.party not in suppliers or key is None:
            raise Forbidden("only a supplier ends an agreement", code="not_a_supplier")
        payload = termination_payload(agreement_id, version.digest, self.broker)
        try:
            verify(payload, confirmation, public_key(json.loads(key.jwk)), typ=TERMINATION_TYPE)
        except DocumentError as error:
            raise Forbidden(error.detail, code="bad_signature") from None
        tx.agreements.set_terminated(agreement_id, timestamp(now))
        self._log(tx, caller, Kind.TERMINATED, version, now, {})

    def status(self, store: AgreementStore, agreement_id: str, version: int | None, now: datetime) -> dict[str, Any]:
        """Return what a party sees of a version: the document, who has signed, whether it is in force.

        Raises:
            NotFound: there is no such agreement or version.
        """
        row = store.agreement(agreement_id)
        versions = store.versions(agreement_id) if row else []
        found = next((v for v in reversed(versions) if version in (None, v.version)), None)
        if row is None or found is None:
            raise NotFound("there is no such agreement or version")
        signed = fully_signed(store, found, versions, self.broker)
        newest_signed = next((v for v in reversed(versions) if fully_signed(store, v, versions, self.broker)), None)
        state = standing(row, document(found.document), now.date(), signed=signed)
        superseded = state.in_force and newest_signed is not None and newest_signed.version != found.version
        held = store.signatures(agreement_id, found.version)
        return {
            "id": agreement_id,
            "version": str(found.version),
            "digest": found.digest,
            "in_force": state.in_force and not superseded,
            "standing": "superseded" if superseded else state.code,
            "registered": found.registered_at,
            "signatures": [
                {"party": s.party, "key": s.thumbprint, "signed": s.signed_at, "signature": s.jws} for s in held
            ],
            "unsigned": sorted(required_signers(store, found, versions, self.broker) - {s.party for s in held}),
            "document": json.loads(found.document),
        }

    def _newest(self, store: AgreementStore, agreement_id: str) -> VersionRow:
        versions = store.versions(agreement_id)
        if not versions:
            raise NotFound("there is no such agreement")
        signed = [v for v in versions if fully_signed(store, v, versions, self.broker)]
        return (signed or versions)[-1]

    def _log(
        self,
        tx: Transaction,
        caller: Caller,
        kind: Kind,
        version: VersionRow,
        now: datetime,
        result: dict[str, Any],
    ) -> None:
        tx.log.append(
            Entry(
                kind=kind,
                time=now,
                caller=EntryCaller(caller.client, caller.party, caller.role),
                nonce=caller.nonce(),
                agreement=AgreementRef(version.agreement, str(version.version), version.digest),
                decision=EntryDecision("allowed", "allowed"),
                result=result,
            )
        )


TERMINATION_TYPE = "concordat-agreement-termination+jws"


def termination_payload(agreement: str, digest_: str, broker: str) -> dict[str, str]:
    """Return what a supplier signs to end an agreement."""
    return {
        "type": "concordat/agreement-termination/v1",
        "broker": broker,
        "agreement": agreement,
        "digest": digest_,
    }


def enrol(tx: Transaction, party: str, name: str, kind: str, key: PinnedKey, now: datetime, nonce: str) -> None:
    """Enrol a party and pin its signing key: the operator's act, out of band.

    Raises:
        Conflict: the party is enrolled, or the key is pinned for someone.
    """
    if tx.agreements.pinned_key(party) is not None:
        raise Conflict(f"{party} is enrolled already", code="already_enrolled")
    if tx.agreements.key(key.thumbprint) is not None:
        raise Conflict("the key is pinned already", code="key_pinned")
    tx.agreements.enrol(party, name, kind, key, timestamp(now))
    tx.log.append(
        Entry(
            kind=Kind.ENROLLED,
            time=now,
            caller=EntryCaller("operator", party, None),
            nonce=nonce,
            decision=EntryDecision("allowed", "allowed"),
            result={"party": party, "thumbprint": key.thumbprint},
        )
    )


def timestamp(now: datetime) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
