"""Agreements on a party's own machine: read strictly, held against the shipped artefacts, signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.errors import LocalError
from connectors.files import read_input
from schemas import agreement as documents
from schemas import artefacts, jws
from schemas.canonical import digest
from schemas.errors import DocumentError
from schemas.model import InvalidDocument


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a document: a stable code, the place, the words, and the line where the reader tells it."""

    code: str
    path: str
    detail: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A document that was read.

    Attributes:
        value: Its JSON value; None where it could not be read at all.
        agreement: What it says; None where it has not the right shape.
        findings: What is wrong with it, in the order it was found.
    """

    value: Any
    agreement: documents.Agreement | None
    findings: tuple[Finding, ...]

    @property
    def digest(self) -> str | None:
        """What parties sign and pushes name."""
        return None if self.value is None else digest(self.value)


def check(path: Path, known: Mapping[str, artefacts.Artefact] | None = None) -> Checked:
    """Read an agreement strictly and hold its pins against the artefacts that are known here.

    Whether it is in force only its broker knows.

    Args:
        path: YAML, or JSON by its suffix.
        known: The artefacts by name; those that are shipped where it is left out.

    Raises:
        LocalError: The file cannot be read.
    """
    text = read_input(path)
    kind = "application/json" if path.suffix.lower() == ".json" else "application/yaml"
    try:
        value = documents.load(text, kind)
    except DocumentError as error:
        return Checked(None, None, (Finding(error.code, error.path, error.detail, error.line),))
    try:
        agreement = documents.parse(value)
    except InvalidDocument as error:
        return Checked(value, None, tuple(Finding(error.code, *found) for found in error.findings))
    except DocumentError as error:
        return Checked(None, None, (Finding(error.code, error.path, error.detail, error.line),))
    return Checked(value, agreement, tuple(_check_pins(agreement, artefacts.load() if known is None else known)))


def known_artefacts(folder: Path | None) -> dict[str, artefacts.Artefact]:
    """Return the artefacts that are shipped and, of a folder, the code lists and hierarchies imported by a broker.

    Raises:
        DocumentError: A file of the folder is neither, or bears the name of another artefact.
    """
    return artefacts.load() | (artefacts.load_imported(folder) if folder is not None else {})


def sign(checked: Checked, key: Ed25519PrivateKey, broker: str) -> str:
    """Return a party's detached JWS over an agreement, good for one broker.

    Args:
        checked: A document without findings.
        key: The party's signing key, which the document must name by its thumbprint.
        broker: The issuer of the broker that shall execute it.

    Raises:
        LocalError: ``agreement_malformed``, or ``key_not_in_agreement``.
    """
    if checked.agreement is None or checked.findings:
        raise LocalError("agreement_malformed", "the document has findings; nobody should sign it")
    own = jws.thumbprint(jws.public_jwk(key.public_key()))
    if own not in {party.key for party in checked.agreement.parties}:
        raise LocalError("key_not_in_agreement", f"no party of the document has the key {own}")
    payload = documents.signature_payload(checked.value, broker)
    return jws.sign(payload, key, typ=documents.SIGNATURE_TYPE)


def _check_pins(agreement: documents.Agreement, shipped: Mapping[str, artefacts.Artefact]) -> list[Finding]:
    library = artefacts.Library(shipped)
    found = []
    for name, pinned in agreement.pins.items():
        if name not in shipped:
            found.append(
                Finding(
                    "pin_unknown",
                    f"pins/{name}",
                    "no artefact of this name is known here; give imported ones with --artefacts",
                )
            )
        elif shipped[name].digest != pinned:
            said = f"the artefact known under this name is {shipped[name].digest}"
            found.append(Finding("pin_differs", f"pins/{name}", said))
    try:
        required = library.required(agreement)
    except DocumentError as error:
        return [*found, Finding(error.code, error.path, error.detail)]
    missing = sorted(required - set(agreement.pins))
    return [*found, *(Finding("pin_missing", f"pins/{name}", "it decides, so pin its digest") for name in missing)]
