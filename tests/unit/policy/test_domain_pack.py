"""Whatever a shipped schema offers, an agreement can grant and a question can ask: no level leads nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from agreements.__main__ import pins
from schemas import artefacts
from schemas.agreement import parse
from schemas.table_schema import Column, TableSchema
from service.errors import Malformed
from service.policy import coherence
from service.policy.decide import decide
from service.policy.plan import DateKeys

LIBRARY = artefacts.Library(artefacts.load())
SCHEMAS = [name for name, made in artefacts.load().items() if "concordat:schema" in made.value]
TO = {"to": ["as-opcc"], "for": ["needs-assessment"]}
YEARS = {"from": "2025-01-01", "to": "2026-12-31"}
PERIOD = {"from": "2026-01-01", "to": "2026-12-31"}
TOO_MANY_NUMBERS = {("minutes", "as-is")}  # a day has 1,441; they have bands


def grantable(column: Column) -> bool:
    """Whether its keys are public: neither a pseudonym nor a code that only a pattern describes."""
    return bool(column.all_levels) and not (column.kind == "code" and column.constraints.enum is None)


def whole_grant(name: str, dataset: str) -> dict[str, Any]:
    """Everything that a dataset can grant."""
    schema = LIBRARY.schema(name)
    levels = {column.name: list(column.all_levels) for column in schema.fields if grantable(column)}
    numbers = [column.name for column in schema.fields if column.kind == "integer"]
    measure = {"count": True, "persons": schema.privacy_unit == "person", "sum": numbers, "mean": numbers}
    return {**TO, "dataset": dataset, "group_by": levels, "filter_by": levels, "measure": measure}


@pytest.fixture(scope="module")
def everything(document):
    """An agreement that grants one party everything of every shipped dataset, persons linked with the police's."""
    value = {**document, "datasets": {}, "grants": []}
    units = {name.split("/")[0]: LIBRARY.schema(name).privacy_unit for name in SCHEMAS}
    for dataset, unit in units.items():
        bounds = {"per_person": 3 if unit == "person" else 1}
        common = {"supplier": "as-police", "every": "P1M", "keep": "P3Y", "privacy_unit": unit}
        value["datasets"][dataset] = {"schema": f"{dataset}/v1", "bounds": bounds, **common}
        value["grants"].append(whole_grant(f"{dataset}/v1", dataset))
    persons = [dataset for dataset, unit in units.items() if unit == "person"]
    for grant in value["grants"]:
        if grant["dataset"] in persons:
            grant["link"] = [other for other in persons if other != grant["dataset"]]
    value["pins"] = pins(value)
    return parse(value)


def question(schema: TableSchema, **more: Any) -> dict[str, Any]:
    base = {"purpose": "needs-assessment", "dataset": schema.name.split("/")[0], "spend": {"share": "0.02"}}
    return {**base, "measures": [{"count": {}}], **more}


def test_an_agreement_over_all_that_ships_fits_its_artefacts(everything):
    assert coherence.findings(everything, LIBRARY) == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_groups_at_every_level_and_its_keys_are_public(everything, ask, name):
    schema = LIBRARY.schema(name)
    for column in filter(grantable, schema.fields):
        for level in column.all_levels:
            if (column.name, level) in TOO_MANY_NUMBERS:
                continue
            dated = column.kind == "date"
            where = [{"field": column.name, **YEARS}] if dated else []
            by = [{"field": column.name, "level": level}]
            decision = decide(everything, LIBRARY, "as-opcc", ask(**question(schema, by=by, where=where)))
            assert decision.allowed, (column.name, level)
            assert decision.plan is not None
            assert decision.plan.cells > 1
            if column.codes is not None and level != "as-is":
                assert decision.plan.cells < len(column.constraints.enum or ())


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_field_without_public_keys_can_be_granted_to_group_by(document, name):
    schema = LIBRARY.schema(name)
    hidden = [column.name for column in schema.fields if column.kind == "code" and not grantable(column)]
    grant = whole_grant(name, "it")
    grant["group_by"] |= {field: ["as-is"] for field in hidden}
    bounds = {"per_person": 1}
    common = {"supplier": "as-police", "every": "P1M", "keep": "P3Y", "privacy_unit": schema.privacy_unit}
    value = {**document, "datasets": {"it": {"schema": name, "bounds": bounds, **common}}, "grants": [grant]}
    found = coherence.findings(parse({**value, "pins": pins(value)}), LIBRARY)
    assert [finding.rule for finding in found] == ["keys_not_public"] * len(hidden)


@pytest.mark.parametrize("dataset", ["children-in-need", "probation", "youth-justice", "school-exclusions"])
def test_young_knife_suspects_can_be_asked_for_earlier_contact_with_a_service(everything, ask, dataset):
    """One of a needs assessment's own questions: a share of suspects, by whether another agency knew them."""
    told = question(
        LIBRARY.schema("police-violence/v1"),
        measures=[{"persons": {}}],
        where=[{"field": "knife", "is": True}, {"field": "role", "in": ["suspect"]}],
        linked=[{"dataset": dataset, "has": True}],
    )
    assert decide(everything, LIBRARY, "as-opcc", ask(**told)).allowed


def test_open_cases_are_told_by_their_flag_and_fall_out_of_a_closed_period(everything, ask):
    schema = LIBRARY.schema("children-in-need/v1")
    where = [{"field": "closed", **PERIOD}]
    by = [{"field": "closed", "level": "quarter"}]
    decision = decide(everything, LIBRARY, "as-opcc", ask(**question(schema, by=by, where=where)))
    assert decision.plan is not None
    (quarters,) = decision.plan.by
    assert isinstance(quarters, DateKeys)
    assert [start.month for start in quarters.starts] == [1, 4, 7, 10]
    assert {start.year for start in quarters.starts} == {2026}
    with pytest.raises(Malformed, match="needs a condition on it"):
        decide(everything, LIBRARY, "as-opcc", ask(**question(schema, by=by)))
