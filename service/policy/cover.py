"""Whether one grant covers a question, and the effective plan it makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.artefacts import Library
from schemas.clauses.grants import Grant
from schemas.request import Condition
from schemas.table_schema import AS_IS, Column, TableSchema
from service.errors import Malformed
from service.policy import combine, filters, keys, measures, periods
from service.policy.asked import Asked
from service.policy.failures import Failures
from service.policy.levels import level_of, nest
from service.policy.links import Links, links
from service.policy.plan import CodeFilter, EffectivePlan, Filter, Keys
from service.policy.slate import Candidate
from service.policy.source import source


@dataclass(frozen=True, slots=True)
class Covered:
    """A question that a grant covers.

    Attributes:
        plan: What it comes to.
        clauses: The grants it rests on: the dataset's own, then those of linked datasets.
        approvals: The parties that these grants let approve it, sorted.
    """

    plan: EffectivePlan
    clauses: tuple[str, ...]
    approvals: tuple[str, ...]


def cover(asked: Asked, candidate: Candidate) -> Covered | Failures:
    """Return the plan of a question under one grant, or all that the grant does not cover.

    Raises:
        Malformed: under this grant's levels the question makes no sense.
        DocumentError: the agreement's artefacts are not at hand.
    """
    request, grant = asked.request, candidate.grant
    dataset = asked.agreement.datasets[request.dataset]
    schema = asked.schema(request.dataset)
    failures = Failures.of(candidate.path, asked.misfits(candidate))
    if failures.reasons:
        return failures
    grouped = {item.field: level_of(item, schema) for item in request.by}
    kept = kept_filters(asked, request.where, schema, grant, failures, grouped)
    by = _groupings(asked, schema, grant, kept, failures)
    wanted = tuple(measures.measured(item, schema, grant, asked.library, failures) for item in request.measures)
    combine.check_columns(request, grant, failures)
    linked = links(asked, grant, failures, kept_filters)
    per_person = _per_person(asked, failures)
    if failures.reasons:
        return failures
    plan = EffectivePlan(
        dataset=request.dataset,
        source=source(asked.agreement, request.dataset),
        unit=dataset.privacy_unit,
        filters=kept,
        by=tuple(item for item in by if item is not None),
        measures=tuple(item for item in wanted if item is not None),
        links=tuple(dict.fromkeys(linked.plans)),
        per_person=per_person,
        pins=_pins(asked),
    )
    periods.check(plan)
    if plan.cells == 0:
        raise Malformed("the conditions exclude each other: no row could meet them", code="contradiction")
    if plan.numbers > keys.MAX_CELLS:
        raise Malformed(f"the table would have more than {keys.MAX_CELLS} cells", code="too_many_cells")
    return Covered(plan, (candidate.path, *linked.clauses), _approvals(grant, linked))


def kept_filters(
    asked: Asked,
    where: Sequence[Condition],
    schema: TableSchema,
    grant: Grant,
    failures: Failures,
    grouped: dict[str, str],
) -> tuple[Filter, ...]:
    """Return the filters that conditions come to under a grant, its forced scope among them.

    Args:
        asked: The question.
        where: The conditions, of the dataset asked of or of a linked one.
        schema: Of that dataset.
        grant: Of that dataset.
        failures: Told of whatever the grant does not allow.
        grouped: The level at which each column is grouped.
    """
    made: list[Filter] = [CodeFilter(name, tuple(sorted(set(codes)))) for name, codes in grant.rows.items()]
    for condition in where:
        levels = filter_levels(condition, grant, grouped)
        column = schema.find(condition.field)
        if not levels or column is None:
            failures.gap(f"filter_by/{condition.field}", f"no grant covers filtering by {condition.field}")
            continue
        item = filters.build(condition, column, levels, asked.library, failures.refuse)
        scope = grant.rows.get(condition.field)
        if isinstance(item, CodeFilter) and scope is not None and condition.level in (None, AS_IS):
            outside = [code for code in item.codes if code not in scope]
            if outside:
                words = f"the grant covers only rows whose {condition.field} is {', '.join(scope)}"
                failures.forbid(f"rows/{condition.field}", words)
                continue
        if item is not None:
            made.append(item)
    if failures.reasons:
        return ()
    kept = filters.intersect(made, schema)
    _check_levels(where, grant, failures)
    _check_crossing(where, schema, grant, grouped, asked.library, failures)
    combine.check_filters(where, kept, grant, failures)
    return kept


def filter_levels(condition: Condition, grant: Grant, grouped: dict[str, str]) -> tuple[str, ...]:
    """Return the levels at which a grant lets a column be filtered in this question."""
    levels = grant.filter_by.get(condition.field, ())
    ranged = condition.from_ is not None or condition.to is not None
    level = grouped.get(condition.field)
    if ranged and level is not None and level in grant.group_by.get(condition.field, ()):
        # grouping a date needs from and to; whoever may group by month may name whole months
        return (*levels, level)
    return levels


def _check_levels(where: Sequence[Condition], grant: Grant, failures: Failures) -> None:
    """Refuse conditions on one column at several levels: together they may be finer than each of them."""
    named: dict[str, set[str]] = {}
    for item in where:
        if item.in_ is not None:
            named.setdefault(item.field, set()).add(item.level or AS_IS)
    for field, levels in named.items():
        if len(levels) > 1 and AS_IS not in grant.filter_by.get(field, ()):
            words = f"{field} is filtered by {' and '.join(sorted(levels))}, together finer than either; take one level"
            failures.forbid(f"filter_by/{field}", words)


def _check_crossing(
    where: Sequence[Condition],
    schema: TableSchema,
    grant: Grant,
    grouped: dict[str, str],
    library: Library,
    failures: Failures,
) -> None:
    """Refuse a grouping of which a condition at a level that crosses its own would leave parts of groups."""
    for item in where:
        column, level = schema.find(item.field), grouped.get(item.field)
        if column is not None and level is not None and crosses(item, column, level, grant, library):
            words = f"{item.field} is filtered by {item.level} and grouped by {level}, together finer than either; "
            failures.forbid(f"filter_by/{item.field}", f"{words}take one level")


def crosses(condition: Condition, column: Column, level: str, grant: Grant, library: Library) -> bool:
    """Whether a condition at a level would leave less than a key of groups at another; not so where it may anyway."""
    if level not in column.all_levels or AS_IS in grant.filter_by.get(column.name, ()):
        return False
    return not nest(column, condition.level or AS_IS, level, library)


def _groupings(
    asked: Asked, schema: TableSchema, grant: Grant, kept: tuple[Filter, ...], failures: Failures
) -> list[Keys | None]:
    made: list[Keys | None] = []
    for item in asked.request.by:
        allowed = grant.group_by.get(item.field)
        clause = f"group_by/{item.field}"
        column = schema.find(item.field)
        if not allowed or column is None:
            failures.gap(clause, f"no grant covers grouping by {item.field}")
            continue
        level = level_of(item, schema)
        if level not in allowed:
            words = f"{item.field} may be grouped by {', '.join(allowed)}"
            if item.level is None:
                words += f"; no level means {level}, so say level: {' or '.join(allowed)}"
            failures.refuse(level not in column.all_levels, clause, words)
            continue
        if failures.reasons and not (level == AS_IS and item.field in grant.combine):
            continue
        built = keys.build(column, level, kept, asked.library)
        combine.check_keys(built, grant, failures)
        made.append(built)
    return made


def _per_person(asked: Asked, failures: Failures) -> int:
    """Return the bound on one person's contribution: the agreement's, or a lower one that the request names."""
    name, wanted = asked.request.dataset, asked.request.bounds
    dataset = asked.agreement.datasets[name]
    per_person = dataset.bounds.per_person if dataset.privacy_unit == "person" else 1
    if wanted is None:
        return per_person
    if wanted.per_person > dataset.bounds.per_person:
        failures.forbid_by(f"datasets/{name}/bounds/per_person", "a request may only lower the bound")
    return min(per_person, wanted.per_person)


def _pins(asked: Asked) -> tuple[tuple[str, str], ...]:
    names: set[str] = set()
    for dataset in (asked.request.dataset, *(link.dataset for link in asked.request.linked)):
        entry = asked.agreement.datasets[dataset]
        names |= {entry.schema_, *asked.schema(dataset).artefacts}
    return tuple((name, asked.library.digest(name)) for name in sorted(names))


def _approvals(grant: Grant, linked: Links) -> tuple[str, ...]:
    return tuple(sorted({*grant.approval, *linked.approvals}))
