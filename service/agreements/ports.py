"""What agreements need of their storage, inside one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from service.audit.ports import Transaction as LogTransaction


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A party's signing key as pinned out of band; ``jwk`` is canonical JSON.

    Attributes:
        revoked_at: From when on it makes no signature valid; None for the key that is pinned now.
        revoked_for: ``compromised`` or ``superseded``.
    """

    party: str
    thumbprint: str
    jwk: str
    revoked_at: str | None = None
    revoked_for: str | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the operator enrolled a party as, out of band: its name, and what kind of body it is."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """An agreement over all its versions.

    Attributes:
        anchor: First day of budget period 0, fixed by the first version that came into force.
        period_floor: The latest period that was charged.
        suspended_by: The suppliers that have suspended it.
        withdrawn: The parties that have withdrawn from it.
        purges: The parties whose records are purged, or just being; ``EVERYBODY`` for all of them.
    """

    id: str
    anchor: str
    period_floor: int
    terminated_at: str | None
    suspended_by: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    purges: tuple[str, ...] = ()


EVERYBODY = ""
"""Stands for all suppliers of an agreement where a purge names a party."""
LEFT_OUT = "left-out"
"""The reason of a purge of datasets that a version left out."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A party's signature under a termination or its withdrawal, and the version whose digest it names.

    Attributes:
        jws: Detached, over a payload of ``schemas.confirmations``.
        at: When the broker took it.
    """

    party: str
    version: int
    digest: str
    jws: str
    thumbprint: str
    at: str


@dataclass(frozen=True, slots=True)
class PurgeRow:
    """A purge that was begun.

    Attributes:
        party: Whose records; ``EVERYBODY`` for all of them.
        reason: ``terminated``, ``expired``, ``withdrawn`` or ``left-out``.
        version: The version that decided when it was begun, or that left the datasets out; and its digest.
        done_at: When it was done; None while it is not.
        datasets: The datasets that the version left out; empty where all of the party's go.
    """

    agreement: str
    party: str
    reason: str
    version: int
    digest: str
    begun_at: str
    done_at: str | None = None
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Purged:
    """An extract that a purge takes: its rows are its supplier's to know."""

    dataset: str
    extract: str
    rows: int


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version: its canonical JSON and digest."""

    agreement: str
    version: int
    digest: str
    document: str
    registered_at: str


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """One party's signature over a version, and the thumbprint of the key that made it."""

    party: str
    jws: str
    thumbprint: str
    signed_at: str


@dataclass(frozen=True, slots=True)
class CompletionRow:
    """That all required parties had signed a version; ``signers`` were fixed at that moment."""

    version: int
    signers: tuple[str, ...]


class AgreementStore(Protocol):
    """Agreements, parties and artefacts."""

    def revision(self) -> str:
        """Return a name of what is stored now: whatever changes here, or is rolled back, never bears it again."""
        ...

    def pinned_key(self, party: str) -> PinnedKey | None:
        """Return the key pinned for a party, None where the party is not enrolled."""
        ...

    def key(self, thumbprint: str) -> PinnedKey | None:
        """Return any key that was ever pinned, by its thumbprint."""
        ...

    def enrolled(self, party: str) -> bool:
        """Tell whether a party is enrolled, with a pinned key or without."""
        ...

    def enrolment(self, party: str) -> Enrolment | None:
        """Return what a party was enrolled as, None where it is not enrolled."""
        ...

    def correct(self, party: str, enrolment: Enrolment) -> None:
        """Change what an enrolled party is enrolled as."""
        ...

    def enrol(self, party: str, name: str, kind: str, key: PinnedKey, at: str) -> None:
        """Enrol a party and pin its key."""
        ...

    def pin(self, key: PinnedKey, at: str) -> None:
        """Pin a key for an enrolled party that has none pinned."""
        ...

    def revoke(self, thumbprint: str, reason: str, at: str) -> None:
        """Revoke a key: at ``at``, or at the last signature by it that was taken, where a clock puts that later."""
        ...

    def agreements(self) -> list[AgreementRow]:
        """Return all agreements by id."""
        ...

    def agreement(self, agreement: str) -> AgreementRow | None:
        """Return one agreement."""
        ...

    def add_agreement(self, row: AgreementRow) -> None:
        """Add an agreement."""
        ...

    def versions(self, agreement: str) -> list[VersionRow]:
        """Return an agreement's versions, the oldest first."""
        ...

    def add_version(self, row: VersionRow) -> None:
        """Add a version."""
        ...

    def signatures(self, agreement: str, version: int) -> list[SignatureRow]:
        """Return a version's signatures."""
        ...

    def signed(self, agreement: str, version: int) -> list[tuple[SignatureRow, PinnedKey | None]]:
        """Return a version's signatures, each with the key that its thumbprint names."""
        ...

    def add_signature(self, agreement: str, version: int, row: SignatureRow) -> None:
        """Add a signature; one a party."""
        ...

    def completions(self, agreement: str) -> list[CompletionRow]:
        """Return the versions that every required party has signed, the oldest first."""
        ...

    def add_completion(self, agreement: str, row: CompletionRow, at: str) -> None:
        """Record that a version was signed by all."""
        ...

    def set_anchor(self, agreement: str, anchor: str) -> None:
        """Fix the first day of budget period 0."""
        ...

    def suspend(self, agreement: str, party: str, at: str) -> None:
        """Suspend for a party; again changes nothing."""
        ...

    def resume(self, agreement: str, party: str) -> bool:
        """Lift a party's suspension; False where there is none."""
        ...

    def set_terminated(self, agreement: str, at: str) -> None:
        """End an agreement."""
        ...

    def termination(self, agreement: str) -> Confirmation | None:
        """Return the signed confirmation that an agreement has ended."""
        ...

    def add_termination(self, agreement: str, row: Confirmation) -> None:
        """Keep the signed confirmation that an agreement has ended."""
        ...

    def withdrawals(self, agreement: str) -> list[Confirmation]:
        """Return the withdrawals of parties."""
        ...

    def withdraw(self, agreement: str, row: Confirmation) -> None:
        """Keep a party's withdrawal."""
        ...

    def rescind(self, agreement: str, party: str) -> bool:
        """Take a party's withdrawal back; False where there is none."""
        ...

    def add_receipt(self, agreement: str, version: int, party: str, body: str) -> None:
        """Keep the receipt of a party's signature."""
        ...

    def purged_datasets(self, agreement: str) -> frozenset[str]:
        """Return the datasets that a version left out, and whose purge was begun."""
        ...

    def receipts(self, agreement: str, version: int) -> dict[str, str]:
        """Return the receipts of a version's signatures by party, as canonical JSON."""
        ...

    def raise_period_floor(self, agreement: str, period: int) -> int:
        """Return the larger of ``period`` and any period seen before, and remember it."""
        ...

    def artefact(self, digest: str) -> str | None:
        """Return an artefact's canonical JSON by its digest."""
        ...

    def artefacts_named(self, name: str) -> list[tuple[str, str]]:
        """Return digest and canonical JSON of each artefact kept under a name."""
        ...

    def artefact_names(self) -> list[str]:
        """Return the names of all artefacts kept, in order."""
        ...

    def add_artefact(self, digest: str, name: str, body: str) -> None:
        """Keep an artefact's canonical JSON; the same digest again changes nothing."""
        ...


class PurgeStore(Protocol):
    """Purges and their receipts."""

    def purges(self, agreement: str) -> list[PurgeRow]:
        """Return an agreement's purges, those of what versions left out first and by version."""
        ...

    def begin(self, row: PurgeRow) -> None:
        """Note a purge, and take its extracts out of every answer and every recovery: they are ``purging``."""
        ...

    def taken(self, row: PurgeRow, party: str) -> list[Purged]:
        """Return a supplier's extracts that a purge takes, in the order in which they were pushed."""
        ...

    def finish(self, row: PurgeRow, at: str) -> None:
        """Note that a purge is done: its extracts are ``purged``, and their datasets' data versions name nothing."""
        ...

    def add_receipt(self, row: PurgeRow, party: str, body: str) -> None:
        """Keep a supplier's receipt of a purge."""
        ...

    def receipt(self, agreement: str, party: str, version: int | None = None) -> str | None:
        """Return a supplier's receipt as canonical JSON, None where there is none.

        Args:
            agreement: The agreement.
            party: The supplier.
            version: The version that left something out; None for the receipt of all that was left.
        """
        ...


class Transaction(LogTransaction, Protocol):
    """A transaction that can reach agreements and the log."""

    @property
    def agreements(self) -> AgreementStore:
        """The agreements."""
        ...


class PurgeTransaction(Transaction, Protocol):
    """A transaction that can also reach purges."""

    @property
    def purges(self) -> PurgeStore:
        """The purges."""
        ...
