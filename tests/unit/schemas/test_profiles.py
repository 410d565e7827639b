"""A profile speaks only of what its dataset's schema allows, and of every column that chance alone would spoil."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import artefacts, profile
from schemas.hierarchy import CodeList
from schemas.model import InvalidDocument, read
from schemas.profile import Profile, profile_of
from schemas.table_schema import Column

KNOWN = artefacts.Library(artefacts.load())
FOLDER = artefacts._HERE / "profiles"
NINE = (
    "police-violence", "ed-assaults", "ambulance-calls", "school-exclusions", "children-in-need", "youth-justice",
    "probation", "deliberate-fires", "street-crime",
)  # fmt: skip
DRAWN_FROM_PERSONS = {"sex", "ethnicity", "lad"}


def columns(dataset: str) -> dict[str, Column]:
    return {column.name: column for column in KNOWN.schema(f"{dataset}/v1").fields}


def codes_of(column: Column) -> tuple[str, ...]:
    made: CodeList = KNOWN.codelist(str(column.codes))
    return tuple(entry.code for entry in made.codes)


def test_the_nine_datasets_have_profiles_and_nothing_else_has() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(NINE)
    assert all(profile_of(f"{name}/v1").name == name for name in NINE)


@pytest.mark.parametrize("dataset", NINE)
def test_a_profile_weighs_only_codes_that_the_schema_lists(dataset: str) -> None:
    for name, likely in profile_of(f"{dataset}/v1").codes.items():
        column = columns(dataset)[name]
        assert column.kind == "code"
        assert set(likely) <= set(codes_of(column))
        assert "unknown" in likely
        assert sum(likely.values()) > 0


@pytest.mark.parametrize("dataset", NINE)
def test_every_closed_list_that_is_not_of_the_person_is_weighed(dataset: str) -> None:
    listed = {name for name, column in columns(dataset).items() if column.codes is not None}
    assert listed - DRAWN_FROM_PERSONS == set(profile_of(f"{dataset}/v1").codes)


@pytest.mark.parametrize("dataset", NINE)
def test_every_flag_is_either_weighed_or_told_by_an_end(dataset: str) -> None:
    made = profile_of(f"{dataset}/v1")
    flags = {name for name, column in columns(dataset).items() if column.kind == "flag"} - {"primary"}
    assert flags == set(made.flags) | {end.open for end in made.ends.values()}


@pytest.mark.parametrize("dataset", NINE)
def test_weighed_numbers_lie_in_their_columns_bounds(dataset: str) -> None:
    for name, likely in profile_of(f"{dataset}/v1").numbers.items():
        low, high = columns(dataset)[name].bounds
        assert 0 < len(likely) <= high - low + 1
        assert sum(likely) > 0


@pytest.mark.parametrize("dataset", NINE)
def test_an_end_is_a_second_date_that_its_description_explains(dataset: str) -> None:
    schema = KNOWN.schema(f"{dataset}/v1")
    for name, end in profile_of(schema.name).ends.items():
        assert schema.column(name).kind == "date"
        assert name != schema.period
        assert end.still.isoformat() in schema.column(name).description


def test_any_version_of_a_dataset_has_its_profile_and_an_unknown_one_has_an_empty_one() -> None:
    assert profile_of("probation/v7") == profile_of("probation/v1")
    assert profile_of("moon-landings/v1") == Profile.model_validate({"concordat:profile": "moon-landings"})
    assert profile_of("moon-landings/v1").keep(3) == 1.0


def test_ages_outside_a_profiles_bands_are_left_out() -> None:
    adults = profile_of("probation/v1")
    assert (adults.keep(17), adults.keep(18)) == (0.0, 1.0)


@pytest.mark.parametrize(
    "part",
    [
        {"ages": [{"from": 18, "to": 10}]},
        {"ages": [{"from": 100, "to": 110}]},
        {"ages": [{"from": 0, "to": 9, "keep": 0}]},
        {"rows_a_person": 0.5},
        {"flags": {"knife": 2}},
        {"codes": {"need": {"N1": -1}}},
        {"ends": {"closed": {"spans": [], "open": "open", "still": "2199-12-31"}}},
        {"ends": {"closed": {"spans": [{"from": 2, "to": 1, "weight": 1}], "open": "open", "still": "2199-12-31"}}},
        {"surprise": 1},
    ],
)
def test_a_profile_that_means_nothing_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(InvalidDocument):
        read(profile.Profile, {"concordat:profile": "x", **part})
