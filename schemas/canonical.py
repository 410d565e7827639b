"""Canonical JSON (RFC 8785) and the digests taken over it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785

from schemas.errors import DocumentError


def canonical(value: Any) -> bytes:
    """Serialise a JSON value by the JSON Canonicalization Scheme, RFC 8785.

    Args:
        value: Dicts with text keys, lists, text, integers within 2**53, finite floats, booleans, None.

    Returns:
        UTF-8 bytes, the same for every equal value.

    Raises:
        DocumentError: ``not_canonical`` where the value has no canonical form.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise DocumentError("not_canonical", "the value has no canonical JSON form") from error


def canonical_object(members: Mapping[str, bytes]) -> bytes:
    """Join members that are canonical JSON already into one canonical object.

    Args:
        members: Canonical JSON by name; names are ASCII, which RFC 8785 sorts by code.
    """
    return b"{" + b",".join(b'"%b":%b' % (name.encode("ascii"), members[name]) for name in sorted(members)) + b"}"


def digest(value: Any) -> str:
    """Return ``sha256:`` and the 64 hex digits of the SHA-256 of the canonical JSON of ``value``."""
    return digest_of(canonical(value))


def digest_of(text: bytes) -> str:
    """Return ``sha256:`` and the 64 hex digits of the SHA-256 of a text."""
    return "sha256:" + hashlib.sha256(text).hexdigest()
