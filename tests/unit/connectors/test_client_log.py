"""Reading the log through the client, and taking it away to verify it offline."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.responses import Response

from connectors.client import Client
from connectors.errors import LocalError, UnreachableError
from connectors.logverify import verify_export
from connectors.sign_in import Token
from tests.unit.connectors.broker_double import REQUEST, BrokerDouble


def test_entries_are_paged_through_to_the_end(client: Client, broker: BrokerDouble) -> None:
    for _ in range(5):
        broker.log.append("refused")
    assert [item["n"] for item in client.entries(page=2)] == list(range(8))
    assert [item["n"] for item in client.entries(kind="refused", page=2)] == [3, 4, 5, 6, 7]
    assert [item["n"] for item in client.entries(first=6)] == [6, 7]
    assert broker.called("/entries")[0].params == {"first": "0", "limit": "2"}


@pytest.mark.parametrize(
    "answer", [b'{"entries": [], "next": 0}', b'{"next": null}', b'{"entries": [1], "next": null}']
)
def test_pages_that_lead_nowhere_are_refused(client: Client, broker: BrokerDouble, answer: bytes) -> None:
    broker.faults.append(("/entries", Response(answer)))
    with pytest.raises(UnreachableError):
        list(client.entries())


def test_an_exported_log_verifies_offline(client: Client, broker: BrokerDouble, tmp_path: Path) -> None:
    client.ask("avon", REQUEST)
    told: list[Any] = []
    file = tmp_path / "log.ndjson"
    remembered = client.export_log(file, progress=lambda *step: told.append(step))
    with file.open("rb") as lines:
        report = verify_export(lines, broker.log.vkey, remembered)
    assert [failure.code for failure in report.failures] == ["caps_unknown"]
    assert report.entries == 5
    assert told[-1] == ("receive", file.stat().st_size, 0)


def test_an_export_that_breaks_off_leaves_no_file(client: Client, broker: BrokerDouble, tmp_path: Path) -> None:
    client.checkpoint()
    broker.drops.append("/export")
    with pytest.raises(UnreachableError):
        client.export_log(tmp_path / "log.ndjson")
    assert not (tmp_path / "log.ndjson").exists()


def test_any_entry_can_be_proven(client: Client, broker: BrokerDouble) -> None:
    assert client.proof(1).entry == broker.log.entries[1].as_dict()


def test_a_listing_without_releases_is_none(client: Client, broker: BrokerDouble) -> None:
    broker.faults.append(("/releases", Response(b"{}")))
    with pytest.raises(UnreachableError):
        client.releases("avon")


def test_the_catalogue_tells_what_the_caller_may_do(client: Client) -> None:
    assert client.catalogue("avon")["datasets"][0]["you_may"]["push"] is True


def test_who_i_am_and_what_i_may_register(client: Client, broker: BrokerDouble) -> None:
    assert client.me()["party"] == "opcc"
    assert client.register(b"id: avon\n")["bytes"] == 9
    assert broker.seen[-1].headers["content-type"] == "application/yaml"
    assert client.agreement("avon", "1")["digest"].startswith("sha256:")


def test_a_client_closes_only_what_it_opened(broker: BrokerDouble, tmp_path: Path) -> None:
    http = httpx.Client()
    token = Token(broker.issue())
    with Client("http://broker.example", token, tmp_path, http=http):
        pass
    assert not http.is_closed
    http.close()
    with Client(broker.base_url, token, tmp_path) as client:
        client.budget("avon")
    with pytest.raises(RuntimeError):
        client.budget("avon")


def test_an_address_that_no_url_can_hold_is_told(broker: BrokerDouble, tmp_path: Path) -> None:
    with httpx.Client() as http, pytest.raises(LocalError) as caught:
        Client("http://[", Token(broker.issue()), tmp_path, http=http).budget("avon")
    assert caught.value.code == "url_malformed"
