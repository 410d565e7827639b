"""``/oauth/token``, ``/v1/keys`` and ``/v1/me``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import JSONResponse

from service.api import logged
from service.api.broker import Broker, of
from service.errors import Unauthenticated
from service.identity.assertions import ASSERTION_TYPE

router = APIRouter(tags=["sign-in"])
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@router.post("/oauth/token", summary="Exchange a client assertion for an access token")
def token(
    broker: Annotated[Broker, Depends(of)],
    grant_type: Annotated[str, Form(max_length=64)],
    client_assertion_type: Annotated[str, Form(max_length=128)],
    client_assertion: Annotated[str, Form(max_length=8192)],
    scope: Annotated[str | None, Form(max_length=128)] = None,
) -> JSONResponse:
    """OAuth 2.0 client credentials with ``private_key_jwt`` (RFC 6749 section 4.4, RFC 7523)."""
    if grant_type != "client_credentials" or client_assertion_type != ASSERTION_TYPE:
        return _oauth_error("unsupported_grant_type", "use client_credentials with a JWT client assertion", 400)
    now = broker.clock()
    try:
        with broker.store.write() as tx:
            made, granted = broker.sign_in.token(tx, client_assertion, scope, now)
    except Unauthenticated as error:
        with broker.store.write() as tx:
            broker.sign_in.refused(tx, error.code, now)
        return _oauth_error(error.code, error.detail, 400 if error.code == "invalid_scope" else 401)
    life = int(broker.settings.token_life.total_seconds())
    body = {"access_token": made, "token_type": "Bearer", "expires_in": life, "scope": granted}
    return JSONResponse(body, headers=_NO_STORE)


def _oauth_error(code: str, words: str, status: int) -> JSONResponse:
    """Return an RFC 6749 section 5.2 error, which is a problem too."""
    body = {
        "error": code, "error_description": words, "type": f"urn:concordat:problem:{code}",
        "title": "Sign-in refused", "status": status, "code": code, "detail": words,
    }  # fmt: skip
    return JSONResponse(body, status, headers=_NO_STORE, media_type="application/problem+json")


@router.get("/v1/keys", summary="The broker's public keys")
def keys(broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """Keys that verify everything the broker signs: a JWKS, and the log's verifier key."""
    return dict(broker.keys)


@router.get("/v1/me", summary="Who I am and what I may do")
def me(request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """The caller's client, party, roles and agreements."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "me"), broker.store.read() as tx:
        agreements = broker.catalogue.agreements(tx, caller, broker.clock())
    return {
        "client": caller.client,
        "party": caller.party,
        "roles": sorted(caller.roles),
        "agreements": agreements,
    }
