"""How far an erasure reaches: by signed versions, party and roles alone."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.confirmations import WITHDRAWAL_TYPE
from schemas.erasure import Reach
from service.agreements.ports import Confirmation
from service.errors import Forbidden, NotFound
from service.identity.caller import Role
from service.intake.reached import Reached, reached
from tests.support.world import World

AGREEMENT = "avon-somerset-serious-violence"
EVERYTHING = ("ambulance-calls", "ed-assaults", "police-violence", "school-exclusions", "youth-justice")
"""All but street-crime, which holds no pseudonyms."""


def reach_of(world: World, party: str, *roles: Role, wanted: Reach | None = None) -> Reached:
    with world.store.read() as tx:
        return reached(tx.agreements, AGREEMENT, world.caller(party, *roles), wanted)


def code(world: World, party: str, *roles: Role, wanted: Reach | None = None) -> str:
    with pytest.raises((Forbidden, NotFound)) as caught:
        reach_of(world, party, *roles, wanted=wanted)
    return caught.value.code


def without(party: str, version: str) -> Any:
    """Return an edit that leaves a party out, with what it supplies and what it is granted."""

    def edit(value: dict[str, Any]) -> None:
        value["version"] = version
        value["parties"] = [item for item in value["parties"] if item["id"] != party]
        value["privacy"]["shares"].pop(party, None)
        gone = {name for name, item in value["datasets"].items() if item["supplier"] == party}
        value["datasets"] = {name: item for name, item in value["datasets"].items() if name not in gone}
        for grant in value["grants"]:
            grant["to"] = [item for item in grant["to"] if item != party]
            if "link" in grant:
                grant["link"] = [name for name in grant["link"] if name not in gone]
                if not grant["link"]:
                    grant.pop("link")
        value["grants"] = [item for item in value["grants"] if item["to"] and item["dataset"] not in gone]

    return edit


def amend(world: World, party: str) -> None:
    """Put a version into force that leaves a party out; it signs that too."""
    second = world.document(without(party, "2"))
    world.register(second)
    world.sign(second, party, *(item["id"] for item in second["parties"]))


def test_a_supplier_reaches_what_its_party_supplies_and_is_told_what_holds_no_pseudonyms(world):
    world.in_force()
    found = reach_of(world, "as-police", Role.SUPPLIER)
    assert (found.reach, found.datasets, found.records) == (Reach.OWN, ("police-violence",), ("street-crime",))
    assert found.agreement.version == "1"


def test_a_steward_reaches_everything_and_is_told_nothing_more(world):
    world.in_force()
    found = reach_of(world, "as-opcc", Role.STEWARD)
    assert (found.reach, found.datasets, found.records) == (Reach.AGREEMENT, EVERYTHING, ())


def test_who_is_both_has_the_narrower_reach_unless_it_asks_for_the_wider(world):
    world.in_force()
    both = (Role.SUPPLIER, Role.STEWARD)
    assert reach_of(world, "as-police", *both).reach is Reach.OWN
    assert reach_of(world, "as-police", *both, wanted=Reach.AGREEMENT).datasets == EVERYTHING
    assert reach_of(world, "as-opcc", *both).reach is Reach.AGREEMENT, "it supplies nothing"
    assert code(world, "as-opcc", *both, wanted=Reach.OWN) == "not_a_supplier"


@pytest.mark.parametrize(
    ("party", "role", "wanted", "expected"),
    [
        ("as-police", Role.SUPPLIER, Reach.AGREEMENT, "role_missing"),
        ("as-police", Role.STEWARD, Reach.OWN, "role_missing"),
        ("as-police", Role.IG_LEAD, None, "role_missing"),
        ("as-police", Role.ANALYST, None, "role_missing"),
        ("bristol", Role.SUPPLIER, None, "not_a_supplier"),
        ("stranger", Role.SUPPLIER, None, "not_found"),
        ("stranger", Role.STEWARD, None, "not_found"),
    ],
)
def test_nobody_reaches_further_than_role_and_party_say(world, party, role, wanted, expected):
    world.in_force()
    assert code(world, party, role, wanted=wanted) == expected


def test_an_agreement_that_not_everybody_has_signed_has_nobody_in_it(world):
    value = world.document()
    world.enrol(*(party["id"] for party in value["parties"]))
    world.register(value)
    assert code(world, "as-police", Role.SUPPLIER) == "not_found"


def test_a_supplier_that_a_later_version_leaves_out_still_reaches_its_own_and_its_steward_nothing(world):
    world.in_force()
    amend(world, "bri-ed")
    found = reach_of(world, "bri-ed", Role.SUPPLIER)
    assert (found.datasets, found.agreement.version) == (("ed-assaults",), "1")
    assert code(world, "bri-ed", Role.STEWARD) == "not_a_party"
    wide = reach_of(world, "as-opcc", Role.STEWARD)
    assert (wide.datasets, wide.agreement.version) == (EVERYTHING, "2"), "also what was left out"


def test_a_party_that_has_withdrawn_reaches_its_own_alone(world):
    value = world.in_force()
    with world.store.write() as tx:
        version = tx.agreements.versions(value["id"])[-1]
        row = Confirmation("as-police", 1, version.digest, WITHDRAWAL_TYPE, "thumbprint", "2026-11-22T12:00:00.000Z")
        tx.agreements.withdraw(value["id"], row)
    assert reach_of(world, "as-police", Role.SUPPLIER).datasets == ("police-violence",)
    assert code(world, "as-police", Role.STEWARD) == "party_withdrawn"
