"""Client assertions: ``private_key_jwt`` (RFC 7523), checked claim by claim. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from service.errors import Unauthenticated

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS = {"OKP": "EdDSA", "EC": "ES256"}
_CLOCK_SKEW = timedelta(seconds=30)
_MAX_LENGTH = 8192
_MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class Assertion:
    """A verified assertion."""

    client: str
    jti: str
    expires_at: int


def claimed_client(assertion: str) -> str:
    """Return the client that an assertion claims to be from, before anything is verified.

    Raises:
        Unauthenticated: it is no JWT.
    """
    if len(assertion) > _MAX_LENGTH:
        raise _invalid("the assertion is too long")
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise _invalid("the assertion is not a JWT") from None
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_NAME or not subject.isascii():
        raise _invalid("the assertion lacks a sub of plain letters")
    return subject


def verify(assertion: str, jwk: str, issuer: str, now: datetime, life: timedelta) -> Assertion:
    """Verify an assertion against a client's registered key.

    Args:
        assertion: The compact JWT.
        jwk: The client's public JWK; its type pins the algorithm to EdDSA or ES256.
        issuer: This broker's issuer, the only audience accepted.
        now: The time.
        life: How far ahead ``exp`` may lie.

    Raises:
        Unauthenticated: what is wrong with it; never a part of it.
    """
    key = json.loads(jwk)
    algorithm = _ALGORITHMS[key["kty"]]
    try:
        header = jwt.get_unverified_header(assertion)
        if header.get("typ") not in (None, "JWT", "jwt", "client-authentication+jwt"):
            raise _invalid("the assertion's typ is not that of a client assertion")
        claims: dict[str, Any] = jwt.decode(
            assertion,
            jwt.PyJWK.from_dict(key, algorithm=algorithm),
            algorithms=[algorithm],
            options={
                "require": ["iss", "sub", "aud", "exp", "jti"],
                "verify_aud": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        raise _invalid("the assertion's signature, form or required claims are wrong") from None
    return _check_claims(claims, issuer, now, life)


def _check_claims(claims: dict[str, Any], issuer: str, now: datetime, life: timedelta) -> Assertion:
    if claims["iss"] != claims["sub"]:
        raise _invalid("iss and sub are both the client id")
    if claims["aud"] not in (issuer, [issuer]):
        raise _invalid("aud is not this broker's issuer")
    expires, jti = claims["exp"], claims["jti"]
    if not _is_time(expires) or not all(_is_time(claims.get(name, 0)) for name in ("nbf", "iat")):
        raise _invalid("exp, nbf and iat are times in whole seconds")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_NAME or not jti.isascii():
        raise _invalid(f"jti is plain text of at most {_MAX_NAME} characters")
    seconds = now.timestamp()
    skew = _CLOCK_SKEW.total_seconds()
    if expires <= seconds:
        raise _invalid("the assertion has expired")
    if expires > seconds + life.total_seconds() + skew:
        raise _invalid("exp lies too far ahead")
    if claims.get("nbf", 0) > seconds + skew or claims.get("iat", 0) > seconds + skew:
        raise _invalid("the assertion is from the future")
    return Assertion(claims["sub"], jti, expires)


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _invalid(words: str) -> Unauthenticated:
    return Unauthenticated(words, code="invalid_client")
