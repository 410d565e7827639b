"""Registering and signing agreement versions, suspending and ending agreements. Rules of guarantee.md section 4."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.agreement import SIGNATURE_TYPE, Agreement, signature_payload
from schemas.artefacts import Artefact, Library
from schemas.canonical import canonical, digest
from schemas.confirmations import TERMINATION_TYPE, termination_payload
from service.agreements.checking import counts
from service.agreements.confirming import check, pinned
from service.agreements.enrolment import check_kinds, named_otherwise
from service.agreements.grace import over
from service.agreements.imports import imported
from service.agreements.leftout import left_out
from service.agreements.ports import (
    EVERYBODY,
    AgreementRow,
    AgreementStore,
    CompletionRow,
    Confirmation,
    PinnedKey,
    SignatureRow,
    Transaction,
    VersionRow,
)
from service.agreements.receipts import Signed
from service.agreements.standing import State, document, required_signers, standing, state, suspending
from service.audit.entry import AgreementRef, Entry, Kind
from service.audit.entry import Caller as EntryCaller
from service.audit.entry import Decision as EntryDecision
from service.budget.caps import caps
from service.errors import Conflict, Finding, Forbidden, Malformed, NotFound
from service.identity.caller import Caller, Role
from service.policy.coherence import findings

__all__ = ["TERMINATION_TYPE", "Registry", "enrol", "termination_payload", "timestamp"]


_MAX_FIRST = 9_999
"""So that whoever registers a first draft leaves numbers for those that come after it."""


@dataclass(frozen=True, slots=True)
class Registry:
    """The use cases of agreements.

    Attributes:
        broker: The issuer that signatures name.
        artefacts: The schemas, code lists, hierarchies and gateway tables that ship with this broker, by name.
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
            Malformed: ``other_party``; or the document does not fit its artefacts, or moves the budget's anchor.
            Conflict: the version is not the next one; or ``dataset_purged``: it takes back a dataset whose records
                are purged, or about to be.
        """
        caller.require(Role.STEWARD)
        if agreement.party(caller.party) is None:
            raise Forbidden("only a party of the agreement registers it", code="not_a_party")
        self._check_keys(tx.agreements, agreement)
        check_kinds(tx.agreements, agreement)
        known = self.known(tx.agreements, agreement)
        self._check_fit(agreement, known)
        row = self._check_succession(tx.agreements, caller, agreement, now)
        version = VersionRow(
            agreement.id, int(agreement.version), digest(value), canonical(value).decode(), timestamp(now)
        )
        if row is None:
            anchor = agreement.privacy.budget.from_.isoformat()
            tx.agreements.add_agreement(AgreementRow(agreement.id, anchor, 0, None))
        for name in agreement.pins:
            if name in known:
                made = known[name]
                tx.agreements.add_artefact(made.digest, name, canonical(made.value).decode())
        tx.agreements.add_version(version)
        told = {
            "caps": caps(agreement).as_json(),
            "named_otherwise": named_otherwise(tx.agreements, agreement),
            "check": counts(agreement, known, now.date()),
        }
        self._log(tx, caller, Kind.REGISTERED, version, now, told)
        return version

    def known(self, store: AgreementStore, agreement: Agreement) -> dict[str, Artefact]:
        """Return the artefacts that an agreement may pin: those that ship, and those it names that were imported."""
        found = dict(self.artefacts)
        for name in (agreement.artefacts | set(agreement.pins)) - set(found):
            made = imported(store, name, agreement.pins.get(name))
            if made is not None:
                found[name] = made
        return found

    def _check_keys(self, store: AgreementStore, agreement: Agreement) -> None:
        for party in agreement.parties:
            if pinned(store, party.id).thumbprint != party.key:
                raise Forbidden(
                    f"the document names another key for {party.id} than the one that is pinned",
                    code="key_not_pinned",
                )

    def _check_fit(self, agreement: Agreement, known: Mapping[str, Artefact]) -> None:
        found = findings(agreement, Library(known))
        if found:
            raise Malformed("the agreement does not fit the artefacts it pins", code="incoherent", findings=found)

    def _check_succession(
        self, store: AgreementStore, caller: Caller, agreement: Agreement, now: datetime
    ) -> AgreementRow | None:
        """Check that the version may follow those that are there; drafts that nobody put into force bind nobody."""
        held = state(store, agreement.id, self.broker)
        if held is None:
            if int(agreement.version) > _MAX_FIRST:
                raise Conflict(f"a first version's number is at most {_MAX_FIRST}", code="version_conflict")
            return None  # it need not be 1: the agreement may have run elsewhere before
        row, versions, before = held.row, held.versions, held.decides
        known = (before,) if before is not None else versions
        if all(document(item.document).party(caller.party) is None for item in known):
            raise Forbidden("only a party of the version before registers the next one", code="not_a_party")
        if int(agreement.version) != versions[-1].version + 1:
            raise Conflict(
                f"the next version to register is {versions[-1].version + 1}; versions are never changed",
                code="version_conflict",
            )
        _check_goes_on(row)
        if before is not None:
            _check_carried_over(row, document(before.document), agreement)
            _check_datasets_stay(held, agreement)
            self._check_not_purged(store, held, agreement, now)
        return row

    def _check_not_purged(self, store: AgreementStore, held: State, agreement: Agreement, now: datetime) -> None:
        """Check that a version takes back no dataset that was left out for longer than the grace."""
        gone = set(store.purged_datasets(agreement.id))  # by whoever's clock
        for found in left_out(store, held, self.broker):
            if found.due is not None and now >= found.due:
                gone.update(found.datasets)
        back = sorted(agreement.datasets.keys() & gone)
        if back:
            raise Conflict(
                f"a version left out {back[0]}, and its records are purged: take a new name", code="dataset_purged"
            )

    def sign(
        self, tx: Transaction, caller: Caller, agreement_id: str, version: int, signature: str, now: datetime
    ) -> Signed:
        """Take the caller's party's detached JWS over a version; return what was taken, and who has yet to sign.

        Raises:
            NotFound: there is no such version, or the party is none of its signers.
            Forbidden: ``bad_signature``; or ``key_not_pinned``: a party's key was rotated or revoked since the
                version was registered or signed, so that it cannot come into force any more.
            Malformed: ``other_party``: a party's kind was corrected since the version was registered.
            Conflict: the party has signed already, or the agreement has ended; or ``dataset_purged``.
        """
        caller.require(Role.IG_LEAD, Role.STEWARD)
        stored = state(tx.agreements, agreement_id, self.broker)
        found = next((row for row in stored.versions if row.version == version), None) if stored is not None else None
        before = stored.decides if stored is not None else None
        needed = required_signers(found, before) if found is not None else set()
        if stored is None or found is None or caller.party not in needed:
            raise NotFound("there is no such version for your party to sign")
        if stored.completions and version <= max(stored.completions):
            raise Conflict("a version from this one on was signed by all already", code="already_in_force")
        _check_goes_on(stored.row)
        signatures = tx.agreements.signatures(agreement_id, version)
        held = {row.party for row in signatures}
        if caller.party in held:
            raise Conflict("your party has signed this version", code="already_signed")
        _check_keys_stayed(tx.agreements, document(found.document), signatures)
        check_kinds(tx.agreements, document(found.document))
        self._check_not_purged(tx.agreements, stored, document(found.document), now)
        payload = signature_payload(json.loads(found.document), self.broker)
        key = check(tx.agreements, caller.party, payload, signature, SIGNATURE_TYPE)
        row = SignatureRow(caller.party, signature, key.thumbprint, timestamp(now))
        tx.agreements.add_signature(agreement_id, version, row)
        unsigned = tuple(sorted(needed - held - {caller.party}))
        if not unsigned:
            if before is None:
                anchor = document(found.document).privacy.budget.from_.isoformat()
                tx.agreements.set_anchor(agreement_id, anchor)
            completion = CompletionRow(version, tuple(sorted(needed)))
            tx.agreements.add_completion(agreement_id, completion, timestamp(now))
        told = {"thumbprint": key.thumbprint, "complete": not unsigned}
        return Signed(found, row, unsigned, self._log(tx, caller, Kind.SIGNED, found, now, told))

    def suspend(self, tx: Transaction, caller: Caller, agreement_id: str, now: datetime) -> None:
        """Stop an agreement at once; any supplier's IG lead may, and its party alone lifts it.

        Raises:
            NotFound: there is no such agreement in force for the caller's party.
            Forbidden: the caller's party supplies nothing under it.
        """
        version = self._supplied(tx.agreements, caller, agreement_id)
        tx.agreements.suspend(agreement_id, caller.party, timestamp(now))
        self._log(tx, caller, Kind.SUSPENDED, version, now, {})

    def resume(self, tx: Transaction, caller: Caller, agreement_id: str, now: datetime) -> None:
        """Lift the caller's party's suspension; others' stay.

        Raises:
            Conflict: ``not_suspended``: the caller's party has not suspended it.
        """
        version = self._supplied(tx.agreements, caller, agreement_id)
        if not tx.agreements.resume(agreement_id, caller.party):
            raise Conflict("your party has not suspended the agreement", code="not_suspended")
        self._log(tx, caller, Kind.RESUMED, version, now, {})

    def terminate(
        self, tx: Transaction, caller: Caller, agreement_id: str, confirmation: str, now: datetime
    ) -> datetime:
        """End an agreement for good, on a supplier's signed confirmation. Nothing is answered or taken after it.

        Args:
            tx: An open write transaction.
            caller: An IG lead of a supplier.
            agreement_id: The agreement.
            confirmation: Detached JWS of the caller's party over ``termination_payload``.
            now: The time.

        Returns:
            When the grace is over and the records are purged.

        Raises:
            Forbidden: no supplier, or ``bad_signature``.
            Conflict: ``agreement_terminated``: it has ended already; ending it again would move the day of the purge.
        """
        version = self._supplied(tx.agreements, caller, agreement_id)
        if tx.agreements.termination(agreement_id) is not None:
            raise Conflict("the agreement has ended", code="agreement_terminated")
        payload = termination_payload(agreement_id, version.digest, self.broker)
        key = check(tx.agreements, caller.party, payload, confirmation, TERMINATION_TYPE)
        at = timestamp(now)
        row = Confirmation(caller.party, version.version, version.digest, confirmation, key.thumbprint, at)
        tx.agreements.add_termination(agreement_id, row)
        tx.agreements.set_terminated(agreement_id, at)
        self._log(tx, caller, Kind.TERMINATED, version, now, {})
        return over(document(version.document), now)

    def status(self, store: AgreementStore, agreement_id: str, version: int | None, now: datetime) -> dict[str, Any]:
        """Return what a party sees of a version: the document, who has signed, whether it is in force.

        Raises:
            NotFound: there is no such agreement or version.
        """
        stored = state(store, agreement_id, self.broker)
        versions = stored.versions if stored is not None else ()
        found = next((v for v in reversed(versions) if version in (None, v.version)), None)
        if stored is None or found is None:
            raise NotFound("there is no such agreement or version")
        decides, completed = stored.decides, stored.completions
        stands = standing(stored.row, document(found.document), now.date(), signed=found.version in completed)
        superseded = stands.in_force and (decides is None or decides.version != found.version)
        held = store.signatures(agreement_id, found.version)
        receipts = store.receipts(agreement_id, found.version)
        needed = completed.get(found.version) or required_signers(found, decides)
        return {
            "id": agreement_id,
            "version": str(found.version),
            "digest": found.digest,
            "in_force": stands.in_force and not superseded,
            "standing": "superseded" if superseded else stands.code,
            "registered": found.registered_at,
            "suspended_by": list(suspending(stored.row, document(found.document))),
            "withdrawn": list(stored.row.withdrawn),
            "signatures": [
                {"party": s.party, "key": s.thumbprint, "signed": s.signed_at, "signature": s.jws}
                | ({"receipt": json.loads(receipts[s.party])} if s.party in receipts else {})
                for s in held
            ],
            "unsigned": sorted(set(needed) - {s.party for s in held}),
            "document": json.loads(found.document),
        }

    def _supplied(self, store: AgreementStore, caller: Caller, agreement_id: str) -> VersionRow:
        """Return the deciding version, to an IG lead of one of its suppliers."""
        caller.require(Role.IG_LEAD)
        stored = state(store, agreement_id, self.broker)
        version = stored.decides if stored is not None else None
        if version is None or document(version.document).party(caller.party) is None:
            raise NotFound("there is no such agreement")
        if caller.party not in {dataset.supplier for dataset in document(version.document).datasets.values()}:
            raise Forbidden("only a supplier suspends, resumes or ends an agreement", code="not_a_supplier")
        return version

    def _log(
        self,
        tx: Transaction,
        caller: Caller,
        kind: Kind,
        version: VersionRow,
        now: datetime,
        result: dict[str, Any],
    ) -> int:
        return tx.log.append(
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


def _check_goes_on(row: AgreementRow) -> None:
    """Check that an agreement may still get a version, which it may not once its records are to go."""
    if EVERYBODY in row.purges:
        raise Conflict("the agreement has ended, and its records were purged", code="agreement_purged")
    if row.terminated_at is not None:
        raise Conflict("the agreement has ended", code="agreement_terminated")


def _check_keys_stayed(store: AgreementStore, agreement: Agreement, signatures: Sequence[SignatureRow]) -> None:
    """Check that a version which is being signed names, and was signed with, keys that are still the pinned ones."""
    keys = {party.id: party.key for party in agreement.parties} | {row.party: row.thumbprint for row in signatures}
    for party, thumbprint in keys.items():
        if pinned(store, party).thumbprint != thumbprint:
            raise Forbidden(
                f"the key of {party} is another by now: register the next version, naming the pinned key",
                code="key_not_pinned",
            )


def _check_carried_over(row: AgreementRow, before: Agreement, agreement: Agreement) -> None:
    """Check that a new version moves neither the budget's anchor nor its period."""
    budget = agreement.privacy.budget
    if budget.from_.isoformat() != row.anchor or budget.every != before.privacy.budget.every:
        raise Malformed(
            "a new version restarts nothing",
            code="anchor_moved",
            findings=[Finding("anchor_moved", "privacy/budget/from", detail="fixed by the first version in force")],
        )


def _check_datasets_stay(before: State, agreement: Agreement) -> None:
    """Check that no dataset's name passes to another supplier or another kind of data."""
    for row in before.versions:
        if row.version not in before.completions:
            continue
        for name, held in document(row.document).datasets.items():
            new = agreement.datasets.get(name)
            if new is not None and (new.supplier, _kind(new.schema_)) != (held.supplier, _kind(held.schema_)):
                words = "the name belonged to another supplier or kind of data; take a new name"
                raise Malformed(
                    "a dataset's name keeps its supplier and its data",
                    code="dataset_moved",
                    findings=[Finding("dataset_moved", f"datasets/{name}", detail=words)],
                )


def _kind(schema: str) -> str:
    return schema.split("/", maxsplit=1)[0]


def enrol(tx: Transaction, party: str, name: str, kind: str, key: PinnedKey, now: datetime, nonce: str) -> None:
    """Enrol a party and pin its signing key: the operator's act, out of band.

    Raises:
        Conflict: the party is enrolled, or the key is pinned for someone.
    """
    if tx.agreements.enrolled(party):
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
            result={"party": party, "kind": kind, "thumbprint": key.thumbprint},
        )
    )


def timestamp(now: datetime) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
