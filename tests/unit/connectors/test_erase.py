"""Erasing from the agency's side: whom a list names, and that no receipt is trusted that is not for what was sent."""

import json
from typing import Any

import pytest

from connectors.client import Client
from connectors.errors import ClientError, LocalError, UnverifiedError
from connectors.persons import read_persons
from connectors.pseudonymise import Pseudonymiser
from schemas.erasure import MAX_PERSONS, Reach
from tests.unit.connectors.broker_double import BrokerDouble, Change

ANN, BOB = "a1" * 32, "b2" * 32
NHS = "943 476 5919"
MADE = Pseudonymiser(b"k" * 32, "avon")


def test_an_erasure_is_sent_with_its_reach_and_a_fresh_key_each_time(client: Client, broker: BrokerDouble) -> None:
    receipt = client.erase("avon", [ANN, BOB], "an objection")
    assert (receipt["persons"], receipt["reach"]) == (2, "own")
    client.erase("avon", [ANN, BOB], "an objection", reach=Reach.AGREEMENT)
    first, second = broker.called("/erasures")
    assert json.loads(first.body) == {"persons": [ANN, BOB], "reason": "an objection", "reach": "own"}
    assert json.loads(second.body)["reach"] == "agreement"
    keys = [seen.headers["idempotency-key"] for seen in (first, second)]
    assert len(set(keys)) == 2, "the same persons may have come back, and be erased again"
    assert not any(ANN in key for key in keys)


def test_a_lost_receipt_is_fetched_by_sending_the_erasure_again_with_the_same_key(
    client: Client, broker: BrokerDouble
) -> None:
    broker.drops.append("/erasures")
    client.erase("avon", [ANN], "an order")
    first, second = broker.called("/erasures")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body
    assert broker.kinds().count("erased") == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda receipt: receipt | {"persons": 2}, "bad_signature"),
        (lambda receipt: {"persons": 1}, "signature_missing"),
        (lambda _: [], "not_concordat"),
    ],
)
def test_a_tampered_receipt_is_refused(client: Client, broker: BrokerDouble, change: Change, code: str) -> None:
    broker.changes["erasure"] = change
    with pytest.raises(ClientError) as caught:
        client.erase("avon", [ANN], "an order")
    assert caught.value.code == code


@pytest.mark.parametrize("changes", [{"persons": 2}, {"reach": "agreement"}, {"agreement": {"id": "other"}}])
def test_a_receipt_for_something_else_is_refused(client: Client, broker: BrokerDouble, changes: dict[str, Any]) -> None:
    def change(receipt: dict[str, Any]) -> dict[str, Any]:
        payload = {name: value for name, value in receipt.items() if name != "signature"}
        return broker.signed(payload | changes, "concordat-erasure-receipt+jws")

    broker.changes["erasure"] = change
    with pytest.raises(UnverifiedError) as caught:
        client.erase("avon", [ANN], "an order")
    assert caught.value.code == "receipt_differs"


def test_a_list_names_each_person_once() -> None:
    found = read_persons([ANN, "", f"  {BOB} ", ANN])
    assert (found.pseudonyms, found.repeated) == ((ANN, BOB), 1)


def test_a_list_of_identifiers_becomes_the_pseudonyms_that_a_push_would_hold() -> None:
    found = read_persons([NHS, "9434765919"], MADE, "nhs-number")
    assert found.pseudonyms == (MADE.pseudonym(NHS, "nhs-number"),)
    assert found.repeated == 1


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([ANN, NHS, BOB, "x"], "2 lines are not pseudonyms, 64 lowercase hex digits: 2, 4"),
        ([ANN.upper()], "1 lines are not pseudonyms, 64 lowercase hex digits: 1"),
        (["x"] * 12, "12 lines are not pseudonyms, 64 lowercase hex digits: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ..."),
        (["", " "], "an erasure names 1 to 10000 persons, not 0"),
        ([f"{n:064x}" for n in range(MAX_PERSONS + 1)], "an erasure names 1 to 10000 persons, not 10001"),
    ],
)
def test_a_line_that_names_nobody_is_told_by_its_number_and_never_by_what_it_holds(lines: list[str], told: str) -> None:
    with pytest.raises(LocalError) as caught:
        read_persons(lines)
    assert (caught.value.code, caught.value.detail) == ("bad_persons", told)


def test_an_identifier_that_fails_its_check_is_told_by_its_line() -> None:
    with pytest.raises(LocalError) as caught:
        read_persons([NHS, "943 476 5918"], MADE, "nhs-number")
    assert caught.value.detail == "1 lines are not valid as nhs-number: 2"
