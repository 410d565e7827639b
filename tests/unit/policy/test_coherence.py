"""Whether an agreement fits its artefacts: whatever does not is found, named and placed, and nothing else is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from schemas.artefacts import Artefact, Library, artefact, load
from service.policy.coherence import findings


def grant(value: dict[str, Any], dataset: str) -> tuple[int, dict[str, Any]]:
    """Return the first grant on a dataset with its index."""
    return next((index, item) for index, item in enumerate(value["grants"]) if item["dataset"] == dataset)


def record_for_person(value):
    value["datasets"]["police-violence"]["privacy_unit"] = "record"
    for item in value["grants"]:
        item.pop("link", None)


def person_for_record(value):
    value["datasets"]["street-crime"]["privacy_unit"] = "person"


def link_to_records(value):
    grant(value, "police-violence")[1]["link"] = ["street-crime"]


def link_from_records(value):
    grant(value, "street-crime")[1]["link"] = ["police-violence"]


def persons_of_records(value):
    grant(value, "street-crime")[1]["measure"]["persons"] = True


def group_by_open_codes(value):
    grant(value, "police-violence")[1]["group_by"]["lsoa"] = ["as-is"]


def group_by_unknown_level(value):
    grant(value, "police-violence")[1]["group_by"]["sex"] = ["band"]


def filter_by_unknown_field(value):
    grant(value, "police-violence")[1]["filter_by"]["shoe_size"] = ["as-is"]


def group_by_pseudonym(value):
    grant(value, "police-violence")[1]["group_by"]["person"] = ["as-is"]


def rows_of_unknown_code(value):
    grant(value, "police-violence")[1]["rows"]["lad"] = ["E06000023", "E99999999"]


def rows_of_unknown_field(value):
    grant(value, "police-violence")[1]["rows"]["shoe_size"] = ["9"]


def sum_of_codes(value):
    grant(value, "police-violence")[1]["measure"]["sum"] = ["sex"]


def mean_of_dates(value):
    grant(value, "police-violence")[1]["measure"]["mean"] = ["occurred"]


def sum_of_nothing(value):
    grant(value, "police-violence")[1]["measure"]["sum"] = ["shoe_size"]


def no_pin_of_a_code_list(value):
    del value["pins"]["sex"]


def no_pin_of_a_schema(value):
    del value["pins"]["police-violence/v1"]


def no_pin_of_the_gateways(value):
    del value["pins"]["gateways/v1"]


def pin_of_nothing(value):
    value["pins"]["shoe-sizes"] = "sha256:" + "0" * 64


def schema_of_nothing(value):
    value["datasets"]["police-violence"]["schema"] = "police-violence/v99"


def pin_of_another_digest(value):
    value["pins"]["lad-2025"] = "sha256:" + "0" * 64


CASES: list[tuple[str, str, Callable[[dict[str, Any]], None]]] = [
    ("privacy_unit", "datasets/police-violence/privacy_unit", record_for_person),
    ("privacy_unit", "datasets/street-crime/privacy_unit", person_for_record),
    ("not_linkable", "grants/{police-violence}/link", link_to_records),
    ("not_linkable", "grants/{street-crime}/link", link_from_records),
    ("no_persons", "grants/{street-crime}/measure/persons", persons_of_records),
    ("keys_not_public", "grants/{police-violence}/group_by/lsoa", group_by_open_codes),
    ("unknown_level", "grants/{police-violence}/group_by/sex", group_by_unknown_level),
    ("unknown_level", "grants/{police-violence}/filter_by/shoe_size", filter_by_unknown_field),
    ("unknown_level", "grants/{police-violence}/group_by/person", group_by_pseudonym),
    ("unknown_code", "grants/{police-violence}/rows/lad", rows_of_unknown_code),
    ("unknown_code", "grants/{police-violence}/rows/shoe_size", rows_of_unknown_field),
    ("not_a_number", "grants/{police-violence}/measure/sum", sum_of_codes),
    ("not_a_number", "grants/{police-violence}/measure/mean", mean_of_dates),
    ("not_a_number", "grants/{police-violence}/measure/sum", sum_of_nothing),
    ("missing_pin", "pins/sex", no_pin_of_a_code_list),
    ("missing_pin", "pins/police-violence/v1", no_pin_of_a_schema),
    ("missing_pin", "pins/gateways/v1", no_pin_of_the_gateways),
    ("unknown_artefact", "pins/shoe-sizes", pin_of_nothing),
    ("unknown_artefact", "pins/police-violence/v99", schema_of_nothing),
    ("changed_artefact", "pins/lad-2025", pin_of_another_digest),
]


def test_the_worked_agreement_fits(change, library):
    assert findings(change(lambda _: None), library) == []


@pytest.mark.parametrize(("rule", "place", "edit"), CASES, ids=[f"{case[0]}-{case[2].__name__}" for case in CASES])
def test_an_agreement_that_calls_a_person_dataset_records_or_links_records_is_refused(
    change, library, document, rule, place, edit
):
    places = {"{" + name + "}": str(grant(document, name)[0]) for name in ("police-violence", "street-crime")}
    for name, index in places.items():
        place = place.replace(name, index)
    found = findings(change(edit), library)
    assert [(item.rule, item.column) for item in found] == [(rule, place)]
    assert found[0].detail


def test_an_artefact_that_the_broker_holds_otherwise_is_a_changed_one(change):
    """The pin stays, what it names moves: every byte of an artefact is in its digest."""
    held = load()
    value = copy.deepcopy(held["age-sna"].value)
    value["title"] = "another title"
    other: dict[str, Artefact] = held | {"age-sna": artefact(value)}
    found = findings(change(lambda _: None), Library(other))
    assert [(item.rule, item.column) for item in found] == [("changed_artefact", "pins/age-sna")]


def test_every_finding_of_an_agreement_is_told_at_once(change, library):
    def edit(value):
        persons_of_records(value)
        sum_of_codes(value)
        rows_of_unknown_code(value)

    assert {item.rule for item in findings(change(edit), library)} == {"no_persons", "not_a_number", "unknown_code"}
