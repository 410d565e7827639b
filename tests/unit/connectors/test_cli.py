"""The command: what it prints, how it ends, and what it never tells."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from connectors import cli
from connectors.commands.groups import group
from connectors.keys import new_key
from schemas import jws
from schemas.canonical import canonical
from tests.unit.connectors.broker_double import AGREEMENT, CLIENT, REFERENCE, REQUEST, BrokerDouble, problem

SECRET = "very-secret-token"
APRIL = ("--from", "2026-04-01", "--to", "2026-04-30")
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in a folder of its own, with no settings from outside."""
    for name in list(os.environ):
        if name.startswith("CONCORDAT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    app = cli.build(())
    return lambda *words, **env: CliRunner().invoke(app, [str(word) for word in words], env=env)


@pytest.fixture
def clients(broker: BrokerDouble, tmp_path: Path) -> Path:
    """What ``concordat dev`` writes."""
    private = jws.public_jwk(broker.client_key.public_key())
    private["d"] = jws.encode(broker.client_key.private_bytes_raw())
    key = tmp_path / "dev" / "keys" / "opcc.jwk"
    key.parent.mkdir(parents=True)
    key.write_bytes(canonical(private))
    key.chmod(0o600)
    broker.tokens.add(SECRET)
    party = {"client_id": CLIENT, "key_file": "keys/opcc.jwk", "tokens": {"analyst": SECRET, "supplier": SECRET}}
    value = {
        "base_url": broker.base_url,
        "issuer": broker.base_url,
        "agreement": {"id": AGREEMENT, "version": "1"},
        "parties": {"opcc": party, "broken": {}},
    }
    file = tmp_path / "dev" / "clients.json"
    file.write_text(json.dumps(value))
    file.chmod(0o600)
    return file


@pytest.fixture
def as_opcc(run: Run, clients: Path) -> Run:
    return lambda *words, **env: run(*words, "--clients", clients, "--as", "opcc", **env)


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    file = tmp_path / "april.csv"
    file.write_text("person,lad\na,E06000022\nb,E06000023\n")
    return file


@pytest.fixture
def question(tmp_path: Path) -> Path:
    file = tmp_path / "question.json"
    file.write_text(json.dumps(REQUEST))
    return file


# --- supplying


def test_push_tells_what_was_taken(as_opcc: Run, extract: Path) -> None:
    done = as_opcc("push", "police-violence", extract, *APRIL)
    assert (done.exit_code, done.stdout) == (0, "extract-3: 2 rows of 2 persons taken and receipted\n")


def test_push_for_machines_prints_the_receipt_alone(as_opcc: Run, extract: Path) -> None:
    done = as_opcc("push", "police-violence", extract, *APRIL, "--json")
    assert json.loads(done.stdout)["digest"].startswith("sha256:")
    assert done.stderr == ""


def test_a_refused_file_ends_with_4_and_its_rules(as_opcc: Run, extract: Path) -> None:
    extract.write_text("person,lad\na,bad\n")
    done = as_opcc("push", "police-violence", extract, *APRIL)
    assert done.exit_code == 4
    assert "extract_refused" in done.stderr
    assert "not_in_list" in done.stderr
    assert "3, 5" in done.stderr


def test_errors_for_machines_are_json(as_opcc: Run, extract: Path) -> None:
    extract.write_text("person,lad\na,bad\n")
    done = as_opcc("push", "police-violence", extract, *APRIL, "--json")
    error = json.loads(done.stderr)["error"]
    assert (error["code"], error["status"], error["errors"][0]["rows"]) == ("extract_refused", 422, [3, 5])
    assert done.stdout == ""


def test_push_names_the_version_in_a_file(as_opcc: Run, broker: BrokerDouble, extract: Path, tmp_path: Path) -> None:
    known = tmp_path / "agreement.yaml"
    known.write_text('id: avon\nversion: "1"\ntitle: An agreement\n')
    assert as_opcc("push", "police-violence", extract, *APRIL, "--agreement-file", known).exit_code == 0
    known.write_text("id: other\n")
    done = as_opcc("push", "police-violence", extract, *APRIL, "--agreement-file", known)
    assert done.exit_code == 3
    assert "agreement_changed" in done.stderr
    assert "What to do" in done.stderr
    known.write_text("- [")
    assert as_opcc("push", "police-violence", extract, *APRIL, "--agreement-file", known).exit_code == 4
    assert len(broker.called("/extracts")) == 2


@pytest.mark.parametrize("days", [("--from", "2026-04-31", "--to", "2026-05-01"), ("--from", "2026-04-01")])
def test_wrong_usage_ends_with_2(as_opcc: Run, extract: Path, days: tuple[str, ...]) -> None:
    assert as_opcc("push", "police-violence", extract, *days).exit_code == 2


def test_a_withdrawn_file_is_pushed_again_only_on_purpose(as_opcc: Run, extract: Path) -> None:
    as_opcc("push", "police-violence", extract, *APRIL)
    assert "committed" in as_opcc("extracts", "police-violence").stdout
    done = as_opcc("withdraw", "police-violence", "extract-3")
    assert done.stdout == "extract-3 is withdrawn\n"
    done = as_opcc("push", "police-violence", extract, *APRIL)
    assert (done.exit_code, "extract_gone" in done.stderr) == (3, True)
    assert as_opcc("push", "police-violence", extract, *APRIL, "--idempotency-key", "again").exit_code == 0


# --- asking


def test_ask_shows_values_with_their_error_and_if_they_are_usable(as_opcc: Run, question: Path) -> None:
    done = as_opcc("ask", question)
    assert done.exit_code == 0, done.stderr
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines()]
    assert ["E06000022", "100", "9.80", "yes"] in lines
    assert ["E06000023", "3", "9.80", "no"] in lines
    assert "├───●───┤" in done.stdout
    assert "Verified" in done.stdout


def test_ask_with_options_asks_the_same_as_with_a_file(as_opcc: Run, broker: BrokerDouble, question: Path) -> None:
    options = ("--dataset", "police-violence", "--purpose", "needs-assessment", "--by", "lad", "--share", "0.02")
    assert as_opcc("preview", *options).exit_code == as_opcc("preview", question).exit_code == 0
    first, second = broker.called("/preview")
    assert first.body == second.body


def test_every_kind_of_option_has_its_place_in_the_question(as_opcc: Run, broker: BrokerDouble) -> None:
    done = as_opcc(
        "preview", "--dataset", "d", "--purpose", "p", "--measure", "count", "--measure", "mean:gravity",
        "--by", "occurred:month", "--where", "occurred=2026-04-01..2026-06-30", "--where", "age=..17",
        "--where", "knife=true", "--where", "age:sna-band=10-17,18-24", "--within", "20", "--per-person", "2",
        "--reason", "profile",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert json.loads(broker.seen[-1].body) == {
        "dataset": "d",
        "purpose": "p",
        "measures": [{"count": {}}, {"mean": {"field": "gravity"}}],
        "by": [{"field": "occurred", "level": "month"}],
        "where": [
            {"field": "occurred", "from": "2026-04-01", "to": "2026-06-30"},
            {"field": "age", "to": 17},
            {"field": "knife", "is": True},
            {"field": "age", "level": "sna-band", "in": ["10-17", "18-24"]},
        ],
        "spend": {"within": "20", "confidence": "0.95"},
        "bounds": {"per_person": 2},
        "reason": "profile",
    }


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--dataset", "d"), "question_incomplete"),
        (("--dataset", "d", "--purpose", "p"), "question_incomplete"),
        (("--dataset", "d", "--purpose", "p", "--share", "0.1", "--where", "x"), "condition_malformed"),
        (("--dataset", "d", "--purpose", "p", "--share", "0.1", "--measure", "median:x"), "invalid_document"),
        (("question.json", "--share", "0.1"), "question_twice"),
        (("gone.json",), "file_unreadable"),
    ],
)
def test_a_question_that_makes_no_sense_is_not_sent(
    as_opcc: Run, broker: BrokerDouble, question: Path, words: tuple[str, ...], code: str
) -> None:
    assert question.exists()
    done = as_opcc("ask", *words)
    assert done.exit_code == 4
    assert code in done.stderr
    assert not broker.seen


def test_a_refusal_ends_with_3_and_the_clauses(as_opcc: Run, question: Path) -> None:
    question.write_text(json.dumps(REQUEST | {"purpose": "other"}))
    done = as_opcc("ask", question)
    assert done.exit_code == 3
    assert "grants/0: no grant covers this" in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda shown: shown | {"affordable": False},
        lambda shown: {"decision": shown["decision"] | {"outcome": "refused", "code": "not_granted",
                                                        "allowed_instead": {"by": ["month"]}}},
    ],
)  # fmt: skip
def test_a_preview_of_what_would_be_refused_ends_with_3(
    as_opcc: Run, broker: BrokerDouble, question: Path, change: Callable[[Any], Any]
) -> None:
    broker.changes["preview"] = change
    done = as_opcc("preview", question)
    assert done.exit_code == 3
    assert done.stderr == ""


def test_an_answer_that_cannot_be_verified_ends_with_5_and_is_not_shown(
    as_opcc: Run, broker: BrokerDouble, question: Path, tmp_path: Path
) -> None:
    broker.changes["release"] = lambda release: release | {"repeat": True}
    done = as_opcc("ask", question, "--out", tmp_path / "release.json")
    assert done.exit_code == 5
    assert "bad_signature" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "release.json").exists()


def test_an_answer_is_kept_as_signed_or_as_a_table_or_as_a_chart(
    as_opcc: Run, broker: BrokerDouble, question: Path, tmp_path: Path
) -> None:
    chart = tmp_path / "chart.svg"
    done = as_opcc("ask", question, "--out", tmp_path / "release.json", "--chart", chart, "--no-bars", "--budget")
    assert done.exit_code == 0, done.stderr
    assert "spent before" in done.stdout
    kept = json.loads((tmp_path / "release.json").read_text())
    assert kept in broker.answers.values()
    as_opcc("release", kept["id"], "--out", tmp_path / "release.csv")
    assert (tmp_path / "release.csv").read_bytes().decode().splitlines() == [
        "lad,count,count_unrounded,count_low,count_high,count_usable",
        "E06000022,100,100.4,90.60000000000001,110.2,true",
        "E06000023,3,3.2,-6.6000000000000005,13.0,false",
    ]
    drawn = chart.read_bytes()
    assert b"<path" in drawn
    assert b"<script" not in drawn
    assert b"href" not in drawn


def test_what_could_not_be_written_is_told_before_anything_is_charged(
    as_opcc: Run, broker: BrokerDouble, question: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert as_opcc("ask", question, "--out", "release.xlsx").exit_code == 4
    monkeypatch.setitem(__import__("sys").modules, "pygal", None)
    done = as_opcc("ask", question, "--chart", "chart.svg")
    assert (done.exit_code, "concordat[charts]" in done.stderr) == (4, True)
    assert not broker.seen


def test_releases_are_listed(as_opcc: Run, question: Path) -> None:
    as_opcc("ask", question)
    assert "release-3" in as_opcc("releases").stdout
    assert json.loads(as_opcc("releases", "--json").stdout)[0]["id"] == "release-3"


def test_budget_and_catalogue(as_opcc: Run, broker: BrokerDouble) -> None:
    told = as_opcc("budget").stdout
    assert "0.58 (4.9)" in told
    assert "client opcc-client" in told
    assert "0.13 (2.6)" in told
    assert "At the rate of the last four weeks opcc runs out on 2026-06-20." in told
    assert "all parties, this period runs out" not in told
    assert "2026-04-01 to 2026-04-30" in as_opcc("catalogue").stdout
    one = as_opcc("catalogue", "police-violence").stdout
    assert "as-is, force" in one
    assert "  group by: lad" in one
    broker.faults.append(("/datasets/police-violence", problem(404, "not_found", "no such dataset")))
    assert as_opcc("catalogue", "police-violence").exit_code == 3


def test_a_statement_of_a_month(as_opcc: Run) -> None:
    told = as_opcc("budget", "--statement", "2026-04").stdout
    assert "What was charged in 2026-04" in told
    assert "opcc-client" in told
    assert "all" in told
    assert json.loads(as_opcc("budget", "--statement", "2026-04", "--json").stdout)["month"] == "2026-04"


def test_quotas_are_listed_and_set(as_opcc: Run) -> None:
    assert "0.25" in as_opcc("quota", "list").stdout
    assert json.loads(as_opcc("quota", "set", "ann", "0.1", "--json").stdout)["set"] == "0.1"


def test_a_reservation_is_made_listed_drawn_on_and_given_up(as_opcc: Run, broker: BrokerDouble, question: Path) -> None:
    words = ("--purpose", "needs-assessment", "--dataset", "police-violence", "--until", "2026-04-30")
    assert "reservation-1" in as_opcc("reservation", "make", "0.1", *words).stdout
    assert "0.1" in as_opcc("reservation", "list").stdout
    held = broker.reserved["reservation-1"]
    assert (held["datasets"], held["until"]) == (["police-violence"], "2026-04-30")
    assert held["key"].startswith("reserve-")
    assert as_opcc("ask", question, "--reservation", "reservation-1").exit_code == 0
    asked = [seen.headers.get("concordat-reservation") for seen in broker.seen if seen.path.endswith("/aggregates")]
    assert asked == ["reservation-1"]
    assert "lapsed" in as_opcc("reservation", "give-up", "reservation-1").stdout


# --- connections


def test_a_lost_connection_ends_with_6_and_the_key_to_go_on_with(
    as_opcc: Run, broker: BrokerDouble, question: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.transport.Retry.wait", lambda *_: 0.0)
    broker.drops += ["/aggregates"] * 6
    done = as_opcc("ask", question)
    assert done.exit_code == 6
    key = broker.called("/aggregates")[0].headers["idempotency-key"]
    assert f"--idempotency-key {key}" in done.stderr


def test_without_a_token_the_key_of_the_party_signs_in(as_opcc: Run, broker: BrokerDouble) -> None:
    assert as_opcc("log", "search").exit_code == 0
    assert len(broker.called("/oauth/token")) == 1


def test_a_client_of_ones_own_by_options_or_environment(
    run: Run, broker: BrokerDouble, clients: Path, tmp_path: Path
) -> None:
    own = ("--broker", broker.base_url, "--state", tmp_path / "state", "--agreement", "avon")
    key = clients.parent / "keys" / "opcc.jwk"
    assert run("budget", *own, "--client", CLIENT, "--key", key).exit_code == 0
    assert run("budget", *own, CONCORDAT_CLIENT=CLIENT, CONCORDAT_KEY=str(key)).exit_code == 0
    assert run("budget", *own, CONCORDAT_TOKEN=SECRET).exit_code == 0
    assert run("budget", *own).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("budget",),
        ("budget", "--broker", "https://broker.example", "--client", "c"),
        ("budget", "--clients", "dev/clients.json"),
        ("budget", "--clients", "dev/clients.json", "--as", "nobody"),
        ("budget", "--broker", "https://b.example", "--client", "c", "--key", "dev/keys/opcc.jwk"),
    ],
)
def test_a_connection_that_lacks_something_is_wrong_usage(run: Run, clients: Path, words: tuple[str, ...]) -> None:
    assert clients.exists()
    assert run(*words).exit_code == 2


@pytest.mark.parametrize("text", ["{}", "[", '{"base_url": 1}'])
def test_a_clients_file_of_another_form_is_malformed(as_opcc: Run, clients: Path, text: str) -> None:
    clients.write_text(text)
    assert as_opcc("budget").exit_code == 4


def test_a_party_of_another_form_and_an_open_file_are_malformed(run: Run, clients: Path) -> None:
    assert run("budget", "--clients", clients, "--as", "broken").exit_code == 4
    clients.chmod(0o644)
    done = run("budget", "--clients", clients, "--as", "opcc")
    assert (done.exit_code, "file_open_to_others" in done.stderr) == (4, True)


def test_nothing_that_is_printed_holds_a_token(as_opcc: Run, broker: BrokerDouble, question: Path) -> None:
    told = [as_opcc("ask", question), as_opcc("budget", "--json")]
    broker.tokens.clear()  # now the double repeats the token in its problem
    told += [as_opcc("ask", question), as_opcc("budget", "--json"), as_opcc("log", "search")]
    assert [done.exit_code for done in told[:4]] == [0, 0, 3, 3]
    assert SECRET not in "".join(done.stdout + done.stderr for done in told)


def test_text_from_the_broker_cannot_move_the_cursor(as_opcc: Run, broker: BrokerDouble) -> None:
    broker.faults.append(("/budget", problem(403, "no", "\x1b[2J[bold]gone\u202e")))
    done = as_opcc("budget")
    assert "[bold]gone" in done.stderr
    assert "\x1b[2J" not in done.stderr
    assert "\u202e" not in done.stderr


# --- the log


def test_an_exported_log_is_verified_against_an_earlier_checkpoint(
    as_opcc: Run, run: Run, broker: BrokerDouble, question: Path
) -> None:
    broker.log.register()
    assert as_opcc("log", "checkpoint", "--out", "earlier.note").exit_code == 0
    as_opcc("push", "police-violence", question.with_name("q.csv"), *APRIL)
    exported = json.loads(as_opcc("log", "export", "log.ndjson", "--json").stdout)
    verify = ("log", "verify", "log.ndjson", "--key", exported["verifier_key"])
    done = run(*verify, "--checkpoint", "earlier.note")
    assert (done.exit_code, "The log holds." in done.stdout) == (0, True), done.stdout
    assert "No earlier checkpoint" in run(*verify).stdout


def test_a_changed_export_ends_with_5(as_opcc: Run, run: Run, broker: BrokerDouble, tmp_path: Path) -> None:
    as_opcc("log", "export", "log.ndjson")
    file = tmp_path / "log.ndjson"
    file.write_text(file.read_text().replace('"kind":"read"', '"kind":"asked"', 1))
    done = run("log", "verify", file, "--key", broker.log.vkey, "--json")
    assert done.exit_code == 5
    assert json.loads(done.stdout)["failures"][0]["code"] == "root_mismatch"
    assert json.loads(done.stderr)["error"]["code"] == "root_mismatch"


def test_charges_are_held_against_caps_that_are_known_elsewhere(
    as_opcc: Run, run: Run, broker: BrokerDouble, question: Path, tmp_path: Path
) -> None:
    as_opcc("ask", question)
    as_opcc("log", "export", "log.ndjson")
    caps = tmp_path / "caps.json"
    limits = {"period_rho_nano": 10**9, "lifetime_rho_nano": 10**9, "shares": {"opcc": 10**7}}
    caps.write_text(json.dumps({"avon": limits}))
    done = run("log", "verify", "log.ndjson", "--key", broker.log.vkey, "--caps", caps)
    assert done.exit_code == 5
    assert "overspent_share" in done.stdout
    assert "avon: rho 0.020000000" in done.stdout
    caps.write_text("[]")
    done = run("log", "verify", "log.ndjson", "--key", broker.log.vkey, "--caps", caps)
    assert "caps_malformed" in done.stderr


def test_what_is_no_checkpoint_or_key_ends_with_5(run: Run, broker: BrokerDouble, tmp_path: Path) -> None:
    (tmp_path / "log.ndjson").write_bytes(b"".join(broker.log.export()))
    for content in (b"\xff", b"?"):
        (tmp_path / "note").write_bytes(content)
        done = run("log", "verify", "log.ndjson", "--key", broker.log.vkey, "--checkpoint", "note")
        assert done.exit_code == 5
    assert run("log", "verify", "log.ndjson", "--key", "?").exit_code == 5
    assert run("log", "verify", "gone.ndjson", "--key", broker.log.vkey).exit_code == 4


def test_the_log_is_searched(as_opcc: Run, broker: BrokerDouble, question: Path) -> None:
    as_opcc("ask", question)
    done = as_opcc("log", "search", "--kind", "charged", "--limit", "1")
    assert "needs-assessment" in done.stdout
    assert "0.020000000" in done.stdout
    assert broker.called("/entries")[0].params == {"first": "0", "limit": "1", "kind": "charged"}


# --- agreements and keys


def example(tmp_path: Path, key: str | None = None) -> Path:
    """The worked agreement, with a real key for one of its parties."""
    text = (Path(__file__).parents[3] / "agreements" / "avon-somerset.yaml").read_text()
    file = tmp_path / "agreement.yaml"
    file.write_text(text.replace("placeholder-key-of-as-police_______________", key) if key else text)
    return file


def test_a_new_key_is_private_and_prints_only_what_is_public(run: Run, tmp_path: Path) -> None:
    done = run("key", "new", "police.jwk", "--json")
    private = json.loads((tmp_path / "police.jwk").read_text())
    assert json.loads(done.stdout)["x"] == private["x"]
    assert private["d"] not in done.stdout
    assert stat.S_IMODE((tmp_path / "police.jwk").stat().st_mode) == 0o600
    assert run("key", "new", "police.jwk").exit_code == 4
    assert "public key" in run("key", "new", "other.jwk").stdout


def test_an_agreement_is_signed_for_one_broker(run: Run, tmp_path: Path) -> None:
    public = new_key(tmp_path / "police.jwk")
    file = example(tmp_path, public["kid"])
    sign = ("agreement", "sign", file, "--key", "police.jwk", "--broker", "https://broker.example")
    done = run(*sign)
    assert done.exit_code == 0, done.stderr
    signed = json.loads(run(*sign, "--json").stdout)
    assert signed["signature"] == done.stdout.strip()
    digest = json.loads(run("agreement", "digest", file, "--json").stdout)["digest"]
    payload = {
        "type": "concordat/agreement-signature/v1",
        "broker": "https://broker.example",
        "agreement": "avon-somerset-serious-violence",
        "version": "1",
        "digest": digest,
    }
    key = jws.public_key({name: public[name] for name in ("kty", "crv", "x")})
    jws.verify(payload, done.stdout.strip(), key, typ="concordat-agreement-signature+jws")


def test_a_party_that_the_agreement_does_not_name_cannot_sign_it(run: Run, tmp_path: Path) -> None:
    new_key(tmp_path / "stranger.jwk")
    done = run("agreement", "sign", example(tmp_path), "--key", "stranger.jwk", "--broker", "https://b.example")
    assert (done.exit_code, "key_not_in_agreement" in done.stderr) == (4, True)


def test_the_worked_agreement_has_nothing_to_mend(run: Run, tmp_path: Path) -> None:
    done = run("agreement", "check", example(tmp_path), "--today", "2026-11-24")
    assert (done.exit_code, "No errors, no warnings" in done.stdout) == (0, True), done.stdout


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('version: "1"', "version: 1.5", "inexact_number"),
        ('version: "1"', 'version: ""', "invalid_document"),
        ('version: "1"', 'version: "1"\nsurplus: true', "invalid_document"),
        ('  lad-2025: "sha256:', '  lad-2026: "sha256:', "pin_unknown"),
        ('  lad-2025: "sha256:', "  # ", "pin_missing"),
        ('  lad-2025: "sha256:0', '  lad-2025: "sha256:1', "pin_differs"),
    ],
)
def test_a_finding_says_what_and_where(run: Run, tmp_path: Path, old: str, new: str, code: str) -> None:
    file = example(tmp_path)
    text = file.read_text()
    if code == "pin_differs":
        start = text.index('  lad-2025: "sha256:') + len('  lad-2025: "sha256:')
        text = text[:start] + ("0" if text[start] != "0" else "1") + text[start + 1 :]
    else:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)
    done = run("agreement", "check", file, "--json")
    assert done.exit_code == 4
    assert code in {finding["rule"] for finding in json.loads(done.stdout)["findings"]}
    new_key(tmp_path / "k.jwk")
    done = run("agreement", "sign", file, "--key", "k.jwk", "--broker", "https://b.example")
    assert "agreement_malformed" in done.stderr


def test_a_signature_is_handed_in_and_the_standing_shown(
    run: Run, as_opcc: Run, broker: BrokerDouble, tmp_path: Path
) -> None:
    file = example(tmp_path)
    text = file.read_text().replace("id: avon-somerset-serious-violence", "id: avon", 1)
    file.write_text(text)
    (tmp_path / "signature").write_text("header..signature\n")
    broker.signed_digest = json.loads(run("agreement", "digest", file, "--json").stdout)["digest"]
    done = as_opcc("agreement", "submit", file, "signature", "--out", "receipt.json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(broker.seen[-1].body) == {"signature": "header..signature"}
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert receipt["agreement"]["digest"] == broker.signed_digest
    assert REFERENCE.digest in as_opcc("agreement", "show").stdout
    file.write_text("- [")
    assert as_opcc("agreement", "submit", file, "signature").exit_code == 4
    assert as_opcc("agreement", "digest", file).exit_code == 2  # no broker is needed, so none is taken


def test_a_document_that_cannot_be_read_has_no_digest(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[")
    done = run("agreement", "digest", "a.json")
    assert (done.exit_code, "not_json" in done.stderr) == (4, True)


# --- preparing


def test_made_up_rows_are_the_same_for_the_same_seed(run: Run, tmp_path: Path) -> None:
    synth = ("synth", "--schema", "police-violence/v1", "--rows", "20", *APRIL, "--seed", "7", "--persons", "5")
    assert run(*synth, "--out", "a.csv").exit_code == 0
    done = run(*synth, "--out", "b.csv", "--json")
    assert json.loads(done.stdout)["rows"] == 20
    made = (tmp_path / "a.csv").read_bytes()
    assert made == (tmp_path / "b.csv").read_bytes()
    assert made.count(b"\r\n") == 21


def test_made_up_rows_take_a_schema_file_and_the_last_month(run: Run, tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[3] / "schemas/datasets/street-crime.v1.json", tmp_path / "s.json")
    assert run("synth", "--schema", "s.json", "--rows", "3", "--out", "a.csv").exit_code == 0
    assert run("synth", "--schema", "nothing/v1", "--rows", "3", "--out", "a.csv").exit_code == 4
    backwards = ("--from", "2026-04-02", "--to", "2026-04-01")
    assert run("synth", "--schema", "s.json", "--rows", "3", "--out", "a.csv", *backwards).exit_code == 2


def test_identifiers_become_pseudonyms(run: Run, tmp_path: Path) -> None:
    assert run("key", "new-pseudonym-key", "pseudonyms.key").exit_code == 0
    (tmp_path / "raw.csv").write_text("ref,lad\n12345,E06000022\n,E06000023\n")
    done = run(
        "pseudonymise", "raw.csv", "--out", "out.csv", "--key", "pseudonyms.key", "--agreement", "avon",
        "--id-column", "ref", "--id-type", "person-ref",
    )  # fmt: skip
    assert (done.exit_code, done.stdout) == (0, "out.csv: 2 rows, 1 of persons not known\n")
    (tmp_path / "raw.csv").write_text("nhs,lad\n1234567890,E06000022\n")
    done = run(
        "pseudonymise", "raw.csv", "--out", "out.csv", "--key", "pseudonyms.key", "--agreement", "avon",
        "--id-column", "nhs", "--id-type", "nhs-number",
    )  # fmt: skip
    assert "1 identifiers are not valid, in rows 2" in done.stdout
    assert "1234567890" not in done.stdout + done.stderr


def test_published_street_crime_is_mapped(run: Run, tmp_path: Path) -> None:
    (tmp_path / "lookup.csv").write_text("LSOA21CD,LADCD\nE01014370,E06000022\n")
    published = (
        "Crime ID,Month,LSOA code,Crime type,Last outcome category\n"
        "a,2026-04,E01014370,Violence and sexual offences,Under investigation\n"
        "b,2026-04,,Violence and sexual offences,Under investigation\n"
    )
    (tmp_path / "2026-04.csv").write_text(published)
    done = run("street", "2026-04.csv", "--lookup", "lookup.csv", "--out", "mapped")
    assert done.exit_code == 0, done.stderr
    assert "no_lsoa: 1 rows, 3" in done.stdout
    assert (tmp_path / "mapped" / "2026-04.csv").read_text().count("E06000022") == 1
    assert run("street", "2026-04.csv", "--lookup", "lookup.csv", "--out", ".").exit_code == 4


# --- the command itself


def test_installed_packages_add_commands_and_to_groups(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def register(app: typer.Typer) -> None:
        app.command("serve")(lambda: typer.echo("serving"))
        group(app, "log").command("prune")(lambda: typer.echo("pruned"))
        group(app, "client").command("add")(lambda: typer.echo("added"))

    monkeypatch.setattr(EntryPoint, "load", lambda self: register)
    app = cli.build([EntryPoint("service", "service.cli:register", cli.GROUP)])
    said = [CliRunner().invoke(app, words).stdout for words in (["serve"], ["log", "prune"], ["client", "add"])]
    assert said == ["serving\n", "pruned\n", "added\n"]
    assert "serve" not in run("--help").stdout


@pytest.mark.parametrize("missing", ["fastapi", "fastapi.routing", "service.cli"])
def test_a_package_that_is_not_installed_adds_nothing(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    def load(_: EntryPoint) -> None:
        raise ModuleNotFoundError(name=missing)

    monkeypatch.setattr(EntryPoint, "load", load)
    cli.build([EntryPoint("service", "service.cli:register", cli.GROUP)])


def test_a_fault_in_an_installed_package_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: EntryPoint) -> None:
        raise ModuleNotFoundError(name="service.misspelt")

    monkeypatch.setattr(EntryPoint, "load", load)
    with pytest.raises(ModuleNotFoundError):
        cli.build([EntryPoint("service", "service.cli:register", cli.GROUP)])


def failing(error: Exception) -> Result:
    app = cli.build(())

    @app.command("fail")
    def fail() -> None:
        raise error

    return CliRunner().invoke(app, ["fail"])


class ServiceError(Exception):
    code, detail = "over_budget", "the budget is spent"


@pytest.mark.parametrize(
    ("error", "exit_code", "told"),
    [
        (ServiceError(), 3, "over_budget"),
        (FileNotFoundError(2, "No such file", "x.csv"), 4, "x.csv: No such file"),
    ],
)
def test_other_packages_errors_end_alike(error: Exception, exit_code: int, told: str) -> None:
    done = failing(error)
    assert done.exit_code == exit_code
    assert told in done.stderr


@pytest.mark.parametrize("error", [RuntimeError("a fault of ours"), BrokenPipeError()])
def test_a_fault_of_our_own_is_not_dressed_up(error: Exception) -> None:
    done = failing(error)
    assert done.exit_code == 1


def test_the_installed_command_asks_a_broker(clients: Path, question: Path, tmp_path: Path) -> None:
    command = str(Path(sys.executable).with_name("concordat"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CONCORDAT_CLIENTS": str(clients)}
    words = (command, "ask", str(question), "--as", "opcc", "--json")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == "release-3"
    done = subprocess.run((command, "--version"), env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("concordat ")


def test_a_key_of_a_stranger_is_refused(run: Run, broker: BrokerDouble, tmp_path: Path) -> None:
    new_key(tmp_path / "stranger.jwk")
    broker.client_key = Ed25519PrivateKey.generate()
    broker.faults.append(("/oauth/token", problem(401, "invalid_client", "the client is not known here")))
    words = ("--broker", broker.base_url, "--client", "stranger", "--key", "stranger.jwk", "--agreement", "avon")
    done = run("budget", *words)
    assert (done.exit_code, "invalid_client" in done.stderr) == (3, True)
