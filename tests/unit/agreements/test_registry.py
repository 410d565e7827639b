"""Who may change what: registering, signing, suspending and ending, by guarantee.md section 4."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.agreement import SIGNATURE_TYPE, parse
from schemas.errors import DocumentError
from schemas.jws import public_jwk, sign, thumbprint
from service.agreements.registry import TERMINATION_TYPE, termination_payload
from service.agreements.standing import LIBRARIES, current, visible
from service.errors import Conflict, Forbidden, Malformed, NotFound
from service.identity.caller import Role
from tests.support.world import BROKER

AGREEMENT = "avon-somerset-serious-violence"
TODAY = date(2026, 11, 22)


def standing(world, day=TODAY):
    with world.store.read() as tx:
        try:
            return current(tx.agreements, AGREEMENT, day, BROKER).version
        except Forbidden as error:
            return error.code


def test_in_force_only_when_every_party_has_signed(world):
    value = world.document()
    parties = [party["id"] for party in value["parties"]]
    world.enrol(*parties)
    world.register(value)
    for party in parties:
        assert standing(world) == "agreement_not_signed"
        world.sign(value, party)
    assert standing(world) == 1


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (date(2026, 3, 31), "agreement_not_started"),
        (date(2027, 4, 1), "agreement_review_overdue"),
        (date(2028, 4, 1), "agreement_expired"),
    ],
)
def test_out_of_its_period_or_review_it_is_not_in_force(world, day, code):
    world.in_force()
    assert standing(world, day) == code


def test_a_party_that_is_not_enrolled_cannot_be_named(world):
    value = world.document()
    world.enrol(*[party["id"] for party in value["parties"]][1:])
    with pytest.raises(Forbidden) as caught:
        world.register(value, "bristol")
    assert caught.value.code == "party_not_enrolled"


def test_a_version_with_another_key_for_a_party_gets_nothing(world):
    value = world.document()
    world.enrol(*(party["id"] for party in value["parties"]))
    value["parties"][0]["key"] = thumbprint(public_jwk(Ed25519PrivateKey.generate().public_key()))
    with pytest.raises(Forbidden) as caught:
        world.register(value)
    assert caught.value.code == "key_not_pinned"


@pytest.mark.parametrize("name", ["police-violence/v1", "lad-2025", "age-sna", "gateways/v1"])
def test_a_pin_of_another_schema_code_list_hierarchy_or_gateway_table_gets_nothing(world, name):
    value = world.document(lambda value: value["pins"].update({name: "sha256:" + "0" * 64}))
    world.enrol(*(party["id"] for party in value["parties"]))
    with pytest.raises(Malformed) as caught:
        world.register(value)
    assert [(item.rule, item.column) for item in caught.value.findings] == [("changed_artefact", f"pins/{name}")]


@pytest.mark.parametrize("name", ["police-violence/v1", "lad-2025", "age-sna"])
def test_an_artefact_changed_after_signing_stops_the_agreement(world, name):
    value = world.in_force()
    with world.store.read() as tx:
        body = json.loads(tx.agreements.artefact(value["pins"][name]))
    body["title"] = "changed by the operator"
    LIBRARIES.clear()  # as after a restart: what was checked once is remembered by its digest

    class Changed:
        """The store of an operator who changed one artefact's body and left its digest."""

        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, attribute):
            return getattr(self._inner, attribute)

        def artefact(self, digest):
            return json.dumps(body) if digest == value["pins"][name] else self._inner.artefact(digest)

    with world.store.read() as tx, pytest.raises(Forbidden) as caught:
        current(Changed(tx.agreements), AGREEMENT, TODAY, BROKER)
    assert caught.value.code == "artefact_changed"


def test_a_signature_by_another_key_is_refused(world):
    value = world.document()
    world.enrol(*(party["id"] for party in value["parties"]))
    world.register(value)
    world.keys["bristol"] = Ed25519PrivateKey.generate()
    with pytest.raises(Forbidden) as caught:
        world.sign(value, "bristol")
    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize("part", ["broker", "agreement", "version", "digest", "type"])
def test_a_signature_over_another_type_broker_agreement_version_or_digest_is_refused(world, part):
    value = world.document()
    world.enrol(*(party["id"] for party in value["parties"]))
    world.register(value)
    with world.store.read() as tx:
        digest = tx.agreements.versions(AGREEMENT)[0].digest
    payload = {
        "type": "concordat/agreement-signature/v1",
        "broker": BROKER,
        "agreement": AGREEMENT,
        "version": "1",
        "digest": digest,
    }
    payload[part] = "another"
    signature = sign(payload, world.keys["bristol"], typ=SIGNATURE_TYPE)
    with world.store.write() as tx, pytest.raises(Forbidden):
        world.registry.sign(tx, world.caller("bristol"), AGREEMENT, 1, signature, world.now)


def test_another_partys_signature_does_not_count_for_the_caller(world):
    value = world.document()
    world.enrol(*(party["id"] for party in value["parties"]))
    world.register(value)
    signature = world.signature(value, "as-opcc")
    with world.store.write() as tx, pytest.raises(Forbidden):
        world.registry.sign(tx, world.caller("bristol"), AGREEMENT, 1, signature, world.now)


def test_a_next_version_needs_the_signatures_of_both_versions_parties(world):
    world.in_force()
    value = world.document(without_bristol)
    world.register(value)
    world.sign(value, *(party["id"] for party in value["parties"]))
    assert standing(world) == 1, "bristol, a party of version 1, has not signed"
    world.sign(value, "bristol")
    assert standing(world) == 2


def test_versions_come_one_after_another_and_never_change(world):
    value = world.in_force()
    with pytest.raises(Conflict):
        world.register(value)
    with pytest.raises(Conflict):
        world.register(world.document(lambda value: value.update(version="3")))


def test_a_new_version_cannot_move_the_budgets_anchor(world):
    world.in_force()

    def moved(value):
        value["version"] = "2"
        value["privacy"]["budget"]["from"] = "2026-11-01"

    with pytest.raises(Malformed) as caught:
        world.register(world.document(moved))
    assert caught.value.code == "anchor_moved"


def test_an_agreement_without_a_lifetime_cap_is_refused(world):
    with pytest.raises(DocumentError):
        parse(world.document(lambda value: value["privacy"].pop("lifetime")))


def test_only_a_steward_of_a_party_registers(world):
    value = world.document()
    world.enrol(*(party["id"] for party in value["parties"]), "stranger")
    for caller in (world.caller("as-opcc", Role.ANALYST), world.caller("stranger")):
        with world.store.write() as tx, pytest.raises(Forbidden):
            world.registry.register(tx, caller, value, parse(value), world.now)


def test_a_suppliers_ig_lead_suspends_at_once_and_its_party_alone_lifts_it(world):
    world.in_force()
    with world.store.write() as tx, pytest.raises(Forbidden):
        world.registry.suspend(tx, world.caller("as-opcc"), AGREEMENT, world.now)
    with world.store.write() as tx:
        world.registry.suspend(tx, world.caller("bri-ed", Role.IG_LEAD), AGREEMENT, world.now)
    assert standing(world) == "agreement_suspended"
    with world.store.write() as tx, pytest.raises(Conflict):
        world.registry.resume(tx, world.caller("as-police", Role.IG_LEAD), AGREEMENT, world.now)
    with world.store.write() as tx:
        world.registry.resume(tx, world.caller("bri-ed", Role.IG_LEAD), AGREEMENT, world.now)
    assert standing(world) == 1


def without_bristol(value):
    value["version"] = "2"
    value["parties"] = [party for party in value["parties"] if party["id"] != "bristol"]
    value["privacy"]["shares"].pop("bristol")
    for grant in value["grants"]:
        grant["to"] = [party for party in grant["to"] if party != "bristol"]
    value["grants"] = [grant for grant in value["grants"] if grant["to"]]


def test_a_party_left_out_cannot_undo_the_next_version_by_signing_an_older_one(world):
    """A draft of version 1 that bristol never signed is overtaken by version 2 without it."""
    value = world.document()
    world.enrol(*(party["id"] for party in value["parties"]))
    world.register(value)
    world.sign(value, *(party["id"] for party in value["parties"] if party["id"] != "bristol"))
    second = world.document(without_bristol)
    world.register(second)
    world.sign(second)
    assert standing(world) == 2
    with pytest.raises((Conflict, NotFound)):
        world.sign(value, "bristol")
    assert standing(world) == 2
    with world.store.read() as tx, pytest.raises(NotFound):
        visible(tx.agreements, AGREEMENT, TODAY, BROKER, "bristol")


def test_a_stranger_registers_no_version_of_an_agreement_in_force(world):
    world.in_force()
    world.enrol("stranger", kind="local-authority")

    def taken_over(value):
        value["version"] = "2"
        rename(value, "bristol", "stranger")
        for party in value["parties"]:
            party["key"] = thumbprint(public_jwk(world.keys[party["id"]].public_key()))

    value = world.document(taken_over)
    with pytest.raises(Forbidden) as caught:
        world.register(value, "stranger")
    assert caught.value.code == "not_a_party"


def rename(value, old, new):
    text = json.dumps(value).replace(f'"{old}"', f'"{new}"')
    value.clear()
    value.update(json.loads(text))


def test_an_unsigned_draft_binds_nobody(world):
    """Somebody else's draft under the same id neither fixes the anchor nor can be suspended or ended."""

    def squatted(value):
        value["privacy"]["budget"]["from"] = "1990-01-01"

    draft = world.document(squatted)
    world.enrol(*(party["id"] for party in draft["parties"]))
    world.register(draft)
    with world.store.write() as tx, pytest.raises(NotFound):
        world.registry.suspend(tx, world.caller("as-police", Role.IG_LEAD), AGREEMENT, world.now)
    value = world.document(lambda value: value.update(version="2"))
    world.register(value)
    world.sign(value)
    with world.store.read() as tx:
        assert current(tx.agreements, AGREEMENT, TODAY, BROKER).row.anchor == "2026-04-01"


def test_strangers_cannot_complete_a_version_over_another_partys_draft(world):
    value = world.document()
    world.enrol(*(party["id"] for party in value["parties"]), "stranger", kind="local-authority")
    world.register(value)

    def taken_over(value):
        value["version"] = "2"
        rename(value, "bristol", "stranger")
        for party in value["parties"]:
            party["key"] = thumbprint(public_jwk(world.keys[party["id"]].public_key()))

    with pytest.raises(Forbidden) as caught:
        world.register(world.document(taken_over), "stranger")
    assert caught.value.code == "not_a_party"


def test_a_datasets_name_does_not_pass_to_another_supplier(world):
    world.in_force()

    def moved(value):
        value["version"] = "2"
        value["datasets"]["ed-assaults"]["supplier"] = "as-police"

    with pytest.raises(Malformed) as caught:
        world.register(world.document(moved))
    assert caught.value.code == "dataset_moved"


def test_a_row_scope_names_a_closed_list_and_at_least_one_code(world):
    def unscoped(value):
        value["grants"][0]["rows"] = {"ladd": ["E06000023"]}

    value = world.document(unscoped)
    world.enrol(*(party["id"] for party in value["parties"]))
    with pytest.raises(Malformed):
        world.register(value)
    with pytest.raises(DocumentError):
        parse(world.document(lambda value: value["grants"][0].update(rows={"lad": []})))


def test_an_end_needs_a_suppliers_signed_confirmation(world):
    value = world.in_force()
    with world.store.read() as tx:
        digest = tx.agreements.versions(value["id"])[0].digest
    payload = termination_payload(AGREEMENT, digest, BROKER)
    caller = world.caller("as-police", Role.IG_LEAD)
    wrong = sign(payload, world.keys["bri-ed"], typ=TERMINATION_TYPE)
    with world.store.write() as tx, pytest.raises(Forbidden):
        world.registry.terminate(tx, caller, AGREEMENT, wrong, world.now)
    right = sign(payload, world.keys["as-police"], typ=TERMINATION_TYPE)
    with world.store.write() as tx:
        world.registry.terminate(tx, caller, AGREEMENT, right, world.now)
    assert standing(world) == "agreement_terminated"


def test_to_strangers_an_agreement_does_not_exist(world):
    world.in_force()
    with world.store.read() as tx, pytest.raises(NotFound):
        visible(tx.agreements, AGREEMENT, TODAY, BROKER, "stranger")


def test_each_step_is_in_the_log_with_the_caps_that_charges_are_held_against(world):
    value = world.in_force()
    parties = len(value["parties"])
    assert world.kinds() == ["enrolled"] * parties + ["registered"] + ["signed"] * parties
    with world.store.read() as tx:
        entry = json.loads(tx.log.entry(parties).entry)
    caps = entry["result"]["caps"]
    assert set(caps["shares"]) == set(value["privacy"]["shares"])
    assert 0 < caps["period_rho_nano"] < caps["lifetime_rho_nano"]


def test_a_day_later_everything_is_checked_again(world):
    world.in_force()
    assert standing(world, date(2027, 3, 31)) == 1
    assert standing(world, date(2027, 3, 31) + timedelta(days=1)) == "agreement_review_overdue"
