"""Rules of asking that are easily lost: what is decided anew, when things appear, what periods and lifetimes cap."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas import strict_yaml
from schemas.agreement import SIGNATURE_TYPE, signature_payload
from schemas.jws import sign
from schemas.request import parse
from service.aggregates.asking import Asking, Pending
from service.aggregates.completion import Completion
from service.aggregates.engine import Engine, Table
from service.agreements.registry import TERMINATION_TYPE, termination_payload
from service.api.broker import Broker
from service.errors import EngineFailed, Forbidden
from service.identity.caller import Caller, Role
from service.policy.plan import CodeFilter, EffectivePlan, LinkPlan, Measured
from service.storage.keyfiles import signing_key
from tests.support.server import DAYS, WORKED_EXAMPLE, Served, count_request, serve_here

SECRET = "SECRET 943 476 5919"
ANALYST = Caller("as-opcc-client", "as-opcc", frozenset({Role.ANALYST}))


@dataclass
class Rig:
    """What a test may turn on a broker that serves: its time, and how its engine fares."""

    shift: timedelta = timedelta(0)
    error: Exception | None = None
    delay: float = 0.0
    inner: Engine | None = None
    files: list[dict[str, tuple[str, ...]]] = field(default_factory=list)

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def totals(self, plan: EffectivePlan, tables: Mapping[str, Table]) -> dict[str, list[int]]:
        self.files.append({name: table.files for name, table in tables.items()})
        time.sleep(self.delay)
        if self.error is not None:
            raise self.error
        assert self.inner is not None
        return self.inner.totals(plan, tables)


@contextmanager
def rigged(folder: Path, *, step: float = 0.05, agreement: Path = WORKED_EXAMPLE) -> Iterator[tuple[Served, Rig]]:
    """Serve a broker whose questions go by the rig's time and engine."""
    rig = Rig()

    def tune(broker: Broker) -> Broker:
        rig.inner = broker.completion.engine
        return replace(
            broker,
            asking=replace(broker.asking, clock=rig.clock),
            completion=replace(broker.completion, engine=rig, clock=rig.clock),
            settings=replace(broker.settings, answer_time_step=step),
        )

    with serve_here(folder, agreement, tune) as served:
        yield served, rig


def use_cases(served: Served) -> tuple[Asking, Completion]:
    assert served.broker is not None
    return served.broker.asking, served.broker.completion


def agreement_file(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """Write the worked agreement, edited, and in force for years to come."""
    value: dict[str, Any] = strict_yaml.loads(WORKED_EXAMPLE.read_bytes())
    value["period"] |= {"end": "2099-03-31", "review_by": "2099-03-31"}
    edit(value)
    path = folder / "edited.yaml"
    path.write_text(strict_yaml.dumps(value))
    return path


def document(served: Served) -> dict[str, Any]:
    value: dict[str, Any] = strict_yaml.loads((served.state / "agreement.yaml").read_bytes())
    return value


def register(served: Served, value: dict[str, Any]) -> None:
    """Register a document and sign it as every party, over HTTP."""
    with served.http("as-police", "steward") as http:
        headers = {"Content-Type": "application/yaml"}
        made = http.post("/v1/agreements", content=strict_yaml.dumps(value), headers=headers)
    assert made.status_code == 201, made.text
    payload = signature_payload(value, served.clients["issuer"])
    for party in served.clients["parties"]:
        key = signing_key(served.state / "keys" / f"{party}.signing.pem")
        with served.http(party, "ig-lead") as http:
            url = f"/v1/agreements/{value['id']}/versions/{value['version']}/signatures"
            answer = http.post(url, json={"signature": sign(payload, key, typ=SIGNATURE_TYPE)})
    assert answer.json()["unsigned"] == []


def budget(served: Served) -> dict[str, Any]:
    with served.http("as-opcc", "analyst") as http:
        found: dict[str, Any] = http.get(f"{served.agreement}/budget").json()
    return found


def spent(served: Served) -> Decimal:
    return Decimal(budget(served)["lifetime"]["spent"]["rho"])


def small(**changes: Any) -> dict[str, Any]:
    """Return a question of five cells."""
    return count_request(by=[{"field": "lad"}], where=[]) | changes


# --- decided anew


def test_a_key_is_decided_anew_when_it_is_used_again(served):
    request = small()
    assert served.ask(request, "own").status_code == 200
    assert served.ask(request, "repeat").json()["repeat"] is True
    assert served.ask(request, "own").status_code == served.ask(request, "repeat").status_code == 200
    before = spent(served)

    value = document(served)
    value["version"] = "2"
    value["grants"] = [
        grant for grant in value["grants"] if grant["dataset"] != "police-violence" or "as-opcc" not in grant["to"]
    ]
    register(served, value)
    for key in ("own", "repeat"):
        answer = served.ask(request, key)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_granted"), key
        assert "rows" not in answer.json()
        assert "unrounded" not in answer.text
    refused = served.entries(kind="refused")
    assert [item["entry"]["decision"]["code"] for item in refused] == ["not_granted"] * 2
    assert spent(served) == before


# --- when things appear


@pytest.mark.parametrize("error", [None, EngineFailed("out of memory")], ids=["answer", "failure"])
def test_an_answer_and_an_engine_failure_appear_on_the_tick(tmp_path, error):
    step = 0.5
    with rigged(tmp_path, step=step) as (served, rig), served.http("as-opcc", "analyst") as http:
        http.get(f"{served.agreement}/budget")  # the connection is open
        rig.error = error
        for place, (delay, steps) in enumerate(((0.0, 1), (0.65, 2))):
            rig.delay = delay
            where = [{"field": "knife", "is": True}, {"field": "sex", "in": ["female"]}][:place]
            begun = time.monotonic()
            answer = http.post(
                f"{served.agreement}/aggregates",
                json=small(where=where, spend={"share": "0.01"}),
                headers={"Idempotency-Key": f"t{place}"},
            )
            elapsed = time.monotonic() - begun
            assert answer.status_code == (200 if error is None else 503), answer.text
            assert step * steps <= elapsed, (delay, elapsed)
            assert elapsed % step <= step / 2, (delay, elapsed)


def test_an_entry_is_not_seen_before_its_checkpoint(tmp_path):
    with rigged(tmp_path, step=1.0) as (served, _), served.http("as-opcc", "ig-lead") as http:

        def checkpoint() -> str:
            return http.get("/v1/audit/checkpoint").text

        def previews() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = http.get("/v1/audit/entries", params={"kind": "previewed"}).json()["entries"]
            return found

        def next_checkpoint(before: str) -> None:
            deadline = time.monotonic() + 10
            while checkpoint() == before:
                assert time.monotonic() < deadline
                time.sleep(0.02)

        before = checkpoint()
        for _ in range(5):  # a machine that is slow at one moment misses a whole tick
            assert served.preview(small()).status_code == 200
            next_checkpoint(before)  # a tick has just passed, the next one is far
            before = checkpoint()
            seen, size = previews(), int(before.splitlines()[1])
            assert served.preview(small()).status_code == 200
            listed = http.get("/v1/audit/entries", params={"limit": 1000}).json()
            hidden = [http.get(f"/v1/audit/entries/{size}{path}").status_code for path in ("", "/proof")]
            exported = http.get("/v1/audit/export").text
            if checkpoint() == before:
                break
            before = checkpoint()
        else:
            pytest.fail("the machine is too slow for this test")
        assert listed["size"] == size
        assert [item for item in listed["entries"] if item["entry"]["kind"] == "previewed"] == seen
        assert hidden == [404, 404]
        assert exported.count('"previewed"') == len(seen) > 0
        next_checkpoint(before)
        assert len(previews()) == len(seen) + 1
        assert http.get(f"/v1/audit/entries/{size}/proof").status_code == 200


# --- periods and the lifetime


def test_a_clock_set_back_does_not_reopen_a_period(tmp_path):
    path = agreement_file(tmp_path, lambda _: None)
    with rigged(tmp_path, agreement=path) as (served, rig):
        first = budget(served)["period"]["index"]
        rig.shift = timedelta(days=200)
        assert served.ask(small(), "later").status_code == 200
        later = served.entries(kind="charged")[-1]["entry"]["charge"]["period"]
        assert later >= first + 2
        rig.shift = timedelta(0)
        assert served.ask(small(where=[{"field": "knife", "is": True}]), "back").status_code == 200
        assert served.entries(kind="charged")[-1]["entry"]["charge"]["period"] == later
        now = budget(served)
        assert now["period"]["index"] == later
        both = sum(item["entry"]["charge"]["rho_nano"] for item in served.entries(kind="charged"))
        assert Decimal(now["spent"]["rho"]) == both * Decimal("1e-9")


def test_a_preview_over_what_one_request_may_spend_names_that_cap(filled):
    asked = small(spend={"share": "0.5"})
    shown = filled.preview(asked).json()
    assert (shown["decision"]["outcome"], shown["affordable"]) == ("allowed", False)
    assert shown["unaffordable"].startswith(
        "one request may spend at most 0.1 of your share, and this would spend 0.49"
    )
    refused = filled.ask(asked, "over").json()
    assert refused["code"] == "over_request_cap"
    assert f"at most rho {shown['request_limit']['rho']}" in refused["detail"]
    assert "unaffordable" not in filled.preview(small()).json()


def test_the_lifetime_budget_ends_all_periods(tmp_path):
    def edit(value: dict[str, Any]) -> None:
        value["privacy"]["lifetime"]["epsilon"] = "8.1"
        value["privacy"]["shares"] = {"as-opcc": "1"}
        value["privacy"]["per_request"]["share"] = "1"

    with rigged(tmp_path, agreement=agreement_file(tmp_path, edit)) as (served, rig):
        assert served.ask(small(spend={"share": "0.9"}), "one").status_code == 200
        half = small(where=[{"field": "knife", "is": True}], spend={"share": "0.5"})
        rig.shift = timedelta(days=100)
        shown = served.preview(half).json()
        assert shown["decision"]["outcome"] == "allowed"
        assert shown["affordable"] is False
        assert shown["unaffordable"].startswith("the budget leaves you 0.1")
        before = spent(served)
        refused = served.ask(half, "three")
        assert (refused.status_code, refused.json()["code"]) == (403, "over_lifetime_budget")
        assert refused.json()["decision"]["clauses"] == ["privacy/lifetime"]
        rig.shift = timedelta(days=5000)
        assert served.ask(half, "four").json()["code"] == "over_lifetime_budget"
        assert spent(served) == before
        rest = served.ask(half | {"spend": {"share": "0.05"}}, "five")
        assert rest.status_code == 200, rest.text


# --- between charge and completion


@pytest.mark.parametrize("change", ["push", "replace", "withdraw"])
def test_a_push_between_charge_and_completion_does_not_change_the_answer(tmp_path, extracts, change):
    with rigged(tmp_path) as (served, rig):
        asking, completion = use_cases(served)
        body = extracts["police-violence"].read_bytes()
        half = b"".join(body.splitlines(keepends=True)[:4000])
        receipt = served.push("as-police", "police-violence", half).json()
        request = small()
        name = served.clients["agreement"]["id"]
        assert served.broker is not None
        pending = asking.prepare(ANALYST, name, served.broker.conceal("held"), parse(request))
        assert isinstance(pending, Pending)
        pinned = json.loads(pending.intent.pinned)["police-violence"]
        files = completion.lake.files(name, "police-violence", pinned["lake"])
        assert files
        if change == "push":
            done = served.push("as-police", "police-violence", body, "more", params={"to": "2026-07-31"})
        elif change == "replace":
            done = served.push("as-police", "police-violence", body, "more", params={"replaces": receipt["extract"]})
        else:
            with served.http("as-police", "supplier") as http:
                done = http.delete(f"{served.agreement}/datasets/police-violence/extracts/{receipt['extract']}")
        assert done.is_success, done.text
        computed = completion.compute(pending.intent)
        assert computed.failure is None
        assert rig.files == [{"police-violence": tuple(files)}]
        release = json.loads(completion.complete(computed))
        assert release["data_version"] == pinned["name"]
        assert release["covered"] == {"police-violence": [DAYS]}
        whole = sum(row["measures"]["count"]["value"] for row in release["rows"])
        assert 2000 < whole < 4200
        assert served.ask(request, "held").json() == release
        other = served.ask(request, "fresh").json()
        assert other["repeat"] is False
        assert other["data_version"] != pinned["name"]


# --- failures


def test_an_engine_failure_is_503_logged_charged_and_the_same_key_completes_it(tmp_path):
    with rigged(tmp_path) as (served, rig):
        rig.error = EngineFailed("the engine gave no answer within its limits")
        request = small()
        failed = served.ask(request, "one")
        assert (failed.status_code, failed.json()["code"]) == (503, "engine_failed")
        assert "rows" not in failed.json()
        (charged,) = served.entries(kind="charged")
        (entry,) = served.entries(kind="failed")
        intent = charged["entry"]["charge"]["intent"]
        assert entry["n"] > charged["n"]
        assert entry["entry"]["result"] == {"intent": intent, "code": "engine_failed"}
        assert served.entries(kind="released") == []
        before = spent(served)
        assert before == Decimal(charged["entry"]["charge"]["rho_nano"]) * Decimal("1e-9") > 0

        assert served.ask(request, "one").status_code == 503
        rig.error = None
        answer = served.ask(request, "one")
        assert answer.status_code == 200, answer.text
        assert answer.json()["audit"]["index"] == charged["n"]
        assert served.ask(request, "one").json() == answer.json()
        assert spent(served) == before
        assert len(served.entries(kind="charged")) == 1
        (released,) = served.entries(kind="released")
        assert released["entry"]["result"]["intent"] == intent


def test_a_fault_of_ours_tells_no_words(tmp_path, caplog, capfd):
    with rigged(tmp_path) as (served, rig):
        rig.error = RuntimeError(SECRET)
        answer = served.ask(small(), "one")
        entries = json.dumps(served.entries())
    said = capfd.readouterr()
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_failed")
    for text in (answer.text, entries, caplog.text, said.out, said.err):
        assert "SECRET" not in text
        assert "5919" not in text
    assert all(record.exc_info is None for record in caplog.records if record.name.startswith("service"))
    assert "RuntimeError" in caplog.text, "operators are told the type"


# --- what makes sense, and what is another question

EXCLUDING: dict[str, list[dict[str, Any]]] = {
    "codes": [{"field": "sex", "in": ["female"]}, {"field": "sex", "in": ["male"]}],
    "bands": [
        {"field": "age", "level": "sna-band", "in": ["0-9"]},
        {"field": "age", "level": "under-25", "in": ["25+"]},
    ],
}
ONLY_HERE: dict[str, list[dict[str, Any]]] = {
    "flags": [{"field": "knife", "is": True}, {"field": "knife", "is": False}],
    "days": [
        {"field": "occurred", "from": "2026-04-01", "to": "2026-04-30"},
        {"field": "occurred", "from": "2026-05-01", "to": "2026-05-31"},
    ],
}
ONLY_LINKED: dict[str, list[dict[str, Any]]] = {
    "days": [
        {"field": "arrived", "from": "2026-04-01", "to": "2026-04-30"},
        {"field": "arrived", "from": "2026-05-01", "to": "2026-05-31"},
    ],
    "levels": [{"field": "method", "level": "weapon", "in": ["weapon"]}, {"field": "method", "in": ["pushed"]}],
}


@pytest.mark.parametrize(
    ("place", "name"),
    [
        *(("where", name) for name in EXCLUDING | ONLY_HERE),
        *(("linked", name) for name in EXCLUDING | ONLY_LINKED),
    ],
)
def test_filters_that_exclude_each_other_are_malformed(filled, place, name):
    if place == "where":
        request = small(where=(EXCLUDING | ONLY_HERE)[name])
    else:
        conditions = (EXCLUDING | ONLY_LINKED)[name]
        request = small(linked=[{"dataset": "ed-assaults", "has": True, "where": conditions}])
    before = spent(filled)
    for answer in (filled.ask(request, f"x-{place}-{name}"), filled.preview(request)):
        assert (answer.status_code, answer.json()["code"]) == (422, "contradiction"), answer.text
    assert spent(filled) == before
    assert filled.entries(kind="refused")[-1]["entry"]["decision"]["code"] == "contradiction"


def test_datasets_of_one_source_in_other_roles_are_another_question():
    def plan(dataset: str, other: str) -> EffectivePlan:
        return EffectivePlan(
            dataset=dataset,
            source="as-police/police-violence",
            unit="person",
            filters=(CodeFilter("sex", ("female",)),),
            by=(),
            measures=(Measured("count"),),
            links=(LinkPlan(other, "as-police/police-violence", True, (CodeFilter("sex", ("female",)),)),),
            per_person=3,
        )

    versions = {"old": "v-old", "new": "v-new"}
    one, other = plan("old", "new").identity(versions), plan("new", "old").identity(versions)
    assert one != other
    assert plan("old", "old").identity(versions) not in (one, other)
    assert plan("a", "b").identity({"a": "v-old", "b": "v-new"}) == one  # names do not count
    moved = versions | {"new": "v-newer"}
    assert plan("old", "new").identity(moved) != one


@pytest.mark.parametrize("pseudonym", ["0f" * 32, "0F" * 32, f"({'3a9c' * 16}),"], ids=["lower", "upper", "within"])
def test_a_reason_with_a_pseudonym_is_refused_and_logged(filled, pseudonym):
    before = spent(filled)
    held = len(filled.entries(kind="refused"))
    request = small(reason=f"about {pseudonym}")
    for answer in (filled.ask(request, "reason"), filled.preview(request)):
        assert (answer.status_code, answer.json()["code"]) == (422, "reason_identifier"), answer.text
        assert pseudonym not in answer.text
    refused = [item["entry"] for item in filled.entries(kind="refused")][held:]
    assert [entry["decision"]["code"] for entry in refused] == ["reason_identifier"] * 2
    assert all(entry["reason"] is None for entry in refused)
    assert pseudonym not in json.dumps(refused)
    assert spent(filled) == before


LINK = [{"dataset": "ed-assaults", "has": True}]


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        ({}, ""),
        ({"measures": [{"persons": {}}]}, "left out of persons."),
        ({"linked": LINK}, "left out of links."),
        ({"measures": [{"count": {}}, {"persons": {}}], "linked": LINK}, "left out of persons and links."),
    ],
)
def test_unlinked_rows_are_told_of_in_the_release(filled, changes, left_out):
    answer = filled.ask(small(spend={"share": "0.01"}) | changes, "-".join(["unlinked", *changes, str(len(left_out))]))
    assert answer.status_code == 200, answer.text
    release = answer.json()
    assert "protected as records" in release["unlinked"]
    assert release["unlinked"].endswith(left_out or "one by one.")
    assert ("left out" in release["unlinked"]) == bool(left_out)
    assert release["guarantee"]["unit"] == "pseudonym"


def test_a_release_of_records_tells_of_no_unlinked_rows(filled):
    request = small(dataset="street-crime", spend={"share": "0.01"})
    release = filled.ask(request, "records").json()
    assert "unlinked" not in release
    assert release["guarantee"]["unit"] == "record"
    assert "Records are protected, not persons" in release["guarantee"]["words"]


# --- agreements that stop


def confirmation(served: Served, signer: str) -> dict[str, str]:
    with served.http(signer, "ig-lead") as http:
        known = http.get(served.agreement).json()["digest"]
    payload = termination_payload(served.clients["agreement"]["id"], known, served.clients["issuer"])
    key = signing_key(served.state / "keys" / f"{signer}.signing.pem")
    return {"confirmation": sign(payload, key, typ=TERMINATION_TYPE)}


def test_an_ended_agreement_answers_and_takes_nothing(served, extracts):
    body = extracts["police-violence"].read_bytes()
    receipt = served.push("as-police", "police-violence", body).json()
    request = small()
    release = served.ask(request, "before").json()
    (asking, completion), name = use_cases(served), served.clients["agreement"]["id"]
    pending = asking.prepare(ANALYST, name, "open", parse(small(where=[{"field": "knife", "is": True}])))
    assert isinstance(pending, Pending)
    computed = completion.compute(pending.intent)

    def terminate(party: str, signer: str) -> tuple[int, str]:
        with served.http(party, "ig-lead") as http:
            answer = http.post(f"{served.agreement}/termination", json=confirmation(served, signer))
        return answer.status_code, answer.json().get("code") or answer.json()["standing"]

    assert terminate("as-opcc", "as-opcc") == (403, "not_a_supplier")
    assert terminate("bri-ed", "as-police") == (403, "bad_signature")
    assert served.ask(request, "before").status_code == 200
    assert terminate("bri-ed", "bri-ed") == (200, "agreement_terminated")

    for answer in (
        served.ask(request, "before"),
        served.ask(request, "after"),
        served.ask(small(where=[{"field": "knife", "is": True}]), "open"),
        served.preview(request),
        served.push("as-police", "police-violence", body, "again"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "agreement_terminated"), answer.text
        assert "rows" not in answer.json()
    with pytest.raises(Forbidden) as caught:
        completion.complete(computed)
    assert caught.value.code == "agreement_terminated"
    assert completion.recover() == 0
    with served.http("as-opcc", "analyst") as http:
        held = http.get(f"{served.agreement}/releases/{release['id']}")
    assert (held.status_code, held.json()["code"]) == (403, "agreement_terminated")
    assert len(served.entries(kind="released")) == 1

    with served.http("bri-ed", "ig-lead") as http:
        http.delete(f"{served.agreement}/suspension")
    assert served.ask(request, "lifted").json()["code"] == "agreement_terminated"
    with served.http("as-police", "steward") as http:
        value = strict_yaml.dumps(document(served) | {"version": "2"})
        made = http.post("/v1/agreements", content=value, headers={"Content-Type": "application/yaml"})
    assert (made.status_code, made.json()["code"]) == (409, "agreement_terminated")
    with served.http("as-police", "supplier") as http:
        url = f"{served.agreement}/datasets/police-violence/extracts/{receipt['extract']}"
        assert http.delete(url).status_code == 200


def test_a_supplier_withdraws_while_the_agreement_is_suspended(served, extracts):
    receipt = served.push("as-police", "police-violence", extracts["police-violence"].read_bytes()).json()
    url = f"{served.agreement}/datasets/police-violence/extracts/{receipt['extract']}"
    with served.http("bri-ed", "ig-lead") as http:
        assert http.post(f"{served.agreement}/suspension").status_code == 200
    with served.http("bri-ed", "supplier") as http:
        assert http.delete(url).status_code in (403, 404)
    with served.http("as-police", "supplier") as http:
        gone = http.delete(url)
        assert gone.status_code == 200, gone.text
        assert "signature" in gone.json()
    assert not list((served.state / "broker" / "lake").rglob("*.parquet"))
    with served.http("bri-ed", "ig-lead") as http:
        assert http.delete(f"{served.agreement}/suspension").status_code == 200
    rows = served.ask(count_request(by=[], where=[]), "after").json()["rows"]
    assert rows[0]["measures"]["count"]["value"] < 500


# --- days that cannot be

IMPOSSIBLE: dict[str, tuple[dict[str, str], str]] = {
    "the last day there is": ({"from": "2026-04-01", "to": "9999-12-31"}, "bad_covers"),
    "the last day there is, alone": ({"from": "9999-12-31", "to": "9999-12-31"}, "bad_covers"),
    "the year 1": ({"from": "0001-01-01", "to": "2026-06-30"}, "bad_covers"),
    "no date": ({"from": "0001", "to": "2026-06-30"}, "bad_covers"),
    "from after to": ({"from": "2026-06-30", "to": "2026-04-01"}, "bad_covers"),
    "more than a year ahead": (
        {"from": "2026-04-01", "to": (datetime.now(UTC).date() + timedelta(days=370)).isoformat()},
        "bad_covers",
    ),
    "no such day": ({"from": "2026-02-30", "to": "2026-06-30"}, "bad_covers"),
    "no from": ({"to": "2026-06-30"}, "covers_required"),
    "no to": ({"from": "2026-04-01"}, "covers_required"),
    "none": ({}, "covers_required"),
    "empty": ({"from": "", "to": ""}, "bad_covers"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_push_that_covers_impossible_days_is_refused(filled, extracts, name):
    params, code = IMPOSSIBLE[name]
    body = b"".join(extracts["police-violence"].read_bytes().splitlines(keepends=True)[:3])
    with filled.http("as-police", "supplier") as http:
        url = f"{filled.agreement}/datasets/police-violence/extracts"
        held = http.get(url).json()
        answer = http.post(
            url,
            params=params,
            content=body,
            headers={"Content-Type": "text/csv", "Idempotency-Key": name.replace(" ", "-")},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
        assert http.get(url).json() == held
    last = filled.entries("as-police", kind="push-refused")[-1]["entry"]
    assert last["decision"] == {"outcome": "refused", "code": code, "clauses": []}
