"""A push is idempotent, streams its file, and trusts no receipt that is not for what was sent."""

import hashlib
import tracemalloc
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors import upload
from connectors.client import Client
from connectors.errors import GoneError, LocalError, ProblemError, UnreachableError, UnverifiedError
from connectors.upload import Extract
from tests.unit.connectors.broker_double import REFERENCE, BrokerDouble, Change
from tests.unit.connectors.conftest import Connect

APRIL = (date(2026, 4, 1), date(2026, 4, 30))


@pytest.fixture
def extract(tmp_path: Path) -> Extract:
    file = tmp_path / "april.csv"
    file.write_text("person,lad\na,E06000022\nb,E06000023\n")
    return Extract("police-violence", file, APRIL)


def test_a_push_says_what_it_is_and_gets_a_receipt(client: Client, broker: BrokerDouble, extract: Extract) -> None:
    receipt = client.push("avon", extract)
    assert (receipt.rows, receipt.persons, receipt.extract) == (2, 2, "extract-3")
    (seen,) = broker.called("/extracts")
    assert seen.body == extract.path.read_bytes()
    assert seen.params == {"from": "2026-04-01", "to": "2026-04-30"}
    assert seen.headers["content-type"] == "text/csv"
    assert seen.headers["content-length"] == str(len(seen.body))
    assert seen.headers["concordat-agreement-digest"] == REFERENCE.digest
    assert receipt.receipt["digest"] == "sha256:" + hashlib.sha256(seen.body).hexdigest()


def test_progress_is_told_while_digesting_and_sending(client: Client, extract: Extract) -> None:
    told: list[tuple[str, int, int]] = []
    client.push("avon", extract, progress=lambda phase, done, total: told.append((phase, done, total)))
    size = extract.path.stat().st_size
    assert told == [("digest", size, size), ("send", 0, size), ("send", size, size)]


def test_the_same_push_again_is_a_replay(client: Client, broker: BrokerDouble, extract: Extract) -> None:
    first = client.push("avon", extract)
    assert client.push("avon", extract) == first
    assert broker.kinds().count("pushed") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "other"},
        {"covers": (date(2026, 4, 1), date(2026, 4, 29))},
        {"replaces": "extract-1"},
    ],
)
def test_another_push_of_the_same_file_has_another_key(
    client: Client, extract: Extract, change: dict[str, Any]
) -> None:
    first, second = client.push("avon", extract), client.push("avon", replace(extract, **change))
    assert first.idempotency_key != second.idempotency_key


def test_a_lost_receipt_is_fetched_by_sending_the_file_again_with_the_same_key(
    client: Client, broker: BrokerDouble, extract: Extract
) -> None:
    broker.drops.append("/extracts")
    client.push("avon", extract)
    first, second = broker.called("/extracts")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


def test_a_refused_file_says_which_rules_it_breaks(client: Client, extract: Extract) -> None:
    extract.path.write_text("person,lad\na,bad\n")
    with pytest.raises(ProblemError) as caught:
        client.push("avon", extract)
    assert caught.value.status == 422
    assert caught.value.errors[0]["rule"] == "not_in_list"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda receipt: receipt | {"rows": 1}, "bad_signature"),
        (lambda receipt: {"rows": receipt["rows"]}, "signature_missing"),
        (lambda _: [], "receipt_malformed"),
    ],
)
def test_a_tampered_receipt_is_refused(
    client: Client, broker: BrokerDouble, extract: Extract, change: Change, code: str
) -> None:
    broker.changes["receipt"] = change
    with pytest.raises(UnverifiedError) as caught:
        client.push("avon", extract)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "sha256:" + "0" * 64},
        {"dataset": "other"},
        {"agreement": {"id": "other"}},
        {"agreement": None},
        {"covers": {"from": "2026-04-01", "to": "2026-05-30"}},
    ],
)
def test_a_receipt_for_something_else_is_refused(
    client: Client, broker: BrokerDouble, extract: Extract, changes: dict[str, Any]
) -> None:
    def change(receipt: dict[str, Any]) -> dict[str, Any]:
        payload = {name: value for name, value in receipt.items() if name != "signature"}
        return broker.signed(payload | changes, "concordat-receipt+jws")

    broker.changes["receipt"] = change
    with pytest.raises(UnverifiedError) as caught:
        client.push("avon", extract)
    assert caught.value.code == "receipt_differs"


def test_the_agreement_known_at_the_first_push_is_named_at_the_next(
    client: Client, broker: BrokerDouble, connect: Connect, extract: Extract
) -> None:
    client.push("avon", extract)
    connect().push("avon", extract)
    assert len(broker.called("/v1/agreements/avon")) == 1


def test_a_version_that_the_supplier_does_not_know_is_not_pushed_to(
    client: Client, extract: Extract, connect: Connect
) -> None:
    with pytest.raises(ProblemError) as caught:
        client.push("avon", extract, agreement_digest="sha256:" + "1" * 64)
    assert caught.value.code == "agreement_changed"
    connect().push("avon", extract)


def test_a_digest_that_is_not_the_documents_is_not_taken_over(
    client: Client, broker: BrokerDouble, extract: Extract
) -> None:
    broker.changes["agreement"] = lambda shown: shown | {"digest": "sha256:" + "1" * 64}
    with pytest.raises(UnverifiedError) as caught:
        client.push("avon", extract)
    assert caught.value.code == "agreement_digest_differs"


def test_a_damaged_memory_of_the_agreement_is_told(client: Client, extract: Extract, tmp_path: Path) -> None:
    client.push("avon", extract)
    (known,) = (tmp_path / "state").glob("agreement-*.digest")
    known.write_text("?")
    with pytest.raises(LocalError) as caught:
        client.push("avon", extract)
    assert caught.value.code == "store_damaged"


@pytest.mark.parametrize("content", [b"person,lad\n", b"person,lad\n" * 100])
def test_a_file_that_grows_or_shrinks_meanwhile_is_not_taken(
    client: Client, broker: BrokerDouble, extract: Extract, content: bytes
) -> None:
    client.keys()

    def change(phase: str, done: int, total: int) -> None:
        if phase == "send" and done == 0:
            extract.path.write_bytes(content)

    with pytest.raises(LocalError) as caught:
        client.push("avon", extract, progress=change)
    assert caught.value.code == "file_changed"
    assert "pushed" not in broker.kinds()


@pytest.mark.parametrize(("name", "code"), [("gone.csv", "file_unreadable"), ("april.xlsx", "format_unknown")])
def test_a_file_that_cannot_be_pushed_is_told_before_anything_is_sent(
    client: Client, broker: BrokerDouble, tmp_path: Path, name: str, code: str
) -> None:
    with pytest.raises(LocalError) as caught:
        client.push("avon", Extract("police-violence", tmp_path / name, APRIL))
    assert caught.value.code == code
    assert not broker.seen


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    with file.open("wb") as out:
        out.truncate(64 * 1024 * 1024)
    tracemalloc.start()
    made = upload.read_upload(Extract("d", file, APRIL), upload.no_progress)
    sent = sum(map(len, made.body(upload.no_progress)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent == 64 * 1024 * 1024
    assert peak < 4 * 1024 * 1024


def test_an_extract_is_withdrawn_by_its_id(client: Client, broker: BrokerDouble) -> None:
    assert client.withdraw("avon", "police-violence", "extract 1")["extract"] == "extract 1"
    assert broker.seen[-1].method == "DELETE"
    with pytest.raises(LocalError):
        client.withdraw("avon", "police-violence", "..")


def test_a_broker_that_shows_no_agreement_is_none(client: Client, broker: BrokerDouble, extract: Extract) -> None:
    broker.changes["agreement"] = lambda _: []
    with pytest.raises(UnreachableError) as caught:
        client.push("avon", extract)
    assert caught.value.code == "not_concordat"


def unsigned(receipt: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in receipt.items() if name != "signature"}


@pytest.mark.parametrize("changes", [{"extract": "another"}, {"dataset": "another"}, {"withdrawn": None}])
def test_a_withdrawal_is_believed_by_its_receipt_alone(
    client: Client, broker: BrokerDouble, changes: dict[str, Any]
) -> None:
    broker.changes["withdrawal"] = lambda told: told | changes
    with pytest.raises(UnverifiedError) as caught:
        client.withdraw("avon", "police-violence", "extract-1")
    assert caught.value.code == "bad_signature"
    broker.changes["withdrawal"] = lambda told: broker.signed(unsigned(told) | changes, "concordat-receipt+jws")
    with pytest.raises(UnverifiedError) as caught:
        client.withdraw("avon", "police-violence", "extract-1")
    assert caught.value.code == "receipt_differs"


def test_a_withdrawals_receipt_does_not_pass_for_a_pushs(
    client: Client, broker: BrokerDouble, extract: Extract
) -> None:
    told = {"withdrawn": "2026-05-02T00:00:00.000Z"}
    broker.changes["receipt"] = lambda made: broker.signed(unsigned(made) | told, "concordat-receipt+jws")
    with pytest.raises(UnverifiedError) as caught:
        client.push("avon", extract)
    assert caught.value.code == "receipt_differs"


def test_pushing_what_was_withdrawn_is_not_mistaken_for_success(client: Client, extract: Extract) -> None:
    first = client.push("avon", extract)
    client.withdraw("avon", "police-violence", first.extract)
    with pytest.raises(GoneError):
        client.push("avon", extract)
    again = client.push("avon", extract, idempotency_key="again")
    assert again.extract != first.extract
    states = [item["state"] for item in client.extracts("avon", "police-violence")]
    assert states == ["withdrawn", "committed"]
