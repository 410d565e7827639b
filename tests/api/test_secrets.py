"""Secrets planted in everything that a caller sends, through every error: nobody reads them anywhere afterwards.

The rule (docs/privacy-model.md, section 5.1): a refusal may name the caller's own *names* back to the caller, and to
nobody else; no *value* is said back, and nothing that has the form of an identifier or a secret.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.server import Process, Served, count_request, start_process

NHS = "943-476-5919"
NHS_SPACED = "943 476 5919"
NHS_PLAIN = "9434765919"
PSEUDONYM = "5ec2e7" + "0123456789abcdef" * 3 + "fedcba9876"
CELL = "Xyzzy7Plugh"
TOKEN = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJYeXp6eTdQbHVnaCJ9.c2lnbmF0dXJl"
KEY = (
    Ed25519PrivateKey.generate()
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
KEY_BODY = KEY.splitlines()[1]
PLANTED = (NHS, NHS_SPACED, NHS_PLAIN, PSEUDONYM, CELL, TOKEN, KEY_BODY, "PRIVATE KEY")
NAMED = "no-such-thing"
"""A name and no secret: it may be told to who sent it, and to nobody else."""

Send = Callable[["Stage"], httpx.Response]


@dataclass
class Stage:
    """A broker of its own, what it said, and two extracts' bodies."""

    process: Process
    said: Path
    good: bytes

    @property
    def served(self) -> Served:
        return self.process.served

    def call(
        self, method: str, path: str, role: str = "analyst", party: str = "as-opcc", **more: Any
    ) -> httpx.Response:
        with self.served.http(party, role) as http:
            return http.request(method, path, **more)

    def raw(self, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.served.clients['base_url']}/v1/me", headers=headers)

    def ask(self, named: str = "k", **changes: Any) -> httpx.Response:
        return self.asked(changes, named)

    def asked(self, changes: dict[str, Any], named: str = "k") -> httpx.Response:
        """Ask with changes whose names may be anything."""
        return self.served.ask(count_request() | changes, named)

    def push(self, body: bytes, **more: Any) -> httpx.Response:
        return self.served.push("as-police", "police-violence", body, **more)

    def sign_in(self, **form: str) -> httpx.Response:
        wanted = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": TOKEN,
        }
        return httpx.post(f"{self.served.clients['base_url']}/oauth/token", data=wanted | form)

    def register(self, edit: Callable[[dict[str, Any]], None], party: str = "as-opcc") -> httpx.Response:
        with self.served.http(party, "steward") as http:
            value = http.get(self.served.agreement).json()["document"]
            edit(value)
            return http.post("/v1/agreements", json=value)

    def erase(self, asked: Any, role: str = "supplier", agreement: str = "") -> httpx.Response:
        where = f"{agreement or self.served.agreement}/erasures"
        return self.call("POST", where, role, "as-police", json=asked, headers={"Idempotency-Key": CELL})

    def extracts(self, path: str = "", method: str = "GET", dataset: str = "police-violence") -> httpx.Response:
        where = f"{self.served.agreement}/datasets/{dataset}/extracts{path}"
        return self.call(method, where, "supplier", "as-police")


def where(**condition: Any) -> dict[str, Any]:
    return {"where": [condition]}


def body_of(**changes: Any) -> bytes:
    return json.dumps(count_request(**changes)).encode()


ENTRIES = "/v1/audit/entries"
REFUSALS: dict[str, tuple[int, str, Send]] = {
    # 401
    "a bearer token that is not ours": (401, "invalid_token", lambda s: s.raw(Authorization=f"Bearer {TOKEN}")),
    "a private key for a token": (401, "invalid_token", lambda s: s.raw(Authorization=f"Bearer {KEY_BODY}")),
    "another scheme": (401, "token_required", lambda s: s.raw(Authorization=f"Basic {CELL}")),
    "an assertion of nobody's": (401, "invalid_client", lambda s: s.sign_in()),
    "a private key for an assertion": (401, "invalid_client", lambda s: s.sign_in(client_assertion=KEY)),
    "another grant type": (400, "unsupported_grant_type", lambda s: s.sign_in(grant_type=NHS)),
    "a long scope": (422, "bad_parameter", lambda s: s.sign_in(scope=TOKEN * 3)),
    # 403
    "an identifier for a purpose": (403, "not_granted", lambda s: s.ask(purpose=NHS)),
    "an identifier for a dataset": (403, "not_granted", lambda s: s.ask(dataset=NHS_PLAIN)),
    "an identifier in a grouped field": (403, "not_granted", lambda s: s.ask(by=[{"field": f"x_{NHS_PLAIN}"}])),
    "an identifier for a level": (
        403, "not_granted", lambda s: s.ask(by=[{"field": "lad", "level": NHS}]),
    ),
    "an identifier in a filtered field": (
        403, "not_granted", lambda s: s.ask(**where(field=f"x_{NHS_PLAIN}", **{"in": [CELL]})),
    ),
    "an identifier in a summed field": (
        403, "not_granted", lambda s: s.ask(measures=[{"sum": {"field": f"x_{NHS_PLAIN}"}}]),
    ),
    "an identifier for a linked dataset": (
        403, "not_granted", lambda s: s.ask(linked=[{"dataset": NHS, "has": True}]),
    ),
    "a level that the grant does not give": (
        403, "forbidden", lambda s: s.ask(**where(field="occurred", **{"from": "2026-04-02", "to": "2026-04-03"})),
    ),
    "a role that may not ask": (
        403, "role_missing",
        lambda s: s.call("POST", f"{s.served.agreement}/aggregates", "supplier", content=body_of(purpose=NHS),
                         headers={"Content-Type": "application/json", "Idempotency-Key": NHS_PLAIN}),
    ),
    "another's dataset": (
        403, "not_a_supplier",
        lambda s: s.served.push("bri-ed", "police-violence", CELL.encode(), key=NHS_PLAIN),
    ),
    "an identifier for a pushed dataset": (
        403, "not_a_supplier", lambda s: s.served.push("as-police", NHS_SPACED, CELL.encode(), key=NHS_PLAIN),
    ),
    "a token for a listed dataset": (403, "not_a_supplier", lambda s: s.extracts(dataset=TOKEN)),
    "a private key for a withdrawn dataset": (
        403, "not_a_supplier", lambda s: s.extracts(f"/{NHS}", "DELETE", KEY_BODY.replace("/", "_")),
    ),
    "a bad signature": (
        404, "not_found",
        lambda s: s.call("POST", f"{s.served.agreement}/versions/7/signatures", "ig-lead", json={"signature": TOKEN}),
    ),
    "a bad confirmation": (
        403, "bad_signature",
        lambda s: s.call("POST", f"{s.served.agreement}/termination", "ig-lead", "as-police",
                         json={"confirmation": TOKEN}),
    ),
    "an identifier for a party that is not enrolled": (
        403, "party_not_enrolled",
        lambda s: s.register(lambda v: v["parties"].append(v["parties"][-1] | {"id": NHS_PLAIN, "key": "A" * 43})),
    ),
    # 404
    "an identifier for an agreement": (404, "not_found", lambda s: s.call("GET", f"/v1/agreements/{NHS_SPACED}")),
    "a pseudonym for an agreement asked": (
        404, "not_found",
        lambda s: s.call("POST", f"/v1/agreements/{PSEUDONYM}/aggregates", content=body_of(),
                         headers={"Content-Type": "application/json", "Idempotency-Key": NHS}),
    ),
    "a pseudonym for a release": (
        404, "not_found", lambda s: s.call("GET", f"{s.served.agreement}/releases/{PSEUDONYM}"),
    ),
    "a cell for a dataset": (404, "not_found", lambda s: s.call("GET", f"{s.served.agreement}/datasets/{CELL}")),
    "an identifier for an extract": (404, "not_found", lambda s: s.extracts(f"/{NHS_SPACED}")),
    "an identifier for an extract withdrawn": (404, "not_found", lambda s: s.extracts(f"/{NHS_SPACED}", "DELETE")),
    "a token for an address": (404, "not_found", lambda s: s.call("GET", f"/v1/{TOKEN}?{CELL}={NHS}")),
    "a method that there is not": (405, "method_not_allowed", lambda s: s.call("PATCH", f"/v1/me?{CELL}={NHS}")),
    # 409
    "an identifier for a key used twice": (409, "idempotency_key_reused", lambda s: s.ask(NHS_PLAIN, by=[], where=[])),
    "a key of a push used twice": (409, "idempotency_key_reused", lambda s: s.push(CELL.encode(), key=NHS_PLAIN)),
    "an agreement digest of before": (
        409, "agreement_changed", lambda s: s.push(s.good, key=CELL, headers={"Concordat-Agreement-Digest": PSEUDONYM}),
    ),
    "a version that is not the next": (
        409, "version_conflict", lambda s: s.register(lambda v: v.update(title=f"{CELL} {NHS}")),
    ),
    # 413
    "a large question": (413, "too_large", lambda s: s.served.ask(f'"{CELL}{NHS}'.encode() * 8000, TOKEN[:100])),
    # 415
    "another media type": (415, "unsupported_media_type", lambda s: s.push(s.good, media=f"text/{CELL}", key=CELL)),
    "a question of another media type": (
        415, "unsupported_media_type",
        lambda s: s.call("POST", f"{s.served.agreement}/aggregates", content=CELL.encode(),
                         headers={"Content-Type": f"text/{CELL}", "Idempotency-Key": NHS}),
    ),
    "an answer of another media type": (
        415, "unsupported_media_type",
        lambda s: s.call("GET", f"{s.served.agreement}/releases/{NHS}", headers={"Accept": f"text/{CELL}"}),
    ),
    "another content encoding": (
        415, "unsupported_media_type", lambda s: s.push(s.good, key=CELL, headers={"Content-Encoding": CELL}),
    ),
    # 422: questions
    "an identifier in a reason": (422, "reason_identifier", lambda s: s.ask(reason=f"for {NHS_SPACED}")),
    "a pseudonym in a reason": (422, "reason_identifier", lambda s: s.ask(reason=PSEUDONYM)),
    "a private key for a reason": (422, "malformed", lambda s: s.ask(reason=KEY * 3)),
    "a cell for a code": (422, "unknown_code", lambda s: s.ask(**where(field="lad", **{"in": [CELL, NHS_SPACED]}))),
    "a pseudonym for a code": (422, "malformed", lambda s: s.ask(**where(field="lad", **{"in": [PSEUDONYM]}))),
    "an operator that does not fit": (422, "wrong_operator", lambda s: s.ask(**where(field="sex", **{"from": 943}))),
    "an identifier for a number": (
        422,
        "malformed",
        lambda s: s.ask(**where(field="age", **{"from": int(NHS_PLAIN)})),
    ),
    "a cell for a share": (422, "malformed", lambda s: s.ask(spend={"share": CELL})),
    "an identifier for a share": (422, "malformed", lambda s: s.ask(spend={"share": int(NHS_PLAIN)})),
    "an identifier for a key of the question": (422, "malformed", lambda s: s.asked({NHS_SPACED: {CELL: KEY}})),
    "a private key for a key of the question": (422, "malformed", lambda s: s.asked({KEY: 1, TOKEN: 2, PSEUDONYM: 3})),
    "a secret key within the question": (
        422, "malformed", lambda s: s.ask(**where(**{"field": "lad", NHS: [CELL], f"{CELL} of {CELL}": 1})),
    ),
    "a secret key twice": (422, "duplicate_key", lambda s: s.served.ask(f'{{"{NHS}": 1, "{NHS}": 2}}'.encode(), "k")),
    "a question that is no JSON": (422, "not_json", lambda s: s.served.ask(f'{{"{NHS}": {CELL}}}'.encode(), "k")),
    "a number that is none": (422, "not_a_number", lambda s: s.served.ask(b'{"9434765919": NaN}', "k")),
    "a key with a space": (422, "idempotency_key_required", lambda s: s.ask(NHS_SPACED)),
    "a long key": (422, "idempotency_key_required", lambda s: s.ask(PSEUDONYM * 3)),
    # 422: parameters
    "a cell for a time": (422, "bad_parameter", lambda s: s.call("GET", ENTRIES, "ig-lead", params={"since": CELL})),
    "an identifier for a limit": (
        422, "bad_parameter", lambda s: s.call("GET", ENTRIES, "ig-lead", params={"limit": NHS_PLAIN, "first": NHS}),
    ),
    "a pseudonym for an entry": (422, "bad_parameter", lambda s: s.call("GET", f"{ENTRIES}/{PSEUDONYM}/proof")),
    "an identifier for a version": (
        422, "bad_parameter", lambda s: s.call("GET", f"{s.served.agreement}/versions/{NHS_PLAIN}"),
    ),
    "identifiers for days": (
        422, "bad_covers", lambda s: s.push(s.good, key=CELL, params={"from": NHS_SPACED, "to": CELL}),
    ),
    # 422: documents
    "a signature that is no text": (
        422, "malformed",
        lambda s: s.call("POST", f"{s.served.agreement}/versions/1/signatures", "ig-lead",
                         json={NHS_SPACED: KEY, CELL: TOKEN}),
    ),
    "an agreement with secret keys": (
        422, "malformed", lambda s: s.register(lambda v: v.update({NHS_SPACED: CELL, KEY: TOKEN, PSEUDONYM: 1})),
    ),
    "an agreement with a secret dataset": (
        422, "malformed",
        lambda s: s.register(lambda v: v["datasets"].update({NHS: dict.fromkeys((f"{CELL} {CELL}", KEY), 1)})),
    ),
    "an agreement that names an identifier for a supplier": (
        422, "malformed",
        lambda s: s.register(lambda v: v["datasets"]["police-violence"].update(supplier=NHS_PLAIN)),
    ),
    "YAML with a secret key twice": (
        422, "duplicate_key",
        lambda s: s.call("POST", "/v1/agreements", "steward", content=f"{NHS_SPACED} {CELL} x y:\n  {KEY_BODY}: 1\n"
                         f"  {KEY_BODY}: 2\n".encode(), headers={"Content-Type": "application/yaml"}),
    ),
    "YAML that is none": (
        422, "not_yaml",
        lambda s: s.call("POST", "/v1/agreements", "steward", content=f"{NHS}: [{CELL}".encode(),
                         headers={"Content-Type": "application/yaml"}),
    ),
    # 422: erasures
    "secrets for persons": (422, "malformed", lambda s: s.erase({"persons": [NHS, CELL, TOKEN, KEY], "reason": "x"})),
    "a pseudonym with more": (422, "malformed", lambda s: s.erase({"persons": [PSEUDONYM + "0"], "reason": "x"})),
    "a pseudonym twice": (422, "malformed", lambda s: s.erase({"persons": [PSEUDONYM, PSEUDONYM], "reason": "x"})),
    "secret keys of an erasure": (422, "malformed", lambda s: s.erase({"persons": [PSEUDONYM], NHS: CELL, KEY: TOKEN})),
    "an identifier in an erasure's reason": (
        422, "reason_identifier", lambda s: s.erase({"persons": [PSEUDONYM], "reason": f"the objection of {NHS}"}),
    ),
    "a pseudonym in an erasure's reason": (
        422, "reason_identifier", lambda s: s.erase({"persons": [PSEUDONYM], "reason": PSEUDONYM}),
    ),
    "a pseudonym erased by an analyst": (
        403, "role_missing", lambda s: s.erase({"persons": [PSEUDONYM], "reason": "x"}, role="analyst"),
    ),
    "a pseudonym erased under an identifier": (
        404, "not_found", lambda s: s.erase({"persons": [PSEUDONYM], "reason": "x"}, agreement=f"/v1/agreements/{NHS}"),
    ),
    # 422: pushes
    "secrets in cells": (
        422, "extract_refused",
        lambda s: s.push(s.good.replace(b"stalking-and-harassment", f"{NHS_SPACED} {CELL}".encode()), key=CELL),
    ),
    "secrets in a header": (
        422, "extract_refused", lambda s: s.push(f"{NHS_SPACED} {CELL},{PSEUDONYM},".encode() + s.good, key=CELL),
    ),
    "no table at all": (422, "extract_refused", lambda s: s.push((KEY + TOKEN).encode(), key=CELL)),
    "secrets in NDJSON": (
        422, "extract_refused",
        lambda s: s.push(json.dumps({NHS: CELL, PSEUDONYM: KEY}).encode(), key=CELL, media="application/x-ndjson"),
    ),
    "no Parquet": (
        422, "extract_refused",
        lambda s: s.push(CELL.encode(), key=CELL, media="application/vnd.apache.parquet"),
    ),
    "a digest that is none": (
        422, "bad_content_digest", lambda s: s.push(s.good, key=CELL, headers={"Content-Digest": f"{CELL}=:{NHS}:"}),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory, extracts) -> Iterator[Stage]:
    """A broker with one extract and one answer under a key that is an identifier; it crashes nowhere."""
    folder = tmp_path_factory.mktemp("secrets")
    process = start_process(folder, output=folder / "said.txt")
    made = Stage(process, folder / "said.txt", extracts["police-violence"].read_bytes())
    assert made.push(made.good, key=NHS_PLAIN).status_code == 201
    assert made.ask(NHS_PLAIN).status_code == 200
    yield made
    process.kill()


def hidden(text: str) -> list[str]:
    """Return which of the planted secrets stand in a text."""
    return [secret for secret in PLANTED if secret.lower() in text.lower()]


@pytest.mark.parametrize("name", REFUSALS)
def test_no_error_says_a_planted_secret_back(stage, name):
    status, code, send = REFUSALS[name]
    answer = send(stage)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert not hidden(answer.text + str(answer.headers)), answer.text


@pytest.mark.parametrize(
    "changes", [{"purpose": NHS}, {"dataset": NHS_PLAIN}, {"by": [{"field": f"x_{NHS_PLAIN}"}]}, {"linked": [
        {"dataset": NHS, "has": True}]}],
)  # fmt: skip
def test_no_refused_preview_says_an_identifier_back(stage, changes):
    answer = stage.served.preview(count_request(**changes))
    assert answer.status_code == 200
    assert answer.json()["decision"]["outcome"] == "refused"
    assert not hidden(answer.text)


def test_a_name_of_the_callers_own_is_told_to_the_caller_and_to_nobody_else(stage):
    """So that the tests above do not pass because nothing is ever told."""
    assert f"purposes/{NAMED}" in stage.ask(purpose=NAMED).json()["decision"]["clauses"]
    assert {"column": NAMED, "rule": "shape"}.items() <= stage.asked({NAMED: 1}).json()["errors"][0].items()
    assert NAMED not in logged(stage)
    assert NAMED not in stage.said.read_text()
    assert NAMED.encode() not in stored(stage)


def logged(stage: Stage) -> str:
    """Return all that any party reads in the log, as entries and as an export."""
    time.sleep(0.2)
    read = []
    for party in stage.served.clients["parties"]:
        read.append(json.dumps(stage.served.entries(party)))
        read.append(stage.call("GET", "/v1/audit/export", "ig-lead", party).text)
    return "\n".join(read)


def stored(stage: Stage) -> bytes:
    """Return the bytes of the control database, its write-ahead log and shared memory included."""
    return b"".join(path.read_bytes() for path in (stage.served.state / "broker").glob("concordat.db*"))


def test_no_log_nor_database_nor_output_holds_a_planted_secret(stage):
    """After every error, and after requests that are no HTTP."""
    for _, _, send in REFUSALS.values():
        send(stage)
    host = httpx.URL(stage.served.clients["base_url"])
    for garbage in (f"{CELL} {NHS} HTTP/9\r\n\r\n", f"GET /{NHS} HTTP/1.1\r\n{CELL}\r\n\r\n", KEY):
        with socket.create_connection((host.host, host.port), timeout=5) as connection:
            connection.sendall(garbage.encode())
            answer = connection.recv(65536).decode()
        assert not hidden(answer)
    entries = logged(stage)
    assert entries.count("push-refused") > 10
    assert not hidden(entries)
    assert not hidden(stage.said.read_text())
    everything = stored(stage)
    assert b"police-violence" in everything
    assert not hidden(everything.decode("latin-1"))
    assert not any(secret.encode().hex() in everything.hex() for secret in PLANTED)


def test_no_log_nor_database_holds_a_token_a_private_key_or_a_pseudonym_that_was_really_used(stage):
    """Nothing planted: the tokens, keys and pseudonyms that the broker worked with, and its own keys."""
    party = stage.served.clients["parties"]["as-police"]
    used = [token for held in stage.served.clients["parties"].values() for token in held["tokens"].values()]
    for file in (party["key_file"], party["signing_key_file"], *(stage.served.state / "broker" / "keys").iterdir()):
        used += [line for line in Path(file).read_text().splitlines() if "KEY" not in line]
    persons = [line.split(",")[0] for line in stage.good.decode().splitlines()[1:200]]
    used += persons
    erased = stage.call(
        "POST", f"{stage.served.agreement}/erasures", "supplier", "as-police",
        json={"persons": sorted(set(persons[:20])), "reason": "objections"}, headers={"Idempotency-Key": NHS_PLAIN},
    )  # fmt: skip
    assert erased.status_code == 201, erased.text
    assert len(used) > 220
    everything = stored(stage)
    text = logged(stage) + stage.said.read_text()
    assert not [secret for secret in used if secret.encode() in everything or secret in text]


def test_an_engine_failure_says_no_secret_and_a_fault_of_ours_neither(tmp_path, extracts):
    """503 and what is beyond: the engine's own words hold the path and a cell, and go nowhere."""
    process = start_process(tmp_path, output=tmp_path / "said.txt")
    try:
        stage = Stage(process, tmp_path / "said.txt", extracts["police-violence"].read_bytes())
        assert stage.push(stage.good).status_code == 201
        for file in (stage.served.state / "broker" / "lake").rglob("*.parquet"):
            file.write_bytes(f"{CELL} {NHS}".encode())
        answer = stage.ask(NHS_PLAIN)
        assert (answer.status_code, answer.json()["code"]) == (503, "engine_failed")
        assert not hidden(answer.text)
        assert not hidden(logged(stage))
    finally:
        process.kill()
    assert not hidden(stage.said.read_text())
    with sqlite3.connect(stage.served.state / "broker" / "concordat.db") as control:
        assert control.execute("SELECT state FROM intent").fetchall() == [("failed",)]
    control.close()
    assert not hidden(stored(stage).decode("latin-1"))
