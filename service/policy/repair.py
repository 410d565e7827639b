"""A refused request mended to fit one grant: what the grant does not cover is made coarser, widened or left out.

Purpose, dataset and party are never changed: a purpose says what the answer is for and is no dial to turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from schemas.clauses.grants import Grant
from schemas.errors import DocumentError
from schemas.measures import Measure
from schemas.model import read
from schemas.request import AggregateRequest, Condition, Linked
from schemas.table_schema import AS_IS, TableSchema
from service.errors import Malformed
from service.policy import combine, keys, measures
from service.policy.asked import Asked
from service.policy.cover import crosses, filter_levels, kept_filters
from service.policy.failures import Failures
from service.policy.levels import by_fineness, level_of
from service.policy.links import linkable, ranked, under
from service.policy.needs import FEW
from service.policy.plan import Filter
from service.policy.slate import Candidate
from service.policy.widen import Limits, widen


@dataclass
class Draft:
    """A request as JSON while it is mended, and what was changed about it, in words."""

    made: dict[str, Any]
    changes: list[str] = field(default_factory=list)

    def say(self, words: str) -> None:
        """Note a change, once."""
        if words not in self.changes:
            self.changes.append(words)


def repaired(asked: Asked, candidate: Candidate) -> Draft | None:
    """Return the request mended to fit a grant, or None where the grant lets nothing be measured.

    It is a proposal: whether it is allowed is for ``decide`` to say.

    Raises:
        DocumentError: the agreement's artefacts are not at hand.
    """
    request, grant = asked.request, candidate.grant
    dataset = asked.agreement.datasets[request.dataset]
    schema = asked.schema(request.dataset)
    draft = Draft({"purpose": request.purpose, "dataset": request.dataset})
    draft.made["spend"] = request.spend.model_dump(mode="json", exclude_none=True)
    draft.made["measures"] = _measures(asked, schema, grant, draft)
    if not draft.made["measures"]:
        return None
    by = _levels(asked, schema, grant, draft)
    where = _conditions(asked, request.where, schema, grant, by, draft)
    kept = _kept(asked, where, schema, grant, by)
    draft.made["by"] = _groupings(asked, schema, grant, by, (where, kept), draft)
    draft.made["where"] = _without_grouping(where, grant, draft)
    draft.made["linked"] = [
        item
        for name in dict.fromkeys(link.dataset for link in request.linked)
        for item in _links(asked, grant, name, draft)
    ]
    if request.bounds is not None:
        most = dataset.bounds.per_person
        draft.made["bounds"] = {"per_person": min(most, request.bounds.per_person)}
        if request.bounds.per_person > most:
            draft.say(f"let each person count for at most {most}")
    _fewer_columns(asked, grant, draft)
    _without_periods(schema, draft)
    return draft


def _measures(asked: Asked, schema: TableSchema, grant: Grant, draft: Draft) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for item in asked.request.measures:
        found = measures.mended(item, schema, grant, asked.library)
        if found is None:
            draft.say(f"do not ask for {_measure(item)}")
            continue
        if found != item:
            draft.say(f"ask for {_measure(item)} in other bins")
        kept.append(found.as_json())
    return kept or _instead(schema, grant, draft)


def _instead(schema: TableSchema, grant: Grant, draft: Draft) -> list[dict[str, Any]]:
    """Return a measure that the grant knows, where none of those asked for is left."""
    found = measures.instead(schema, grant)
    if found is None:
        return []
    draft.say(f"ask for {_measure(found)} instead")
    return [found.as_json()]


def _measure(item: Measure) -> str:
    return f"the {item.kind}" + (f" of {item.base or item.of}" if item.base or item.of else "")


def _without_periods(schema: TableSchema, draft: Draft) -> None:
    """Leave out measures over periods where what is left is not grouped by one column of dates."""
    if sum(schema.column(item["field"]).kind == "date" for item in draft.made["by"]) == 1:
        return
    kept, left_out = measures.of_one_period(draft.made["measures"])
    draft.made["measures"] = kept
    for item in left_out:
        draft.say(f"do not ask for {_measure(item)}")


def _levels(asked: Asked, schema: TableSchema, grant: Grant, draft: Draft) -> dict[str, str]:
    """Return the level at which each column is grouped: the one asked for, or the finest that the grant has."""
    made: dict[str, str] = {}
    for item in asked.request.by:
        column = schema.find(item.field)
        allowed = grant.group_by.get(item.field)
        levels = by_fineness(column, allowed, asked.library) if column is not None and allowed else []
        if not levels:
            draft.say(f"do not group by {item.field}")
            continue
        wanted = level_of(item, schema)
        made[item.field] = wanted if wanted in levels else levels[0]
        if wanted not in levels:
            draft.say(f"group {item.field} by {levels[0]} instead of {_spoken(wanted)}")
    return made


def _spoken(level: str) -> str:
    return "as it is" if level == AS_IS else level


def _conditions(
    asked: Asked,
    where: Sequence[Condition],
    schema: TableSchema,
    grant: Grant,
    by: dict[str, str],
    draft: Draft,
) -> list[dict[str, Any]]:
    """Return conditions that the grant covers each; those on one column at another level than its first go."""
    made: list[dict[str, Any]] = []
    held: dict[str, str] = {}
    for item in where:
        column = schema.find(item.field)
        scope = grant.rows.get(item.field)
        limits = Limits(filter_levels(item, grant, by), scope, grant.combine.get(item.field, 0))
        widened = widen(item, column, limits, asked.library) if column is not None else None
        level = widened[0].get("level", AS_IS) if widened is not None else AS_IS
        mixed = held.setdefault(item.field, level) != level and AS_IS not in limits.levels
        if widened is None or mixed:
            draft.say(f"do not filter by {item.field}" + (f" at {level} as well" if mixed else ""))
            continue
        made.append(widened[0])
        if widened[1] is not None:
            draft.say(widened[1])
    return made


def _kept(
    asked: Asked, where: list[dict[str, Any]], schema: TableSchema, grant: Grant, by: dict[str, str]
) -> tuple[Filter, ...] | None:
    """Return what the mended conditions come to; None where they make no sense together."""
    try:
        found = tuple(read(Condition, item) for item in where)
        return kept_filters(asked, found, schema, grant, Failures(""), by)
    except (Malformed, DocumentError):
        return None


def _groupings(
    asked: Asked,
    schema: TableSchema,
    grant: Grant,
    by: dict[str, str],
    filtered: tuple[list[dict[str, Any]], tuple[Filter, ...] | None],
    draft: Draft,
) -> list[dict[str, str]]:
    """Return the groupings at levels that no condition crosses and at which every group combines codes enough."""
    where, kept = filtered
    made = []
    for name, level in by.items():
        own = [read(Condition, item) for item in where if item["field"] == name]
        chosen = _grouped(asked, schema, grant, (name, level), (own, kept or ()))
        if chosen is None:
            draft.say(f"do not group by {name}")
            continue
        if chosen != level:
            draft.say(f"group {name} by {chosen} instead of {_spoken(level)}")
        made.append({"field": name} if chosen == AS_IS else {"field": name, "level": chosen})
    return made


def _without_grouping(where: list[dict[str, Any]], grant: Grant, draft: Draft) -> list[dict[str, Any]]:
    """Return the conditions less those that only a grouping which was left out let be named."""
    named = {item["field"] for item in draft.made["by"]} | {name for name, levels in grant.filter_by.items() if levels}
    for item in where:
        if item["field"] not in named:
            draft.say(f"do not filter by {item['field']}")
    return [item for item in where if item["field"] in named]


def _grouped(
    asked: Asked,
    schema: TableSchema,
    grant: Grant,
    wanted: tuple[str, str],
    filtered: tuple[Sequence[Condition], tuple[Filter, ...]],
) -> str | None:
    """Return the level wanted or the finest other one that will do; None where none does."""
    name, level = wanted
    own, kept = filtered
    column, least = schema.column(name), grant.combine.get(name)
    for one in (level, *by_fineness(column, grant.group_by[name], asked.library)):
        if any(crosses(item, column, one, grant, asked.library) for item in own):
            continue
        if least is None or combine.combines(keys.build(column, one, kept, asked.library), least):
            return one
    return None


def _links(asked: Asked, grant: Grant, name: str, draft: Draft) -> list[dict[str, Any]]:
    """Return the links to a dataset mended to fit the one of its grants that asks for the fewest changes."""
    several = [link for link in asked.request.linked if link.dataset == name]
    known = name in asked.agreement.datasets and name in grant.link
    if not known or asked.limited(name) or not linkable(asked, several[0]):
        draft.say(f"do not link with {name}")
        return []
    slate = asked.linkable(name)
    if not slate.items:
        draft.say(f"do not link with {name}")
        return []
    near = slate.items
    if len(near) > FEW:
        near = tuple(one.candidate for one in islice(ranked(asked, several, kept_filters), FEW))
    drafts = [_linked(asked, several, candidate) for candidate in near]
    best = min(drafts, key=lambda own: len(own.changes))
    for words in best.changes:
        draft.say(words)
    made: list[dict[str, Any]] = best.made["linked"]
    return made


def _linked(asked: Asked, several: Sequence[Linked], candidate: Candidate) -> Draft:
    """Return links to one dataset mended to fit one of its grants; those that it does not cover with the others go."""
    name = candidate.grant.dataset
    schema = asked.schema(name)
    unlimited = Candidate(candidate.path, candidate.grant.model_copy(update={"most_fields": None}))
    draft = Draft({"linked": []})
    held: list[Linked] = []
    for link in several:
        own = Draft({})
        made = {
            "dataset": name,
            "has": link.has,
            "where": _conditions(asked, link.where, schema, candidate.grant, {}, own),
        }
        mended = read(Linked, made)
        if _not_together(asked, [*held, mended], unlimited):
            draft.say(f"do not link with {name}" + (" a second time" if held else ""))
            continue
        held.append(mended)
        draft.made["linked"].append(made)
        for words in own.changes:
            draft.say(f"of {name}: {words}")
    return draft


def _not_together(asked: Asked, several: Sequence[Linked], candidate: Candidate) -> bool:
    """Whether a grant does not cover links, whatever it says of the number of columns: surplus ones go later."""
    try:
        return isinstance(under(asked, several, candidate, kept_filters), Failures)
    except (Malformed, DocumentError):
        return True


def _fewer_columns(asked: Asked, grant: Grant, draft: Draft) -> None:
    """Leave out the last columns of a question that uses more than one question may."""
    limits = [grant.most_fields]
    for link in draft.made["linked"]:
        limits += asked.linkable(link["dataset"]).limits
    least = min((limit for limit in limits if limit is not None), default=None)
    used = combine.columns(read(AggregateRequest, draft.made))
    if least is None or len(used) <= least:
        return
    for dataset, name in used[least:]:
        draft.say(f"leave {name} of {dataset} out: a question uses at most {least} columns")
    surplus = set(used[least:])
    grouped = [(item, read(Measure, item).shape.grouped) for item in draft.made["measures"]]
    draft.made["measures"] = [item for item, name in grouped if (asked.request.dataset, name) not in surplus]
    for part in ("by", "where"):
        draft.made[part] = [item for item in draft.made[part] if (asked.request.dataset, item["field"]) not in surplus]
    for link in draft.made["linked"]:
        link["where"] = [item for item in link["where"] if (link["dataset"], item["field"]) not in surplus]
