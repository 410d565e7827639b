"""Private keys of parties and their clients, as JWK or PEM files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connectors.errors import LocalError
from connectors.files import create_private, read_input, read_secret
from schemas import strict_json
from schemas.canonical import canonical
from schemas.errors import DocumentError
from schemas.jws import encode, public_jwk, public_key, thumbprint

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey


def load_key(path: Path) -> PrivateKey:
    """Read a private key: Ed25519, or P-256 for clients.

    Raises:
        LocalError: ``key_malformed``, or what ``read_secret`` raises; it repeats nothing of the file.
    """
    data = read_secret(path)
    try:
        key: Any = load_pem_private_key(data, None) if data.startswith(b"-----") else _from_jwk(data)
    except (ValueError, TypeError, KeyError, jwt.PyJWTError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, Ed25519PrivateKey) or (
        isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise LocalError("key_malformed", f"{path} holds no Ed25519 or P-256 private key as JWK or plain PEM")


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read a party's signing key, which is Ed25519.

    Raises:
        LocalError: ``key_malformed``, or what ``read_secret`` raises.
    """
    key = load_key(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise LocalError("key_malformed", f"{path} holds no Ed25519 key, with which agreements are signed")
    return key


def load_public_key(path: Path) -> dict[str, str]:
    """Read a party's public Ed25519 key, as ``concordat key new`` writes it.

    Raises:
        LocalError: ``key_malformed``, or what ``read_input`` raises.
    """
    try:
        value = strict_json.loads(read_input(path))
        if not isinstance(value, dict) or "d" in value:
            raise LocalError("key_malformed", f"{path} is not the public half of a key: a JWK without d")
        return public_jwk(public_key(value))
    except DocumentError as error:
        raise LocalError("key_malformed", f"{path} holds no public Ed25519 key as JWK") from error


def new_key(path: Path) -> dict[str, str]:
    """Make an Ed25519 key: its private JWK in a new file with mode 0600, its public JWK in another beside it.

    Returns:
        The public JWK, which ``public_file(path)`` holds too.

    Raises:
        LocalError: ``file_exists``: no key is ever overwritten.
    """
    key = Ed25519PrivateKey.generate()
    public = public_jwk(key.public_key())
    public["kid"] = thumbprint(public)
    for file, content in (
        (path, public | {"d": encode(key.private_bytes_raw())}),
        (public_file(path), public),
    ):
        try:
            create_private(file, canonical(content) + b"\n")
        except FileExistsError as error:
            raise LocalError("file_exists", f"{file} is there already; a key is never overwritten") from error
    return public


def public_file(path: Path) -> Path:
    """Return where the public half of a key file lies: ``x.pub.jwk`` beside ``x.jwk``."""
    return path.with_name(f"{path.stem}.pub{path.suffix}")


def _from_jwk(data: bytes) -> Any:
    try:
        value = strict_json.loads(data)
    except DocumentError:
        return None
    if not isinstance(value, dict) or "d" not in value:
        return None
    algorithm = {"OKP": "EdDSA", "EC": "ES256"}.get(str(value.get("kty")))
    return jwt.PyJWK.from_dict(value, algorithm=algorithm).key if algorithm else None
