"""Signatures of parties under what they confirm: by the key that was pinned at the time, over a typed payload."""

from __future__ import annotations

import json
from typing import Any

from schemas.errors import DocumentError
from schemas.jws import public_key, verify
from service.agreements.ports import AgreementStore, Confirmation, PinnedKey
from service.errors import Forbidden


def pinned(store: AgreementStore, party: str) -> PinnedKey:
    """Return the key that is pinned for a party now.

    Raises:
        Forbidden: ``party_not_enrolled``, or ``key_not_pinned`` where the party's key was revoked.
    """
    key = store.pinned_key(party)
    if key is not None:
        return key
    if store.enrolled(party):
        words = f"the key of {party} was revoked; the operator pins its next one, by `concordat party rotate-key`"
        raise Forbidden(words, code="key_not_pinned")
    raise Forbidden(f"{party} is not enrolled with this broker", code="party_not_enrolled")


def check(store: AgreementStore, party: str, payload: Any, jws: str, typ: str) -> PinnedKey:
    """Check that a party signs a payload with its pinned key; return that key.

    Raises:
        Forbidden: ``bad_signature``, or as ``pinned``.
    """
    key = pinned(store, party)
    try:
        verify(payload, jws, public_key(json.loads(key.jwk)), typ=typ)
    except DocumentError as error:
        raise Forbidden(error.detail, code="bad_signature") from None
    return key


def holds(store: AgreementStore, confirmation: Confirmation, payload: Any, typ: str) -> bool:
    """Whether a stored confirmation is its party's, by a key of that party which was not revoked at the time."""
    key = store.key(confirmation.thumbprint)
    if key is None or key.party != confirmation.party or not made_before(confirmation.at, key):
        return False
    try:
        verify(payload, confirmation.jws, public_key(json.loads(key.jwk)), typ=typ)
    except DocumentError:
        return False
    return True


def made_before(at: str, key: PinnedKey) -> bool:
    """Whether a signature that was taken at ``at`` was made while its key was not revoked."""
    return key.revoked_at is None or at <= key.revoked_at
