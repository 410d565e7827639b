"""How the parts of an agreement are named: IRIs that carry the path of the clause, and back."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.errors import DocumentError

_PARTY = "urn:concordat:party:"
_ARTEFACT = "urn:concordat:artefact:"


@dataclass(frozen=True, slots=True)
class Names:
    """The names within one version of an agreement.

    Attributes:
        policy: The IRI of the version; a clause's IRI is this, ``#`` and the clause's path.
    """

    policy: str

    @classmethod
    def of(cls, agreement: str, version: str) -> Names:
        """Return the names within a version."""
        return cls(f"urn:concordat:agreement:{agreement}:{version}")

    def clause(self, *path: str | int) -> str:
        """Return the IRI of a clause."""
        return f"{self.policy}#{'/'.join(str(part) for part in path)}"

    def clause_name(self, part: str, iri: str, path: str) -> str:
        """Return the name of a purpose or dataset from its IRI.

        Raises:
            DocumentError: ``odrl_shape``.
        """
        return _tail(self.clause(part, ""), iri, path)


def party(name: str) -> str:
    """Return the IRI of a party."""
    return _PARTY + name


def party_name(iri: str, path: str) -> str:
    """Return the id of a party from its IRI.

    Raises:
        DocumentError: ``odrl_shape``.
    """
    return _tail(_PARTY, iri, path)


def artefact(name: str) -> str:
    """Return the IRI of an artefact."""
    return _ARTEFACT + name


def artefact_name(iri: str, path: str) -> str:
    """Return the name of an artefact from its IRI.

    Raises:
        DocumentError: ``odrl_shape``.
    """
    return _tail(_ARTEFACT, iri, path)


def _tail(start: str, iri: str, path: str) -> str:
    if not iri.startswith(start):
        raise DocumentError("odrl_shape", "an IRI of another form than Concordat gives", path)
    return iri.removeprefix(start)
