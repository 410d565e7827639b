"""Which of many grants are worth weighing: what a request needs of a grant, held against what each grant offers.

Only a short cut. A grant that lacks a need cannot cover the request, so leaving it out changes no outcome.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from schemas.clauses.grants import Grant
from schemas.clauses.measures import granted
from schemas.request import AggregateRequest, Condition
from schemas.table_schema import AS_IS
from service.policy.asked import Asked
from service.policy.index import Candidate, index

FEW = 8
"""So many grants are simply weighed, one after the other."""

Need = tuple[str, ...]


def needs(request: AggregateRequest) -> frozenset[Need]:
    """Return what a grant has to offer to cover a request: necessary, not sufficient."""
    return frozenset(
        (
            *(("by", item.field, *((item.level,) if item.level is not None else ())) for item in request.by),
            *(_filter_need(item) for item in request.where),
            *(("measure", item.kind, item.of or "") for item in request.measures),
            *(("link", item.dataset) for item in request.linked),
        )
    )


def _filter_need(item: Condition) -> Need:
    if item.in_ is not None:
        return ("in", item.field, item.level or AS_IS)
    return ("is", item.field) if item.is_ is not None else ("range", item.field)


def offers(grant: Grant) -> frozenset[Need]:
    """Return all the needs that a grant meets."""
    made: set[Need] = {("link", name) for name in grant.link}
    made |= {("measure", kind, name or "") for kind, name in granted(grant.measure)}
    for name, levels in grant.group_by.items():
        made |= {("by", name), ("range", name), *(("by", name, level) for level in levels)}
    for name, levels in grant.filter_by.items():
        made |= {("is", name), ("range", name), *(("in", name, level) for level in levels)}
    return frozenset(made)


def in_turn(asked: Asked, candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    """Yield the candidates that may cover a request, in their order; where none may, those that lack the least."""
    if len(candidates) <= FEW:
        yield from candidates
        return
    wanted, held, found = needs(asked.request), index(asked.agreement).offers, False
    for item in candidates:
        if wanted <= held(item, offers):
            found = True
            yield item
    if not found:
        yield from nearest(asked, candidates)


def nearest(asked: Asked, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Return the few candidates that lack the fewest needs, the nearest first; all, as they are, where they are few."""
    if len(candidates) <= FEW:
        return candidates
    wanted, held = needs(asked.request), index(asked.agreement).offers
    return heapq.nsmallest(FEW, candidates, key=lambda item: len(wanted - held(item, offers)))
