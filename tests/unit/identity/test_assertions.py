"""Sign-in by ``private_key_jwt``: what an assertion must be, and that it works once."""

from __future__ import annotations

import threading
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.canonical import canonical
from schemas.jws import public_jwk
from service.errors import Unauthenticated
from service.identity import tokens
from service.identity.caller import Role
from service.identity.ports import ClientRow
from service.identity.sign_in import SignIn
from tests.support.world import BROKER

KEY = Ed25519PrivateKey.generate()
TOKEN_KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def sign_in(world):
    world.enrol("as-opcc")
    with world.store.write() as tx:
        jwk = canonical(public_jwk(KEY.public_key())).decode()
        tx.clients.add(ClientRow("hub", "as-opcc", "analyst ig-lead", jwk, "2026-11-22T00:00:00Z", None))
        tx.clients.add(ClientRow("person", "as-opcc", "analyst", None, "2026-11-22T00:00:00Z", None))
    return SignIn(BROKER, TOKEN_KEY, timedelta(minutes=10), timedelta(minutes=5))


def claims(world, **changes):
    made = {
        "iss": "hub",
        "sub": "hub",
        "aud": BROKER,
        "exp": int(world.now.timestamp()) + 120,
        "jti": "one",
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def assertion(world, key=KEY, algorithm="EdDSA", headers=None, **changes):
    return jwt.encode(claims(world, **changes), key, algorithm=algorithm, headers=headers)


def exchange(world, sign_in, text, scope=None):
    with world.store.write() as tx:
        return sign_in.token(tx, text, scope, world.now)


def test_a_good_assertion_becomes_a_token_with_the_clients_party_and_roles(world, sign_in):
    token, scope = exchange(world, sign_in, assertion(world))
    assert scope == "analyst ig-lead"
    caller = tokens.verify(token, TOKEN_KEY.public_key(), BROKER, world.now)
    assert (caller.client, caller.party) == ("hub", "as-opcc")
    assert caller.roles == {Role.ANALYST, Role.IG_LEAD}
    assert world.kinds()[-1] == "signed-in"


def test_a_scope_narrows_the_roles_and_never_widens_them(world, sign_in):
    assert exchange(world, sign_in, assertion(world), "analyst")[1] == "analyst"
    with pytest.raises(Unauthenticated) as caught:
        exchange(world, sign_in, assertion(world, jti="two"), "steward")
    assert caught.value.code == "invalid_scope"


@pytest.mark.parametrize("missing", ["iss", "sub", "aud", "exp", "jti"])
def test_every_required_claim_is_required(world, sign_in, missing):
    with pytest.raises(Unauthenticated):
        exchange(world, sign_in, assertion(world, **{missing: None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another"},
        {"sub": "nobody", "iss": "nobody"},
        {"sub": "person", "iss": "person"},
        {"aud": "https://another.example"},
        {"aud": f"{BROKER}/oauth/token"},
        {"aud": [BROKER, "https://another.example"]},
        {"exp": 1},
        {"exp": 2**40},
        {"exp": "soon"},
        {"nbf": 2**40},
        {"iat": 2**40},
        {"jti": ""},
        {"jti": "x" * 129},
        {"jti": 7},
    ],
    ids=str,
)
def test_wrong_claims_are_refused(world, sign_in, changes):
    with pytest.raises(Unauthenticated) as caught:
        exchange(world, sign_in, assertion(world, **changes))
    assert caught.value.code == "invalid_client"


def test_an_assertion_may_lie_at_most_five_minutes_ahead(world, sign_in):
    now = int(world.now.timestamp())
    with pytest.raises(Unauthenticated):
        exchange(world, sign_in, assertion(world, exp=now + 331))
    assert exchange(world, sign_in, assertion(world, exp=now + 299))


def test_replays_are_refused(world, sign_in):
    text = assertion(world)
    exchange(world, sign_in, text)
    with pytest.raises(Unauthenticated):
        exchange(world, sign_in, text)


def test_of_40_concurrent_uses_of_one_assertion_one_succeeds(world, sign_in):
    text = assertion(world)
    won = []

    def attempt():
        try:
            won.append(exchange(world, sign_in, text))
        except Unauthenticated:
            return

    threads = [threading.Thread(target=attempt) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_token_confusion_by_algorithm_is_refused(world, sign_in):
    unsigned = jwt.encode(claims(world), "", algorithm="none")
    by_public_key = jwt.encode(claims(world), public_jwk(KEY.public_key())["x"] * 2, algorithm="HS256")
    elliptic = assertion(world, key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256")
    another = assertion(world, key=Ed25519PrivateKey.generate())
    for text in (unsigned, by_public_key, elliptic, another, "a.b.c", "", "x" * 9000):
        with pytest.raises(Unauthenticated):
            exchange(world, sign_in, text)


def test_token_confusion_an_access_token_is_no_assertion_and_an_assertion_no_token(world, sign_in):
    token, _ = exchange(world, sign_in, assertion(world))
    with pytest.raises(Unauthenticated):
        exchange(world, sign_in, token)
    own = jwt.encode(claims(world) | {"party": "as-opcc", "scope": "steward"}, TOKEN_KEY, algorithm="EdDSA")
    for text in (assertion(world, jti="two"), own):
        with pytest.raises(Unauthenticated):
            tokens.verify(text, TOKEN_KEY.public_key(), BROKER, world.now)


def test_es256_clients_sign_in_too(world, sign_in):
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())
    with world.store.write() as tx:
        tx.clients.add(ClientRow("ec", "as-opcc", "analyst", jwk, "2026-11-22T00:00:00Z", None))
    text = assertion(world, key=key, algorithm="ES256", iss="ec", sub="ec")
    assert exchange(world, sign_in, text)[1] == "analyst"


def test_a_token_ends_with_its_time_and_with_its_client(world, sign_in):
    token, _ = exchange(world, sign_in, assertion(world))
    with world.store.read() as tx:
        assert sign_in.caller(tx, token, world.now).party == "as-opcc"
        with pytest.raises(Unauthenticated):
            sign_in.caller(tx, token, world.now + timedelta(minutes=10))
    with world.store.write() as tx:
        tx.clients.disable("hub", "2026-11-22T12:00:00Z")
    with world.store.read() as tx, pytest.raises(Unauthenticated):
        sign_in.caller(tx, token, world.now)


def test_no_refusal_repeats_the_assertion(world, sign_in):
    text = assertion(world, aud="https://another.example")
    with pytest.raises(Unauthenticated) as caught:
        exchange(world, sign_in, text)
    assert not any(part in str(caught.value) for part in text.split("."))
