"""A party is what it was enrolled as, whatever a document calls it. Named by the attack."""

from __future__ import annotations

import json
from datetime import date

import pytest

from schemas.agreement import parse
from service.agreements.enrolment import correct
from service.agreements.ports import Enrolment
from service.agreements.standing import current
from service.audit.ports import SearchTerms
from service.errors import Conflict, Forbidden, Malformed, NotFound
from tests.support.world import BROKER

AGREEMENT = "avon-somerset-serious-violence"
TODAY = date(2026, 11, 22)


def calls_itself(value, party, kind):
    """Have the document give a party another kind."""
    for said in value["parties"]:
        if said["id"] == party:
            said["kind"] = kind
    return value


def corrected(world, party, name=None, kind=None):
    with world.store.write() as tx:
        return correct(tx, party, name, kind, BROKER, world.now)


def drafted(world):
    """Enrol everyone as what the worked agreement says, and return it."""
    value = world.document()
    world.enrol(*(party["id"] for party in value["parties"]))
    return value


def entries(world):
    with world.store.read() as tx:
        return [json.loads(tx.log.entry(n).entry) for n in range(tx.log.size())]


def in_force(world):
    with world.store.read() as tx:
        try:
            return current(tx.agreements, AGREEMENT, TODAY, BROKER).version
        except Forbidden as error:
            return error.code


def test_a_party_that_calls_itself_another_kind_in_the_document_gets_nothing(world):
    value = calls_itself(drafted(world), "bri-ed", "police")
    index = next(at for at, party in enumerate(value["parties"]) if party["id"] == "bri-ed")
    with pytest.raises(Malformed) as caught:
        world.register(value, "bri-ed")
    assert caught.value.code == "other_party"
    (found,) = caught.value.findings
    assert found.column == f"parties/{index}/kind"
    assert "bri-ed is enrolled as health" in found.detail
    assert "concordat party correct bri-ed --kind police" in found.detail
    with world.store.read() as tx:
        assert tx.agreements.agreements() == []


def test_nor_does_another_party_that_a_document_calls_another_kind(world):
    value = calls_itself(drafted(world), "bristol", "local-policing-body")
    with pytest.raises(Malformed) as caught:
        world.register(value, "as-police")
    assert [item.rule for item in caught.value.findings] == ["other_party"]


def test_a_later_version_cannot_change_a_kind_either(world):
    value = world.in_force()
    later = calls_itself(value | {"version": "2"}, "bri-ed", "police")
    with pytest.raises(Malformed):
        world.register(later)
    assert in_force(world) == 1


def test_once_the_operator_has_corrected_the_kind_the_document_has_to_say_it(world):
    value = drafted(world)
    assert corrected(world, "bri-ed", kind="social-care").kind == "social-care"
    with pytest.raises(Malformed):
        world.register(value)
    world.register(calls_itself(value, "bri-ed", "social-care"))


def test_a_version_that_is_being_signed_is_signed_no_further_once_a_kind_was_corrected(world):
    value = drafted(world)
    world.register(value)
    world.sign(value, "as-police")
    corrected(world, "bri-ed", kind="social-care")
    for party in ("bri-ed", "bristol"):
        with pytest.raises(Malformed) as caught:
            world.sign(value, party)
        assert caught.value.code == "other_party"
    later = calls_itself(value | {"version": "2"}, "bri-ed", "social-care")
    world.register(later)
    world.sign(later)
    assert in_force(world) == 2


def test_an_agreement_in_force_stays_so_when_a_kind_is_corrected(world):
    world.in_force()
    corrected(world, "bri-ed", kind="social-care")
    assert in_force(world) == 1


def test_another_name_is_told_to_all_parties_and_not_refused(world):
    value = drafted(world)
    corrected(world, "bristol", name="City and County of Bristol")
    world.register(value)
    registered = entries(world)[-1]
    assert registered["kind"] == "registered"
    assert registered["result"]["named_otherwise"] == ["bristol"]


def test_a_document_that_says_what_was_enrolled_is_told_so(world):
    world.register(drafted(world))
    assert entries(world)[-1]["result"]["named_otherwise"] == []


def test_each_partner_sees_in_the_log_what_was_enrolled_and_that_it_was_corrected(world):
    world.in_force()
    corrected(world, "bri-ed", "Bristol Royal Infirmary", "social-care")
    enrolled = next(entry for entry in entries(world) if entry["result"].get("party") == "bri-ed")
    assert enrolled["result"]["kind"] == "health"
    correction = entries(world)[-1]
    assert (correction["kind"], correction["agreement"]["id"]) == ("party-corrected", AGREEMENT)
    assert correction["caller"]["client"] == "operator"
    assert correction["result"] == {"party": "bri-ed", "kind": "social-care", "replaced": "health", "renamed": True}
    partner = SearchTerms(limit=1000, visible_to="as-police", visible_agreements=(AGREEMENT,))
    with world.store.read() as tx:
        seen = [json.loads(item.entry)["kind"] for item in tx.log.search(partner, tx.log.size())]
    assert seen[-1] == "party-corrected"


def test_what_is_not_there_or_not_new_is_not_corrected(world):
    world.enrol("alone")
    with pytest.raises(NotFound) as caught:
        corrected(world, "nobody", kind="police")
    assert caught.value.code == "party_not_enrolled"
    for name, kind in ((None, None), ("alone", "other")):
        with pytest.raises(Conflict) as refused:
            corrected(world, "alone", name, kind)
        assert refused.value.code == "nothing_to_correct"
    assert corrected(world, "alone", "Alone no more") == Enrolment("Alone no more", "other")
    assert world.kinds() == ["enrolled", "party-corrected"]


def test_what_was_enrolled_is_what_is_read(world):
    value = drafted(world)
    with world.store.read() as tx:
        for party in parse(value).parties:
            assert tx.agreements.enrolment(party.id) == Enrolment(party.name, party.kind)
        assert tx.agreements.enrolment("nobody") is None
