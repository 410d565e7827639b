"""The dataset schemas, code lists, hierarchies and gateway table that ship with Concordat."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from frictionless import Schema

from schemas import artefacts, strict_json
from schemas.clauses.parties import PartyKind
from schemas.hierarchy import Hierarchy
from schemas.table_schema import Column

LIBRARY = artefacts.load()
KNOWN = artefacts.Library(LIBRARY)


def named(key: str) -> list[str]:
    return [name for name, made in LIBRARY.items() if key in made.value]


SCHEMAS = named("concordat:schema")
CODELISTS = named("concordat:codelist")
HIERARCHIES = named("concordat:hierarchy")
PERSON_SCHEMAS = [name for name in SCHEMAS if KNOWN.schema(name).privacy_unit == "person"]
COLUMNS = [pytest.param(column, id=f"{name}:{column.name}") for name in SCHEMAS for column in KNOWN.schema(name).fields]


def words(value: Any) -> list[str]:
    """Every string of a JSON value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(word for part in value.values() for word in words(part))]
    return [word for part in value for word in words(part)] if isinstance(value, list) else []


def test_the_nine_datasets_of_a_needs_assessment_are_there_and_the_open_attendances() -> None:
    assert set(SCHEMAS) == {
        "police-violence/v1", "ed-assaults/v1", "ambulance-calls/v1", "school-exclusions/v1",
        "children-in-need/v1", "youth-justice/v1", "probation/v1", "deliberate-fires/v1", "street-crime/v1",
        "ed-attendances/v1",
    }  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_loads_and_names_only_artefacts_that_exist(name: str) -> None:
    assert KNOWN.schema(name).name == name
    assert KNOWN.schema(name).artefacts <= set(LIBRARY)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_file_is_named_after_its_schema(name: str) -> None:
    path = artefacts._HERE / "datasets" / f"{name.replace('/', '.')}.json"
    assert strict_json.loads(path.read_bytes())["concordat:schema"] == name


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_public_validator_accepts_every_schema(name: str) -> None:
    value = LIBRARY[name].value
    report = Schema.validate_descriptor(value)
    assert report.valid
    assert Schema.from_descriptor(value).field_names == [field["name"] for field in value["fields"]]


@pytest.mark.parametrize("name", PERSON_SCHEMAS)
def test_persons_are_the_pseudonym_column_person_with_an_unlinked_mark(name: str) -> None:
    assert KNOWN.schema(name).pseudonym == "person"
    assert KNOWN.schema(name).unlinked == "unlinked"


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_says_what_it_is(column: Column) -> None:
    assert column.title
    assert column.description.endswith(".")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_closed_list_in_a_schema_equals_its_code_list(column: Column) -> None:
    if column.codes is not None:
        assert column.constraints.enum == tuple(entry.code for entry in KNOWN.codelist(column.codes).codes)


@pytest.mark.parametrize("column", COLUMNS)
def test_no_column_takes_free_text(column: Column) -> None:
    """Text is a pseudonym, one of a closed list, or a code of fixed length; no sentence or name fits."""
    if column.type != "string" or column.constraints.enum is not None:
        return
    assert column.constraints.pattern is not None
    pattern = re.compile(column.constraints.pattern)
    for text in ("", " ", "John Smith", "12 High Street", "BS1 4DJ", "E01014399 ", "xE01014399"):
        assert not pattern.fullmatch(text)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_row_that_does_not_know_can_say_so(column: Column) -> None:
    """By the code ``unknown``; numbers by an empty cell, unless the schema requires them."""
    if column.kind != "code":
        return
    if column.constraints.enum is not None:
        assert "unknown" in column.constraints.enum
    else:
        assert re.fullmatch(str(column.constraints.pattern), "unknown")


@pytest.mark.parametrize("name", CODELISTS)
def test_every_code_list_knows_unknown_and_says_where_it_is_from(name: str) -> None:
    made = KNOWN.codelist(name)
    assert "unknown" in [entry.code for entry in made.codes]
    assert made.source
    assert all(entry.label for entry in made.codes)


@pytest.mark.parametrize("name", HIERARCHIES)
def test_every_hierarchy_says_where_it_is_from_and_labels_its_keys(name: str) -> None:
    made = KNOWN.hierarchy(name)
    assert made.source
    assert set(made.labels) == set(made.keys)


@pytest.mark.parametrize("name", HIERARCHIES)
def test_a_hierarchy_maps_only_codes_of_the_lists_it_is_used_with(name: str) -> None:
    """No column's code falls to ``unknown`` by being forgotten, and ``unknown`` stays what it is."""
    made = KNOWN.hierarchy(name)
    if made.kind == "map":
        assert made.map["unknown"] == "unknown"
        assert [code for code, coarser in made.map.items() if coarser == "unknown"] == ["unknown"]


# What the domain's facts mark as remembered, and the artefacts that stand on it.
REMEMBERED = (
    "offence-group", "assault-method", "assault-location", "ambulance-card", "youth-outcome", "probation-order",
    "probation-order-group", "risk-band", "risk-level", "main-offence-group", "main-offence-kind", "fire-kind",
    "primary-need", "primary-need-group", "age-sna", "youth-justice/v1", "probation/v1", "deliberate-fires/v1",
    "children-in-need/v1",
)  # fmt: skip


@pytest.mark.parametrize("name", REMEMBERED)
def test_what_was_remembered_says_so(name: str) -> None:
    value = LIBRARY[name].value
    source = value.get("source") or value["concordat:source"]
    assert source.endswith("remembered, not read from a standard")


# The digests that agreements signed by now pin: a change of meaning is a new version, never a new v1.
PUBLISHED = {
    "ambulance-calls/v1": "sha256:bd0512b715b559b615c21a981df0d9865df927feabf63845cc3b08bfa245fd1b",
    "ed-assaults/v1": "sha256:6f298bb8b4c02691a7d485bed515f358dd1ec325efea9743c4f2789916ab3a68",
    "police-violence/v1": "sha256:516b42f38bb15f6c6b1fffecee5cdf2685f14e1546590a7d4f139f5c4bea8d5a",
    "school-exclusions/v1": "sha256:781c78d79be2c794e64813ee5c152a870b5c7c400912378723d798a0cb6464c2",
    "street-crime/v1": "sha256:1e251aa967bcb75c44bec388e7af6ca28752c29f3953a553e8fc3199db6706ba",
    "youth-justice/v1": "sha256:b347f0adc78fc6f270e824e6155adc3b5563a48b284272080c728c1b5c7e6b5e",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_schema_never_changes(name: str) -> None:
    assert LIBRARY[name].digest == PUBLISHED[name]


def levels() -> list[Any]:
    return [
        pytest.param(column, KNOWN.hierarchy(made), id=f"{name}:{column.name}:{level}")
        for name in SCHEMAS
        for column in KNOWN.schema(name).fields
        for level, made in column.levels.items()
    ]


@pytest.mark.parametrize(("column", "hierarchy"), levels())
def test_a_hierarchy_covers_exactly_its_columns_codes_or_numbers(column: Column, hierarchy: Hierarchy) -> None:
    if hierarchy.kind == "map":
        assert column.constraints.enum is not None
        assert set(hierarchy.map) == set(column.constraints.enum)
    else:
        low, high = column.bounds
        covered = [number for band in hierarchy.bands for number in range(band.first, band.last + 1)]
        assert covered == list(range(low, high + 1))


@pytest.mark.parametrize("name", [*CODELISTS, *HIERARCHIES])
def test_every_code_list_and_hierarchy_is_used(name: str) -> None:
    assert any(name in KNOWN.schema(schema).artefacts for schema in SCHEMAS)


TABLE: Any = LIBRARY[artefacts.GATEWAYS].value
KINDS = set(get_args(PartyKind))

# gateway, supplier's kind, recipient's kind, class of data: verdict, subsection
READINGS = """
pcsc-2022-s16 | health          | local-policing-body | patient-information | refused         | 16(4)(a)
pcsc-2022-s16 | police          | local-policing-body | patient-information | refused         | 16(4)(a)
pcsc-2022-s16 | health          | local-policing-body | personal            | refused         | 16(4)(b)
pcsc-2022-s16 | local-authority | police              | personal            | needs-condition | 16(4)(b)
pcsc-2022-s16 | police          | local-authority     | personal            | allowed         | 16(1)
pcsc-2022-s16 | police          | local-authority     | criminal-offence    | needs-condition | 16(4)(c)
pcsc-2022-s16 | education       | local-policing-body | special-category    | needs-condition | 16(4)(c)
pcsc-2022-s16 | ambulance       | local-policing-body | personal            | refused         | 16(2)
pcsc-2022-s16 | police          | other               | personal            | refused         | 16(2)
pcsc-2022-s17 | police          | local-authority     | personal            | refused         | 17
pcsc-2022-s17 | police          | local-policing-body | personal            | allowed         | 17
cda-1998-s17a | police | local-authority | personal | refused | SI 2007/1831 reg. 2
cda-1998-s17a | police          | local-authority     | depersonalised      | allowed         | 17A(2)
cda-1998-s115 | health          | local-authority     | patient-information | needs-condition | 115(1)
cda-1998-s115 | police          | other               | personal            | refused         | 115(2)
"""


def leaves(value: Any) -> set[type]:
    """The types of all the values that hold no others."""
    if isinstance(value, dict):
        return {kind for part in value.values() for kind in leaves(part)}
    return {kind for part in value for kind in leaves(part)} if isinstance(value, list) else {type(value)}


def verdict(gateway: str, *question: str) -> tuple[str, str]:
    """The first rule that fits, as the table's own reading says."""
    for rule in TABLE["gateways"][gateway]["rules"]:
        sides = zip(question, (rule["from"], rule["to"], rule["data"]), strict=True)
        if all(value in side or "*" in side for value, side in sides):
            return rule["verdict"], rule["subsection"]
    return "refused", ""


def test_the_gateway_table_holds_no_number_that_could_be_read_two_ways() -> None:
    assert leaves(TABLE) <= {str, bool}


def test_gateway_rules_name_only_kinds_classes_and_conditions_that_exist() -> None:
    for gateway in TABLE["gateways"].values():
        assert gateway["source"]
        for rule in gateway["rules"]:
            assert set(rule["from"]) | set(rule["to"]) <= KINDS | {"*"}
            assert set(rule["data"]) <= set(TABLE["data_classes"]) | {"*"}
            assert set(rule.get("conditions", ())) <= set(TABLE["conditions"])
            assert (rule["verdict"] == "needs-condition") == ("conditions" in rule)
            assert rule["verdict"] in ("allowed", "refused", "needs-condition")
            assert rule["subsection"]
            assert rule["words"]


def test_every_kind_of_party_has_its_classes_of_data() -> None:
    assert set(TABLE["classes_of_persons"]) == KINDS
    for classes in TABLE["classes_of_persons"].values():
        assert set(classes) <= set(TABLE["data_classes"])


@pytest.mark.parametrize("reading", READINGS.strip().splitlines())
def test_the_gateway_table_reads_the_statutes(reading: str) -> None:
    gateway, source, recipient, data, expected, subsection = (cell.strip() for cell in reading.split("|"))
    assert verdict(gateway, source, recipient, data) == (expected, subsection)


def test_no_artefact_holds_an_identifier_of_a_person() -> None:
    """Nothing pinned looks like an NHS number, a telephone number or an e-mail address."""
    for made in LIBRARY.values():
        for word in words(made.value):
            assert "@" not in word
            assert not re.search(r"(?<![0-9A-Za-z])\d{3}[ -]?\d{3}[ -]?\d{4}(?![0-9A-Za-z])", word)
