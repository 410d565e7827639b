"""Agreements' rows: parties, keys, versions, signatures, artefacts."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, func, insert, select, text, update

from service.agreements.ports import (
    AgreementRow,
    CompletionRow,
    Confirmation,
    Enrolment,
    PinnedKey,
    SignatureRow,
    VersionRow,
)
from service.storage import tables
from service.storage.prepared import Prepared

_AGREEMENT = tables.table(tables.Agreement)
_COMPLETION = tables.table(tables.AgreementCompletion)
_SUSPENSION = tables.table(tables.Suspension)
_ARTEFACT = tables.table(tables.ArtefactBody)
_KEY = tables.table(tables.PartyKey)
_PARTY = tables.table(tables.Party)
_LEFT_OUT = tables.table(tables.LeftOutPurge)
_PURGE = tables.table(tables.Purge)
_RECEIPT = tables.table(tables.SignatureReceipt)
_SIGNATURE = tables.table(tables.AgreementSignature)
_TERMINATION = tables.table(tables.Termination)
_VERSION = tables.table(tables.AgreementVersion)
_WITHDRAWAL = tables.table(tables.PartyWithdrawal)

_CONFIRMED = ("party", "version", "digest", "jws", "thumbprint", "at")
_REVISION = Prepared(text("SELECT name FROM agreement_revision WHERE id = 1"))
_BY_ID = select(_AGREEMENT).where(_AGREEMENT.c.id == bindparam("id"))
_SUSPENDED = select(_SUSPENSION.c.party).where(_SUSPENSION.c.agreement == bindparam("id")).order_by(_SUSPENSION.c.party)
_WITHDRAWN = select(_WITHDRAWAL.c.party).where(_WITHDRAWAL.c.agreement == bindparam("id")).order_by(_WITHDRAWAL.c.party)
_PURGED = select(_PURGE.c.party).where(_PURGE.c.agreement == bindparam("id")).order_by(_PURGE.c.party)
_VERSIONS = select(_VERSION).where(_VERSION.c.agreement == bindparam("id")).order_by(_VERSION.c.version)
_COMPLETIONS = (
    select(_COMPLETION.c.version, _COMPLETION.c.signers)
    .where(_COMPLETION.c.agreement == bindparam("id"))
    .order_by(_COMPLETION.c.version)
)
_SIGNED = (
    select(
        _SIGNATURE.c.party,
        _SIGNATURE.c.jws,
        _SIGNATURE.c.thumbprint,
        _SIGNATURE.c.signed_at,
        _KEY.c.party,
        _KEY.c.jwk,
        _KEY.c.revoked_at,
        _KEY.c.revoked_for,
    )
    .select_from(_SIGNATURE.outerjoin(_KEY, _KEY.c.thumbprint == _SIGNATURE.c.thumbprint))
    .where(_SIGNATURE.c.agreement == bindparam("agreement"), _SIGNATURE.c.version == bindparam("version"))
)


class AgreementStore:
    """Reads and writes agreements."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def revision(self) -> str:
        """Return the name that triggers give to what is stored, anew at each change."""
        return str(_REVISION.scalar(self._connection))

    def pinned_key(self, party: str) -> PinnedKey | None:
        """Return the key pinned for a party."""
        return self._key(_KEY.c.party == party, _KEY.c.revoked_at.is_(None))

    def key(self, thumbprint: str) -> PinnedKey | None:
        """Return any key that was ever pinned."""
        return self._key(_KEY.c.thumbprint == thumbprint)

    def _key(self, *conditions: ColumnElement[bool]) -> PinnedKey | None:
        key = _KEY.c
        query = select(key.party, key.thumbprint, key.jwk, key.revoked_at, key.revoked_for).where(*conditions)
        row = self._connection.execute(query).first()
        return PinnedKey(*row) if row else None

    def enrolled(self, party: str) -> bool:
        """Tell whether a party is enrolled."""
        return self._connection.execute(select(_PARTY.c.id).where(_PARTY.c.id == party)).first() is not None

    def enrolment(self, party: str) -> Enrolment | None:
        """Return what a party was enrolled as."""
        row = self._connection.execute(select(_PARTY.c.name, _PARTY.c.kind).where(_PARTY.c.id == party)).first()
        return Enrolment(*row) if row else None

    def correct(self, party: str, enrolment: Enrolment) -> None:
        """Change what an enrolled party is enrolled as."""
        values = {"name": enrolment.name, "kind": enrolment.kind}
        self._connection.execute(update(_PARTY).where(_PARTY.c.id == party).values(values))

    def enrol(self, party: str, name: str, kind: str, key: PinnedKey, at: str) -> None:
        """Enrol a party and pin its key."""
        values = {"id": party, "name": name, "kind": kind, "enrolled_at": at}
        self._connection.execute(insert(_PARTY), values)
        self.pin(key, at)

    def pin(self, key: PinnedKey, at: str) -> None:
        """Pin a key; the database refuses a second one for a party."""
        values = {"thumbprint": key.thumbprint, "party": key.party, "jwk": key.jwk, "pinned_at": at}
        self._connection.execute(insert(_KEY), values)

    def revoke(self, thumbprint: str, reason: str, at: str) -> None:
        """Revoke a key, never before a signature by it that was taken: the clocks of brokers may differ."""
        times = [at]
        for table, column in ((_SIGNATURE, "signed_at"), (_TERMINATION, "at"), (_WITHDRAWAL, "at")):
            query = select(func.max(table.c[column])).where(table.c.thumbprint == thumbprint)
            times += [value for (value,) in self._connection.execute(query) if value is not None]
        key = _KEY.c
        held = update(_KEY).where(key.thumbprint == thumbprint)
        self._connection.execute(held.where(key.revoked_at.is_(None)).values(revoked_at=max(times)))
        self._connection.execute(held.values(revoked_for=reason))

    def agreements(self) -> list[AgreementRow]:
        """Return all agreements."""
        query = select(_AGREEMENT).order_by(_AGREEMENT.c.id)
        return [self._row(row) for row in self._connection.execute(query).mappings()]

    def agreement(self, agreement: str) -> AgreementRow | None:
        """Return one agreement."""
        row = self._connection.execute(_BY_ID, {"id": agreement}).mappings().first()
        return self._row(row) if row else None

    def _row(self, row: Any) -> AgreementRow:
        suspended, withdrawn, purges = (
            tuple(item[0] for item in self._connection.execute(query, {"id": row["id"]}))
            for query in (_SUSPENDED, _WITHDRAWN, _PURGED)
        )
        return AgreementRow(
            row["id"], row["anchor"], row["period_floor"], row["terminated_at"], suspended, withdrawn, purges
        )

    def add_agreement(self, row: AgreementRow) -> None:
        """Add an agreement."""
        self._connection.execute(
            insert(_AGREEMENT),
            {"id": row.id, "anchor": row.anchor, "period_floor": row.period_floor},
        )

    def versions(self, agreement: str) -> list[VersionRow]:
        """Return an agreement's versions, the oldest first."""
        found = self._connection.execute(_VERSIONS, {"id": agreement}).mappings()
        return [VersionRow(**row) for row in found]

    def add_version(self, row: VersionRow) -> None:
        """Add a version."""
        self._connection.execute(
            insert(_VERSION),
            {
                "agreement": row.agreement, "version": row.version, "digest": row.digest,
                "document": row.document, "registered_at": row.registered_at,
            },
        )  # fmt: skip

    def signatures(self, agreement: str, version: int) -> list[SignatureRow]:
        """Return a version's signatures."""
        held = _SIGNATURE.c
        query = (
            select(held.party, held.jws, held.thumbprint, held.signed_at)
            .where(held.agreement == agreement, held.version == version)
            .order_by(held.signed_at, held.party)
        )
        return [SignatureRow(*row) for row in self._connection.execute(query)]

    def signed(self, agreement: str, version: int) -> list[tuple[SignatureRow, PinnedKey | None]]:
        """Return a version's signatures, each with the key that its thumbprint names."""
        found = self._connection.execute(_SIGNED, {"agreement": agreement, "version": version})
        return [
            (SignatureRow(*row[:4]), PinnedKey(row[4], row[2], *row[5:]) if row[4] is not None else None)
            for row in found
        ]

    def add_signature(self, agreement: str, version: int, row: SignatureRow) -> None:
        """Add a signature."""
        self._connection.execute(
            insert(_SIGNATURE),
            {
                "agreement": agreement, "version": version, "party": row.party, "jws": row.jws,
                "thumbprint": row.thumbprint, "signed_at": row.signed_at,
            },
        )  # fmt: skip

    def completions(self, agreement: str) -> list[CompletionRow]:
        """Return the versions that every required party has signed, the oldest first."""
        found = self._connection.execute(_COMPLETIONS, {"id": agreement})
        return [CompletionRow(row[0], tuple(json.loads(row[1]))) for row in found]

    def add_completion(self, agreement: str, row: CompletionRow, at: str) -> None:
        """Record that a version was signed by all."""
        self._connection.execute(
            insert(_COMPLETION),
            {
                "agreement": agreement, "version": row.version,
                "signers": json.dumps(row.signers), "completed_at": at,
            },
        )  # fmt: skip

    def set_anchor(self, agreement: str, anchor: str) -> None:
        """Fix the first day of budget period 0."""
        self._connection.execute(update(_AGREEMENT).where(_AGREEMENT.c.id == agreement).values(anchor=anchor))

    def suspend(self, agreement: str, party: str, at: str) -> None:
        """Suspend for a party; again changes nothing."""
        held = select(_SUSPENSION).where(_SUSPENSION.c.agreement == agreement, _SUSPENSION.c.party == party)
        if self._connection.execute(held).first() is None:
            values = {"agreement": agreement, "party": party, "suspended_at": at}
            self._connection.execute(insert(_SUSPENSION), values)

    def resume(self, agreement: str, party: str) -> bool:
        """Lift a party's suspension; False where there is none."""
        query = delete(_SUSPENSION).where(_SUSPENSION.c.agreement == agreement, _SUSPENSION.c.party == party)
        return self._connection.execute(query).rowcount == 1

    def set_terminated(self, agreement: str, at: str) -> None:
        """End an agreement."""
        self._connection.execute(update(_AGREEMENT).where(_AGREEMENT.c.id == agreement).values(terminated_at=at))

    def termination(self, agreement: str) -> Confirmation | None:
        """Return the signed confirmation that an agreement has ended."""
        return next(iter(self._confirmations(_TERMINATION, agreement)), None)

    def add_termination(self, agreement: str, row: Confirmation) -> None:
        """Keep the signed confirmation that an agreement has ended."""
        self._connection.execute(insert(_TERMINATION), _confirmation(agreement, row))

    def withdrawals(self, agreement: str) -> list[Confirmation]:
        """Return the withdrawals of parties."""
        return self._confirmations(_WITHDRAWAL, agreement)

    def withdraw(self, agreement: str, row: Confirmation) -> None:
        """Keep a party's withdrawal."""
        self._connection.execute(insert(_WITHDRAWAL), _confirmation(agreement, row))

    def rescind(self, agreement: str, party: str) -> bool:
        """Take a party's withdrawal back; False where there is none."""
        query = delete(_WITHDRAWAL).where(_WITHDRAWAL.c.agreement == agreement, _WITHDRAWAL.c.party == party)
        return self._connection.execute(query).rowcount == 1

    def _confirmations(self, table: Table, agreement: str) -> list[Confirmation]:
        query = select(*(table.c[name] for name in _CONFIRMED)).where(table.c.agreement == agreement)
        return [Confirmation(*row) for row in self._connection.execute(query.order_by(table.c.at, table.c.party))]

    def add_receipt(self, agreement: str, version: int, party: str, body: str) -> None:
        """Keep the receipt of a party's signature."""
        values = {"agreement": agreement, "version": version, "party": party, "body": body}
        self._connection.execute(insert(_RECEIPT), values)

    def purged_datasets(self, agreement: str) -> frozenset[str]:
        """Return the datasets that a version left out, and whose purge was begun."""
        query = select(_LEFT_OUT.c.datasets).where(_LEFT_OUT.c.agreement == agreement)
        return frozenset(name for (held,) in self._connection.execute(query) for name in json.loads(held))

    def receipts(self, agreement: str, version: int) -> dict[str, str]:
        """Return the receipts of a version's signatures by party."""
        held = _RECEIPT.c
        query = select(held.party, held.body).where(held.agreement == agreement, held.version == version)
        return {row[0]: row[1] for row in self._connection.execute(query)}

    def raise_period_floor(self, agreement: str, period: int) -> int:
        """Return the larger of ``period`` and any period seen before, and remember it."""
        row = _AGREEMENT.c
        self._connection.execute(
            update(_AGREEMENT).where(row.id == agreement, row.period_floor < period).values(period_floor=period)
        )
        return int(self._connection.execute(select(row.period_floor).where(row.id == agreement)).scalar_one())

    def artefact(self, digest: str) -> str | None:
        """Return an artefact's canonical JSON."""
        query = select(_ARTEFACT.c.body).where(_ARTEFACT.c.digest == digest)
        body: str | None = self._connection.execute(query).scalar()
        return body

    def artefacts_named(self, name: str) -> list[tuple[str, str]]:
        """Return digest and canonical JSON of each artefact kept under a name."""
        query = select(_ARTEFACT.c.digest, _ARTEFACT.c.body).where(_ARTEFACT.c.name == name)
        return [(row[0], row[1]) for row in self._connection.execute(query.order_by(_ARTEFACT.c.digest))]

    def artefact_names(self) -> list[str]:
        """Return the names of all artefacts kept, in order."""
        query = select(_ARTEFACT.c.name).distinct().order_by(_ARTEFACT.c.name)
        return [row[0] for row in self._connection.execute(query)]

    def add_artefact(self, digest: str, name: str, body: str) -> None:
        """Keep an artefact's canonical JSON; the same digest again changes nothing."""
        if self.artefact(digest) is None:
            self._connection.execute(insert(_ARTEFACT), {"digest": digest, "name": name, "body": body})


def _confirmation(agreement: str, row: Confirmation) -> dict[str, Any]:
    return {"agreement": agreement} | {name: getattr(row, name) for name in _CONFIRMED}
