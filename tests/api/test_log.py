"""The log over HTTP and on disk: what is in it, what is never in it, and that no edit of its rows goes unseen."""

from __future__ import annotations

import json
import re
import sqlite3
import time

import httpx
import pytest

from connectors.logverify import verify_export
from connectors.tlog import open_checkpoint
from service.app import build, log_origin
from service.audit.log import Log
from service.audit.ports import SearchTerms
from service.settings import Settings
from service.storage.database import Database
from service.storage.keyfiles import signing_key
from service.storage.store import Store
from tests.support.server import count_request, start_process

BASE = "http://127.0.0.1"


def export(served, party="as-opcc"):
    time.sleep(0.15)
    with served.http(party, "ig-lead") as http:
        return http.get("/v1/audit/export").text.splitlines()


def vkey(served):
    return httpx.get(f"{served.clients['base_url']}/v1/keys").json()["log"]["verifier_key"]


def note(served):
    return httpx.get(f"{served.clients['base_url']}/v1/audit/checkpoint").text


def test_every_access_is_an_entry(filled):
    filled.ask(count_request(by=[{"field": "sex"}], where=[]), "l1")
    filled.ask(count_request(by=[{"field": "lsoa"}]), "l2")
    filled.preview(count_request())
    filled.ask(b"{", "l3")
    kinds = [item["entry"]["kind"] for item in filled.entries()]
    assert {"registered", "signed", "signed-in", "charged", "released", "refused", "previewed"} <= set(kinds)
    assert {"pushed"} <= {item["entry"]["kind"] for item in filled.entries("as-police")}
    refused = [item["entry"]["decision"]["code"] for item in filled.entries(kind="refused")]
    assert {"not_granted", "not_json"} <= set(refused)


def test_an_export_verifies_offline_from_a_remembered_checkpoint(filled):
    remembered = open_checkpoint(note(filled), vkey(filled))
    filled.ask(count_request(by=[{"field": "role"}], where=[]), "l4")
    report = verify_export(export(filled), vkey(filled), remembered)
    assert report.ok, report.failures
    assert report.anchored
    assert report.spent


@pytest.mark.parametrize("party", ["as-opcc", "as-police", "bristol"])
def test_every_partys_export_verifies_with_the_others_entries_as_leaves(filled, party):
    report = verify_export(export(filled, party), vkey(filled))
    assert report.ok, report.failures
    assert 0 < report.hidden < report.entries


def test_proofs_over_the_api_verify(filled):
    with filled.http("as-opcc", "ig-lead") as http:
        size = open_checkpoint(note(filled), vkey(filled)).size
        proof = http.get("/v1/audit/entries/3/proof", params={"size": size}).json()
        assert (proof["n"], proof["size"]) == (3, size)
        assert http.get("/v1/audit/entries/3/proof", params={"size": size + 1000}).status_code == 404
        assert http.get("/v1/audit/consistency", params={"from": 3, "to": size}).json()["hashes"]
        assert http.get("/v1/audit/consistency", params={"from": 5, "to": 3}).status_code == 422


def test_the_log_exports_as_csv_and_ndjson_and_pages(filled):
    with filled.http("as-opcc", "ig-lead") as http:
        page = http.get("/v1/audit/entries", params={"limit": 2}).json()
        assert len(page["entries"]) == 2
        following = http.get("/v1/audit/entries", params={"limit": 2, "first": page["next"]}).json()
        assert following["entries"][0]["n"] == page["next"]
        text = http.get("/v1/audit/entries", headers={"Accept": "text/csv"})
        lines = http.get("/v1/audit/entries", headers={"Accept": "application/x-ndjson"})
    assert text.text.startswith("n,time,kind,")
    assert all("entry" in json.loads(line) for line in lines.text.splitlines())


@pytest.fixture
def copied(filled, tmp_path):
    """A copy of the broker's database, as an operator could edit it, and a way to export from it."""
    time.sleep(0.15)
    source = sqlite3.connect(filled.state / "broker" / "concordat.db")
    copy = sqlite3.connect(tmp_path / "copy.db")
    source.backup(copy)
    source.close()

    def exported():
        copy.commit()
        key = signing_key(filled.state / "broker" / "keys" / "log.pem")
        database = Database(f"sqlite:///{tmp_path / 'copy.db'}")
        log = Log(Store(database), log_origin(filled.clients["issuer"]), key)
        lines = b"".join(log.export(SearchTerms())).decode().splitlines()
        database.close()
        return verify_export(lines, vkey(filled))

    yield copy, exported
    copy.close()


def drop_triggers(copy):
    for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        copy.execute(f"DROP TRIGGER {name}")


def test_an_untouched_copy_verifies(copied):
    _, exported = copied
    assert exported().ok


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_node SET hash = zeroblob(32)",
        "DELETE FROM log_node",
        "UPDATE log_content SET kind = 'x'",
        "DELETE FROM log_content",
        "INSERT OR REPLACE INTO log_node SELECT level, position, zeroblob(32) FROM log_node",
        "INSERT OR REPLACE INTO charge SELECT * FROM charge",
        "UPDATE account SET rho_nano = 0",
        "DELETE FROM account",
        "UPDATE agreement_signature SET jws = ''",
        "UPDATE log_checkpoint SET note = ''",
        "DELETE FROM log_checkpoint",
        "UPDATE charge SET rho_nano = 0",
        "DELETE FROM charge",
        "UPDATE release SET body = ''",
        "DELETE FROM release",
    ],
)
def test_the_database_refuses_to_update_or_delete_what_is_append_only(copied, statement):
    copy, _ = copied
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        copy.execute(statement)


EDITS = {
    "edited": "UPDATE log_content SET entry = replace(entry, 'time', 'tine') WHERE n = 20",
    "deleted": "DELETE FROM log_content WHERE n = 20",
    "a charge lowered": "UPDATE log_content SET entry = replace(entry, '\"rho_nano\":1', '\"rho_nano\":0')",
    "reordered": "UPDATE log_content SET n = CASE n WHEN 20 THEN 21 ELSE 20 END WHERE n IN (20, 21)",
    "a leaf replaced": "UPDATE log_node SET hash = zeroblob(32) WHERE level = 0 AND position = 20",
}


@pytest.mark.parametrize("name", EDITS)
def test_edited_deleted_or_reordered_log_rows_fail_verification(copied, name):
    copy, exported = copied
    drop_triggers(copy)
    if name == "reordered":
        rows = dict(copy.execute("SELECT n, entry FROM log_content WHERE n IN (20, 21)").fetchall())
        copy.execute("UPDATE log_content SET entry = ? WHERE n = 20", (rows[21],))
        copy.execute("UPDATE log_content SET entry = ? WHERE n = 21", (rows[20],))
    else:
        copy.execute(EDITS[name])
    if name == "deleted":  # and the ones after it moved up, so that no gap is seen
        copy.execute("UPDATE log_content SET n = n - 1 WHERE n > 20")
    if name == "a leaf replaced":
        copy.execute("DELETE FROM log_content WHERE n = 20")
    report = exported()
    assert not report.ok
    assert {failure.code for failure in report.failures} & {"root_mismatch", "line_malformed", "nonce_missing"}


def test_expunged_contents_leave_a_log_that_verifies(copied):
    copy, exported = copied
    drop_triggers(copy)
    copy.execute("DELETE FROM log_content WHERE n = 20")
    report = exported()
    assert report.ok
    assert report.hidden == 1


SECRETS = re.compile(
    r"(?<!sha256:)(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])|eyJ[\w-]+\.[\w-]+\.[\w-]+|PRIVATE KEY|943[ -]?476[ -]?5919"
)


def test_no_identifier_key_cell_value_or_token_in_any_log_or_error(tmp_path, extracts):
    """Drives a broker in a process of its own through everything that fails, and reads all that it said."""
    said = tmp_path / "said.txt"
    process = start_process(tmp_path, output=said)
    try:
        served = process.served
        body = extracts["police-violence"].read_bytes()
        marked = body.replace(b"violence-with-injury", b"943 476 5919 SECRET-CELL")
        answers = [
            served.push("as-police", "police-violence", marked),
            served.push("as-police", "police-violence", b"943 476 5919,SECRET-CELL\n1,2\n", "b"),
            served.push("as-police", "police-violence", body + b"SECRET-CELL\n", "c"),
            served.push("as-police", "police-violence", body, "d"),
            served.ask(count_request(where=[{"field": "lad", "in": ["SECRET-CELL"]}]), "e"),
            served.ask(count_request(where=[{"field": "secret_cell", "in": ["SECRET-CELL"]}]), "e2"),
            served.ask(count_request(purpose="943-476-5919"), "e3"),
            served.ask(count_request(dataset="943-476-5919"), "e4"),
            served.preview(count_request(by=[{"field": "secret_cell"}])),
            served.ask(count_request(reason="943 476 5919"), "f"),
            served.ask(json.dumps(count_request()).replace('"0.02"', '"SECRET-CELL"').encode(), "g"),
            served.ask(count_request(), "h"),
            httpx.get(f"{served.clients['base_url']}/v1/me", headers={"Authorization": "Bearer eyJhbGciOi.J9.SECRET"}),
        ]
        entries = json.dumps(served.entries("as-police") + served.entries("as-opcc"))
        # a decision names the caller's own words back to the caller, so it is no secret there
        errors = "".join(answer.text for answer in answers if answer.status_code in (401, 422))
        assert [answer.status_code for answer in answers] == [
                422, 422, 422, 201, 422, 403, 403, 403, 200, 422, 422, 200, 401,
            ]  # fmt: skip
    finally:
        process.kill()
    for text in (said.read_text(), entries, errors):
        assert "secret" not in text.lower()
        assert not SECRETS.search(text)
    control = sqlite3.connect(served.state / "broker" / "concordat.db")
    everything = "\n".join(
        str(row)
        for (table,) in control.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if table not in ("extract", "release", "agreement_signature")  # digests of files and signatures are theirs
        for row in control.execute(f'SELECT * FROM "{table}"')
    )
    control.close()
    assert not re.search(r"SECRET|PRIVATE KEY|943[ -]?476[ -]?5919", everything)


def test_a_broker_built_twice_on_one_state_is_the_same_log(tmp_path):
    settings = Settings(state=tmp_path, issuer=f"{BASE}:1")
    first = build(settings)
    first.log.checkpoint_now(first.clock())
    second = build(settings)
    assert first.keys == second.keys
    assert second.log.checkpoint() == first.log.checkpoint()
