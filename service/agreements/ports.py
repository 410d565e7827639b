"""What agreements need of their storage, inside one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from service.audit.ports import Transaction as LogTransaction


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A party's signing key as pinned at enrolment; ``jwk`` is canonical JSON."""

    party: str
    thumbprint: str
    jwk: str


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """An agreement over all its versions.

    Attributes:
        anchor: First day of budget period 0, fixed by the first version that came into force.
        period_floor: The latest period that was charged.
        suspended_by: The suppliers that have suspended it.
    """

    id: str
    anchor: str
    period_floor: int
    terminated_at: str | None
    suspended_by: tuple[str, ...] = ()


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

    def enrol(self, party: str, name: str, kind: str, key: PinnedKey, at: str) -> None:
        """Enrol a party and pin its key."""
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


class Transaction(LogTransaction, Protocol):
    """A transaction that can reach agreements and the log."""

    @property
    def agreements(self) -> AgreementStore:
        """The agreements."""
        ...
