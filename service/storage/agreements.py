"""Agreements' rows: parties, keys, versions, signatures, artefacts."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, text, update

from service.agreements.ports import AgreementRow, PinnedKey, SignatureRow, VersionRow
from service.storage import tables

_AGREEMENT = tables.table(tables.Agreement)
_ARTEFACT = tables.table(tables.ArtefactBody)
_KEY = tables.table(tables.PartyKey)
_PARTY = tables.table(tables.Party)
_SIGNATURE = tables.table(tables.AgreementSignature)
_VERSION = tables.table(tables.AgreementVersion)
_KEEP = text("INSERT INTO artefact (digest, name, body) VALUES (:digest, :name, :body) ON CONFLICT (digest) DO NOTHING")


class AgreementStore:
    """Reads and writes agreements."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def pinned_key(self, party: str) -> PinnedKey | None:
        """Return the key pinned for a party."""
        key = _KEY.c
        query = (
            select(key.party, key.thumbprint, key.jwk)
            .where(key.party == party, key.revoked_at.is_(None))
            .order_by(key.pinned_at.desc())
            .limit(1)
        )
        row = self._connection.execute(query).first()
        return PinnedKey(*row) if row else None

    def key(self, thumbprint: str) -> PinnedKey | None:
        """Return any key that was ever pinned."""
        key = _KEY.c
        query = select(key.party, key.thumbprint, key.jwk).where(key.thumbprint == thumbprint)
        row = self._connection.execute(query).first()
        return PinnedKey(*row) if row else None

    def enrol(self, party: str, name: str, kind: str, key: PinnedKey, at: str) -> None:
        """Enrol a party and pin its key."""
        values = {"id": party, "name": name, "kind": kind, "enrolled_at": at}
        self._connection.execute(insert(_PARTY), values)
        pinned = {"thumbprint": key.thumbprint, "party": party, "jwk": key.jwk, "pinned_at": at}
        self._connection.execute(insert(_KEY), pinned)

    def agreements(self) -> list[AgreementRow]:
        """Return all agreements."""
        query = select(_AGREEMENT).order_by(_AGREEMENT.c.id)
        return [AgreementRow(**row) for row in self._connection.execute(query).mappings()]

    def agreement(self, agreement: str) -> AgreementRow | None:
        """Return one agreement."""
        query = select(_AGREEMENT).where(_AGREEMENT.c.id == agreement)
        row = self._connection.execute(query).mappings().first()
        return AgreementRow(**row) if row else None

    def add_agreement(self, row: AgreementRow) -> None:
        """Add an agreement."""
        self._connection.execute(
            insert(_AGREEMENT),
            {"id": row.id, "anchor": row.anchor, "every": row.every, "period_floor": row.period_floor},
        )

    def versions(self, agreement: str) -> list[VersionRow]:
        """Return an agreement's versions, the oldest first."""
        version = _VERSION.c
        query = select(_VERSION).where(version.agreement == agreement).order_by(version.version)
        return [VersionRow(**row) for row in self._connection.execute(query).mappings()]

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

    def add_signature(self, agreement: str, version: int, row: SignatureRow) -> None:
        """Add a signature."""
        self._connection.execute(
            insert(_SIGNATURE),
            {
                "agreement": agreement, "version": version, "party": row.party, "jws": row.jws,
                "thumbprint": row.thumbprint, "signed_at": row.signed_at,
            },
        )  # fmt: skip

    def set_suspended(self, agreement: str, at: str | None) -> None:
        """Suspend, or resume with None."""
        self._connection.execute(update(_AGREEMENT).where(_AGREEMENT.c.id == agreement).values(suspended_at=at))

    def set_terminated(self, agreement: str, at: str) -> None:
        """End an agreement."""
        self._connection.execute(update(_AGREEMENT).where(_AGREEMENT.c.id == agreement).values(terminated_at=at))

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

    def add_artefact(self, digest: str, name: str, body: str) -> None:
        """Keep an artefact's canonical JSON."""
        self._connection.execute(_KEEP, {"digest": digest, "name": name, "body": body})
