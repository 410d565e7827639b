"""Versions of agreements on a party's own machine: read strictly, and compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from connectors.files import read_input
from schemas import agreement as documents
from schemas import artefacts
from schemas.agreement import Agreement
from schemas.canonical import digest
from schemas.diff import compare as diff
from schemas.diff.change import Change
from schemas.diff.pins import kinds


@dataclass(frozen=True, slots=True)
class Version:
    """A version that was read, and the digest of what was read."""

    agreement: Agreement
    digest: str


def read(path: Path) -> Version:
    """Read an agreement strictly.

    Raises:
        LocalError: The file cannot be read.
        DocumentError: It is malformed, or has not the shape of an agreement.
    """
    kind = "application/json" if path.suffix.lower() == ".json" else "application/yaml"
    value = documents.load(read_input(path), kind)
    return Version(documents.parse(value), digest(value))


def compare(old: Version, new: Version) -> tuple[Change, ...]:
    """Return what changed from one version to another."""
    return diff.compare(old.agreement, new.agreement, kinds(artefacts.load()))
