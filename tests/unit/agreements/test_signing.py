"""Signatures of many arrive in any order, from separate machines, each with its receipt."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from schemas.canonical import digest_of
from schemas.jws import public_jwk, thumbprint
from service.agreements.receipts import of_signature
from service.agreements.standing import current
from service.errors import Conflict
from tests.support.world import BROKER, make_world

PARTIES = ("as-police", "bri-ed", "as-opcc", "bristol")
ORDERS = list(itertools.permutations(PARTIES))


def four_party_agreement(value, name):
    """Make the worked agreement one of four parties, under another id."""
    value["id"] = name
    value["parties"] = [party for party in value["parties"] if party["id"] in PARTIES]
    value["datasets"] = {name: value["datasets"][name] for name in ("police-violence", "ed-assaults")}
    value["grants"] = [
        grant
        | {
            "to": [party for party in grant["to"] if party in PARTIES],
            "link": [name for name in grant.get("link", []) if name in value["datasets"]],
        }
        for grant in value["grants"]
        if grant["dataset"] in value["datasets"] and set(grant["to"]) & set(PARTIES)
    ]
    value["privacy"]["shares"] = {party: "0.1" for party in value["privacy"]["shares"] if party in PARTIES}


def signed(world, value, party):
    """Sign as a machine of its own does: one transaction; return the receipt."""
    with world.store.write() as tx:
        made = world.registry.sign(tx, world.caller(party), value["id"], 1, world.signature(value, party), world.now)
    return of_signature(made, lambda _: "the broker's")


def in_force(world, value):
    with world.store.read() as tx:
        return current(tx.agreements, value["id"], world.now.date(), BROKER).version == 1


def check(world, value, receipts):
    """Whatever the order: one signature completed it, each was told who was left, and nothing signed has changed."""
    assert in_force(world, value)
    assert sorted(len(receipt["unsigned"]) for receipt in receipts) == [0, 1, 2, 3]
    for receipt in receipts:
        assert receipt["party"] not in receipt["unsigned"]
    assert len({receipt["agreement"]["digest"] for receipt in receipts}) == 1
    with world.store.read() as tx:
        assert [row.version for row in tx.agreements.completions(value["id"])] == [1]
        assert {row.party for row in tx.agreements.signatures(value["id"], 1)} == set(PARTIES)


def test_four_signatures_arrive_in_every_order_from_machines_of_their_own(tmp_path):
    world = make_world(tmp_path)
    machines = {party: make_world(tmp_path) for party in PARTIES}
    world.enrol(*PARTIES)
    values = []
    for number in range(len(ORDERS)):
        value = world.document(partial(four_party_agreement, name=f"order-{number}"))
        world.register(value)
        values.append(value)
    for machine in machines.values():
        machine.keys = world.keys

    def in_order(number):
        return [signed(machines[party], values[number], party) for party in ORDERS[number]]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(in_order, range(len(ORDERS))))
    for order, value, receipts in zip(ORDERS, values, made, strict=True):
        assert [receipt["party"] for receipt in receipts] == list(order)
        assert [len(receipt["unsigned"]) for receipt in receipts] == [3, 2, 1, 0]
        check(world, value, receipts)
    for held in (world, *machines.values()):
        held.database.close()


@pytest.mark.parametrize("attempt", range(3))
def test_four_signatures_that_arrive_at_once_are_all_taken(world, attempt):
    world.enrol(*PARTIES)
    value = world.document(lambda value: four_party_agreement(value, f"at-once-{attempt}"))
    world.register(value)
    start, receipts = threading.Barrier(4), []

    def sign(party):
        start.wait()
        receipts.append(signed(world, value, party))

    threads = [threading.Thread(target=sign, args=(party,)) for party in PARTIES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(world, value, receipts)


def test_a_receipt_says_what_was_signed_by_whom_when_and_where_the_log_tells_it(world):
    world.enrol(*PARTIES)
    value = world.document(lambda value: four_party_agreement(value, "told"))
    world.register(value)
    receipt = signed(world, value, "bristol")
    with world.store.read() as tx:
        version = tx.agreements.versions("told")[0]
        index = tx.log.size() - 1
    assert receipt == {
        "type": "concordat/signature-receipt/v1",
        "agreement": {"id": "told", "version": "1", "digest": version.digest},
        "version": "1",
        "party": "bristol",
        "key": thumbprint(public_jwk(world.keys["bristol"].public_key())),
        "signed": "2026-11-22T12:00:00.000Z",
        "signature_digest": digest_of(world.signature(value, "bristol").encode()),
        "unsigned": ["as-opcc", "as-police", "bri-ed"],
        "audit": {"index": index},
        "signature": "the broker's",
    }


def test_a_second_signature_changes_nothing(world):
    world.enrol(*PARTIES)
    value = world.document(lambda value: four_party_agreement(value, "twice"))
    world.register(value)
    signed(world, value, "bristol")
    with pytest.raises(Conflict) as caught:
        signed(world, value, "bristol")
    assert caught.value.code == "already_signed"
