"""The broker's own keys as files: made at first start, readable by their owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.errors import ConcordatError


class UnsafeKeyFile(ConcordatError):
    """A key file that others may read, or that holds no Ed25519 key."""

    code = "unsafe_key_file"


def make_folder(path: Path) -> None:
    """Make a folder, and its parents, that its owner alone may enter; one that is there is closed to others too."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def signing_key(path: Path) -> Ed25519PrivateKey:
    """Read an Ed25519 key in PKCS#8 PEM; make it first where there is none.

    Raises:
        UnsafeKeyFile: others may read the file, or it holds another kind of key.
    """
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _create(path, pem)
    key = serialization.load_pem_private_key(_read(path), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise UnsafeKeyFile(f"{path.name} holds no Ed25519 key")
    return key


def secret(path: Path) -> str:
    """Read a random secret; make it first where there is none."""
    if not path.exists():
        _create(path, secrets.token_urlsafe(32).encode())
    return _read(path).decode().strip()


def _create(path: Path, data: bytes) -> None:
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # never replaces a key that another process made meanwhile
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _read(path: Path) -> bytes:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UnsafeKeyFile(f"others may read {path.name}; set its mode to 0600")
    return path.read_bytes()
