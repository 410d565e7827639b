"""Links with other datasets: each under a grant of its own that names the dataset asked of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from schemas.clauses.grants import Grant
from schemas.request import Condition, Linked
from schemas.table_schema import TableSchema
from service.policy import combine, together
from service.policy.asked import Asked
from service.policy.decision import Reason
from service.policy.failures import Failures
from service.policy.needs import of_links
from service.policy.plan import Filter, LinkPlan
from service.policy.ranking import Ranked, nearest_first
from service.policy.slate import Candidate
from service.policy.source import source

Kept = Callable[[Asked, Sequence[Condition], TableSchema, Grant, Failures, dict[str, str]], tuple[Filter, ...]]
"""Makes filters of conditions, as ``cover.kept_filters`` does."""


@dataclass
class Links:
    """The links of a question: their plans, the grants they rest on, and who has to approve."""

    plans: list[LinkPlan] = field(default_factory=list)
    clauses: list[str] = field(default_factory=list)
    approvals: set[str] = field(default_factory=set)


def links(asked: Asked, grant: Grant, failures: Failures, kept: Kept) -> Links:
    """Return the links of a question whose own dataset is asked of under ``grant``; failures tell what is missing."""
    made = Links()
    wanted: dict[str, list[Linked]] = {}
    for link in asked.request.linked:
        if link.dataset not in grant.link:
            known = link.dataset in asked.agreement.datasets
            words = f"the grant does not let {asked.request.dataset} be linked with {link.dataset}"
            failures.refuse(not (known and grant.link), "link", words)
        elif not linkable(asked, link):
            failures.forbid("link", "only two different datasets of persons can be linked")
        elif asked.limited(link.dataset):
            words = f"{link.dataset} is not supplied for {asked.request.purpose}, whatever a grant says"
            failures.forbid_by(f"datasets/{link.dataset}/purposes", words)
        else:
            wanted.setdefault(link.dataset, []).append(link)
    for several in wanted.values():
        _link(asked, several, failures, kept, made)
    return made


def linkable(asked: Asked, link: Linked) -> bool:
    """Whether two datasets are different ones of persons."""
    units = {asked.agreement.datasets[name].privacy_unit for name in (link.dataset, asked.request.dataset)}
    return units == {"person"} and link.dataset != asked.request.dataset


def _link(asked: Asked, several: Sequence[Linked], failures: Failures, kept: Kept, made: Links) -> None:
    """Add the links to one dataset under the first of its own grants that covers all of them: grants never unite."""
    name = several[0].dataset
    nearest = next(ranked(asked, several, kept), None)
    if nearest is None:
        words = f"no grant lets {name} be linked with {asked.request.dataset} for {asked.request.purpose}"
        failures.reasons.append(Reason("grants", words))
        return
    candidate = nearest.candidate
    found = nearest.found or under(asked, several, candidate, kept)  # makes no sense under any, and raises that
    if isinstance(found, Failures):
        failures.take(found)
        return
    read = source(asked.agreement, name)
    made.plans += [LinkPlan(name, read, link.has, own) for link, own in zip(several, found, strict=True)]
    made.clauses.append(candidate.path)
    made.approvals.update(candidate.grant.approval)


def ranked(asked: Asked, several: Sequence[Linked], kept: Kept) -> Iterator[Ranked[list[tuple[Filter, ...]]]]:
    """Yield the grants that may cover all links to one dataset, the nearest first."""
    slate = asked.linkable(several[0].dataset)
    return nearest_first(slate, of_links(asked, slate, several), lambda item: under(asked, several, item, kept))


def under(
    asked: Asked, several: Sequence[Linked], candidate: Candidate, kept: Kept
) -> list[tuple[Filter, ...]] | Failures:
    """Return the filters of each link to one dataset under one of its grants, or what that grant does not cover."""
    schema = asked.schema(several[0].dataset)
    own = Failures.of(candidate.path, asked.misfits(candidate))
    if own.reasons:
        return own
    filters = []
    for link in several:
        filters.append(kept(asked, link.where, schema, candidate.grant, own, {}))
        if not link.has and not own.reasons:
            combine.check_rest(link.where, filters[-1], schema, candidate.grant, own)
    if not own.reasons:
        together.check(several, schema, candidate.grant, asked.library, own)
    combine.check_columns(asked.request, candidate.grant, own)
    return own if own.reasons else filters
