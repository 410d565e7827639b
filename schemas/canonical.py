"""Canonical JSON (RFC 8785) and the digests taken over it."""

from __future__ import annotations

import hashlib
import json
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
        return _ENCODE(value).encode() if _is_plain(value) else rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise DocumentError("not_canonical", "the value has no canonical JSON form") from error


_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")).encode
_MAX_INTEGER = 2**53 - 1


def _is_plain(value: Any) -> bool:
    """Whether the standard library writes a value as RFC 8785 does, only faster.

    It does for text, booleans, null and whole numbers that fit, in lists and in objects with ASCII names. Floats have
    their own form there, and names beyond ASCII may sort otherwise, by UTF-16 units.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_MAX_INTEGER <= value <= _MAX_INTEGER)
    if kind is dict:
        return all(type(name) is str and name.isascii() and _is_plain(item) for name, item in value.items())
    return kind is list and all(_is_plain(item) for item in value)


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
