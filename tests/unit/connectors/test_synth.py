"""Made-up extracts look like real ones and always fit their schema."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from frictionless import Resource, Schema

from connectors.synth import World, synthesise, write_csv
from connectors.synth_pattern import matching
from schemas import artefacts, table_schema
from schemas.table_schema import TableSchema

LIBRARY = artefacts.load()
KNOWN = artefacts.Library(LIBRARY)
SCHEMAS = [name for name, made in LIBRARY.items() if "concordat:schema" in made.value]
QUARTER = (date(2026, 4, 1), date(2026, 6, 30))

# A schema that nobody has seen: odd names, a decimal, negative numbers, patterns, an unheard-of list.
UNSEEN: dict[str, Any] = {
    "concordat:schema": "moon-landings/v1",
    "title": "Moon landings",
    "concordat:privacy_unit": "person",
    "concordat:period": "landed",
    "fields": [
        {"name": "who", "type": "string", "concordat:kind": "pseudonym",
         "constraints": {"required": True, "pattern": "^[0-9a-f]{64}$"}},
        {"name": "landed", "type": "date", "concordat:kind": "date", "constraints": {"required": True}},
        {"name": "left", "type": "date", "concordat:kind": "date", "constraints": {"required": True}},
        {"name": "site", "type": "string", "concordat:kind": "code",
         "constraints": {"required": True, "pattern": r"^(MARE-\d{2}[A-C]?|[^a-y]{3}|unknown)$"}},
        {"name": "craft", "type": "string", "concordat:kind": "code", "concordat:codes": "craft",
         "constraints": {"required": True, "enum": ["lander", "rover", "unknown"]}},
        {"name": "only", "type": "string", "concordat:kind": "code", "concordat:codes": "only",
         "constraints": {"required": True, "enum": ["unknown"]}},
        {"name": "temperature", "type": "integer", "concordat:kind": "integer",
         "constraints": {"required": True, "minimum": -170, "maximum": 130}},
        {"name": "load", "type": "number", "concordat:kind": "decimal", "concordat:decimals": 2,
         "constraints": {"minimum": -3, "maximum": 9}},
        {"name": "big", "type": "integer", "concordat:kind": "integer",
         "constraints": {"minimum": 0, "maximum": 2147483647}},
        {"name": "fixed", "type": "integer", "concordat:kind": "integer",
         "constraints": {"required": True, "minimum": 5, "maximum": 5}},
        {"name": "hour", "type": "integer", "concordat:kind": "integer",
         "constraints": {"required": True, "minimum": 6, "maximum": 9}},
        {"name": "age", "type": "integer", "concordat:kind": "integer",
         "constraints": {"required": True, "minimum": 18, "maximum": 40}},
        {"name": "crewed", "type": "boolean", "concordat:kind": "flag", "constraints": {"required": True},
         "trueValues": ["true"], "falseValues": ["false"]},
    ],
}  # fmt: skip


def schema_of(name: str) -> TableSchema:
    return KNOWN.schema(name)


def draw(schema: TableSchema, rows: int, seed: int = 1, **options: Any) -> list[dict[str, str]]:
    settings: dict[str, Any] = {"world": World(seed), "period": QUARTER, **options}
    names = [column.name for column in schema.fields]
    return [dict(zip(names, row, strict=True)) for row in synthesise(schema, rows, **settings)]


def errors(path: Path, value: Any) -> list[Any]:
    """What the public validator has against a file."""
    resource = Resource(path=path.name, basepath=str(path.parent), schema=Schema.from_descriptor(value))
    found: list[Any] = resource.validate().flatten(["fieldName", "type", "note"])
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_public_validator_takes_every_made_up_file(tmp_path: Path, name: str) -> None:
    write_csv(tmp_path / "extract.csv", schema_of(name), 400, world=World(1), period=QUARTER)
    assert errors(tmp_path / "extract.csv", LIBRARY[name].value) == []


def test_the_public_validator_takes_a_file_for_a_schema_never_seen(tmp_path: Path) -> None:
    schema = table_schema.parse(UNSEEN)
    write_csv(tmp_path / "extract.csv", schema, 400, world=World(1), period=QUARTER)
    assert errors(tmp_path / "extract.csv", UNSEEN) == []
    rows = draw(schema, 400)
    assert {row["site"] == "unknown" for row in rows} == {True, False}
    assert {row["load"] == "" for row in rows} == {True, False}
    assert all(row["big"] == "" or 0 <= int(row["big"]) < 2**31 for row in rows)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_main_date_lies_in_the_period_and_only_optional_cells_are_empty(name: str) -> None:
    schema = schema_of(name)
    for row in draw(schema, 500):
        assert "2026-04-01" <= row[schema.period] <= "2026-06-30"
        assert all(row[column.name] for column in schema.fields if column.constraints.required)


def test_equal_seeds_make_equal_rows_and_labels_and_seeds_part_them() -> None:
    schema = schema_of("police-violence/v1")
    assert draw(schema, 300) == draw(schema, 300)
    assert draw(schema, 300) != draw(schema, 300, seed=2)
    assert draw(schema, 300) != draw(schema, 300, label="2026-05")
    assert draw(schema, 300, world=World()) != draw(schema, 300, world=World())


def test_agencies_of_one_world_share_persons_who_stay_who_they_are() -> None:
    world = World(1)
    police = draw(schema_of("police-violence/v1"), 5000, world=world)
    hospital = draw(schema_of("ed-assaults/v1"), 2000, world=world)
    seen = {row["person"]: (row["sex"], row["ethnicity"]) for row in police}
    shared = [row for row in hospital if row["person"] in seen]
    assert len({row["person"] for row in shared}) > 200
    assert all(seen[row["person"]] == (row["sex"], row["ethnicity"]) for row in shared)


def test_persons_do_not_depend_on_how_many_were_asked_for() -> None:
    small, large = World(1), World(1)
    small.people(10)
    large.people(50_000)
    assert small.pseudonyms[:10] == large.pseudonyms[:10]
    assert small.ages[:10] == large.ages[:10]


def test_worlds_of_different_seeds_or_keys_share_nobody() -> None:
    schema = schema_of("police-violence/v1")
    worlds = [World(1), World(2), World(1, key=b"k" * 32)]
    people = [{row["person"] for row in draw(schema, 500, world=world)} for world in worlds]
    assert not people[0] & people[1]
    assert not people[0] & people[2]


def test_most_persons_have_a_row_or_two_and_a_few_have_many() -> None:
    rows = [row for row in draw(schema_of("police-violence/v1"), 20_000) if row["unlinked"] == "false"]
    times = Counter(Counter(row["person"] for row in rows).values())
    assert times[1] + times[2] > sum(times.values()) / 2
    assert max(times) > 50


def test_persons_can_be_limited() -> None:
    rows = draw(schema_of("police-violence/v1"), 2000, persons=10)
    assert len({row["person"] for row in rows if row["unlinked"] == "false"}) == 10


def test_unlinked_rows_have_pseudonyms_that_occur_once() -> None:
    rows = draw(schema_of("police-violence/v1"), 5000)
    times = Counter(row["person"] for row in rows)
    unlinked = [row["person"] for row in rows if row["unlinked"] == "true"]
    assert 0.02 < len(unlinked) / len(rows) < 0.06
    assert all(times[person] == 1 for person in unlinked)


def test_exactly_one_row_of_each_offence_is_primary() -> None:
    """Rows of one offence stand together and share what is the offence's; the first of them is primary."""
    rows = draw(schema_of("police-violence/v1"), 3000)
    assert rows[0]["primary"] == "true"
    of_offence = ("occurred", "hour", "lsoa", "offence_group", "knife", "outcome_group", "gravity")
    for before, row in pairwise(rows):
        if row["primary"] == "false":
            assert [row[name] for name in of_offence] == [before[name] for name in of_offence]
    assert 0.5 < Counter(row["primary"] for row in rows)["true"] / len(rows) < 0.8


def test_the_picture_is_roughly_right() -> None:
    rows = draw(schema_of("police-violence/v1"), 10_000)
    lads = Counter(row["lad"] for row in rows)
    assert lads.most_common(1)[0][0] == "E06000023"
    assert "E08000035" not in lads
    assert 0.04 < Counter(row["knife"] for row in rows)["true"] / len(rows) < 0.1
    assert Counter(row["sex"] for row in rows).most_common(1)[0][0] == "male"


def test_another_area_can_be_made_up() -> None:
    rows = draw(schema_of("police-violence/v1"), 2000, world=World(1, lads=["E08000032", "E08000035"]))
    assert {row["lad"] for row in rows} == {"E08000032", "E08000035", "unknown"}


AGES = [
    ("school-exclusions/v1", 4, 17),
    ("youth-justice/v1", 10, 17),
    ("children-in-need/v1", 0, 17),
    ("probation/v1", 18, 99),
]


@pytest.mark.parametrize(("name", "youngest", "oldest"), AGES)
def test_datasets_about_children_hold_children_and_those_about_adults_adults(
    name: str, youngest: int, oldest: int
) -> None:
    ages = [int(row["age"]) for row in draw(schema_of(name), 1000) if row["age"]]
    assert youngest <= min(ages)
    assert max(ages) <= oldest


def test_children_in_need_are_of_every_age() -> None:
    ages = Counter(int(row["age"]) // 5 for row in draw(schema_of("children-in-need/v1"), 4000) if row["age"])
    assert min(ages.values()) / sum(ages.values()) > 0.05


@pytest.mark.parametrize(
    ("name", "start", "end", "running"),
    [("children-in-need/v1", "referred", "closed", "open"), ("probation/v1", "started", "ended", "current")],
)
def test_what_began_ends_later_or_is_marked_as_not_ended(name: str, start: str, end: str, running: str) -> None:
    rows = draw(schema_of(name), 4000)
    assert all(row[start] < row[end] for row in rows)
    assert all((row[end] == "2199-12-31") == (row[running] == "true") for row in rows)
    assert all(row[end] <= "2026-06-30" for row in rows if row[running] == "false")
    assert min(Counter(row[running] for row in rows).values()) > 50


@pytest.mark.parametrize("name", ["children-in-need/v1", "probation/v1", "youth-justice/v1", "school-exclusions/v1"])
def test_agencies_of_one_world_meet_in_every_dataset_of_persons(name: str) -> None:
    world = World(1)
    police = {row["person"] for row in draw(schema_of("police-violence/v1"), 5000, world=world)}
    shared = {row["person"] for row in draw(schema_of(name), 3000, world=world)} & police
    assert len(shared) > 30


def test_a_dataset_reads_roughly_as_its_profile_says() -> None:
    needs = Counter(row["need"] for row in draw(schema_of("children-in-need/v1"), 4000))
    assert needs.most_common(1)[0][0] == "N1"
    reasons = draw(schema_of("school-exclusions/v1"), 4000)
    assert Counter(row["reason_1"] for row in reasons).most_common(1)[0][0] == "DB"
    assert "none" not in {row["reason_1"] for row in reasons}
    assert 0.6 < Counter(row["reason_2"] for row in reasons)["none"] / 4000 < 0.8
    fires = draw(schema_of("deliberate-fires/v1"), 4000)
    assert 0.2 < Counter(row["kind"] for row in fires)["primary"] / 4000 < 0.35
    evening = sum(row["hour"] in ("18", "19", "20", "21", "22", "23") for row in fires)
    assert evening > 1500


def test_persons_of_a_dataset_do_not_depend_on_what_was_drawn_before() -> None:
    alone, crowded = World(1), World(1)
    draw(schema_of("police-violence/v1"), 60_000, world=crowded)
    schema = schema_of("children-in-need/v1")
    assert draw(schema, 300, world=alone) == draw(schema, 300, world=crowded)


def test_street_crime_is_dated_on_the_first_of_months() -> None:
    assert {row["month"] for row in draw(schema_of("street-crime/v1"), 500)} == {
        "2026-04-01",
        "2026-05-01",
        "2026-06-01",
    }


def test_a_file_is_comma_separated_with_a_header(tmp_path: Path) -> None:
    schema = schema_of("street-crime/v1")
    write_csv(tmp_path / "extract.csv", schema, 10, world=World(1), period=QUARTER)
    rows = list(csv.reader(io.StringIO((tmp_path / "extract.csv").read_text(), newline="")))
    assert rows[0] == [column.name for column in schema.fields]
    assert len(rows) == 11


def test_no_rows_and_one_day_are_fine() -> None:
    schema = schema_of("police-violence/v1")
    assert draw(schema, 0) == []
    day = date(2026, 4, 15)
    assert {row["occurred"] for row in draw(schema, 20, period=(day, day))} == {"2026-04-15"}


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="before"):
        draw(schema_of("police-violence/v1"), 1, period=(QUARTER[1], QUARTER[0]))


def test_a_pattern_that_cannot_be_made_up_is_named() -> None:

    for pattern in (r"^(?=x)y$", r"^a\bb$", "^[^0-9A-Za-z]$"):
        with pytest.raises(ValueError, match="pattern"):
            matching(pattern, random.Random(1))  # noqa: S311 - made up
    assert matching("^unknown$", random.Random(1)) == "unknown"  # noqa: S311 - made up


def test_classes_and_alternatives_of_a_pattern_are_made_up() -> None:
    source = random.Random(1)  # noqa: S311 - made up
    for pattern in (r"^\w{2}-\d?$", "^(?:a|b)[^a-f]+$", "^x*y{2,3}$"):
        assert len({matching(pattern, source) for _ in range(50)}) > 1


def test_a_known_list_whose_codes_are_all_new_is_drawn_evenly() -> None:
    value = LIBRARY["street-crime/v1"].value
    fields = [dict(field) for field in value["fields"]]
    fields[3]["constraints"] = {"required": True, "enum": ["new", "newer"]}
    fields[3].pop("concordat:levels")
    schema = table_schema.parse({**value, "fields": fields})
    times = Counter(row["crime_type"] for row in draw(schema, 1000))
    assert set(times) == {"new", "newer"}
    assert min(times.values()) > 400
