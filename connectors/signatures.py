"""Signatures over an agreement's file: made at a party, verified offline by anyone, with or without its broker.

A party signs what the agreement says (its digest), which the broker takes. A signature *file* holds that signature,
the key that made it, and a second one over the very bytes of the agreement's file, so that its comments and its layout
cannot change unnoticed either. A bare signature, a line of text, covers what the agreement says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.errors import LocalError, UnverifiedError
from schemas import agreement as documents
from schemas import jws, strict_json
from schemas.canonical import canonical, digest_of
from schemas.errors import DocumentError

TYPE = "concordat/agreement-signature-file/v1"
FILE_TYPE = "concordat-agreement-file+jws"
_MEMBERS = frozenset({"type", "party", "broker", "key", "signature", "file", "file_signature"})
_JWK = frozenset({"crv", "kty", "x"})

Jwk = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """An agreement's file: its bytes, its JSON value, and what it says."""

    data: bytes
    value: Any
    agreement: documents.Agreement

    @classmethod
    def read(cls, data: bytes, kind: str) -> Document:
        """Read a file; pins are not looked at.

        Raises:
            DocumentError: It is no agreement.
        """
        value = documents.load(data, kind)
        return cls(data, value, documents.parse(value))


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that was read.

    Attributes:
        name: What to call it to people, such as its file's name.
        jws: The detached JWS that the broker takes.
        file: The members of a signature file; None for a bare signature.
    """

    name: str
    jws: str
    file: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A signature that holds.

    Attributes:
        party: Whose.
        broker: For which broker.
        covers: ``file`` for every byte of it, ``content`` for what it says.
    """

    name: str
    party: str
    broker: str
    covers: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A signature that does not hold."""

    name: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: which signatures hold, which do not, and, by broker, which parties' are missing."""

    held: tuple[Held, ...]
    refused: tuple[Refused, ...]
    missing: Mapping[str, tuple[str, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "held": [{name: getattr(item, name) for name in Held.__slots__} for item in self.held],
            "refused": [{name: getattr(item, name) for name in Refused.__slots__} for item in self.refused],
            "missing": {broker: list(parties) for broker, parties in self.missing.items()},
            "complete": not self.refused and any(not parties for parties in self.missing.values()),
        }


def make(document: Document, signature: str, key: Ed25519PrivateKey, broker: str) -> bytes:
    """Return a signature file: one line of canonical JSON.

    Args:
        document: What was signed.
        signature: The party's JWS over it (``connectors.agreements.sign``).
        key: The key that made it, which the document must name.
        broker: For which broker.
    """
    jwk = jws.public_jwk(key.public_key())
    party = next(party.id for party in document.agreement.parties if party.key == jws.thumbprint(jwk))
    file = digest_of(document.data)
    made = {
        "type": TYPE,
        "party": party,
        "broker": broker,
        "key": jwk,
        "signature": signature,
        "file": file,
        "file_signature": jws.sign(_file_payload(document, broker, file), key, typ=FILE_TYPE),
    }
    return canonical(made) + b"\n"


def read(name: str, data: bytes) -> Signature:
    """Read a signature: a signature file, or a bare signature on one line.

    Raises:
        LocalError: ``signature_malformed``; a signature has one form, so that no byte of it means nothing.
    """
    line = data.removesuffix(b"\n")
    if not line.startswith(b"{"):
        try:
            return Signature(name, line.decode("ascii"))
        except UnicodeDecodeError as error:
            raise LocalError("signature_malformed", f"{name} is no signature") from error
    try:
        value = strict_json.loads(line)
        exact = isinstance(value, dict) and canonical(value) == line
    except DocumentError as error:
        raise LocalError("signature_malformed", f"{name} is no signature: {error.detail}") from error
    match value:
        case {"type": str(kind), "party": str(), "broker": str(), "key": dict(key), "signature": str(jws_), **rest}:
            texts = isinstance(rest.get("file"), str) and isinstance(rest.get("file_signature"), str)
            if exact and kind == TYPE and set(value) == _MEMBERS and set(key) == _JWK and texts:
                return Signature(name, jws_, value)
    raise LocalError("signature_malformed", f"{name} is no signature file in its one form")


def verify(
    document: Document, signatures: Sequence[Signature], keys: Sequence[Jwk] = (), broker: str | None = None
) -> Verified:
    """Hold signatures against an agreement's file; nothing is fetched, and nothing trusted but the file's own keys.

    Args:
        document: The agreement. Whose keys its thumbprints are is for its reader to know.
        signatures: The signatures.
        keys: Public keys for bare signatures; a signature file has its own.
        broker: For which broker they must be; bare signatures do not tell.
    """
    held, refused = [], []
    by_kid = {jws.thumbprint(dict(key)): key for key in keys}
    for signature in signatures:
        try:
            held.append(_verify(document, signature, by_kid, broker))
        except UnverifiedError as error:
            refused.append(Refused(signature.name, error.code, error.detail))
    brokers = sorted({item.broker for item in held} | ({broker} if broker is not None else set()))
    missing = {
        name: tuple(
            party.id
            for party in document.agreement.parties
            if party.id not in {item.party for item in held if item.broker == name}
        )
        for name in brokers
    }
    return Verified(tuple(held), tuple(refused), missing)


def _verify(document: Document, signature: Signature, keys: Mapping[str, Jwk], broker: str | None) -> Held:
    """Verify one signature.

    1. Its key's thumbprint is that of one of the agreement's parties; a signature file names that party.
    2. It is for the broker that was asked for.
    3. It fits the key, over the type, the broker, and the agreement's id, version and digest.
    4. A signature file's second signature fits the key too, over the digest of the file's bytes.
    """
    file = signature.file
    jwk = dict(file["key"]) if file is not None else _key_of(signature.jws, keys)
    kid = jws.thumbprint(jwk)
    party = next((party.id for party in document.agreement.parties if party.key == kid), None)
    if party is None or (file is not None and file["party"] != party):  # step 1
        raise UnverifiedError("key_not_in_agreement", f"the key {kid} is not the party's in the agreement")
    issuer = broker if file is None else str(file["broker"])
    if issuer is None:
        raise UnverifiedError("broker_unknown", "a bare signature does not tell its broker: give the broker's issuer")
    if broker is not None and issuer != broker:  # step 2
        raise UnverifiedError("other_broker", f"the signature is for {issuer}")
    try:
        key = jws.public_key(jwk)
        payload = documents.signature_payload(document.value, issuer)
        jws.verify(payload, signature.jws, key, typ=documents.SIGNATURE_TYPE)  # step 3
        if file is not None:  # step 4
            told = digest_of(document.data)
            if file["file"] != told:
                raise UnverifiedError(
                    "file_changed", "the agreement's file is not, byte for byte, the one that was signed"
                )
            jws.verify(_file_payload(document, issuer, told), file["file_signature"], key, typ=FILE_TYPE)
    except DocumentError as error:
        raise UnverifiedError("bad_signature", f"not over this agreement: {error.detail}") from error
    return Held(signature.name, party, issuer, "content" if file is None else "file")


def _key_of(signature: str, keys: Mapping[str, Jwk]) -> dict[str, Any]:
    """Return the key that a bare signature names, among those given."""
    try:
        header = strict_json.loads(jws.decode(signature.partition(".")[0]), max_bytes=10_000)
    except (DocumentError, ValueError) as error:
        raise UnverifiedError("bad_signature", "it is no signature") from error
    kid = header.get("kid") if isinstance(header, dict) else None
    if kid not in keys:
        raise UnverifiedError("key_missing", f"it is by the key {kid}, which was not given")
    return dict(keys[str(kid)])


def _file_payload(document: Document, broker: str, file: str) -> dict[str, str]:
    named = documents.signature_payload(document.value, broker)
    return named | {"type": "concordat/agreement-file/v1", "file": file}
