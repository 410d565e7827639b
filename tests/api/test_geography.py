"""Imported code lists and hierarchies, end to end: an agreement binds them, and questions are asked by ward."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas import artefacts, strict_yaml
from schemas.canonical import canonical
from service.aggregates.engine import Engine, Table
from service.agreements.imports import keep
from service.api.broker import Broker
from service.errors import Conflict
from service.identity.caller import Caller
from service.policy.plan import EffectivePlan
from tests.api.test_rules_of_asking import agreement_file, document
from tests.support import geography
from tests.support.server import DAYS, Served, count_request, serve_here

ROWS = {"E01000001": 40, "E01000002": 30, "E01000003": 20, "E01000004": 10, "unknown": 5, "E01999999": 7}
"""How many persons' rows lie in each area; the last is in no list."""
COLUMNS = (
    "person,unlinked,occurred,hour,lsoa,ward,lad,offence_group,role,primary,knife,firearm,domestic,alcohol,age,sex,"
    "ethnicity,outcome_group,gravity"
)


@dataclass
class Recorder:
    """An engine that remembers the exact totals it gave."""

    inner: Engine
    given: list[dict[str, list[int]]] = field(default_factory=list)

    def totals(self, plan: EffectivePlan, tables: Mapping[str, Table]) -> dict[str, list[int]]:
        self.given.append(self.inner.totals(plan, tables))
        return self.given[-1]


def extract(rows: Mapping[str, int] = ROWS) -> bytes:
    """Write an extract: one person and one row each."""
    lines = [COLUMNS]
    for area, many in rows.items():
        for _ in range(many):
            person = f"{len(lines):064x}"
            lines.append(
                f"{person},false,2026-04-02,12,{area},unknown,E06000023,robbery,victim,true,false,false,false,false,30,"
                "male,NS,unknown,1"
            )
    return "\n".join(lines).encode()


def bound(value: dict[str, Any]) -> None:
    """Bind the current vintage to police violence, and let it be asked by ward and council, and filtered by ward."""
    value["datasets"]["police-violence"] |= {
        "codes": {"lsoa": "lsoa-2021"},
        "levels": {"lsoa": {"ward": "lsoa21-ward25", "council": "lsoa21-lad25"}},
    }
    grant = next(grant for grant in value["grants"] if grant["dataset"] == "police-violence")
    grant["group_by"] |= {"lsoa": ["ward", "council"]}
    grant["filter_by"] |= {"lsoa": ["ward"]}


@contextmanager
def pushed(folder: Path, edit: Any = bound) -> Iterator[tuple[Served, Recorder]]:
    recorders: list[Recorder] = []

    def tune(broker: Broker) -> Broker:
        recorders.append(Recorder(broker.completion.engine))
        return replace(broker, completion=replace(broker.completion, engine=recorders[0]))

    with serve_here(folder, agreement_file(folder, edit), tune, geography.artefacts(folder)) as served:
        answer = served.push("as-police", "police-violence", extract())
        assert answer.status_code == 201, answer.text
        yield served, recorders[0]


@pytest.fixture
def world(tmp_path) -> Iterator[tuple[Served, Recorder]]:
    with pushed(tmp_path) as made:
        yield made


def totals(made: tuple[Served, Recorder], key: str, **changes: Any) -> dict[str, float]:
    """Ask by one column; return the exact totals behind the answer, by key."""
    served, recorder = made
    answer = served.ask(count_request(where=[]) | changes, key)
    assert answer.status_code == 200, answer.text
    release = answer.json()
    keys = ["/".join(row["keys"][name] for name in release["keys"]) for row in release["rows"]]
    return dict(zip(keys, (total / 1024 for total in recorder.given[-1]["count.count"]), strict=True))


BY_WARD = [{"field": "lsoa", "level": "ward"}]


def test_records_are_asked_by_ward_and_by_council_and_none_is_lost(world):
    wards = totals(world, "ward", by=BY_WARD)
    assert wards == {"E05000001": 70, "E05000002": 20, "E05000003": 10, "unknown": 12}
    councils = totals(world, "council", by=[{"field": "lsoa", "level": "council"}])
    assert councils == {"E06000023": 90, "E06000022": 10, "unknown": 12}


def test_filters_at_ward_level_and_a_forced_scope_hold_together(tmp_path):
    def scoped(value: dict[str, Any]) -> None:
        bound(value)
        grant = next(grant for grant in value["grants"] if grant["dataset"] == "police-violence")
        grant["rows"] = {"lsoa": ["E01000001", "E01000003", "unknown"]}

    with pushed(tmp_path, scoped) as made:
        assert totals(made, "scope", by=BY_WARD) == {"E05000001": 40, "E05000002": 20, "unknown": 12}
        two = [{"field": "lsoa", "level": "ward", "in": ["E05000001", "unknown"]}]
        assert totals(made, "filter", by=BY_WARD, where=two) == {"E05000001": 40, "unknown": 12}
        one = [{"field": "lsoa", "level": "ward", "in": ["E05000001"]}]
        assert totals(made, "one", by=[], where=one) == {"": 40}
        none = [{"field": "lsoa", "level": "ward", "in": ["E05000003"]}]
        answer = made[0].ask(count_request(by=BY_WARD, where=none), "none")
        assert (answer.status_code, answer.json()["code"]) == (422, "contradiction")


def test_a_filter_finer_than_the_grants_level_is_refused(world):
    served, _ = world
    for where in ([{"field": "lsoa", "in": ["E01000001"]}], [{"field": "lsoa", "level": "as-is", "in": ["E01000001"]}]):
        answer = served.ask(count_request(by=[], where=where), "finer")
        assert answer.status_code in (403, 422), answer.text
        assert "rows" not in answer.json()
    answer = served.ask(count_request(by=[{"field": "lsoa"}], where=[]), "as-is")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_code_that_only_the_data_know_makes_no_key_and_is_no_filter(world):
    served, _ = world
    answer = served.ask(count_request(by=BY_WARD, where=[]), "keys")
    assert "E01999999" not in answer.text
    where = [{"field": "lsoa", "level": "ward", "in": ["E01999999"]}]
    assert served.ask(count_request(by=[], where=where), "odd").json()["code"] == "unknown_code"
    with served.http("as-opcc", "analyst") as http:
        shown = http.get(f"{served.agreement}/datasets/police-violence").json()
    area = next(item for item in shown["fields"] if item["name"] == "lsoa")
    assert area["codes"]["list"] == "lsoa-2021"
    assert area["level_keys"]["ward"] == ["E05000001", "E05000002", "E05000003", "unknown"]


def test_the_former_vintage_is_bound_as_well_and_what_only_it_knows_is_counted(tmp_path):
    def former(value: dict[str, Any]) -> None:
        bound(value)
        value["datasets"]["police-violence"] |= {
            "codes": {"lsoa": "lsoa-2011"},
            "levels": {"lsoa": {"ward": "lsoa11-lsoa21", "council": "lsoa11-lad25"}},
        }

    with pushed(tmp_path, former) as made:
        councils = totals(made, "council", by=[{"field": "lsoa", "level": "council"}])
        assert councils == {"E06000023": 70, "unknown": 42}, "areas of the later vintage alone are unknown to this one"
        later = totals(made, "later", by=BY_WARD)
        assert later == {"E01000001": 40, "E01000002": 30, "E01000003": 0, "unknown": 42}


def named(broker: Broker, name: str, **changes: Any) -> None:
    """Import a code list of one code."""
    value = {
        "concordat:codelist": name, "title": "Another", "source": "made up",
        "codes": [{"code": "E01000001", "label": "x"}, {"code": "unknown", "label": "y"}],
    } | changes  # fmt: skip
    with broker.store.write() as tx:
        keep(tx, broker.registry.artefacts, artefacts.artefact(value), datetime.now(UTC), Caller.nonce())


def test_no_import_changes_an_agreement_in_force(world):
    served, _ = world
    assert served.broker is not None
    before = totals(world, "before", by=BY_WARD)
    with served.http("as-opcc", "analyst") as http:
        reference = http.get(served.agreement).json()
    for name in ("lsoa-2021", "lsoa21-ward25", "sex", "police-violence/v1"):
        with pytest.raises(Conflict) as caught:
            named(served.broker, name)
        assert caught.value.code == "artefact_name_taken"
    named(served.broker, "lsoa-2031")
    assert totals(world, "before", by=BY_WARD) == before
    with served.http("as-opcc", "analyst") as http:
        assert http.get(served.agreement).json() == reference
    assert served.ask(count_request(by=BY_WARD, where=[]), "after").json()["repeat"] is True


def test_a_new_version_may_pin_what_was_imported_since_and_no_other_digest(world):
    served, _ = world
    assert served.broker is not None
    value = document(served)
    value["version"] = "2"
    value["datasets"]["police-violence"] |= {"codes": {"lsoa": "lsoa-2031"}, "levels": {}}
    for grant in value["grants"]:
        grant["group_by"].pop("lsoa", None)
        grant["filter_by"].pop("lsoa", None)
    value["pins"] = {name: pin for name, pin in value["pins"].items() if not name.startswith("lsoa21")}
    value["pins"].pop("lsoa-2021")

    def register() -> tuple[int, str]:
        with served.http("as-police", "steward") as http:
            headers = {"Content-Type": "application/yaml"}
            answer = http.post("/v1/agreements", content=strict_yaml.dumps(value), headers=headers)
        findings = answer.json().get("errors", [])
        return answer.status_code, findings[0]["rule"] if findings else ""

    assert register() == (422, "missing_pin")
    value["pins"]["lsoa-2031"] = "sha256:" + "0" * 64
    assert register() == (422, "unknown_artefact")
    named(served.broker, "lsoa-2031")
    assert register() == (422, "changed_artefact")
    with served.broker.store.read() as tx:
        value["pins"]["lsoa-2031"] = tx.agreements.artefacts_named("lsoa-2031")[0][0]
    assert register() == (201, "")


def test_an_import_is_logged_as_the_operators_act_and_done_again_changes_nothing(world):
    served, _ = world
    assert served.broker is not None

    def logged() -> list[dict[str, Any]]:
        assert served.broker is not None
        with served.broker.store.read() as tx:
            found = [tx.log.entry(n) for n in range(tx.log.size())]
        entries = [json.loads(item.entry) for item in found if item is not None]
        return [entry for entry in entries if entry["kind"] == "artefact-imported"]

    before = logged()
    assert len(before) == 6
    named(served.broker, "lsoa-2031")
    named(served.broker, "lsoa-2031")
    entry = logged()[-1]
    assert len(logged()) == 7
    assert entry["caller"]["client"] == "operator"
    assert (entry["result"]["artefact"], entry["result"]["kind"], entry["result"]["size"]) == (
        "lsoa-2031",
        "codelist",
        2,
    )


def test_what_is_no_code_list_or_hierarchy_is_not_imported(world):
    served, _ = world
    assert served.broker is not None
    schema = json.loads(canonical(artefacts.load()["police-violence/v1"].value)) | {"concordat:schema": "mine/v1"}
    with served.broker.store.write() as tx, pytest.raises(Exception, match="only code lists and hierarchies"):
        keep(tx, {}, artefacts.artefact(schema), datetime.now(UTC), Caller.nonce())


def test_days_are_still_asked_for_with_areas(world):
    by = [{"field": "occurred", "level": "month"}, *BY_WARD]
    found = totals(world, "both", by=by, where=[{"field": "occurred", **DAYS}])
    assert found["2026-04/E05000001"] == 70
    assert sum(found.values()) == 112
