"""The table of gateways reads the statutes, and is whole."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any, get_args

import pytest

from schemas import artefacts
from schemas.clauses.datasets import DataClass
from schemas.clauses.parties import PartyKind
from schemas.law.bases import paragraphs, paragraphs_cited
from schemas.law.gateways import Gateways
from schemas.model import InvalidDocument, read

VALUE: Any = artefacts.load()[artefacts.GATEWAYS].value
TABLE = read(Gateways, VALUE)
KINDS: tuple[PartyKind, ...] = get_args(PartyKind)
CLASSES: tuple[DataClass, ...] = get_args(DataClass)

# gateway     | source          | recipient           | class of data       | verdict         | by which subsection
READINGS = """
pcsc-2022-s16 | health          | local-policing-body | patient-information | refused         | 16(4)(a)
pcsc-2022-s16 | police          | local-policing-body | patient-information | refused         | 16(4)(a)
pcsc-2022-s16 | health          | local-policing-body | personal            | refused         | 16(4)(b)
pcsc-2022-s16 | social-care     | local-policing-body | special-category    | refused         | 16(4)(b)
pcsc-2022-s16 | local-authority | police              | personal            | needs-condition | 16(4)(b)
pcsc-2022-s16 | local-authority | police              | special-category    | needs-condition | 16(4)(b), (c)
pcsc-2022-s16 | police          | local-authority     | personal            | allowed         | 16(1)
pcsc-2022-s16 | police          | local-authority     | criminal-offence    | needs-condition | 16(4)(c)
pcsc-2022-s16 | education       | local-policing-body | special-category    | needs-condition | 16(4)(c)
pcsc-2022-s16 | probation       | local-authority     | personal            | allowed         | 16(1)
pcsc-2022-s16 | prison          | local-policing-body | personal            | allowed         | 16(1)
pcsc-2022-s16 | youth-custody   | youth-justice       | criminal-offence    | needs-condition | 16(4)(c)
pcsc-2022-s16 | health          | local-authority     | depersonalised      | allowed         | 16(1)
pcsc-2022-s16 | ambulance       | local-policing-body | personal            | refused         | 16(2)
pcsc-2022-s16 | police          | other               | personal            | refused         | 16(2)
pcsc-2022-s16 | partnership     | police              | personal            | refused         | 16(2)
pcsc-2022-s16 | police          | partnership         | depersonalised      | refused         | 16(2)
pcsc-2022-s17 | police          | local-authority     | personal            | refused         | 17(1)
pcsc-2022-s17 | police          | local-policing-body | personal            | needs-condition | 17(4), (7)
pcsc-2022-s17 | fire            | local-policing-body | depersonalised      | needs-condition | 17(4), (7)
pcsc-2022-s17 | police          | local-policing-body | patient-information | refused         | 17(6)(a)
pcsc-2022-s17 | social-care     | local-policing-body | personal            | refused         | 17(6)(b)
pcsc-2022-s17 | local-authority | local-policing-body | personal            | needs-condition | 17(6)(b), (7)
pcsc-2022-s17 | local-authority | local-policing-body | special-category    | needs-condition | 17(6)(b), (c), (7)
pcsc-2022-s17 | probation       | local-policing-body | criminal-offence    | needs-condition | 17(6)(c), (7)
pcsc-2022-s17 | ambulance       | local-policing-body | personal            | refused         | 17(2)
pcsc-2022-s17 | local-policing-body | local-policing-body | personal        | refused         | 17(2)
cda-1998-s17a | police          | local-authority     | personal            | refused         | 17A(4)
cda-1998-s17a | fire            | local-authority     | depersonalised      | allowed         | 17A(1)
cda-1998-s115 | health          | local-authority     | patient-information | needs-condition | 115(1)
cda-1998-s115 | ambulance       | police              | personal            | needs-condition | 115(1)
cda-1998-s115 | police          | other               | personal            | refused         | 115(2)
cda-1998-s115 | police          | youth-justice       | personal            | refused         | 115(2)
"""


@pytest.mark.parametrize("reading", READINGS.strip().splitlines())
def test_the_table_reads_the_statutes(reading: str) -> None:
    gateway, source, recipient, data, verdict, subsection = (cell.strip() for cell in reading.split("|"))
    rule = TABLE.weigh(gateway, source, recipient, data)  # type: ignore[arg-type]
    assert rule is not None
    assert (rule.verdict, rule.subsection) == (verdict, subsection)


def test_where_no_row_fits_nothing_is_covered() -> None:
    assert TABLE.weigh("cda-1998-s17a", "education", "police", "depersonalised") is None


def test_section_16_says_something_of_every_kind_and_class() -> None:
    for source, recipient, data in itertools.product(KINDS, KINDS, CLASSES):
        assert TABLE.weigh("pcsc-2022-s16", source, recipient, data) is not None, (source, recipient, data)


def test_nothing_is_supplied_under_section_17_without_a_word_on_its_use() -> None:
    """Section 17(7): the policing body may use it only for its functions under section 14."""
    for source, data in itertools.product(KINDS, CLASSES):
        rule = TABLE.weigh("pcsc-2022-s17", source, "local-policing-body", data)
        assert rule is not None
        assert rule.verdict == "refused" or "section-14-use" in rule.conditions, (source, data)


def test_no_gateway_lets_patient_information_go_without_a_condition() -> None:
    for gateway, source, recipient in itertools.product(TABLE.gateways, KINDS, KINDS):
        rule = TABLE.weigh(gateway, source, recipient, "patient-information")
        assert rule is None or rule.verdict != "allowed", (gateway, source, recipient)


def test_every_part_says_where_it_comes_from() -> None:
    for gateway in TABLE.gateways.values():
        assert "legislation.gov.uk" in gateway.source
        assert "read" in gateway.source or "remembered" in gateway.source
    assert all(group.source for group in TABLE.groups.values())
    assert "remembered" in TABLE.bases.source


def unknown_kind(value: Any) -> None:
    value["gateways"]["pcsc-2022-s16"]["rules"][0]["from"] = ["council"]


def unknown_class(value: Any) -> None:
    value["gateways"]["pcsc-2022-s16"]["rules"][0]["data"] = ["secrets"]


def unknown_condition(value: Any) -> None:
    value["gateways"]["cda-1998-s115"]["rules"][1]["conditions"] = ["goodwill"]


def condition_of_no_use(value: Any) -> None:
    value["gateways"]["pcsc-2022-s16"]["rules"][0]["conditions"] = ["necessity"]


def kind_left_out(value: Any) -> None:
    del value["classes_of_persons"]["prison"]


def group_called_as_a_kind(value: Any) -> None:
    value["groups"]["police"] = value["groups"]["relevant-authorities"]


def surplus_key(value: Any) -> None:
    value["gateways"]["cda-1998-s115"]["rules"][0]["unless"] = "asked nicely"


@pytest.mark.parametrize(
    "edit",
    [
        unknown_kind, unknown_class, unknown_condition, condition_of_no_use, kind_left_out, group_called_as_a_kind,
        surplus_key,
    ],
)  # fmt: skip
def test_a_table_that_is_not_closed_is_refused(edit: Callable[[Any], None]) -> None:
    value = copy.deepcopy(VALUE)
    edit(value)
    with pytest.raises(InvalidDocument):
        read(Gateways, value)


def leaves(value: Any) -> set[type]:
    """The types of all the values that hold no others."""
    if isinstance(value, dict):
        return {kind for part in value.values() for kind in leaves(part)}
    return {kind for part in value for kind in leaves(part)} if isinstance(value, list) else {type(value)}


def test_the_table_holds_no_number_that_could_be_read_two_ways() -> None:
    assert leaves(VALUE) <= {str, bool}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("6", ("6",)),
        ("Schedule 1 paragraph 6", ("6",)),
        ("DPA 2018 schedule 1, paragraphs 6 and 18", ("6", "18")),
        ("6 and 18", ("6", "18")),
        ("paragraph 6(1) and (2)(a)", ("6",)),
        ("statutory purposes", ()),
        (None, ()),
    ],
)
def test_paragraphs_are_read_out_of_what_people_write(said: str | None, expected: tuple[str, ...]) -> None:
    assert paragraphs(said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("DPA 2018 s.10(5) and Schedule 1 paragraph 6, statutory purposes", ("6",)),
        ("Schedule 1 paragraphs 6(1), (2)(a), 10 and 18 and s.11", ("6", "10", "18")),
        ("paragraph 6 of Schedule 1", ("6",)),
        ("DPA 2018 s.10(5), Sch. 1 para. 10", ("10",)),
        ("Schedule 1, 6", ("6",)),
        ("DPA 2018 s.10(5)", ()),
        ("Schedule 8 paragraph 1", ()),
        ("paragraphs 2 and 3 of Schedule 8", ()),
        ("para " + "1,(2) " * 600 + "x", ("1",) * 600),
        (None, ()),
    ],
)
def test_an_authority_cites_paragraphs_among_other_provisions(said: str | None, expected: tuple[str, ...]) -> None:
    assert paragraphs_cited(said) == expected
