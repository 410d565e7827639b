"""The client signs in by itself, repeats what may be repeated, and tells no secret."""

import base64
import json
import stat
import time
import traceback
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi.responses import Response

from connectors import keys
from connectors.client import Client
from connectors.errors import LocalError, ProblemError, UnreachableError
from connectors.sign_in import ASSERTION_LIFE, ClientKey, KeySignIn, Token
from connectors.transport import MAX_ANSWER, Retry, check_url
from schemas.jws import thumbprint
from tests.unit.connectors.broker_double import CLIENT, REQUEST, BrokerDouble, problem
from tests.unit.connectors.conftest import Connect

SECRET = "very-secret-token"


def assertion_of(broker: BrokerDouble, call: int = 0) -> str:
    form = httpx.QueryParams(broker.called("/oauth/token")[call].body.decode())
    return str(form["client_assertion"])


def test_signs_in_once_and_again_before_the_token_ends(broker: BrokerDouble) -> None:
    now = [1_000_000.0]
    client = ClientKey("c", broker.client_key)
    sign_in = KeySignIn(client, "https://broker.example", lambda: now[0])
    asked: list[dict[str, str]] = []

    def exchange(form: Any) -> dict[str, Any]:
        asked.append(form)
        return {"access_token": f"t{len(asked)}", "token_type": "Bearer", "expires_in": 600}

    assert [sign_in.token(exchange), sign_in.token(exchange)] == ["t1", "t1"]
    now[0] += 569
    assert sign_in.token(exchange) == "t1"
    now[0] += 1
    assert sign_in.token(exchange) == "t2"
    assert asked[0]["client_assertion"] != asked[1]["client_assertion"]
    assert "scope" not in asked[0]


def test_the_assertion_names_the_client_and_the_broker_and_ends_soon(client: Client, broker: BrokerDouble) -> None:
    client.keys()
    claims = jwt.decode(assertion_of(broker), options={"verify_signature": False})
    assert (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT, CLIENT, broker.base_url)
    assert claims["exp"] <= time.time() + ASSERTION_LIFE
    assert len(claims["jti"]) >= 16


def test_a_scope_asks_for_fewer_roles(connect: Connect, broker: BrokerDouble) -> None:
    connect(credential=ClientKey(CLIENT, broker.client_key, scope="analyst")).keys()
    form = httpx.QueryParams(broker.called("/oauth/token")[0].body.decode())
    assert form["scope"] == "analyst"


def test_a_token_that_is_no_longer_taken_is_renewed_even_where_a_call_is_not_repeated(
    client: Client, broker: BrokerDouble
) -> None:
    client.keys()
    broker.tokens.clear()
    assert client.sign("avon", "1", "jws")["party"] == "opcc"
    assert len(broker.called("/oauth/token")) == 2


def test_a_given_token_is_not_renewed(connect: Connect, broker: BrokerDouble) -> None:
    with pytest.raises(ProblemError) as caught:
        connect(credential=Token(SECRET)).keys()
    assert caught.value.code == "invalid_token"
    assert not broker.called("/oauth/token")


def test_a_sign_in_that_fails_for_now_is_repeated_with_a_fresh_assertion(client: Client, broker: BrokerDouble) -> None:
    broker.drops.append("/oauth/token")
    broker.faults.append(("/oauth/token", Response(status_code=503)))
    client.sign("avon", "1", "jws")
    assert len({assertion_of(broker, call) for call in range(3)}) == 3


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": "a b", "token_type": "Bearer", "expires_in": 60},
        {"access_token": "t", "token_type": "mac"},
    ],
)
def test_a_sign_in_that_gives_no_token_is_told(client: Client, broker: BrokerDouble, answer: Any) -> None:
    broker.faults.append(("/oauth/token", Response(json.dumps(answer))))
    with pytest.raises(UnreachableError) as caught:
        client.keys()
    assert caught.value.code == "not_concordat"


# --- secrets


def test_no_error_tells_the_token(connect: Connect, broker: BrokerDouble) -> None:
    client = connect(credential=Token(SECRET))
    with pytest.raises(ProblemError) as refused:  # the double repeats the token in its problem
        client.keys()
    broker.base_url = "http://127.0.0.1:1"
    with pytest.raises(UnreachableError) as unreachable:
        connect(credential=Token(SECRET)).keys()
    for caught in (refused, unreachable):
        told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
        assert SECRET not in told
    assert "[token]" in refused.value.detail
    assert SECRET not in repr(Token(SECRET))


def test_no_error_tells_the_assertion(client: Client, broker: BrokerDouble) -> None:
    broker.assertions = type("All", (set,), {"__contains__": lambda *_: True})()
    with pytest.raises(ProblemError) as caught:
        client.keys()
    assert caught.value.code == "invalid_client"
    assert assertion_of(broker) not in str(caught.value)


def test_a_token_that_no_header_can_carry_is_refused_without_being_told() -> None:
    with pytest.raises(LocalError) as caught:
        Token(f"{SECRET}\r\nX: y")
    assert SECRET not in str(caught.value)


def test_a_key_is_in_no_representation(broker: BrokerDouble) -> None:
    assert "key" not in repr(ClientKey("c", broker.client_key)).replace("ClientKey", "")


# --- repeating


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_changes_nothing_is_repeated_after_a_passing_failure(
    client: Client, broker: BrokerDouble, waits: list[float], status: int
) -> None:
    broker.faults += [("/budget", Response("no", status))] * 2
    client.budget("avon")
    assert len(broker.called("/budget")) == 3
    assert len(waits) == 2


def test_the_brokers_own_wait_is_kept_within_a_minute(client: Client, broker: BrokerDouble, waits: list[float]) -> None:
    for after in ("7", "3600", "Wed, 21 Oct 2026 07:28:00 GMT"):
        broker.faults.append(("/budget", Response(status_code=503, headers={"Retry-After": after})))
    client.budget("avon")
    assert waits[:2] == [7.0, 60.0]
    assert waits[2] < 60


def test_waits_grow_and_are_drawn_at_random() -> None:
    retry = Retry()
    for attempt, most in ((0, 0.25), (3, 2.0), (9, 10.0)):
        drawn = [retry.wait(attempt, None) for _ in range(200)]
        assert 0 <= min(drawn) < most / 2 < max(drawn) <= most


def test_patience_has_an_end(client: Client, broker: BrokerDouble, waits: list[float]) -> None:
    broker.faults += [("/budget", problem(503, "engine_failed", "too much"))] * 6
    with pytest.raises(ProblemError) as caught:
        client.budget("avon")
    assert caught.value.code == "engine_failed"
    assert len(waits) == 5


def test_what_could_happen_twice_is_not_repeated(client: Client, broker: BrokerDouble) -> None:
    client.keys()
    broker.faults.append(("/signatures", Response(status_code=503)))
    with pytest.raises(UnreachableError):
        client.sign("avon", "1", "jws")
    assert len(broker.called("/signatures")) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 409, 500])
def test_a_failure_that_does_not_pass_is_not_repeated(client: Client, broker: BrokerDouble, status: int) -> None:
    broker.faults.append(("/budget", problem(status, "no", "no")))
    with pytest.raises(ProblemError):
        client.budget("avon")
    assert len(broker.called("/budget")) == 1


# --- what is no broker


@pytest.mark.parametrize("content", ["<html>", "[]", "{}", '{"code": 1}', "[" * 100])
def test_a_failure_without_a_problem_is_told_as_such(client: Client, broker: BrokerDouble, content: str) -> None:
    broker.faults.append(("/budget", Response(content, 500)))
    with pytest.raises(UnreachableError) as caught:
        client.budget("avon")
    assert caught.value.code == "not_concordat"


@pytest.mark.parametrize("content", ["<html>", "[]", '{"a": NaN}', '{"a": 1, "a": 2}'])
def test_an_answer_that_is_not_strict_json_is_refused(client: Client, broker: BrokerDouble, content: str) -> None:
    broker.faults.append(("/budget", Response(content, 200)))
    with pytest.raises(UnreachableError):
        client.budget("avon")


def test_an_answer_without_end_is_cut_off(
    client: Client, broker: BrokerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_ANSWER > 1024
    monkeypatch.setattr("connectors.transport.MAX_ANSWER", 1024)
    client.keys()
    broker.faults.append(("/budget", Response("x" * 2000, 200)))
    with pytest.raises(UnreachableError) as caught:
        client.budget("avon")
    assert caught.value.code == "answer_too_large"


def test_a_redirect_is_not_followed_with_the_token(client: Client, broker: BrokerDouble) -> None:
    client.keys()
    elsewhere = f"{broker.base_url}/elsewhere"
    broker.faults.append(("/budget", Response(status_code=307, headers={"Location": elsewhere})))
    with pytest.raises(UnreachableError):
        client.budget("avon")
    assert not broker.called("/elsewhere")


@pytest.mark.parametrize("url", ["http://broker.example", "http://10.0.0.1:8000", "http://localhost.example"])
def test_a_token_does_not_travel_in_the_open(url: str) -> None:
    with pytest.raises(LocalError) as caught:
        check_url(url)
    assert caught.value.code == "url_insecure"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker.example",
        "ftp://broker.example",
        "https://",
        "https://u:p@b.example",
        "https://b.example?x=1",
        "https://b.example:x",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(LocalError) as caught:
        check_url(url)
    assert caught.value.code == "url_malformed"


@pytest.mark.parametrize(
    "url", ["https://broker.example/path", "http://127.0.0.1:8000", "http://[::1]:1", "http://localhost"]
)
def test_this_machine_may_do_without_tls(url: str) -> None:
    check_url(url)


# --- keys


def test_a_new_key_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "new" / "key.jwk"
    public = keys.new_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert public["kid"] == thumbprint(public)
    assert "d" not in public
    assert keys.load_signing_key(file).public_key().public_bytes_raw() == base64.urlsafe_b64decode(public["x"] + "=")
    with pytest.raises(LocalError) as caught:
        keys.new_key(file)
    assert caught.value.code == "file_exists"


def pem(key: Any) -> bytes:
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made


def secret_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    file = folder / "key"
    file.write_bytes(content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("key", [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())])
def test_pem_keys_of_both_kinds_sign_assertions(tmp_path: Path, key: Any) -> None:
    loaded = keys.load_key(secret_file(tmp_path, pem(key)))
    assertion = ClientKey("c", loaded).assertion("https://b.example", time.time())
    jwt.decode(assertion, key.public_key(), algorithms=["EdDSA", "ES256"], audience="https://b.example")


def test_agreements_are_not_signed_with_a_clients_p256_key(tmp_path: Path) -> None:
    file = secret_file(tmp_path, pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(LocalError):
        keys.load_signing_key(file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"secret",
        b'{"kty": "OKP", "crv": "Ed25519", "x": "AA"}',
        b'{"kty": "oct", "k": "AA", "d": "AA"}',
        b'{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "secret"}',
        b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
    ],
)
def test_what_is_no_key_is_refused_without_being_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(LocalError) as caught:
        keys.load_key(secret_file(tmp_path, content))
    assert caught.value.code == "key_malformed"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o644, 0o666])
def test_a_key_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    file = secret_file(tmp_path, pem(ed25519.Ed25519PrivateKey.generate()), mode)
    with pytest.raises(LocalError) as caught:
        keys.load_key(file)
    assert caught.value.code == "file_open_to_others"


def test_a_key_that_is_missing_or_huge_is_told(tmp_path: Path) -> None:
    for file, code in (
        (tmp_path / "gone", "file_unreadable"),
        (secret_file(tmp_path, b"x" * 20_000), "file_too_large"),
    ):
        with pytest.raises(LocalError) as caught:
            keys.load_key(file)
        assert caught.value.code == code


def test_a_question_is_sent_in_canonical_form(client: Client, broker: BrokerDouble) -> None:
    client.preview("avon", REQUEST)
    assert broker.seen[-1].body.startswith(b'{"by":[{"field":"lad"}],"dataset"')
