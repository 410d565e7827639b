"""Keys that are rotated and revoked: what they can no longer do, and what they have done stays. Named by the attack."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, timedelta

import pytest
import sqlalchemy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.agreement import SIGNATURE_TYPE, signature_payload
from schemas.canonical import canonical
from schemas.confirmations import TERMINATION_TYPE, WITHDRAWAL_TYPE, termination_payload, withdrawal_payload
from schemas.jws import public_jwk, sign, thumbprint
from service.agreements.keys import revoke, rotate
from service.agreements.leaving import Leaving
from service.agreements.ports import PinnedKey
from service.agreements.registry import enrol
from service.agreements.revocation import Reason
from service.agreements.standing import current
from service.audit.ports import SearchTerms
from service.errors import Conflict, Forbidden, NotFound
from service.identity.caller import Caller, Role
from tests.support.world import BROKER

AGREEMENT = "avon-somerset-serious-violence"
TODAY = date(2026, 11, 22)


def standing(world):
    with world.store.read() as tx:
        try:
            return current(tx.agreements, AGREEMENT, TODAY, BROKER).version
        except Forbidden as error:
            return error.code


def pinned(party, key):
    jwk = public_jwk(key.public_key())
    return PinnedKey(party, thumbprint(jwk), canonical(jwk).decode())


def rotated(world, party):
    """Give a party a new key; return the old one."""
    old, new = world.keys[party], Ed25519PrivateKey.generate()
    with world.store.write() as tx:
        rotate(tx, pinned(party, new), BROKER, world.now)
    world.keys[party] = new
    return old


def revoked(world, party, reason=Reason.COMPROMISED):
    with world.store.write() as tx:
        revoke(tx, party, pinned(party, world.keys[party]).thumbprint, reason, BROKER, world.now)


def digest_of(world, version=1):
    with world.store.read() as tx:
        return next(row.digest for row in tx.agreements.versions(AGREEMENT) if row.version == version)


def begun(world, *signers, edit=lambda _: None):
    """Enrol everyone, and register a version that only some have signed."""
    value = world.document(edit)
    world.enrol(*(party["id"] for party in value["parties"]))
    world.register(value)
    for party in signers:
        world.sign(value, party)
    return value


# --- what a superseded or revoked key can no longer do


@pytest.mark.parametrize("stopped", [rotated, revoked])
def test_a_stolen_old_key_signs_no_version(world, stopped):
    value = begun(world)
    old = world.keys["bristol"]
    stopped(world, "bristol")
    signature = sign(signature_payload(value, BROKER), old, typ=SIGNATURE_TYPE)
    with world.store.write() as tx, pytest.raises(Forbidden) as caught:
        world.registry.sign(tx, world.caller("bristol"), AGREEMENT, 1, signature, world.now)
    assert caught.value.code == "key_not_pinned"


@pytest.mark.parametrize(("stopped", "code"), [(rotated, "bad_signature"), (revoked, "key_not_pinned")])
def test_a_stolen_old_key_ends_no_agreement(world, stopped, code):
    world.in_force()
    old = world.keys["as-police"]
    stopped(world, "as-police")
    payload = termination_payload(AGREEMENT, digest_of(world), BROKER)
    confirmation = sign(payload, old, typ=TERMINATION_TYPE)
    caller = world.caller("as-police", Role.IG_LEAD)
    with world.store.write() as tx, pytest.raises(Forbidden) as caught:
        world.registry.terminate(tx, caller, AGREEMENT, confirmation, world.now)
    assert caught.value.code == code
    assert standing(world) == 1


@pytest.mark.parametrize(("stopped", "code"), [(rotated, "bad_signature"), (revoked, "key_not_pinned")])
def test_a_stolen_old_key_withdraws_no_party(world, stopped, code):
    world.in_force()
    old = world.keys["as-police"]
    stopped(world, "as-police")
    jws = sign(withdrawal_payload(AGREEMENT, digest_of(world), BROKER), old, typ=WITHDRAWAL_TYPE)
    with world.store.write() as tx, pytest.raises(Forbidden) as caught:
        Leaving(BROKER).withdraw(tx, world.caller("as-police", Role.IG_LEAD), AGREEMENT, jws, world.now)
    assert caught.value.code == code


def test_a_signature_put_into_the_database_after_its_key_was_revoked_holds_nothing(world):
    """Whoever stole the key and can write the database dates its signature as it happens: it does not count."""
    value = begun(world, *["as-police", "bri-ed", "swasft", "bristol-education", "as-yjs", "as-opcc", "hub-it"])
    old = world.keys["bristol"]
    rotated(world, "bristol")
    jws = sign(signature_payload(value, BROKER), old, typ=SIGNATURE_TYPE)
    later = (world.now + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    with world.store.write() as tx:
        connection = tx.agreements._connection
        row = {"a": AGREEMENT, "j": jws, "t": pinned("bristol", old).thumbprint, "s": later}
        connection.execute(
            sqlalchemy.text("INSERT INTO agreement_signature VALUES (:a, 1, 'bristol', :j, :t, :s)"), row
        )
        signers = json.dumps(sorted(party["id"] for party in value["parties"]))
        completion = {"a": AGREEMENT, "s": signers, "t": later}
        connection.execute(sqlalchemy.text("INSERT INTO agreement_completion VALUES (:a, 1, :s, :t)"), completion)
    assert standing(world) == "agreement_not_signed"


def test_a_version_that_names_an_old_key_can_no_longer_be_signed_by_anyone(world):
    value = begun(world, "bri-ed", "as-police")
    rotated(world, "as-police")
    for party in ("bristol", "swasft"):
        with pytest.raises(Forbidden) as caught:
            world.sign(value, party)
        assert caught.value.code == "key_not_pinned"
        assert "register the next version" in caught.value.detail
    second = world.document(lambda value: value.update(version="2"))
    world.register(second)
    world.sign(second)
    assert standing(world) == 2


def test_a_document_that_names_an_old_key_is_not_registered(world):
    world.in_force()
    value = world.document(lambda value: value.update(version="2"))
    rotated(world, "bristol")
    with pytest.raises(Forbidden) as caught:
        world.register(value)
    assert caught.value.code == "key_not_pinned"
    assert standing(world) == 1


def without_bristol(value):
    value["version"] = "2"
    value["parties"] = [party for party in value["parties"] if party["id"] != "bristol"]
    value["privacy"]["shares"].pop("bristol")
    for grant in value["grants"]:
        grant["to"] = [party for party in grant["to"] if party != "bristol"]
    value["grants"] = [grant for grant in value["grants"] if grant["to"]]


def test_the_old_key_of_a_party_that_is_left_out_does_not_complete_the_next_version(world):
    """Bristol is of version 1 alone: version 2 needs its consent too, by the key that is pinned by then."""
    world.in_force()
    second = world.document(without_bristol)
    world.register(second)
    others = [party["id"] for party in second["parties"]]
    world.sign(second, "bristol", *others[:-1])
    rotated(world, "bristol")
    with pytest.raises(Forbidden) as caught:
        world.sign(second, others[-1])
    assert caught.value.code == "key_not_pinned"
    assert standing(world) == 1
    third = world.document(lambda value: without_bristol(value) or value.update(version="3"))
    world.register(third)
    world.sign(third, *others)
    assert standing(world) == 1, "bristol has not signed with its new key yet"
    world.sign(third, "bristol")
    assert standing(world) == 3


# --- what it has done stays


@pytest.mark.parametrize("stopped", [rotated, revoked])
def test_an_agreement_in_force_stays_in_force_whatever_becomes_of_the_keys(world, stopped):
    value = world.in_force()
    world.now += timedelta(days=1)
    for party in value["parties"]:
        stopped(world, party["id"])
    assert standing(world) == 1


def test_a_broker_whose_clock_is_behind_revokes_no_signature_that_was_taken(world):
    world.in_force()
    world.now -= timedelta(hours=1)
    rotated(world, "bristol")
    assert standing(world) == 1


def test_the_new_key_signs_ends_and_withdraws(world):
    world.in_force()
    rotated(world, "as-police")
    second = world.document(lambda value: value.update(version="2"))
    world.register(second)
    world.sign(second)
    assert standing(world) == 2
    caller, digest = world.caller("as-police", Role.IG_LEAD), digest_of(world, 2)
    jws = sign(withdrawal_payload(AGREEMENT, digest, BROKER), world.keys["as-police"], typ=WITHDRAWAL_TYPE)
    with world.store.write() as tx:
        Leaving(BROKER).withdraw(tx, caller, AGREEMENT, jws, world.now)
    jws = sign(termination_payload(AGREEMENT, digest, BROKER), world.keys["as-police"], typ=TERMINATION_TYPE)
    with world.store.write() as tx:
        world.registry.terminate(tx, caller, AGREEMENT, jws, world.now)
    assert standing(world) == "agreement_terminated"


# --- whose key it is


def test_a_key_of_one_party_is_never_pinned_for_another_nor_a_second_time(world):
    begun(world)
    old = rotated(world, "bristol")
    with world.store.write() as tx:
        for party, key in (("as-police", old), ("bristol", old), ("bristol", world.keys["as-police"])):
            with pytest.raises(Conflict) as caught:
                rotate(tx, pinned(party, key), BROKER, world.now)
            assert caught.value.code == "key_pinned"
        with pytest.raises(Conflict) as caught:
            enrol(tx, "newcomer", "n", "other", pinned("newcomer", old), world.now, Caller.nonce())
        assert caught.value.code == "key_pinned"


def test_a_party_without_a_pinned_key_is_not_enrolled_a_second_time(world):
    begun(world)
    revoked(world, "bristol")
    key = pinned("bristol", Ed25519PrivateKey.generate())
    with world.store.write() as tx, pytest.raises(Conflict) as caught:
        enrol(tx, "bristol", "b", "other", key, world.now, Caller.nonce())
    assert caught.value.code == "already_enrolled"
    rotated(world, "bristol")


def test_the_database_pins_one_key_a_party(world):
    begun(world)
    with pytest.raises(sqlalchemy.exc.IntegrityError), world.store.write() as tx:
        tx.agreements.pin(pinned("bristol", Ed25519PrivateKey.generate()), "2026-11-22T00:00:00.000Z")


def test_only_a_partys_own_key_is_revoked_and_once(world):
    begun(world)
    bristol = pinned("bristol", world.keys["bristol"]).thumbprint
    with world.store.write() as tx:
        for party in ("as-police", "nobody"):
            with pytest.raises(NotFound):
                revoke(tx, party, bristol, Reason.COMPROMISED, BROKER, world.now)
        with pytest.raises(NotFound):
            rotate(tx, pinned("nobody", Ed25519PrivateKey.generate()), BROKER, world.now)
    revoked(world, "bristol", Reason.SUPERSEDED)
    with pytest.raises(Conflict) as caught:
        revoked(world, "bristol", Reason.SUPERSEDED)
    assert caught.value.code == "already_revoked"
    with world.store.read() as tx:
        before = tx.agreements.key(bristol)
    world.now += timedelta(days=1)
    revoked(world, "bristol", Reason.COMPROMISED)
    with world.store.read() as tx:
        assert tx.agreements.key(bristol) == dataclasses.replace(before, revoked_for="compromised")


# --- who learns of it


def test_each_partner_sees_in_the_log_that_a_key_was_rotated_or_revoked(world):
    world.in_force()
    old = pinned("bristol", world.keys["bristol"]).thumbprint
    rotated(world, "bristol")
    revoked(world, "bristol")
    with world.store.read() as tx:
        entries = [json.loads(tx.log.entry(n).entry) for n in range(tx.log.size())]
    rotation, revocation = entries[-2:]
    assert (rotation["kind"], revocation["kind"]) == ("key-rotated", "key-revoked")
    assert rotation["agreement"]["id"] == revocation["agreement"]["id"] == AGREEMENT
    new = pinned("bristol", world.keys["bristol"]).thumbprint
    assert rotation["result"] == {"party": "bristol", "thumbprint": new, "replaced": old}
    assert revocation["result"] == {"party": "bristol", "thumbprint": new, "reason": "compromised"}
    partner = SearchTerms(limit=1000, visible_to="as-police", visible_agreements=(AGREEMENT,))
    with world.store.read() as tx:
        seen = [json.loads(item.entry)["kind"] for item in tx.log.search(partner, tx.log.size())]
    assert seen[-2:] == ["key-rotated", "key-revoked"]


def test_the_rotation_of_a_party_without_agreements_is_logged_all_the_same(world):
    world.enrol("alone")
    rotated(world, "alone")
    assert world.kinds() == ["enrolled", "key-rotated"]
