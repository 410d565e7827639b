"""Keys and detached signatures: Ed25519, JWK thumbprints (RFC 7638), detached JWS (RFC 7515 appendix F)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from schemas.canonical import canonical
from schemas.errors import DocumentError

_RAW = (Encoding.Raw, PublicFormat.Raw)
_PUBLIC_KEY_BYTES = 32


def encode(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Decode base64url without padding; strict about its alphabet and its last bits.

    Raises:
        DocumentError: ``not_base64url``.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise DocumentError("not_base64url", "not base64url text") from error
    if encode(data) != text:
        raise DocumentError("not_base64url", "not base64url text in its one form")
    return data


def public_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """Return the JWK of an Ed25519 public key (RFC 8037)."""
    return {"crv": "Ed25519", "kty": "OKP", "x": encode(key.public_bytes(*_RAW))}


def public_key(jwk: dict[str, Any]) -> Ed25519PublicKey:
    """Read an Ed25519 public key from its JWK.

    Raises:
        DocumentError: ``bad_key``.
    """
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or not isinstance(jwk.get("x"), str):
        raise DocumentError("bad_key", "the key must be an Ed25519 JWK: kty OKP, crv Ed25519, x")
    raw = decode(jwk["x"])
    if len(raw) != _PUBLIC_KEY_BYTES:
        raise DocumentError("bad_key", "an Ed25519 key has 32 bytes")
    return Ed25519PublicKey.from_public_bytes(raw)


def thumbprint(jwk: dict[str, Any]) -> str:
    """Return the RFC 7638 SHA-256 thumbprint of an OKP or EC public JWK, base64url."""
    members = {"OKP": ("crv", "kty", "x"), "EC": ("crv", "kty", "x", "y")}.get(str(jwk.get("kty")))
    if members is None or any(not isinstance(jwk.get(name), str) for name in members):
        raise DocumentError("bad_key", "the key must be an OKP or EC JWK")
    text = json.dumps({name: jwk[name] for name in members}, sort_keys=True, separators=(",", ":"))
    return encode(hashlib.sha256(text.encode("ascii")).digest())


def sign(payload: Any, key: Ed25519PrivateKey, *, typ: str) -> str:
    """Sign the canonical JSON of ``payload``; return a compact JWS whose payload part is empty.

    Args:
        payload: Any JSON value; usually the object without its ``signature``.
        key: The signer's Ed25519 key.
        typ: What is signed, so that a signature over one kind of object never passes for another.
    """
    return sign_text(canonical(payload), key, typ=typ)


def sign_text(text: bytes, key: Ed25519PrivateKey, *, typ: str) -> str:
    """Sign a payload that is canonical JSON already; otherwise as ``sign``."""
    kid = thumbprint(public_jwk(key.public_key()))
    header = encode(canonical({"alg": "EdDSA", "kid": kid, "typ": typ}))
    signature = key.sign(f"{header}.{encode(text)}".encode("ascii"))
    return f"{header}..{encode(signature)}"


def verify(payload: Any, signature: str, key: Ed25519PublicKey, *, typ: str) -> None:
    """Check a detached JWS over the canonical JSON of ``payload``.

    Raises:
        DocumentError: ``bad_signature`` with what failed: form, header, type, key or the signature itself.
    """
    parts = signature.split(".")
    if len(parts) != 3 or parts[1] != "":  # noqa: PLR2004 - the three parts of a compact JWS
        raise DocumentError("bad_signature", "not a detached compact JWS")
    header_text, _, signature_text = parts
    try:
        header = json.loads(decode(header_text))
    except ValueError as error:
        raise DocumentError("bad_signature", "the JWS header is not JSON") from error
    expected = {"alg": "EdDSA", "kid": thumbprint(public_jwk(key)), "typ": typ}
    if header != expected:
        raise DocumentError("bad_signature", "the JWS header names another algorithm, key or type")
    try:
        key.verify(decode(signature_text), f"{header_text}.{encode(canonical(payload))}".encode("ascii"))
    except InvalidSignature as error:
        raise DocumentError("bad_signature", "the signature does not fit the object and the key") from error
