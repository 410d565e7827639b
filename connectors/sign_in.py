"""Signing in to a broker: ``private_key_jwt`` (RFC 7523), or an access token from elsewhere."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.errors import LocalError, UnreachableError
from connectors.keys import PrivateKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE = 120
"""Seconds; the broker takes at most 300."""
RENEW_BEFORE = 30
"""Seconds before its end at which a token is no longer used, so that it does not end on the way."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}\Z")

Exchange = Callable[[Mapping[str, str]], Any]
"""Posts a form to ``/oauth/token`` and returns the JSON answer."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token that someone else obtained; it cannot be renewed here."""

    value: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what no header can carry, before a library repeats it in an error."""
        if not _TOKEN.match(self.value):
            raise LocalError("token_malformed", "the access token has characters that no token has")


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A registered client and its private key.

    Attributes:
        client_id: The client's id at the broker.
        key: Ed25519 or P-256.
        scope: Roles to ask for, apart by spaces; all that the client has where None.
    """

    client_id: str
    key: PrivateKey = field(repr=False)
    scope: str | None = None

    def assertion(self, issuer: str, now: float) -> str:
        """Return a fresh assertion, good once, for the broker ``issuer`` alone."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer,
            "iat": int(now),
            "exp": int(now) + ASSERTION_LIFE,
            "jti": secrets.token_urlsafe(16),
        }
        algorithm = "EdDSA" if isinstance(self.key, Ed25519PrivateKey) else "ES256"
        return jwt.encode(claims, self.key, algorithm=algorithm)


Credential = Token | ClientKey


class SignIn(Protocol):
    """Whoever has an access token when one is needed."""

    def token(self, exchange: Exchange) -> str:
        """Return a token that has not expired, signing in where needed."""
        ...

    def renew(self) -> bool:
        """Forget a token that the broker no longer takes; False where no other can be had."""
        ...

    def scrub(self, text: str) -> str:
        """Return a text without any secret of ours that a server may have repeated in it."""
        ...


class GivenToken:
    """Signed in already."""

    def __init__(self, token: Token) -> None:
        """Keep the token."""
        self._token = token

    def token(self, exchange: Exchange) -> str:  # noqa: ARG002 - there is nothing to exchange
        """Return the token."""
        return self._token.value

    def renew(self) -> bool:
        """Return False: the token is all there is."""
        return False

    def scrub(self, text: str) -> str:
        """Take the token out of a text."""
        return text.replace(self._token.value, "[token]")


class KeySignIn:
    """Signs in with a client's key, and again before each token ends."""

    def __init__(self, client: ClientKey, issuer: str, clock: Callable[[], float] = time.time) -> None:
        """Begin without a token.

        Args:
            client: The client.
            issuer: The broker's issuer, the assertions' only audience.
            clock: Seconds since 1970.
        """
        self._client = client
        self._issuer = issuer
        self._clock = clock
        self._secret = ""
        self._assertion = ""
        self._until = 0.0

    def token(self, exchange: Exchange) -> str:
        """Return the token in hand, or exchange a fresh assertion for one."""
        now = self._clock()
        if not self._secret or now >= self._until:
            self._assertion = self._client.assertion(self._issuer, now)
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": self._assertion,
            }
            if self._client.scope is not None:
                form["scope"] = self._client.scope
            answer = exchange(form)
            self._secret, life = _read_answer(answer)
            self._until = now + max(life - RENEW_BEFORE, life / 2)
        return self._secret

    def renew(self) -> bool:
        """Forget the token in hand."""
        had = bool(self._secret)
        self._secret = ""
        return had

    def scrub(self, text: str) -> str:
        """Take the token and the last assertion out of a text."""
        for secret in (self._secret, self._assertion):
            if secret:
                text = text.replace(secret, "[token]")
        return text


def sign_in(credential: Credential, issuer: str) -> SignIn:
    """Return how to sign in with a credential."""
    return GivenToken(credential) if isinstance(credential, Token) else KeySignIn(credential, issuer)


def _read_answer(answer: Any) -> tuple[str, float]:
    match answer:
        case {"access_token": str(token), "token_type": str(kind), "expires_in": int(life)}:
            if kind.lower() == "bearer" and _TOKEN.match(token) and life > 0:
                return token, float(life)
    raise UnreachableError("not_concordat", "the answer to the sign-in is not that of a Concordat broker")
