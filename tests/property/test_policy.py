"""The policy is total, deterministic and closed, over agreements and requests that Hypothesis draws."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from schemas import agreement as documents
from schemas.calendar import floor, next_start
from schemas.model import InvalidDocument
from schemas.request import AggregateRequest
from service.errors import Malformed
from service.policy.coherence import findings
from service.policy.decide import decide
from service.policy.decision import Decision
from service.policy.nearest import explained
from service.policy.plan import (
    CodeFilter,
    CodeKeys,
    DateFilter,
    DateKeys,
    EffectivePlan,
    Filter,
    FlagFilter,
    LinkPlan,
    NumberFilter,
    NumberKeys,
)
from tests.property.agreements import (
    AREAS,
    LEVELS,
    LIBRARY,
    PURPOSES,
    YEAR,
    agreement,
    aimed_cases,
    cases,
    condition,
    mostly,
    request,
)

Case = tuple[dict[str, Any], dict[str, Any], str, tuple[str, ...]]

often = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def outcome(value: dict[str, Any], asked: dict[str, Any], party: str, roles: tuple[str, ...]) -> Decision | str:
    """Decide; a request that makes no sense gives the code of what is wrong with it."""
    try:
        return decide(agreement(value), LIBRARY, party, request(asked), roles)
    except Malformed as error:
        return error.code


def allowed(value: dict[str, Any], asked: dict[str, Any], party: str, roles: tuple[str, ...]) -> bool:
    found = outcome(value, asked, party, roles)
    return isinstance(found, Decision) and found.allowed


def identity(found: Decision | str) -> str | None:
    if isinstance(found, str) or found.plan is None:
        return None
    return found.plan.identity({"crimes": "v1", "visits": "v2", "calls": "v3"})


def public(found: Decision | str) -> tuple[Any, ...]:
    """Return what of a decision may not depend on the order in which a document says things."""
    if isinstance(found, str):
        return (found,)
    return found.allowed, found.code, found.approvals, identity(found)


@often
@given(cases())
def test_every_request_is_decided_or_makes_no_sense_and_always_the_same_way(case):
    assert findings(agreement(case[0]), LIBRARY) == []
    one, other = outcome(*case), outcome(*copy.deepcopy(case))
    assert one == other
    assert identity(one) == identity(other)
    if isinstance(one, Decision):
        assert one.code in ("allowed", "not_granted", "forbidden")
        assert one.reasons
        assert one.weighed
        assert (one.plan is not None) == one.allowed


# --- closed


Edit = Callable[[st.DrawFn, dict[str, Any], dict[str, Any]], dict[str, Any]]
"""Narrows one grant of an agreement, or what holds for all; returns parts of a request that would make use of it."""


def _fewer(draw: st.DrawFn, part: dict[str, Any], name: str) -> Any:
    """Take one entry out of a list and return it; a list that would be empty goes with its key."""
    gone = draw(st.sampled_from(part[name]))
    part[name] = [item for item in part[name] if item != gone]
    if not part[name]:
        del part[name]
    return gone


def _use(draw: st.DrawFn, part: str, field: str, levels: Sequence[str] = ()) -> dict[str, Any]:
    """Return a grouping or a filter by a column at some level, of all if none are given, or at none that is said."""
    among = tuple(levels or LEVELS[field])
    level = draw(st.sampled_from([None, None, *among]))
    if part == "filter_by":
        made = condition(draw, field, among)
        if level is None:
            made.pop("level", None)
        return {"where": [made]}
    by = {"field": field} if level is None else {"field": field, "level": level}
    return {"by": [by]} | ({"where": [{"field": "day", **YEAR}]} if field == "day" else {})


def _no_grant(draw, value, grant):
    value["grants"].remove(grant)
    return {}


def _no_field(draw, value, grant):
    parts = [name for name in ("group_by", "filter_by") if grant[name]]
    if not parts:
        return {}
    part = draw(st.sampled_from(parts))
    field = draw(st.sampled_from(sorted(grant[part])))
    del grant[part][field]
    return _use(draw, part, field)


def _no_level(draw, value, grant):
    part = draw(st.sampled_from(["group_by", "filter_by"]))
    several = sorted(name for name, levels in grant[part].items() if len(levels) > 1)
    if not several:
        return {}
    field = draw(st.sampled_from(several))
    held = grant[part][field]
    if draw(st.booleans()):  # to the one level left, which no request should get by saying none
        grant[part][field] = [draw(st.sampled_from(held))]
    else:
        _fewer(draw, grant[part], field)
    return _use(draw, part, field, held)


def _no_measure(draw, value, grant):
    flags: list[Any] = [{kind: False} for kind in ("count", "persons", "repeat")]
    gone: Any = draw(st.sampled_from([*flags, {"sum": []}, {"histogram": []}, {"variance": []}, {"quantile": []}]))
    grant["measure"] |= gone
    kind = next(iter(gone))
    field = {"field": draw(st.sampled_from(["harm", "age"]))}
    of = {"sum": field, "variance": field, "histogram": field | {"cuts": [9]}}
    of["quantile"] = field | {"q": ["0.5"], "grid": [9]}
    return {"measures": [{kind: of.get(kind, {})}]}


def _no_link(draw, value, grant):
    if not grant["link"]:
        return {}
    gone = _fewer(draw, grant, "link")
    return {"linked": [{"dataset": gone, "has": True, "where": []}]}


def _no_purpose(draw, value, grant):
    if len(grant["for"]) > 1:
        _fewer(draw, grant, "for")
    return {"purpose": draw(st.sampled_from(PURPOSES))}


def _no_recipient(draw, value, grant):
    if len(grant["to"]) > 1:
        _fewer(draw, grant, "to")
    return {}


def _no_role(draw, value, grant):
    if len(grant.get("roles", ())) > 1:
        _fewer(draw, grant, "roles")
    return {}


def _no_parent(draw, value, grant):
    value["purposes"][draw(st.sampled_from(["needs", "place"]))].pop("parent", None)
    return {"purpose": draw(st.sampled_from(PURPOSES))}


def _limited_dataset(draw, value, grant):
    dataset = value["datasets"][grant["dataset"]]
    dataset["purposes"] = [draw(st.sampled_from(dataset["purposes"] or PURPOSES))]
    return {"purpose": draw(st.sampled_from(PURPOSES))}


def _fewer_rows(draw, value, grant):
    rows = grant.get("rows", {"area": list(AREAS)})["area"]
    grant["rows"] = {"area": rows[: draw(st.integers(1, len(rows)))]}
    return _use(draw, "filter_by", "area")


def _more_combined(draw, value, grant):
    name = draw(st.sampled_from(["area", "small"]))
    grant["combine"] = grant.get("combine", {}) | {name: grant.get("combine", {}).get(name, 1) + 1}
    return _use(draw, draw(st.sampled_from(["group_by", "filter_by"])), name)


def _fewer_columns(draw, value, grant):
    grant["most_fields"] = max(1, grant.get("most_fields", 3) - 1)
    return {"where": [condition(draw, name, LEVELS[name]) for name in ("knife", "age")]}


def _lower_bound(draw, value, grant):
    value["datasets"][grant["dataset"]]["bounds"] = {"per_person": draw(st.integers(1, 3))}
    return {"bounds": {"per_person": draw(st.integers(1, 4))}}


def _no_share(draw, value, grant):
    value["privacy"]["shares"].pop(draw(st.sampled_from(["council", "police"])))
    return {}


NARROWINGS: dict[str, Edit] = {
    "a grant is gone": _no_grant,
    "a field is gone": _no_field,
    "a level is gone": _no_level,
    "a measure is gone": _no_measure,
    "a link is gone": _no_link,
    "a purpose is gone": _no_purpose,
    "a recipient is gone": _no_recipient,
    "a role is gone": _no_role,
    "a purpose has no wider one": _no_parent,
    "a dataset's purposes are fewer": _limited_dataset,
    "the forced scope is smaller": _fewer_rows,
    "more codes have to be combined": _more_combined,
    "fewer columns may be used": _fewer_columns,
    "a person counts for less": _lower_bound,
    "a party has no share": _no_share,
}


@pytest.mark.parametrize("narrowing", NARROWINGS)
def test_narrowing_an_agreement_never_allows_more(narrowing):
    @settings(
        max_examples=300 if narrowing == "a level is gone" else 80,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data(), cases())
    def never_more(data, case):
        value, asked, party, roles = case
        if data.draw(mostly):  # other grants would cover what the narrowed one should not
            value["grants"] = value["grants"][:1]
        narrower = copy.deepcopy(value)
        place = data.draw(st.integers(0, len(value["grants"]) - 1))
        use = NARROWINGS[narrowing](data.draw, narrower, narrower["grants"][place])
        grant = value["grants"][place]
        if data.draw(mostly):  # a plain question under the grant that was narrowed, and what was taken from it
            asked |= {"dataset": grant["dataset"], "measures": [{"count": {}}], "by": [], "where": [], "linked": []}
            asked["purpose"] = data.draw(st.sampled_from(grant["for"]))
            party, roles = data.draw(st.sampled_from(grant["to"])), tuple(grant.get("roles", ("analyst",)))
            asked.pop("bounds", None)
            asked |= use
        note(narrower)
        if allowed(narrower, asked, party, roles):
            assert allowed(value, asked, party, roles)

    never_more()


STRANGE = [
    ("party", lambda asked: None),
    ("purpose", lambda asked: asked.update(purpose="marketing")),
    ("dataset", lambda asked: asked.update(dataset="tax-returns")),
    ("grouping", lambda asked: asked["by"].append({"field": "nothing"})),
    ("level", lambda asked: asked["by"].append({"field": "harm", "level": "band"})),
    ("filter", lambda asked: asked["where"].append({"field": "nothing", "in": ["x"]})),
    ("code", lambda asked: asked["where"].append({"field": "area", "in": ["Z9"]})),
    ("pseudonym", lambda asked: asked["where"].append({"field": "person", "in": ["0" * 60]})),
    ("measure", lambda asked: asked.update(measures=[{"sum": {"field": "nothing"}}])),
    ("link", lambda asked: asked["linked"].append({"dataset": "tax-returns", "has": True})),
]


@pytest.mark.parametrize(("what", "edit"), STRANGE, ids=[name for name, _ in STRANGE])
def test_what_the_agreement_does_not_know_is_refused(what, edit):
    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases())
    def refused(case):
        value, asked, party, roles = case
        edit(asked)
        assert not allowed(value, asked, "stranger" if what == "party" else party, roles)

    refused()


@given(cases(), st.sampled_from(["grants", "datasets", "purposes", "parties", "privacy", "agreement"]))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_clause_that_is_not_known_is_never_read_over(case, part):
    value = case[0]
    places = {
        "grants": value["grants"][0], "datasets": value["datasets"]["crimes"], "purposes": value["purposes"]["duty"],
        "parties": value["parties"][0], "privacy": value["privacy"], "agreement": value,
    }  # fmt: skip
    places[part]["unless"] = ["weekends"]
    with pytest.raises(InvalidDocument):
        documents.parse(value)


@often
@given(st.data(), cases())
def test_a_grant_that_does_not_fit_its_artefacts_covers_nothing(data, case):
    """Registration refuses such an agreement; should one be decided on all the same, nothing opens or breaks."""
    value, *asked = case
    wrong = [
        {"rows": {"nothing": ["A1"]}}, {"rows": {"area": ["Z9"]}}, {"group_by": {"person": ["as-is"]}},
        {"group_by": {"harm": ["as-is"]}}, {"filter_by": {"area": ["parish"]}}, {"combine": {"age": 3}},
        {"measure": {"count": True, "sum": ["area"]}},
    ]  # fmt: skip
    changes = data.draw(st.sampled_from(wrong))
    for grant in value["grants"]:
        grant.update(changes)
    assert not allowed(value, *asked)


# --- never united, links, order


@often
@given(cases(), st.booleans())
def test_grants_are_never_united(case, plain):
    value, asked, party, roles = case
    asked["linked"] = []
    if plain:  # one half of the first grant covers the grouping, the other one the filter
        first = value["grants"][0]
        asked |= {"dataset": first["dataset"], "purpose": first["for"][0], "measures": [{"count": {}}]}
        asked |= {"by": [{"field": "knife"}], "where": [{"field": "age", "level": "band", "in": ["child"]}]}
        party, roles = first["to"][0], tuple(first.get("roles", ("analyst",)))
    halves = [item | {part: {}} for item in value["grants"][:1] for part in ("group_by", "filter_by")]
    value["grants"] = [*halves, *value["grants"][1:]]
    alone = [allowed(value | {"grants": [grant]}, asked, party, roles) for grant in value["grants"]]
    assert allowed(value, asked, party, roles) == any(alone)


@often
@given(cases())
def test_the_grants_that_a_decision_names_suffice_for_it(case):
    value, *asked = case
    found = outcome(value, *asked)
    if isinstance(found, Decision) and found.allowed:
        named = [value["grants"][int(clause.split("/")[1])] for clause in found.clauses]
        again = outcome(value | {"grants": named}, *asked)
        assert public(again) == public(found)


@often
@given(cases())
def test_a_linked_dataset_without_its_own_grant_is_refused(case):
    value, asked, party, roles = case
    for link in asked["linked"]:
        kept = [item for item in value["grants"] if item["dataset"] != link["dataset"] or party not in item["to"]]
        assert not allowed(value | {"grants": kept}, asked, party, roles)
        silent = [item | {"link": []} if item["dataset"] == link["dataset"] else item for item in value["grants"]]
        assert not allowed(value | {"grants": silent}, asked, party, roles)


SCOPE = {"rows": {"area": ["A1", "B1", "unknown"]}}


def shuffled(value: Any, chance: random.Random) -> Any:
    """Return a document that says the same in another order: of keys, and of lists that are sets."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    if isinstance(value, list):
        return chance.sample([shuffled(item, chance) for item in value], len(value))
    return value


@often
@given(cases(), st.randoms(use_true_random=False), st.sampled_from([{"approval": ["police"]}, SCOPE, {}]))
def test_the_order_in_which_a_document_says_things_changes_nothing(case, chance, rival):
    value, *asked = case
    value["grants"] += [item | rival for item in value["grants"][:1]]
    other = shuffled(value, random.Random(chance.random()))  # noqa: S311 - an order, not a secret
    assert public(outcome(other, *asked)) == public(outcome(value, *asked))


# --- what an allowed decision's plan holds


Value = str | int | None
"""What a cell of a column may hold; None where a number is missing."""


def held_in(column: str) -> set[Value]:
    """Return all that a column of codes or numbers may hold."""
    return {*range(41), None} if column == "age" else set(AREAS)


def key_of(column: str, level: str) -> Callable[[Value], Value]:
    """Return what makes the key at a level of what a cell holds."""
    if level == "as-is":
        return lambda held: held
    hierarchy = LIBRARY.hierarchy(f"{'age' if column == 'age' else 'area'}-{level}")
    if column != "age":
        return lambda held: hierarchy.map.get(str(held), "unknown")
    bands = {number: band.code for band in hierarchy.bands for number in range(band.first, band.last + 1)}
    return lambda held: bands.get(held, "unknown") if isinstance(held, int) else "unknown"


def kept_by(item: Filter) -> set[Value]:
    """Return what a filter over codes or numbers keeps."""
    if isinstance(item, CodeFilter):
        return set(item.codes)
    assert isinstance(item, NumberFilter)
    return {number for low, high in item.ranges for number in range(low, high + 1)} | (
        {None} if item.missing else set()
    )


def whole(kept: set[Value], column: str, levels: Sequence[str], scope: list[str] | None) -> bool:
    """Whether values are a union of whole keys of one of some levels, within the forced scope."""
    within = held_in(column) if scope is None else set(scope)
    for level in levels:
        key = key_of(column, level)
        touched = {key(value) for value in kept}
        if all(value in kept for value in within if key(value) in touched):
            return True
    return False


def expressible(item: Filter, levels: list[str], scope: list[str] | None) -> bool:
    """Whether a filter is a union of whole keys or periods of one of some levels, within the forced scope."""
    if isinstance(item, DateFilter):
        return any(
            (item.first is None or floor(item.first, level) == item.first)
            and (item.last is None or next_start(floor(item.last, level), level) == next_start(item.last, "day"))
            for level in levels
        )
    if isinstance(item, FlagFilter):
        return "as-is" in levels
    return whole(kept_by(item), item.field, levels, scope)


def check_groups(grant: dict[str, Any], plan: EffectivePlan, asked: list[dict[str, Any]]) -> None:
    """Hold what conditions leave of each group against a grant: a whole group, or whole keys of a filter's level."""
    held = {item.field: item for item in plan.filters}
    for keys in plan.by:
        if not isinstance(keys, CodeKeys | NumberKeys) or keys.field not in {item["field"] for item in asked}:
            continue
        kept, key = kept_by(held[keys.field]), key_of(keys.field, keys.level)
        levels = [*grant["filter_by"].get(keys.field, []), keys.level]
        for name in keys.keys:
            left = {value for value in kept if key(value) == name}
            assert whole(left, keys.field, levels, grant.get("rows", {}).get(keys.field))


def check_links(grant: dict[str, Any], links: list[tuple[LinkPlan, dict[str, Any]]]) -> None:
    """Hold all links to a dataset together against its grant: what a person's only row there can hold.

    Whoever has a row with one of some codes, and none with one of others, has a row with what is left of the former.
    """
    if not any(link.has for link, _ in links):
        return
    for field in {item["field"] for _, wanted in links for item in wanted["where"]} - {"day", "knife"}:
        scope = grant.get("rows", {}).get(field)
        left = held_in(field) if scope is None else set(scope)
        for link, wanted in links:
            kept = {item.field: kept_by(item) for item in link.filters if item.field == field}
            if link.has:
                left &= kept.get(field, left)
            elif any(item["field"] == field for item in wanted["where"]):
                left -= kept[field]
        assert whole(left, field, grant["filter_by"][field], scope)
        known = left - {"unknown"}
        assert not known or len(known) >= grant.get("combine", {}).get(field, 0)


def check_filters(
    grant: dict[str, Any], filters: tuple[Filter, ...], asked: list[dict[str, Any]], by: dict[str, str]
) -> None:
    """Hold filters against a grant: its scope is forced, nothing is finer than its levels, codes are combined."""
    held = {item.field: item for item in filters}
    for field, codes in grant.get("rows", {}).items():
        found = held[field]
        assert isinstance(found, CodeFilter)
        assert set(found.codes) <= set(codes)
    for field in {item["field"] for item in asked}:
        levels = [*grant["filter_by"].get(field, []), *([by[field]] if field in by else [])]
        assert levels
        assert expressible(held[field], levels, grant.get("rows", {}).get(field))
        least = grant.get("combine", {}).get(field)
        found = held[field]
        if least is not None and isinstance(found, CodeFilter):
            known = [code for code in found.codes if code != "unknown"]
            assert not known or len(known) >= least


@often
@given(cases())
def test_the_plan_of_every_allowed_question_lies_within_its_grants(case):
    check_plan(*case)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(aimed_cases())
def test_the_plan_of_a_question_lies_within_the_one_limit_that_matters_to_it(case):
    check_plan(*case)


def check_plan(value: dict[str, Any], asked: dict[str, Any], party: str, roles: tuple[str, ...]) -> None:
    """Hold the plan of an allowed question against every clause of the grants it rests on."""
    found = outcome(value, asked, party, roles)
    if not isinstance(found, Decision) or not found.allowed:
        return
    plan = found.plan
    assert plan is not None
    assert party in value["privacy"]["shares"]
    main, *linked = [value["grants"][int(clause.split("/")[1])] for clause in found.clauses]
    for grant in (main, *linked):
        assert party in grant["to"]
        assert set(roles) & set(grant.get("roles", ["analyst"]))
        limit = value["datasets"][grant["dataset"]]["purposes"]
        for named in (grant["for"], limit or grant["for"]):
            assert agreement(value).covers(named, asked["purpose"])
    by = {keys.field: keys.level for keys in plan.by}
    assert all(level in main["group_by"][field] for field, level in by.items())
    for measure in plan.measures:
        granted = main["measure"][measure.kind]
        assert granted is True if measure.field is None else measure.field in granted
    dates = {keys.field: keys.level for keys in plan.by if isinstance(keys, DateKeys)}
    check_filters(main, plan.filters, asked["where"], dates)
    for keys in plan.by:
        least = main.get("combine", {}).get(keys.field)
        if least is not None:
            assert isinstance(keys, CodeKeys)
            for key in keys.keys:
                known = [code for code, of in keys.mapping if of == key and code != "unknown"]
                assert not known or len(known) >= least
    assert plan.per_person <= value["datasets"][plan.dataset]["bounds"]["per_person"]
    check_groups(main, plan, asked["where"])
    same = len(asked["linked"]) == len(plan.links)  # links that say the same are one
    pairs = list(zip(plan.links, asked["linked"], strict=True)) if same else []
    for grant in linked:
        own = [(link, wanted) for link, wanted in pairs if link.dataset == grant["dataset"]]
        for link, wanted in own:
            check_filters(grant, link.filters, wanted["where"], {})
        check_links(grant, own)
    fields = {("", measure.field) for measure in plan.measures if measure.kind in ("histogram", "quantile")}
    fields |= {("", name) for name in by} | {("", item["field"]) for item in asked["where"]}
    fields |= {(link["dataset"], item["field"]) for link in asked["linked"] for item in link["where"]}
    assert all(len(fields) <= grant.get("most_fields", 100) for grant in (main, *linked))
    assert found.approvals == tuple(sorted({one for grant in (main, *linked) for one in grant.get("approval", [])}))


# --- the nearest request


@often
@given(cases())
def test_the_nearest_request_is_allowed_and_its_absence_means_that_nothing_can_be_asked(case):
    value, asked, party, roles = case
    found = outcome(value, asked, party, roles)
    if isinstance(found, str):
        return
    document, wanted = agreement(value), request(asked)
    shown = explained(found, document, LIBRARY, party, wanted, roles)
    assert (shown.code, shown.reasons) == (found.code, found.reasons)
    if found.allowed:
        assert shown.nearest is None
        return
    if shown.nearest is None:
        measures: list[dict[str, Any]] = [{"count": {}}, {"persons": {}}, {"sum": {"field": "harm"}}, {"repeat": {}}]
        measures += [{"histogram": {"field": name, "cuts": [9]}} for name in ("age", "harm")]
        measures += [{"variance": {"field": "harm"}}, {"quantile": {"field": "age", "q": ["0.5"], "grid": [9]}}]
        for measure in measures:
            assert not allowed(
                value, asked | {"measures": [measure], "by": [], "where": [], "linked": []}, party, roles
            )
        return
    said = shown.nearest.as_json()
    assert said["changes"]
    assert (said["request"]["purpose"], said["request"]["dataset"]) == (asked["purpose"], asked["dataset"])
    assert allowed(value, said["request"], party, roles)
    assert not isinstance(outcome(value, said["request"], party, roles), str)
    again: AggregateRequest = request(said["request"])
    assert again == shown.nearest.request.model_copy(update={"reason": ""})


def test_the_levels_drawn_are_those_of_the_schema():
    document = agreement_of_all()
    schema = LIBRARY.bound(document.datasets["crimes"])
    for name, levels in LEVELS.items():
        assert set(levels) == set(schema.column(name).all_levels)


def agreement_of_all() -> documents.Agreement:
    """Return the simplest agreement there is."""
    found: list[dict[str, Any]] = []

    @settings(max_examples=1, database=None)
    @given(cases())
    def draw(case):
        found.append(case[0])

    draw()
    return agreement(found[0])
