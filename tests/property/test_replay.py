"""What the log keeps of a question is enough to decide it again, and a change that widens nothing allows no more."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from schemas import agreement as documents
from schemas.agreement import Agreement
from schemas.canonical import canonical
from schemas.diff.compare import compare
from schemas.request import AggregateRequest, parse
from service.aggregates.intents import approving, log_request
from service.aggregates.logged import asked
from service.aggregates.replay import Replay
from service.audit.entry import AgreementRef, Caller, CheckedReason, Decision, Entry, Kind
from service.errors import Malformed
from service.policy.decide import decide
from tests.support.requests import AGREEMENT, LIBRARY, PARTIES, ROLES, SCHEMAS, VALUE, columns, requests

VERSIONS = {name: f"v-{name}" for name in SCHEMAS}
Outcome = tuple[str, str, tuple[str, ...], str | None]


def decided(
    agreement: Agreement, party: str, request: AggregateRequest, held: Collection[str] = ("analyst",)
) -> Outcome:
    """Return outcome, code, clauses and the plan's identity."""
    try:
        decision = decide(agreement, LIBRARY, party, request, held)
    except Malformed as error:
        return "malformed", error.code, (), None
    plan = decision.plan
    identity = None if plan is None else plan.identity(VERSIONS)
    return decision.as_json()["outcome"], decision.code, decision.clauses, identity


def standing(agreement: Agreement, outcome: Outcome) -> str:
    """Return what a replay makes of an outcome under an agreement: ``allowed``, ``waiting`` or ``refused``."""
    if outcome[0] != "allowed":
        return "refused"
    return "waiting" if approving(agreement, outcome[2]) else "allowed"


def entry(party: str, roles: list[str], request: AggregateRequest, outcome: Outcome) -> dict[str, Any]:
    """Return the entry that the log keeps of a question, after its trip through canonical JSON."""
    clauses = (*outcome[2], *approving(AGREEMENT, outcome[2])) if outcome[0] == "allowed" else outcome[2]
    made = Entry(
        kind=Kind.PREVIEWED,
        time=datetime(2026, 11, 22, tzinfo=UTC),
        caller=Caller("client", party, " ".join(sorted(roles))),
        nonce="0" * 32,
        agreement=AgreementRef("a", "1", "sha256:" + "0" * 64),
        purpose=request.purpose,
        reason=CheckedReason(request.reason) if request.reason else None,
        request=log_request(request, AGREEMENT, LIBRARY.words),
        decision=Decision("refused" if outcome[0] == "malformed" else outcome[0], outcome[1], clauses),
    )
    value: dict[str, Any] = json.loads(made.data())
    return value


parties = st.sampled_from([*PARTIES, "as-opcc", "as-opcc", "as-opcc", "bristol"])
roles = st.lists(st.sampled_from(ROLES), min_size=1, unique=True)


@given(requests(), parties, roles)
def test_a_question_whose_words_are_known_is_read_back_exactly(value, party, roles):
    request = parse(value)
    outcome = decided(AGREEMENT, party, request, roles)
    found = asked(entry(party, roles, request, outcome))
    assert found.request == request
    assert canonical(json.loads(found.request.model_dump_json(by_alias=True))) == canonical(
        json.loads(request.model_dump_json(by_alias=True))
    )
    assert (found.party, found.roles) == (party, frozenset(roles))
    assert decided(AGREEMENT, found.party, found.request, found.roles) == outcome


@given(requests(), parties, roles)
def test_under_the_version_that_decided_nothing_flips(value, party, roles):
    request = parse(value)
    made = Replay()
    made.add(7, entry(party, roles, request, decided(AGREEMENT, party, request, roles)), AGREEMENT, LIBRARY)
    assert made.as_json() == {
        "replayed": 1, "same": 1, "flips": [], "unreadable": 0, "unreadable_because": {}, "not_replayed": 0,
        "not_replayed_because": {},
    }  # fmt: skip


@given(requests(), parties, st.randoms(use_true_random=False))
def test_what_a_replay_says_is_what_the_proposed_version_decides(value, party, by):
    document = copy.deepcopy(VALUE)
    document["grants"] = by.sample(document["grants"], by.randrange(len(document["grants"])))
    for grant in document["grants"]:
        grant["approval"] = by.choice([[], grant.get("approval", []), ["as-police"]])
    proposed = documents.parse(document)
    request = parse(value)
    before, after = decided(AGREEMENT, party, request), decided(proposed, party, request)
    made = Replay()
    made.add(7, entry(party, ["analyst"], request, before), proposed, LIBRARY)
    flips = made.as_json()["flips"]
    was, comes = standing(AGREEMENT, before), standing(proposed, after)
    code = "needs_approval" if comes == "waiting" else after[1]
    assert [(flip["n"], flip["before"], flip["after"], flip["code"]) for flip in flips] == (
        [(7, was, comes, code)] if was != comes else []
    )


# --- a change that widens nothing

WIDE = copy.deepcopy(VALUE)
"""The worked agreement with all that can be granted, so that most questions are allowed until something is narrowed."""
_PEOPLE = [name for name, schema in SCHEMAS.items() if schema.privacy_unit == "person"]
WIDE["privacy"]["shares"] = {"as-opcc": "0.4", "bristol": "0.3"}
WIDE["grants"] = [
    {
        "to": ["as-opcc", "bristol"],
        "for": sorted(VALUE["purposes"]),
        "dataset": name,
        "group_by": {
            column.name: list(column.all_levels)
            for column in columns(name)
            if column.kind != "decimal" and (column.kind != "code" or column.constraints.enum)
        },
        "filter_by": {column.name: list(column.all_levels) for column in columns(name) if column.kind != "decimal"},
        "measure": {
            "count": True,
            "persons": name in _PEOPLE,
            "sum": [column.name for column in columns(name) if column.kind == "integer"],
            "mean": [column.name for column in columns(name) if column.kind == "integer"],
            "repeat": name in _PEOPLE,
            "variance": [column.name for column in columns(name) if column.kind == "integer"],
            "quantile": [column.name for column in columns(name) if column.kind == "integer"],
            "histogram": [column.name for column in columns(name) if column.kind in ("integer", "decimal")],
        },
        "link": [other for other in _PEOPLE if other != name] if name in _PEOPLE else [],
    }
    for name in SCHEMAS
]


@st.composite
def narrowed(draw: st.DrawFn, question: dict[str, Any]) -> dict[str, Any]:
    """Draw the wide agreement with up to two things less, of those that the question uses."""
    value = copy.deepcopy(WIDE)
    used = [question["dataset"], *(link["dataset"] for link in question.get("linked", []))]
    for _ in range(draw(st.integers(0, 2))):
        dataset = draw(st.sampled_from(used))
        grant = next(item for item in value["grants"] if item["dataset"] == dataset)
        part = draw(
            st.sampled_from(["group_by", "filter_by", "rows", "measure", "link", "to", "for", "bounds", "shares"])
        )
        if part in ("group_by", "filter_by"):
            asked_of = [item["field"] for item in question["by" if part == "group_by" else "where"]]
            name = draw(st.sampled_from([name for name in asked_of if name in grant[part]] or sorted(grant[part])))
            grant[part][name] = draw(st.lists(st.sampled_from(grant[part][name] or ["as-is"]), max_size=1))
        elif part == "rows":
            codes = next((c for c in columns(dataset) if c.constraints.enum and c.kind == "code"), None)
            if codes is not None:
                few = draw(st.lists(st.sampled_from(codes.constraints.enum or ()), min_size=1, max_size=2, unique=True))
                grant["rows"] = {codes.name: few}
        elif part == "measure":
            grant["measure"] = {"count": draw(st.booleans()), "persons": grant["measure"]["persons"]}
        elif part == "bounds":
            value["datasets"][dataset]["bounds"]["per_person"] = draw(st.integers(1, 3))
        elif part == "shares":
            value["privacy"]["shares"].pop(draw(st.sampled_from(["as-opcc", "bristol"])), None)
            value["privacy"]["shares"] = value["privacy"]["shares"] or {"hub-it": "0.1"}
        elif grant[part]:
            grant[part].remove(draw(st.sampled_from(grant[part])))
            if part != "link" and not grant[part]:
                value["grants"].remove(grant)
                value["grants"].append(
                    {"to": ["hub-it"], "for": grant["for"] or ["needs-assessment"], "dataset": dataset}
                )
    value["grants"] = draw(st.permutations(value["grants"]))
    return value


@settings(max_examples=400)
@given(st.data())
def test_a_change_that_widens_nothing_allows_nothing_that_was_not(data):
    """Both versions are narrower than one that grants all; where the newer allows what the older did not, it widens."""
    question = data.draw(requests(exact=True))
    old, new = (documents.parse(data.draw(narrowed(question))) for _ in range(2))
    party = data.draw(st.sampled_from(["as-opcc", "bristol"]))
    before, after = (decided(agreement, party, parse(question))[0] == "allowed" for agreement in (old, new))
    effects = {change.effect for change in compare(old, new)}
    event(f"before {before}, after {after}")
    if after and not before:
        assert "widens" in effects
    if before and not after:
        assert "narrows" in effects
