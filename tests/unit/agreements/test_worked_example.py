"""The worked examples are agreements that the broker would take, but for their keys."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

import agreements
from agreements.__main__ import block, pins, write
from schemas import agreement, artefacts
from schemas.agreement import Agreement
from schemas.clauses.grants import Grant
from schemas.fit import misfits

VALUES = {name: agreement.load(agreements.path(name).read_bytes()) for name in agreements.names()}
MADE = {name: agreement.parse(value) for name, value in VALUES.items()}
LIBRARY = artefacts.Library(artefacts.load())
GRANTS = [
    pytest.param(made, grant, id=f"{name}:{'+'.join(grant.to)}:{grant.dataset}")
    for name, made in MADE.items()
    for grant in made.grants
]
LADS = {
    "bath-and-north-east-somerset": "E06000022", "bristol": "E06000023", "north-somerset": "E06000024",
    "south-gloucestershire": "E06000025", "somerset": "E06000066", "bradford": "E08000032",
    "calderdale": "E08000033", "kirklees": "E08000034", "leeds": "E08000035", "wakefield": "E08000036",
}  # fmt: skip

each = pytest.mark.parametrize("name", MADE)


def test_an_example_is_found_by_name_and_no_other_file_is() -> None:
    assert agreements.names() == ("avon-somerset", "cardiff-minimal", "west-yorkshire")
    with pytest.raises(KeyError):
        agreements.path("../pyproject")


@each
def test_its_pins_are_the_digests_of_the_shipped_artefacts(name: str) -> None:
    assert VALUES[name]["pins"] == pins(VALUES[name])
    assert block(VALUES[name]) in agreements.path(name).read_text(encoding="utf-8")


def test_pins_are_written_in_place_of_those_that_are_there(tmp_path: Path) -> None:
    source = agreements.path("cardiff-minimal")
    file = tmp_path / "agreement.yaml"
    shutil.copy(source, file)
    text = file.read_text().replace('  sex: "sha256:', '  gone: "sha256:')
    file.write_text(text)
    write(file)
    assert file.read_bytes() == source.read_bytes()


@each
def test_it_fits_what_it_pins(name: str) -> None:
    assert misfits(MADE[name], LIBRARY) == []


@each
def test_every_key_is_a_placeholder_that_says_so(name: str) -> None:
    for party in MADE[name].parties:
        assert party.key.startswith(f"placeholder-key-of-{party.id}_"[:43])


@each
def test_suppliers_are_controllers_and_whoever_asks_has_a_share(name: str) -> None:
    made = MADE[name]
    for dataset in made.datasets.values():
        supplier = made.party(dataset.supplier)
        assert supplier is not None
        assert supplier.role == "controller"
    assert {party for grant in made.grants for party in grant.to} == set(made.privacy.shares)
    assert sum(made.privacy.shares.values()) <= Decimal(1)


def test_the_hub_and_bristol_keep_the_shares_that_others_count_on() -> None:
    shares = MADE["avon-somerset"].privacy.shares
    assert (shares["as-opcc"], shares["bristol"]) == (Decimal("0.6"), Decimal("0.2"))


@each
def test_each_dataset_protects_what_its_schema_protects(name: str) -> None:
    for dataset in MADE[name].datasets.values():
        assert LIBRARY.schema(dataset.schema_).privacy_unit == dataset.privacy_unit
        assert (dataset.bounds.per_person == 1) == (dataset.privacy_unit == "record")


@pytest.mark.parametrize(("made", "grant"), GRANTS)
def test_each_grant_names_only_fields_levels_codes_and_numbers_that_exist(made: Agreement, grant: Grant) -> None:
    schema = LIBRARY.schema(made.datasets[grant.dataset].schema_)
    for field, levels in [*grant.group_by.items(), *grant.filter_by.items()]:
        assert set(levels) <= set(schema.column(field).all_levels)
    for field, codes in grant.rows.items():
        assert set(codes) <= set(schema.column(field).constraints.enum or ())
    for field in (*grant.measure.sum, *grant.measure.mean):
        assert schema.column(field).kind == "integer"
    assert not (grant.measure.persons and schema.pseudonym is None)


@each
def test_every_link_is_granted_from_both_sides(name: str) -> None:
    links = {(grant.to, grant.dataset, other) for grant in MADE[name].grants for other in grant.link}
    assert links
    assert {(to, other, dataset) for to, dataset, other in links} == links


@pytest.mark.parametrize(("made", "grant"), GRANTS)
def test_a_council_sees_its_own_persons_alone(made: Agreement, grant: Grant) -> None:
    for to in set(grant.to) & set(LADS):
        if made.datasets[grant.dataset].privacy_unit == "person":
            assert grant.rows == {"lad": (LADS[to],)}
            assert not grant.link


@pytest.mark.parametrize(
    ("name", "councils", "datasets"),
    [
        ("avon-somerset", 5, {"police-violence", "ed-assaults", "ambulance-calls", "school-exclusions",
                              "youth-justice", "street-crime"}),
        ("west-yorkshire", 5, {"police-violence", "ed-assaults", "ambulance-calls", "school-exclusions",
                               "children-in-need", "youth-justice", "probation", "deliberate-fires", "street-crime"}),
        ("cardiff-minimal", 0, {"police-violence", "ed-assaults"}),
    ],
)  # fmt: skip
def test_it_has_the_parties_and_datasets_that_it_is_about(name: str, councils: int, datasets: set[str]) -> None:
    made = MADE[name]
    assert len({party.id for party in made.parties} & set(LADS)) == councils
    assert set(made.datasets) == datasets
    assert [party.kind for party in made.parties].count("processor") == 1


def test_health_data_goes_by_a_gateway_that_reaches_patients() -> None:
    for made in MADE.values():
        for dataset in made.datasets.values():
            supplier = made.party(dataset.supplier)
            assert supplier is not None
            if supplier.kind in ("health", "ambulance", "social-care"):
                used = dataset.gateway or next(iter(made.purposes.values())).legal.gateway
                assert used == ("cda-1998-s115",)
