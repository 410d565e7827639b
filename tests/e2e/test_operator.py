"""A broker run for real through its commands: keys, enrolment, register, sign, push, ask, verify."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

import agreements
from schemas import agreement as documents
from schemas import strict_yaml

CONCORDAT = str(Path(sys.executable).parent / "concordat")
PARTIES = {"as-police": "police", "bri-ed": "health", "as-opcc": "local-policing-body"}
QUESTION = {
    "purpose": "needs-assessment",
    "dataset": "police-violence",
    "measures": [{"count": {}}],
    "by": [{"field": "lad"}],
    "spend": {"share": "0.05"},
}


class Shell:
    """Runs ``concordat`` in a folder."""

    def __init__(self, folder: Path, issuer: str) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "CONCORDAT_STATE": str(folder / "broker"),
            "CONCORDAT_ISSUER": issuer,
            "CONCORDAT_BROKER": issuer,
            "CONCORDAT_AGREEMENT": "cardiff-model",
            "COLUMNS": "200",
        }

    def run(self, *words: str, expect: int = 0, **environment: str) -> str:
        done = subprocess.run(
            [CONCORDAT, *words],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == expect, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + (done.stderr if expect else "")

    def client(self, party: str, *words: str, expect: int = 0) -> str:
        return self.run(
            *words, "--client", f"{party}-etl", "--key", f"{party}.client.jwk",
            expect=expect, CONCORDAT_CLIENT_STATE=str(self.folder / f"{party}-state"),
        )  # fmt: skip


@pytest.fixture
def shell(tmp_path) -> Iterator[Shell]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    issuer = f"http://127.0.0.1:{port}"
    made = Shell(tmp_path, issuer)
    command = [CONCORDAT, "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=tmp_path, env=made.environment)
    try:
        for _ in range(400):
            try:
                if httpx.get(f"{issuer}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield made
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM, "it stops, not killed, when told to"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def two_party_agreement(keys: dict[str, str]) -> dict[str, Any]:
    value: dict[str, Any] = documents.load(agreements.path("avon-somerset").read_bytes())
    value["id"] = "cardiff-model"
    value["parties"] = [party | {"key": keys[party["id"]]} for party in value["parties"] if party["id"] in PARTIES]
    value["datasets"] = {name: value["datasets"][name] for name in ("police-violence", "ed-assaults")}
    value["grants"] = [
        grant | {"link": [name for name in grant.get("link", []) if name in value["datasets"]]}
        for grant in value["grants"]
        if grant["dataset"] in value["datasets"] and grant["to"] == ["as-opcc"]
    ]
    value["privacy"]["shares"] = {"as-opcc": "1"}
    return value


def agree(shell):
    """Enrol three agencies, register their agreement, and sign it as each of them."""
    folder = shell.folder
    keys = {}
    for party, kind in PARTIES.items():
        for use in ("signing", "client"):
            made = json.loads(shell.run("key", "new", f"{party}.{use}.jwk", "--json"))
            assert json.loads((folder / f"{party}.{use}.pub.jwk").read_text()) == made
            if use == "signing":
                keys[party] = made["kid"]
        shell.run("party", "enrol", party, "--name", party, "--kind", kind, "--key", f"{party}.signing.pub.jwk")
        roles = [word for role in ("supplier", "analyst", "ig-lead", "steward") for word in ("--role", role)]
        shell.run("client", "add", f"{party}-etl", "--party", party, "--key", f"{party}.client.pub.jwk", *roles)
    (folder / "agreement.yaml").write_text(strict_yaml.dumps(two_party_agreement(keys)))

    token = shell.run("user", "token", "j.smith", "--party", "as-opcc", "--role", "steward").strip()
    answer = httpx.post(
        f"{shell.environment['CONCORDAT_ISSUER']}/v1/agreements",
        content=(folder / "agreement.yaml").read_bytes(),
        headers={"Content-Type": "application/yaml", "Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 201, answer.text
    issuer = shell.environment["CONCORDAT_ISSUER"]
    for party in PARTIES:
        key = f"{party}.signing.jwk"
        signature = shell.run(
            "agreement", "sign", "agreement.yaml", "--key", key, "--broker", issuer, "--out", f"{party}.sig"
        )
        (folder / f"{party}.jws").write_text(signature)
        given = f"{party}.sig" if party == "bri-ed" else f"{party}.jws"
        shell.client(party, "agreement", "submit", "agreement.yaml", given, "--out", f"{party}.receipt.json")
    return keys


def test_three_agencies_start_from_nothing(shell):
    folder, issuer = shell.folder, shell.environment["CONCORDAT_ISSUER"]
    agree(shell)
    for party, dataset, seed in (("as-police", "police-violence", "5"), ("bri-ed", "ed-assaults", "5")):
        days = ("--from", "2026-04-01", "--to", "2026-06-30")
        what = ("--schema", f"{dataset}/v1", "--rows", "5000", "--seed", seed)
        shell.run("synth", *what, *days, "--out", f"{dataset}.csv")
        pushed = shell.client(party, "push", dataset, f"{dataset}.csv", *days)
        assert "5,000" in pushed or "5000" in pushed
    refused = shell.client("as-opcc", "push", "police-violence", "police-violence.csv", *days, expect=3)
    assert "not_a_supplier" in refused

    (folder / "question.json").write_text(json.dumps(QUESTION))
    shown = shell.client("as-opcc", "ask", "question.json", "--out", "release.json", "--chart", "chart.svg")
    assert "E06000023" in shown
    assert json.loads((folder / "release.json").read_text())["columns"] == ["lad", "count"]
    assert (folder / "chart.svg").read_text().startswith("<?xml")
    (folder / "question.json").write_text(json.dumps(QUESTION | {"spend": {"share": "0.9"}}))
    assert "over_request_cap" in shell.client("as-opcc", "ask", "question.json", expect=3)

    more = ("--idempotency-key", "more")
    shell.client("as-police", "push", "police-violence", "police-violence.csv", *days, *more)
    said = shell.run("compact", "--agreement", "cardiff-model")
    assert said == "cardiff-model ed-assaults: files 1 -> 1\ncardiff-model police-violence: files 2 -> 1\n"
    assert "not_found" in shell.run("compact", "--dataset", "nothing", expect=3)
    (folder / "question.json").write_text(json.dumps(QUESTION))
    assert "E06000023" in shell.client("as-opcc", "ask", "question.json")

    assert "kept until" in shell.client("as-police", "extracts", "police-violence")
    assert shell.run("expire") == "nothing to expire\n"
    with closing(sqlite3.connect(folder / "broker" / "concordat.db")) as database:
        old = "UPDATE extract SET received_at = '2020-02-29T12:00:00+00:00' WHERE dataset = 'ed-assaults' RETURNING id"
        ((extract,),) = database.execute(old).fetchall()
        database.commit()
    assert shell.run("expire") == f"cardiff-model ed-assaults: expired {extract}\n"
    assert "expired" in shell.client("bri-ed", "extracts", "ed-assaults")

    vkey = httpx.get(f"{issuer}/v1/keys").json()["log"]["verifier_key"]
    checkpoint = httpx.get(f"{issuer}/v1/audit/checkpoint").text
    (folder / "checkpoint.txt").write_text(checkpoint)
    shell.client("as-opcc", "log", "export", "log.ndjson")
    shell.run("log", "verify", "log.ndjson", "--key", vkey, "--checkpoint", "checkpoint.txt")
    text = (folder / "log.ndjson").read_text()
    (folder / "edited.ndjson").write_text(text.replace("police-violence", "police-violense", 1))
    shell.run("log", "verify", "edited.ndjson", "--key", vkey, expect=5)


def test_signatures_are_verified_keys_rotated_and_an_agreement_left_and_ended(shell):
    folder, issuer = shell.folder, shell.environment["CONCORDAT_ISSUER"]
    keys = agree(shell)
    given = [word for party in PARTIES for word in ("--signature", f"{party}.sig")]
    verified = json.loads(shell.run("agreement", "verify", "agreement.yaml", *given, "--json"))
    assert [(item["party"], item["broker"], item["covers"]) for item in verified["held"]] == [
        (party, issuer, "file") for party in PARTIES
    ]
    assert verified["complete"]
    bare = ("--signature", "as-police.jws", "--key", "as-police.signing.pub.jwk", "--broker", issuer)
    told = shell.run("agreement", "verify", "agreement.yaml", *bare)
    assert "missing" in told
    assert "bri-ed" in told
    text = (folder / "agreement.yaml").read_text()
    for edited, code in ((text.replace("Avon", "Aven", 1), "bad_signature"), (text + "# note\n", "file_changed")):
        (folder / "edited.yaml").write_text(edited)
        assert code in shell.run("agreement", "verify", "edited.yaml", *given, expect=5)
    receipt = json.loads((folder / "bri-ed.receipt.json").read_text())
    assert (receipt["party"], receipt["key"], receipt["unsigned"]) == ("bri-ed", keys["bri-ed"], ["as-opcc"])

    status = shell.client("as-opcc", "agreement", "status")
    assert "cardiff-model version 1: in_force" in status
    assert "signed by bri-ed" in status
    assert "with the broker's receipt" in status

    signing = ("--signing-key", "as-police.signing.jwk")
    shell.client("bri-ed", "agreement", "suspend")
    assert "agreement_suspended" in shell.client("as-opcc", "agreement", "status")
    shell.client("bri-ed", "agreement", "resume")
    left = shell.client("as-police", "agreement", "leave", *signing)
    assert "withdrawn; final from" in left
    assert "withdrawn: as-police" in shell.client("as-opcc", "agreement", "status")
    shell.client("as-police", "agreement", "rejoin")

    corrected = shell.run("party", "correct", "as-police", "--name", "Avon and Somerset Constabulary")
    assert "is enrolled as Avon and Somerset Constabulary (police)" in corrected
    shell.run("key", "new", "next.jwk")
    rotated = shell.run("party", "rotate-key", "as-police", "--key", "next.pub.jwk")
    assert f"superseded: {keys['as-police']}" in rotated
    assert "bad_signature" in shell.client("as-police", "agreement", "terminate", *signing, expect=3)
    assert "in_force" in shell.client("as-opcc", "agreement", "status")
    for words, code in (
        (("party", "correct", "as-police", "--kind", "police"), "nothing_to_correct"),
        (("party", "rotate-key", "bri-ed", "--key", "as-police.signing.pub.jwk"), "key_pinned"),
        (("party", "rotate-key", "bri-ed", "--key", "as-police.client.pub.jwk"), "key_reused"),
        (("party", "rotate-key", "bri-ed", "--key", "next.jwk"), "bad_key"),
        (("party", "enrol", "x", "--name", "x", "--kind", "other", "--key", "bri-ed.client.pub.jwk"), "key_reused"),
        (("client", "add", "c", "--party", "bri-ed", "--role", "analyst", "--key", "as-police.signing.pub.jwk"),
         "key_reused"),
        (("party", "revoke-key", "bri-ed", "--key-thumbprint", keys["as-opcc"], "--reason", "compromised"),
         "unknown_key"),
    ):  # fmt: skip
        assert code in shell.run(*words, expect=4 if code == "bad_key" else 3), words

    shell.client("as-police", "agreement", "terminate", "--signing-key", "next.jwk")
    assert "agreement_terminated" in shell.client("as-opcc", "agreement", "status")
    assert "not_found" in shell.client("as-police", "agreement", "purge-receipt", expect=3)
    assert "(terminated): due" in shell.run("purge")
    revoke = ("party", "revoke-key", "bri-ed", "--key-thumbprint", keys["bri-ed"], "--reason", "compromised")
    assert "is revoked (compromised)" in shell.run(*revoke)
    assert "already_revoked" in shell.run(*revoke, expect=3)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("party", "enrol", "x", "--name", "x", "--kind", "police", "--key", "private.jwk"), "bad_key"),
        (
            ("client", "add", "c", "--party", "nobody", "--role", "analyst", "--key", "private.pub.jwk"),
            "party_not_enrolled",
        ),
        (("dev", "--agreement", "bad.yaml", "--state", "dev", "--port", "0"), "duplicate_key"),
    ],
)
def test_a_wrong_input_gets_a_code_and_a_sentence(tmp_path, words, code):
    shell = Shell(tmp_path, "http://127.0.0.1:1")
    shell.run("key", "new", "private.jwk")
    jwk = json.loads((tmp_path / "private.jwk").read_text())
    (tmp_path / "bad.yaml").write_text("a: 1\na: 2\n")
    said = shell.run(*words, expect=4 if code in ("bad_key", "duplicate_key") else 3)
    assert code in said
    assert "Traceback" not in said
    assert jwk["d"] not in said


def test_a_port_that_is_taken_and_a_database_of_a_newer_concordat_are_told_in_words(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        shell = Shell(tmp_path, f"http://127.0.0.1:{port}")
        worked = str(agreements.path("cardiff-minimal"))
        for words in (("serve", "--port", port), ("dev", "--agreement", worked, "--state", "dev", "--port", port)):
            said = shell.run(*words, expect=3)
            assert "port_taken" in said
            assert f"port {port} of 127.0.0.1 is in use" in said
            assert "Traceback" not in said
    with closing(sqlite3.connect(tmp_path / "broker" / "concordat.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    said = shell.run("serve", "--port", "0", expect=3)
    assert "database_newer" in said
    assert "Traceback" not in said
