"""The control database's tables, in SQL that SQLite and PostgreSQL both run.

Times are RFC 3339 text in UTC; rho is whole nano-units, selection delta units of 1e-18; JSON is text in canonical
form. Rows of ``charge``, ``charge_source``, ``log_leaf`` and ``log_node`` are never changed or deleted: triggers hold
that (``migrations``).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, LargeBinary, Table, UniqueConstraint, text
from sqlmodel import Field, SQLModel

# --- the broker itself


class BrokerName(SQLModel, table=True):
    """One row: the issuer that this database's broker goes by, pinned when it first served."""

    __tablename__ = "broker"
    id: int = Field(primary_key=True)
    issuer: str


# --- parties and callers


class Party(SQLModel, table=True):
    """An enrolled party."""

    id: str = Field(primary_key=True)
    name: str
    kind: str
    enrolled_at: str


class PartyKey(SQLModel, table=True):
    """A signing key that was ever pinned for a party; at most one a party is not revoked, and that one is pinned."""

    __tablename__ = "party_key"
    thumbprint: str = Field(primary_key=True)
    party: str = Field(foreign_key="party.id", index=True)
    jwk: str
    pinned_at: str
    revoked_at: str | None = None
    revoked_for: str | None = None


class Client(SQLModel, table=True):
    """A machine client or a person, bound to one party and some roles."""

    id: str = Field(primary_key=True)
    party: str = Field(foreign_key="party.id")
    roles: str
    jwk: str | None = None
    created_at: str
    disabled_at: str | None = None


class SeenAssertion(SQLModel, table=True):
    """A client assertion's ``jti``, kept until it has expired, so that it works once."""

    __tablename__ = "seen_assertion"
    client: str = Field(primary_key=True)
    jti: str = Field(primary_key=True)
    expires_at: int = Field(sa_type=BigInteger, index=True)


# --- agreements


class Agreement(SQLModel, table=True):
    """An agreement over all its versions: what never restarts, and whether it was stopped."""

    id: str = Field(primary_key=True)
    anchor: str
    period_floor: int = 0
    terminated_at: str | None = None


class AgreementVersion(SQLModel, table=True):
    """One immutable version: the canonical JSON that was signed."""

    __tablename__ = "agreement_version"
    agreement: str = Field(primary_key=True, foreign_key="agreement.id")
    version: int = Field(primary_key=True)
    digest: str = Field(unique=True)
    document: str
    registered_at: str


class AgreementSignature(SQLModel, table=True):
    """One party's detached JWS over a version."""

    __tablename__ = "agreement_signature"
    agreement: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    party: str = Field(primary_key=True)
    jws: str
    thumbprint: str
    signed_at: str


class AgreementCompletion(SQLModel, table=True):
    """That every required party had signed a version: from then on it may be in force. ``signers`` is JSON."""

    __tablename__ = "agreement_completion"
    agreement: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    signers: str
    completed_at: str


class Suspension(SQLModel, table=True):
    """A supplier's suspension of an agreement, which it alone lifts."""

    agreement: str = Field(primary_key=True)
    party: str = Field(primary_key=True)
    suspended_at: str


class SignatureReceipt(SQLModel, table=True):
    """The broker's signed receipt of a party's signature, as canonical JSON."""

    __tablename__ = "signature_receipt"
    agreement: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    party: str = Field(primary_key=True)
    body: str


class PartyWithdrawal(SQLModel, table=True):
    """A party's signed withdrawal of itself and what it supplies, over the version that decided then."""

    __tablename__ = "party_withdrawal"
    agreement: str = Field(primary_key=True)
    party: str = Field(primary_key=True)
    version: int
    digest: str
    jws: str
    thumbprint: str
    at: str


class Termination(SQLModel, table=True):
    """A supplier's signed confirmation that an agreement has ended, over the version that decided then."""

    agreement: str = Field(primary_key=True)
    party: str
    version: int
    digest: str
    jws: str
    thumbprint: str
    at: str


class Purge(SQLModel, table=True):
    """A purge that was begun and, where ``done_at`` is set, done; of all suppliers where ``party`` is empty."""

    agreement: str = Field(primary_key=True)
    party: str = Field(primary_key=True)
    reason: str
    version: int
    digest: str
    begun_at: str
    done_at: str | None = None


class LeftOutPurge(SQLModel, table=True):
    """A purge of the datasets of one supplier that version ``since`` left out; ``datasets`` is JSON.

    ``digest`` is that version's; ``receipt``, the supplier's, is canonical JSON.
    """

    __tablename__ = "left_out_purge"
    agreement: str = Field(primary_key=True)
    party: str = Field(primary_key=True)
    since: int = Field(primary_key=True)
    datasets: str
    digest: str
    begun_at: str
    done_at: str | None = None
    receipt: str | None = None


class PurgeReceipt(SQLModel, table=True):
    """A supplier's signed receipt of the purge of its records, as canonical JSON."""

    __tablename__ = "purge_receipt"
    agreement: str = Field(primary_key=True)
    party: str = Field(primary_key=True)
    body: str


class AgreementRevision(SQLModel, table=True):
    """One row: a random name that triggers replace whenever anything about agreements, parties or keys changes."""

    __tablename__ = "agreement_revision"
    id: int = Field(primary_key=True)
    name: str


class ArtefactBody(SQLModel, table=True):
    """A pinned schema, code list, hierarchy or gateway table, by the digest of its canonical JSON."""

    __tablename__ = "artefact"
    digest: str = Field(primary_key=True)
    name: str
    body: str


# --- records


class Extract(SQLModel, table=True):
    """One push and where it stands (``service.intake.ports``); its party is its supplier."""

    id: str = Field(primary_key=True)
    agreement: str
    version: str
    agreement_digest: str
    dataset: str
    schema_name: str
    client: str
    party: str
    role: str
    media: str
    covers_from: str
    covers_to: str
    digest: str
    staged: str
    staged_sha256: str
    rows: int = Field(sa_type=BigInteger)
    persons: int = Field(sa_type=BigInteger)
    bytes: int = Field(sa_type=BigInteger)
    key: str
    fingerprint: str
    received_at: str
    state: str = Field(index=True)
    replaces: str | None = None
    receipt: str | None = None
    withdrawal: str | None = None
    expiry: str | None = None
    sequence: int = Field(sa_type=BigInteger, unique=True)
    __table_args__ = (
        Index("extract_dataset", "agreement", "dataset", "state"),
        Index("extract_received", "agreement", "dataset", "state", "received_at"),
        Index(
            "extract_key",
            "agreement",
            "party",
            "client",
            "key",
            unique=True,
            sqlite_where=text("state <> 'aborted'"),
            postgresql_where=text("state <> 'aborted'"),
        ),
    )


class Erasure(SQLModel, table=True):
    """An erasure and where it stands (``service.intake.erasure_ports``); it holds no pseudonym.

    ``datasets`` and ``records`` are JSON; ``reason`` is emptied once the log has it, which alone can expunge it.
    """

    id: str = Field(primary_key=True)
    agreement: str
    version: str
    agreement_digest: str
    client: str
    party: str
    role: str
    reach: str
    datasets: str
    records: str
    persons: int
    reason: str
    key: str
    fingerprint: str
    requested_at: str
    state: str = Field(index=True)
    receipt: str | None = None
    __table_args__ = (
        Index(
            "erasure_key",
            "agreement",
            "party",
            "client",
            "key",
            unique=True,
            sqlite_where=text("state <> 'aborted'"),
            postgresql_where=text("state <> 'aborted'"),
        ),
    )


class DataVersion(SQLModel, table=True):
    """What the engine reads: an opaque name for a version of a dataset's Delta table."""

    __tablename__ = "data_version"
    name: str = Field(primary_key=True)
    agreement: str
    dataset: str
    lake_version: int
    sequence: int
    at: str
    __table_args__ = (UniqueConstraint("agreement", "dataset", "sequence"),)


class Idempotency(SQLModel, table=True):
    """An idempotency key's binding to a body and to what it led to."""

    party: str = Field(primary_key=True)
    client: str = Field(primary_key=True)
    route: str = Field(primary_key=True)
    agreement: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    digest: str
    subject: str
    at: str


# --- money


class Account(SQLModel, table=True):
    """A running sum that a conditional update keeps within its cap; what is reserved on it counts as taken."""

    key: str = Field(primary_key=True)
    rho_nano: int = Field(default=0, sa_type=BigInteger)
    delta_e18: int = Field(default=0, sa_type=BigInteger)
    held_nano: int = Field(default=0, sa_type=BigInteger)
    held_delta: int = Field(default=0, sa_type=BigInteger)


class Charge(SQLModel, table=True):
    """One charge; ``period`` counts from the agreement's anchor."""

    intent: str = Field(primary_key=True)
    agreement: str = Field(index=True)
    version: int
    party: str
    unit: str
    period: int
    rho_nano: int = Field(sa_type=BigInteger)
    delta_e18: int = Field(sa_type=BigInteger)
    at: str


class ChargeSource(SQLModel, table=True):
    """A charge seen from one source of data that it touched."""

    __tablename__ = "charge_source"
    intent: str = Field(primary_key=True, foreign_key="charge.intent")
    source: str = Field(primary_key=True)
    agreement: str
    rho_nano: int = Field(sa_type=BigInteger)
    delta_e18: int = Field(default=0, sa_type=BigInteger)
    at: str
    __table_args__ = (Index("charge_source_source", "source", "agreement"),)


class Quota(SQLModel, table=True):
    """The part of its party's share, a decimal, that a steward lets a client spend in a period; the newest counts."""

    agreement: str = Field(primary_key=True)
    party: str = Field(primary_key=True)
    client: str = Field(primary_key=True)
    share: str
    log_index: int = Field(primary_key=True, sa_type=BigInteger)
    at: str


class Reservation(SQLModel, table=True):
    """An amount set aside for a client's questions; only what is left, and the state once, ever change."""

    id: str = Field(primary_key=True)
    agreement: str
    version: int
    party: str
    client: str
    unit: str
    period: int
    purpose: str
    rho_nano: int = Field(sa_type=BigInteger)
    delta_e18: int = Field(sa_type=BigInteger)
    left_nano: int = Field(sa_type=BigInteger)
    left_delta: int = Field(sa_type=BigInteger)
    plan: str | None = None
    state: str
    log_index: int = Field(sa_type=BigInteger)
    created_at: str
    expires_at: str
    __table_args__ = (Index("reservation_open", "agreement", "state", "expires_at"),)


class ReservationSource(SQLModel, table=True):
    """A source of data that a reservation's questions may touch."""

    __tablename__ = "reservation_source"
    reservation: str = Field(primary_key=True, foreign_key="reservation.id")
    source: str = Field(primary_key=True, index=True)


# --- answers


class Intent(SQLModel, table=True):
    """A question that was charged: everything needed to complete it once, on any replica."""

    id: str = Field(primary_key=True)
    agreement: str = Field(index=True)
    version: int
    digest: str
    party: str
    client: str
    role: str
    purpose: str
    dataset: str
    request: str
    identity: str
    spend: str
    rho_nano: int = Field(sa_type=BigInteger)
    pinned: str
    state: str = Field(index=True)
    charged_index: int = Field(sa_type=BigInteger)
    created_at: str


class Release(SQLModel, table=True):
    """The one release of an intent."""

    id: str = Field(primary_key=True)
    intent: str = Field(unique=True, foreign_key="intent.id")
    agreement: str
    party: str
    dataset: str
    identity: str
    rho_nano: int = Field(sa_type=BigInteger)
    body: str
    digest: str
    log_index: int = Field(sa_type=BigInteger)
    released_at: str
    __table_args__ = (Index("release_identity", "agreement", "identity"),)


# --- approvals


class Approval(SQLModel, table=True):
    """A question that waits for stewards; ``needs`` and ``shown`` are JSON."""

    id: str = Field(primary_key=True)
    agreement: str
    version: int
    digest: str
    party: str
    client: str
    purpose: str
    dataset: str
    identity: str
    rho_nano: int = Field(sa_type=BigInteger)
    needs: str
    shown: str
    log_index: int = Field(sa_type=BigInteger)
    requested_at: str
    expires_at: str
    __table_args__ = (
        Index("approval_question", "digest", "party", "purpose", "identity"),
        Index("approval_agreement", "agreement", "party"),
    )


class ApprovalVerdict(SQLModel, table=True):
    """What one party's steward said of an approval: ``approve`` or ``refuse``, once."""

    __tablename__ = "approval_verdict"
    approval: str = Field(primary_key=True, foreign_key="approval.id")
    party: str = Field(primary_key=True)
    client: str
    verdict: str
    log_index: int = Field(sa_type=BigInteger)
    at: str


# --- log


class LogHead(SQLModel, table=True):
    """The log's size; its one row is what writers queue for."""

    __tablename__ = "log_head"
    id: int = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)


class LogNode(SQLModel, table=True):
    """A complete subtree's hash; level 0 are the leaves."""

    __tablename__ = "log_node"
    level: int = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    hash: bytes = Field(sa_type=LargeBinary)


class LogContent(SQLModel, table=True):
    """An entry's contents, apart from its leaf so that they can be expunged; with columns to search by."""

    __tablename__ = "log_content"
    n: int = Field(primary_key=True, sa_type=BigInteger)
    at: str = Field(index=True)
    kind: str
    party: str | None = Field(default=None, index=True)
    agreement: str | None = Field(default=None, index=True)
    datasets: str | None = None
    purpose: str | None = None
    outcome: str | None = None
    entry: str


class LogCheckpoint(SQLModel, table=True):
    """A signed checkpoint."""

    __tablename__ = "log_checkpoint"
    size: int = Field(primary_key=True, sa_type=BigInteger)
    note: str
    at: str


def table(model: type[SQLModel]) -> Table:
    """Return a model's table, whose columns SQL expressions are built from."""
    return SQLModel.metadata.tables[str(model.__tablename__)]
