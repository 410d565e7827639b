"""The life of an agreement over HTTP: receipts of signatures, withdrawal, and the purge that a serving broker does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.answers import check_expiry, check_purge_receipt, check_receipt, check_signature_receipt
from connectors.client import Client
from connectors.errors import UnverifiedError
from connectors.sign_in import Token
from connectors.trust import BrokerKeys
from schemas import strict_yaml
from schemas.agreement import SIGNATURE_TYPE, signature_payload
from schemas.confirmations import TERMINATION_TYPE, WITHDRAWAL_TYPE, termination_payload, withdrawal_payload
from schemas.jws import public_key, sign, thumbprint
from service.api.broker import Broker
from service.storage.keyfiles import signing_key
from tests.support.lifecycle import GRACE, SUPPLIERS, small_extract
from tests.support.server import WORKED_EXAMPLE, Served, count_request, serve_here

ASKED = count_request(by=[{"field": "lad"}], where=[])


def keys_of(served: Served) -> BrokerKeys:
    assert served.broker is not None
    jwk = served.broker.keys["keys"][0]
    return BrokerKeys(served.broker.keys["log"]["verifier_key"], {thumbprint(jwk): public_key(jwk)})


def a_client(served: Served, party: str, role: str) -> Client:
    token = Token(served.clients["parties"][party]["tokens"][role])
    return Client(served.clients["base_url"], token, served.state / "client", issuer=served.clients["issuer"])


def signing_key_of(served: Served, party: str) -> Any:
    return signing_key(served.state / "keys" / f"{party}.signing.pem")


def confirmation(served: Served, party: str, typ: str) -> dict[str, str]:
    payload = {TERMINATION_TYPE: termination_payload, WITHDRAWAL_TYPE: withdrawal_payload}[typ]
    with served.http(party, "ig-lead") as http:
        digest = http.get(served.agreement).json()["digest"]
    value = payload(served.clients["agreement"]["id"], digest, served.clients["issuer"])
    return {"confirmation": sign(value, signing_key_of(served, party), typ=typ)}


def test_a_signature_is_answered_with_a_receipt_that_verifies_and_is_shown_to_all(served):
    value = strict_yaml.loads((served.state / "agreement.yaml").read_bytes()) | {"version": "2"}
    with served.http("as-police", "steward") as http:
        headers = {"Content-Type": "application/yaml"}
        made = http.post("/v1/agreements", content=strict_yaml.dumps(value), headers=headers).json()
    jws = sign(
        signature_payload(value, served.clients["issuer"]), signing_key_of(served, "bristol"), typ=SIGNATURE_TYPE
    )
    with served.http("bristol", "ig-lead") as http:
        answer = http.post(f"{served.agreement}/versions/2/signatures", json={"signature": jws})
    assert answer.status_code == 201
    receipt = answer.json()
    assert (receipt["party"], receipt["version"]) == ("bristol", "2")
    assert len(receipt["unsigned"]) == 11
    sent = {"agreement": value["id"], "version": "2", "signature": jws, "digest": made["digest"]}
    keys = keys_of(served)
    check_signature_receipt(receipt, sent, keys)
    for name, other in (("version", "3"), ("signature", jws + "x"), ("digest", "sha256:0"), ("agreement", "other")):
        with pytest.raises(UnverifiedError) as caught:
            check_signature_receipt(receipt, sent | {name: other}, keys)
        assert caught.value.code == "receipt_differs"
    with pytest.raises(UnverifiedError):
        check_signature_receipt(receipt | {"unsigned": []}, sent, keys)
    with pytest.raises(UnverifiedError):
        check_purge_receipt(receipt, value["id"], keys)
    entry = next(item["entry"] for item in served.entries(kind="signed") if item["n"] == receipt["audit"]["index"])
    assert (entry["caller"]["party"], entry["agreement"]["version"]) == ("bristol", "2")
    with served.http("as-opcc", "analyst") as http:
        shown = http.get(f"{served.agreement}/versions/2").json()["signatures"]
    assert [item["receipt"] for item in shown] == [receipt]


def test_a_withdrawal_stops_one_supplier_for_everyone_and_is_in_everyones_log(served):
    body = confirmation(served, "bri-ed", WITHDRAWAL_TYPE)
    ed = ASKED | {"dataset": "ed-assaults"}
    with served.http("bri-ed", "ig-lead") as http:
        url = f"{served.agreement}/withdrawal"
        assert http.post(url, json=confirmation(served, "as-police", WITHDRAWAL_TYPE)).json()["code"] == "bad_signature"
        answer = http.post(url, json=body)
        assert answer.status_code == 200
        assert answer.json()["standing"] == "withdrawn"
        assert http.post(url, json=body).json()["code"] == "already_withdrawn"
        refused = served.ask(ed, "ed")
        assert (refused.status_code, refused.json()["code"]) == (403, "supplier_withdrawn")
        assert refused.json()["decision"]["clauses"] == ["datasets/ed-assaults/supplier"]
        pushed = served.push("bri-ed", "ed-assaults", b"x")
        assert (pushed.status_code, pushed.json()["code"]) == (403, "supplier_withdrawn")
        assert served.ask(ASKED, "police").status_code == 200
        assert http.delete(url).json()["standing"] == "rescinded"
        assert http.delete(url).json()["code"] == "not_withdrawn"
    assert served.ask(ed, "ed").status_code == 200
    seen = [item["entry"]["kind"] for item in served.entries(party="bristol", role="ig-lead")]
    assert [kind for kind in seen if "withdraw" in kind] == ["party-withdrawn", "withdrawal-rescinded"]


@pytest.fixture
def ahead(tmp_path) -> Iterator[tuple[Served, Any]]:
    """A broker that purges every tenth of a second, by a clock that a test puts forward."""

    class Clock:
        shift = timedelta(0)

        def __call__(self) -> datetime:
            return datetime.now(UTC) + self.shift

    clock = Clock()

    def tune(broker: Broker) -> Broker:
        settings = replace(broker.settings, purge_every=timedelta(seconds=0.1))
        return replace(broker, purges=replace(broker.purges, clock=clock), settings=settings)

    with serve_here(tmp_path, tune=tune) as served:
        yield served, clock


def test_a_serving_broker_purges_by_itself_once_the_grace_is_over(ahead, tmp_path):
    served, clock = ahead
    extract = served.push("as-police", "police-violence", small_extract(tmp_path, "police-violence")).json()["extract"]
    with served.http("as-police", "ig-lead") as http:
        ended = http.post(f"{served.agreement}/termination", json=confirmation(served, "as-police", TERMINATION_TYPE))
        assert ended.status_code == 200
        due = datetime.fromisoformat(ended.json()["purge_due"])
        assert timedelta(0) <= datetime.now(UTC) + GRACE - due < timedelta(minutes=1)
        clock.shift = GRACE - timedelta(minutes=10)
        time.sleep(0.5)
        url = f"{served.agreement}/purge"
        assert http.get(url).status_code == 404
        lake = served.broker.settings.lake
        assert list(lake.rglob("*.parquet"))
        clock.shift = GRACE
        deadline = time.monotonic() + 10
        while http.get(url).status_code == 404 and time.monotonic() < deadline:
            time.sleep(0.05)
        receipt = http.get(url).json()
    check_purge_receipt(receipt, served.clients["agreement"]["id"], keys_of(served))
    assert receipt["datasets"] == [{"dataset": "police-violence", "extracts": [extract], "rows": 300}]
    assert not list(lake.rglob("*"))
    for party in SUPPLIERS[1:]:
        with served.http(party, "supplier") as http:
            assert http.get(url).json()["datasets"] == []
    with served.http("as-opcc", "ig-lead") as http:
        assert http.get(url).json()["code"] == "not_found"
        assert http.get(served.agreement).json()["standing"] == "agreement_purged"
    purged = served.entries(party="as-opcc", kind="purged")
    assert [item["entry"]["result"] for item in purged] == [{"reason": "terminated"}]
    assert served.ask(ASKED, "after").json()["code"] == "agreement_purged"


def test_a_serving_broker_removes_by_itself_what_is_kept_no_longer(tmp_path):
    value = strict_yaml.loads(WORKED_EXAMPLE.read_bytes())
    value["datasets"]["police-violence"]["keep"] = "P1D"
    agreement = tmp_path / "kept-a-day.yaml"
    agreement.write_text(strict_yaml.dumps(value))
    shift = [timedelta(0)]

    def tune(broker: Broker) -> Broker:
        settings = replace(broker.settings, purge_every=timedelta(seconds=0.1))
        retention = replace(broker.retention, clock=lambda: datetime.now(UTC) + shift[0])
        return replace(broker, retention=retention, settings=settings)

    with serve_here(tmp_path, agreement, tune=tune) as served:
        pushed = served.push("as-police", "police-violence", small_extract(tmp_path, "police-violence")).json()
        url = f"{served.agreement}/datasets/police-violence/extracts/{pushed['extract']}"
        lake = served.state / "broker" / "lake"
        with served.http("as-police", "supplier") as http:
            shown = http.get(url).json()
            kept_until = datetime.fromisoformat(shown["kept_until"])
            assert timedelta(days=1) < kept_until - datetime.fromisoformat(pushed["received"]) <= timedelta(days=2)
            assert served.ask(ASKED, "before").status_code == 200
            assert len(list(lake.rglob("*.parquet"))) == 1
            shift[0] = timedelta(days=2)
            deadline = time.monotonic() + 20
            while list(lake.rglob("*.parquet")) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not list(lake.rglob("*.parquet"))
            shown = http.get(url).json()
            assert shown["state"] == "expired"
            assert http.delete(url).json()["code"] == "not_withdrawable"
        with a_client(served, "as-police", "supplier") as client:
            agreement_id = served.clients["agreement"]["id"]
            assert client.expiry_receipt(agreement_id, "police-violence", pushed["extract"]) == shown["expiry"]
        keys = keys_of(served)
        check_expiry(shown["expiry"], "police-violence", pushed["extract"], keys)
        for other in (shown["expiry"] | {"rows": 1}, pushed):
            with pytest.raises(UnverifiedError):
                check_expiry(other, "police-violence", pushed["extract"], keys)
        sent = {"agreement": served.clients["agreement"]["id"], "digest": pushed["digest"]}
        check_receipt(pushed, sent, keys)
        with pytest.raises(UnverifiedError, match="expiry"):
            check_receipt(shown["expiry"], sent, keys)
        with served.http("bri-ed", "supplier") as http:
            assert http.get(url).status_code in (403, 404)
        expired = served.entries(party="as-police", kind="expired")
        assert [item["entry"]["result"]["extract"] for item in expired] == [pushed["extract"]]
        assert served.entries(party="bristol", kind="expired") == [], "a supplier's extracts are its own"
        again = served.ask(ASKED, "after")
        assert again.status_code == 200
        assert again.json()["data_versions"] != served.ask(ASKED, "before").json()["data_versions"]


def test_a_left_out_supplier_fetches_the_receipt_of_each_version_that_left_something_out(ahead, tmp_path):
    served, clock = ahead
    served.push("bri-ed", "ed-assaults", small_extract(tmp_path, "ed-assaults", 50))
    value = strict_yaml.loads((served.state / "agreement.yaml").read_bytes()) | {"version": "2"}
    everyone = [party["id"] for party in value["parties"]]
    value["parties"] = [party for party in value["parties"] if party["id"] != "bri-ed"]
    del value["datasets"]["ed-assaults"]
    value["grants"] = [grant for grant in value["grants"] if grant["dataset"] != "ed-assaults"]
    for grant in value["grants"]:
        grant["link"] = [name for name in grant.get("link", ()) if name != "ed-assaults"]
    with served.http("as-police", "steward") as http:
        headers = {"Content-Type": "application/yaml"}
        assert http.post("/v1/agreements", content=strict_yaml.dumps(value), headers=headers).status_code == 201
    for party in everyone:
        payload = signature_payload(value, served.clients["issuer"])
        jws = sign(payload, signing_key_of(served, party), typ=SIGNATURE_TYPE)
        with served.http(party, "ig-lead") as http:
            answer = http.post(f"{served.agreement}/versions/2/signatures", json={"signature": jws})
            assert answer.status_code == 201
    refused = served.ask(ASKED | {"dataset": "ed-assaults"}, "ed")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_granted")
    url = f"{served.agreement}/datasets/ed-assaults/extracts"
    with served.http("bri-ed", "supplier") as http:
        assert [item["state"] for item in http.get(url).json()["extracts"]] == ["committed"]
        clock.shift = GRACE
        deadline = time.monotonic() + 20
        while http.get(f"{served.agreement}/purge").status_code == 404 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [item["state"] for item in http.get(url).json()["extracts"]] == ["purged"]
        assert http.get(f"{served.agreement}/purge", params={"left_out_by": 3}).status_code == 404
    with a_client(served, "bri-ed", "supplier") as client:
        newest = client.purge_receipt(value["id"])
        assert client.purge_receipt(value["id"], "2") == newest
    assert (newest["reason"], newest["agreement"]["version"]) == ("left-out", "2")
    assert [item["rows"] for item in newest["datasets"]] == [50]
