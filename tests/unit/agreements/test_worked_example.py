"""The worked example is an agreement that the broker would take, but for its keys."""

from __future__ import annotations

from decimal import Decimal

import pytest

import agreements
from agreements.__main__ import pins
from schemas import agreement, artefacts
from schemas.clauses.grants import Grant

VALUE = agreement.load(agreements.path("avon-somerset").read_bytes())
MADE = agreement.parse(VALUE)
LIBRARY = artefacts.Library(artefacts.load())
GATEWAYS = artefacts.load()[artefacts.GATEWAYS].value
GRANTS = [pytest.param(grant, id=f"{'+'.join(grant.to)}:{grant.dataset}") for grant in MADE.grants]


def test_the_example_is_found_by_name_and_no_other_file_is() -> None:
    assert agreements.names() == ("avon-somerset",)
    with pytest.raises(KeyError):
        agreements.path("../pyproject")


def test_its_pins_are_the_digests_of_the_shipped_artefacts() -> None:
    assert VALUE["pins"] == pins(VALUE)


def test_every_key_is_a_placeholder_that_says_so() -> None:
    assert all(party.key.startswith(f"placeholder-key-of-{party.id}_") for party in MADE.parties)


def test_suppliers_are_controllers_and_only_recipients_have_shares() -> None:
    for dataset in MADE.datasets.values():
        supplier = MADE.party(dataset.supplier)
        assert supplier is not None
        assert supplier.role == "controller"
    assert {party.id for party in MADE.parties if party.role == "recipient"} == set(MADE.privacy.shares)
    assert sum(MADE.privacy.shares.values()) < Decimal(1)


@pytest.mark.parametrize("name", MADE.datasets)
def test_each_dataset_protects_what_its_schema_protects(name: str) -> None:
    dataset = MADE.datasets[name]
    assert LIBRARY.schema(dataset.schema_).privacy_unit == dataset.privacy_unit
    assert dataset.bounds.per_person == (3 if dataset.privacy_unit == "person" else 1)


@pytest.mark.parametrize("grant", GRANTS)
def test_each_grant_names_only_fields_levels_codes_and_numbers_that_exist(grant: Grant) -> None:
    schema = LIBRARY.schema(MADE.datasets[grant.dataset].schema_)
    for field, levels in [*grant.group_by.items(), *grant.filter_by.items()]:
        assert set(levels) <= set(schema.column(field).all_levels)
    for field, codes in grant.rows.items():
        assert set(codes) <= set(schema.column(field).constraints.enum or ())
    for field in (*grant.measure.sum, *grant.measure.mean):
        assert schema.column(field).kind == "integer"
    assert not (grant.measure.persons and schema.pseudonym is None)


def test_every_link_is_granted_from_both_sides() -> None:
    links = {(grant.to, grant.for_, grant.dataset, other) for grant in MADE.grants for other in grant.link}
    assert links
    assert {(to, purposes, other, dataset) for to, purposes, dataset, other in links} == links


def test_the_council_sees_its_own_persons_alone() -> None:
    for grant in MADE.grants:
        if "bristol" in grant.to and MADE.datasets[grant.dataset].privacy_unit == "person":
            assert grant.rows == {"lad": ("E06000023",)}
            assert not grant.link


def test_every_gateway_that_it_names_is_in_the_table() -> None:
    named = {name for purpose in MADE.purposes.values() for name in purpose.legal.gateway}
    named |= {name for dataset in MADE.datasets.values() for name in dataset.gateway}
    assert named <= set(GATEWAYS["gateways"])


def test_health_data_goes_by_a_gateway_that_reaches_patients() -> None:
    for dataset in MADE.datasets.values():
        supplier = MADE.party(dataset.supplier)
        assert supplier is not None
        if supplier.kind in ("health", "ambulance"):
            assert dataset.gateway == ("cda-1998-s115",)
    assert VALUE["legal"]["conditions"]["confidentiality"]


def test_it_holds_what_the_code_of_practice_asks_for() -> None:
    assert {"dpia", "transparency", "rights_contact", "apd"} <= MADE.legal.model_fields_set
    assert all(purpose.necessity and purpose.benefit for purpose in MADE.purposes.values())
