"""Access tokens: short JWTs (RFC 9068 ``at+jwt``) signed with a key that signs nothing else. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from service.errors import Unauthenticated
from service.identity.caller import Caller, Role

_TYPE = "at+jwt"
_MAX_LENGTH = 4096


def issue(
    key: Ed25519PrivateKey,
    issuer: str,
    client: str,
    party: str,
    roles: Iterable[Role],
    now: datetime,
    life: timedelta,
) -> str:
    """Issue an access token to a client for some of its roles."""
    seconds = int(now.timestamp())
    claims = {
        "iss": issuer,
        "aud": issuer,
        "sub": client,
        "client_id": client,
        "party": party,
        "scope": " ".join(sorted(roles)),
        "iat": seconds,
        "exp": seconds + int(life.total_seconds()),
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"typ": _TYPE})


def verify(token: str, key: Ed25519PublicKey, issuer: str, now: datetime) -> Caller:
    """Verify an access token.

    Raises:
        Unauthenticated: ``invalid_token``: another type, issuer, audience or key, or expired.
    """
    claims = _claims(token, key.public_bytes_raw(), issuer)
    if claims is None:
        raise _invalid("the token is not one of ours")
    if claims.expires_at <= now.timestamp():
        raise _invalid("the token has expired; sign in again")
    return claims.caller


@dataclass(frozen=True, slots=True)
class _Claims:
    caller: Caller
    expires_at: int


@lru_cache(maxsize=4096)
def _claims(token: str, key: bytes, issuer: str) -> _Claims | None:
    """Return what a token says, None where it is not ours; cached, as that never changes. Its end is not judged."""
    if len(token) > _MAX_LENGTH:
        return None
    try:
        if jwt.get_unverified_header(token).get("typ") != _TYPE:
            return None
        claims: dict[str, Any] = jwt.decode(
            token,
            Ed25519PublicKey.from_public_bytes(key),
            algorithms=["EdDSA"],
            audience=issuer,
            issuer=issuer,
            options={
                "require": ["iss", "aud", "sub", "exp", "iat", "party", "scope"],
                "verify_exp": False,
                "verify_iat": False,
            },
        )
        roles = frozenset(Role(word) for word in claims["scope"].split())
        return _Claims(Caller(str(claims["sub"]), str(claims["party"]), roles), int(claims["exp"]))
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _invalid(words: str) -> Unauthenticated:
    return Unauthenticated(words, code="invalid_token")
