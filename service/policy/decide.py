"""The decision: closed by default, one grant covers a question, grants are never united."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.canonical import canonical
from schemas.clauses.grants import Grant
from schemas.request import AggregateRequest, Condition, GroupBy, Linked, Measure
from schemas.table_schema import AS_IS, TableSchema
from service.errors import Malformed
from service.policy import filters, keys
from service.policy.decision import ALLOWED, FORBIDDEN, NOT_GRANTED, Decision, Reason
from service.policy.plan import CodeFilter, EffectivePlan, Filter, Keys, LinkPlan, Measured


@dataclass
class _Failures:
    """What keeps one grant from covering a request."""

    path: str
    reasons: list[Reason] = field(default_factory=list)
    forbidden: bool = False

    def gap(self, clause: str, words: str) -> None:
        """Note that the grant does not speak of this."""
        self.reasons.append(Reason(f"{self.path}/{clause}", words))

    def forbid(self, clause: str, words: str) -> None:
        """Note that the grant says otherwise."""
        self.forbidden = True
        self.gap(clause, words)

    def refuse(self, gap: bool, clause: str, words: str) -> None:  # noqa: FBT001 - a callback
        (self.gap if gap else self.forbid)(clause, words)


def decide(agreement: Agreement, library: Library, party: str, request: AggregateRequest) -> Decision:
    """Decide whether ``party`` may ask ``request`` under an agreement that is in force.

    Args:
        agreement: The agreement version in force.
        library: The artefacts it pins.
        party: The caller's party.
        request: The question.

    Returns:
        An allowed decision with the effective plan, or a refusal with its clauses. The decision depends on
        nothing else: no data, no time, no spending.

    Raises:
        Malformed: the request does not make sense for the dataset's schema, whoever asks.
    """
    if request.purpose not in agreement.purposes:
        return _gap(f"purposes/{request.purpose}", "the agreement has no such purpose")
    if request.dataset not in agreement.datasets:
        return _gap(f"datasets/{request.dataset}", "the agreement has no such dataset")
    candidates = _candidates(agreement, party, request.purpose, request.dataset)
    if not candidates:
        words = f"no grant covers {party} asking of {request.dataset} for {request.purpose}"
        return _gap("grants", words)
    if party not in agreement.privacy.shares:
        return _gap("privacy/shares", f"{party} has no share of the privacy budget")
    weighed = tuple(path for path, _ in candidates)
    nearest: tuple[_Failures, Grant] | None = None
    malformed: Malformed | None = None
    for path, grant in candidates:
        failures = _Failures(path)
        try:
            plan, used = _plan(agreement, library, party, request, grant, failures)
        except Malformed as error:  # another grant may give the same words a meaning
            malformed = malformed or error
            continue
        if not failures.reasons and plan is not None:
            reasons = tuple(Reason(clause, "this grant covers the request") for clause in (path, *used))
            return Decision(ALLOWED, reasons, weighed, plan=plan, approvals=_approvals(agreement, (path, *used)))
        if nearest is None or len(failures.reasons) < len(nearest[0].reasons):
            nearest = (failures, grant)
    if nearest is None:
        raise malformed or RuntimeError("a request is covered or refused")
    failures, grant = nearest
    code = FORBIDDEN if failures.forbidden else NOT_GRANTED
    return Decision(code, tuple(failures.reasons), weighed, allowed_instead=describe(grant))


def describe(grant: Grant) -> dict[str, Any]:
    """Return what a grant allows, in the agreement's own words."""
    return {
        "purposes": list(grant.for_),
        "group_by": {name: list(levels) for name, levels in grant.group_by.items()},
        "filter_by": {name: list(levels) for name, levels in grant.filter_by.items()},
        "measure": {
            "count": grant.measure.count,
            "persons": grant.measure.persons,
            "sum": list(grant.measure.sum),
            "mean": list(grant.measure.mean),
        },
        "rows": {name: list(codes) for name, codes in grant.rows.items()},
        "link": list(grant.link),
    }


def _gap(clause: str, words: str) -> Decision:
    return Decision(NOT_GRANTED, (Reason(clause, words),))


def _candidates(agreement: Agreement, party: str, purpose: str, dataset: str) -> list[tuple[str, Grant]]:
    """Return the grants to this party for this purpose and dataset, in an order free of the document's own.

    The least narrowed comes first, so that where two grants cover a question the wider scope answers it.
    """
    found = [
        (f"grants/{index}", grant)
        for index, grant in enumerate(agreement.grants)
        if party in grant.to and purpose in grant.for_ and grant.dataset == dataset
    ]
    if len(found) == 1:
        return found
    return sorted(
        found, key=lambda item: (len(item[1].rows), canonical(item[1].model_dump(by_alias=True, mode="json")))
    )


def _approvals(agreement: Agreement, paths: Sequence[str]) -> tuple[str, ...]:
    """Return the parties of whom the grants at these paths, the question's own and its links', want approval."""
    grants = (agreement.grants[int(path.removeprefix("grants/"))] for path in paths)
    return tuple(sorted({party for grant in grants for party in grant.approval}))


def _plan(
    agreement: Agreement,
    library: Library,
    party: str,
    request: AggregateRequest,
    grant: Grant,
    failures: _Failures,
) -> tuple[EffectivePlan | None, tuple[str, ...]]:
    """Return the plan under one grant and the clauses of linked grants; failures tell what it does not cover."""
    dataset = agreement.datasets[request.dataset]
    schema = library.bound(dataset)
    date_levels = {item.field: _level(item, schema, grant.group_by.get(item.field, ())) for item in request.by}
    kept = _filters(request.where, schema, grant, library, failures, date_levels)
    by = _groupings(request.by, schema, grant, kept, library, failures)
    measures = tuple(_measure(item, schema, grant, failures) for item in request.measures)
    links, used = _links(agreement, library, party, request, grant, failures)
    per_person = dataset.bounds.per_person if dataset.privacy_unit == "person" else 1
    if request.bounds is not None:
        if request.bounds.per_person > dataset.bounds.per_person:
            failures.reasons.append(
                Reason(f"datasets/{request.dataset}/bounds/per_person", "a request may only lower the bound")
            )
            failures.forbidden = True
        per_person = min(per_person, request.bounds.per_person)
    if failures.reasons:
        return None, ()
    plan = EffectivePlan(
        dataset=request.dataset,
        source=source(agreement, request.dataset),
        unit=dataset.privacy_unit,
        filters=kept,
        by=tuple(item for item in by if item is not None),
        measures=tuple(item for item in measures if item is not None),
        links=tuple(dict.fromkeys(links)),
        per_person=per_person,
        pins=_pins(agreement, library, request),
    )
    if plan.cells == 0:
        raise Malformed("the conditions exclude each other: no row could meet them", code="contradiction")
    if plan.cells > keys.MAX_CELLS:
        raise Malformed(f"the table would have more than {keys.MAX_CELLS} cells", code="too_many_cells")
    return plan, used


def source(agreement: Agreement, dataset: str) -> str:
    """Return ``supplier/schema-name``: which data this is, whatever the dataset is called in a version."""
    entry = agreement.datasets[dataset]
    return f"{entry.supplier}/{entry.schema_.split('/', maxsplit=1)[0]}"


def _pins(agreement: Agreement, library: Library, request: AggregateRequest) -> tuple[tuple[str, str], ...]:
    names: set[str] = set()
    for dataset in (request.dataset, *(link.dataset for link in request.linked)):
        entry = agreement.datasets[dataset]
        names |= {entry.schema_, *library.bound(entry).artefacts}
    return tuple((name, library.digest(name)) for name in sorted(names))


def _level(item: GroupBy, schema: TableSchema, allowed: Sequence[str]) -> str:
    """Return the level asked for: the one said, the only one granted, or the column's finest."""
    if item.level is not None:
        return item.level
    if len(allowed) == 1:
        return allowed[0]
    try:
        return "day" if schema.column(item.field).kind == "date" else AS_IS
    except KeyError:
        return AS_IS


def _filters(
    where: Sequence[Condition],
    schema: TableSchema,
    grant: Grant,
    library: Library,
    failures: _Failures,
    grouped: dict[str, str],
) -> tuple[Filter, ...]:
    made: list[Filter] = [CodeFilter(name, tuple(sorted(set(codes)))) for name, codes in grant.rows.items()]
    for condition in where:
        levels = list(grant.filter_by.get(condition.field, ()))
        ranged = condition.from_ is not None or condition.to is not None
        if ranged and grouped.get(condition.field) in grant.group_by.get(condition.field, ()):
            # grouping a date needs from and to; whoever may group by month may name whole months
            levels.append(grouped[condition.field])
        if not levels:
            words = f"no grant covers filtering by {condition.field}"
            failures.gap(f"filter_by/{condition.field}", words)
            continue
        column = schema.column(condition.field)
        item = filters.build(condition, column, levels, library, failures.refuse)
        scope = grant.rows.get(condition.field)
        if isinstance(item, CodeFilter) and scope is not None and condition.level in (None, AS_IS):
            outside = [code for code in item.codes if code not in scope]
            if outside:
                words = f"the grant covers only rows whose {condition.field} is {', '.join(scope)}"
                failures.forbid(f"rows/{condition.field}", words)
                continue
        if item is not None:
            made.append(item)
    return filters.intersect(made, schema)


def _groupings(
    by: Sequence[GroupBy],
    schema: TableSchema,
    grant: Grant,
    kept: tuple[Filter, ...],
    library: Library,
    failures: _Failures,
) -> list[Keys | None]:
    made: list[Keys | None] = []
    for item in by:
        allowed = grant.group_by.get(item.field)
        clause = f"group_by/{item.field}"
        if allowed is None:
            failures.gap(clause, f"no grant covers grouping by {item.field}")
            continue
        column = schema.column(item.field)
        level = _level(item, schema, allowed)
        if level not in allowed:
            words = f"{item.field} may be grouped by {', '.join(allowed)}"
            failures.refuse(level not in column.all_levels, clause, words)
            continue
        if failures.reasons:
            continue
        made.append(keys.build(column, level, kept, library))
    return made


def _measure(item: Measure, schema: TableSchema, grant: Grant, failures: _Failures) -> Measured | None:
    allowed = getattr(grant.measure, item.kind)
    if item.of is None:
        if not allowed:
            said_no = item.kind in grant.measure.model_fields_set
            failures.refuse(not said_no, f"measure/{item.kind}", f"the grant does not let {item.kind} be measured")
            return None
        return Measured(item.kind)
    if item.of not in allowed:
        failures.gap(f"measure/{item.kind}", f"no grant covers the {item.kind} of {item.of}")
        return None
    column = schema.column(item.of)
    low, high = column.bounds
    return Measured(item.kind, item.of, low, high, column.decimals)


def _links(
    agreement: Agreement,
    library: Library,
    party: str,
    request: AggregateRequest,
    grant: Grant,
    failures: _Failures,
) -> tuple[tuple[LinkPlan, ...], tuple[str, ...]]:
    made: list[LinkPlan] = []
    used: list[str] = []
    for link in request.linked:
        if link.dataset not in grant.link:
            known = link.dataset in agreement.datasets
            words = f"the grant does not let {request.dataset} be linked with {link.dataset}"
            failures.refuse(not (known and grant.link), "link", words)
            continue
        found = _link(agreement, library, party, request, link, failures)
        if found is not None:
            made.append(found[0])
            used.append(found[1])
    return tuple(made), tuple(used)


def _link(
    agreement: Agreement,
    library: Library,
    party: str,
    request: AggregateRequest,
    link: Linked,
    failures: _Failures,
) -> tuple[LinkPlan, str] | None:
    """Return the plan of one link under the linked dataset's own grant, and that grant's path."""
    entry = agreement.datasets[link.dataset]
    if (
        "record" in (entry.privacy_unit, agreement.datasets[request.dataset].privacy_unit)
        or link.dataset == request.dataset
    ):
        failures.forbid("link", "only two different datasets of persons can be linked")
        return None
    schema = library.bound(entry)
    nearest: _Failures | None = None
    for path, grant in _candidates(agreement, party, request.purpose, link.dataset):
        if request.dataset not in grant.link:
            continue
        own = _Failures(path)
        kept = _filters(link.where, schema, grant, library, own, {})
        if not own.reasons:
            return LinkPlan(link.dataset, source(agreement, link.dataset), link.has, kept), path
        if nearest is None or len(own.reasons) < len(nearest.reasons):
            nearest = own
    if nearest is None:
        words = f"no grant lets {link.dataset} be linked with {request.dataset} for {request.purpose}"
        failures.reasons.append(Reason("grants", words))
        return None
    failures.reasons += nearest.reasons
    failures.forbidden = failures.forbidden or nearest.forbidden
    return None
