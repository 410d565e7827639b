"""Signing in: an assertion becomes an access token, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.audit.entry import Caller as EntryCaller
from service.audit.entry import Decision, Entry, Kind
from service.errors import Unauthenticated
from service.identity import assertions, tokens
from service.identity.caller import Caller, Role
from service.identity.ports import ClientRow, Transaction


@dataclass(frozen=True, slots=True)
class SignIn:
    """The use cases of sign-in."""

    issuer: str
    key: Ed25519PrivateKey
    token_life: timedelta
    assertion_life: timedelta

    def token(self, tx: Transaction, assertion: str, scope: str | None, now: datetime) -> tuple[str, str]:
        """Exchange a client assertion for an access token.

        Args:
            tx: An open write transaction; the assertion's ``jti`` and the log entry are part of it.
            assertion: The compact JWT.
            scope: Roles asked for, apart by spaces; all the client has where None.
            now: The time.

        Returns:
            The token and its scope.

        Raises:
            Unauthenticated: ``invalid_client`` or ``invalid_scope``; the caller must commit the refusal's entry,
                which ``refused`` writes.
        """
        client = tx.clients.client(assertions.claimed_client(assertion))
        if client is None or client.jwk is None or client.disabled_at is not None:
            raise Unauthenticated("the client is not known here", code="invalid_client")
        verified = assertions.verify(assertion, client.jwk, self.issuer, now, self.assertion_life)
        if not tx.clients.use_assertion(client.id, verified.jti, verified.expires_at, int(now.timestamp())):
            raise Unauthenticated("the assertion was used before", code="invalid_client")
        held = frozenset(Role(word) for word in client.roles.split())
        try:
            asked = held if scope is None else frozenset(Role(word) for word in scope.split())
        except ValueError:
            raise Unauthenticated("no such role", code="invalid_scope") from None
        if not asked or not asked <= held:
            raise Unauthenticated("the client does not have these roles", code="invalid_scope")
        made = self.issue(tx, client, asked, now, self.token_life)
        return made, " ".join(sorted(asked))

    def issue(self, tx: Transaction, client: ClientRow, roles: frozenset[Role], now: datetime, life: timedelta) -> str:
        """Issue a token without an assertion, as the operator does for people; logged all the same."""
        caller = Caller(client.id, client.party, roles)
        tx.log.append(
            Entry(
                kind=Kind.SIGNED_IN,
                time=now,
                caller=EntryCaller(caller.client, caller.party, caller.role),
                nonce=caller.nonce(),
                decision=Decision("allowed", "allowed"),
            )
        )
        return tokens.issue(self.key, self.issuer, client.id, client.party, roles, now, life)

    @staticmethod
    def refused(tx: Transaction, code: str, now: datetime) -> None:
        """Log a refused sign-in; who it was is not known."""
        tx.log.append(
            Entry(
                kind=Kind.SIGN_IN_REFUSED,
                time=now,
                caller=EntryCaller(),
                nonce=Caller.nonce(),
                decision=Decision("refused", code),
            )
        )

    def caller(self, tx: Transaction, token: str, now: datetime) -> Caller:
        """Return who a token speaks for, now.

        Raises:
            Unauthenticated: ``invalid_token``, also where the client was disabled since.
        """
        caller = tokens.verify(token, self.key.public_key(), self.issuer, now)
        row = tx.clients.client(caller.client)
        if row is None or row.disabled_at is not None or row.party != caller.party:
            raise Unauthenticated("the token is not one of ours", code="invalid_token")
        if not caller.roles <= {Role(word) for word in row.roles.split()}:
            raise Unauthenticated("the token's roles were taken back", code="invalid_token")
        return caller
