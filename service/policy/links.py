"""Links with other datasets: each under a grant of its own that names the dataset asked of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.clauses.grants import Grant
from schemas.request import Condition, Linked
from schemas.table_schema import TableSchema
from service.errors import Malformed
from service.policy import combine
from service.policy.asked import Asked
from service.policy.decision import Reason
from service.policy.failures import Failures
from service.policy.fit import unfit
from service.policy.index import Candidate
from service.policy.plan import Filter, LinkPlan
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
            _link(asked, link, failures, kept, made)
    return made


def linkable(asked: Asked, link: Linked) -> bool:
    """Whether two datasets are different ones of persons."""
    units = {asked.agreement.datasets[name].privacy_unit for name in (link.dataset, asked.request.dataset)}
    return units == {"person"} and link.dataset != asked.request.dataset


def _link(asked: Asked, link: Linked, failures: Failures, kept: Kept, made: Links) -> None:
    """Add one link under the first of the linked dataset's own grants that covers it."""
    nearest: Failures | None = None
    malformed: Malformed | None = None
    for candidate in asked.linkable(link.dataset):
        try:
            found = under(asked, link, candidate, kept)
        except Malformed as error:  # another grant may give the same words a meaning
            malformed = malformed or error
            continue
        if not isinstance(found, Failures):
            made.plans.append(LinkPlan(link.dataset, source(asked.agreement, link.dataset), link.has, found))
            made.clauses.append(candidate.path)
            made.approvals.update(candidate.grant.approval)
            return
        if nearest is None or len(found.reasons) < len(nearest.reasons):
            nearest = found
    if nearest is not None:
        failures.take(nearest)
        return
    if malformed is not None:
        raise malformed
    words = f"no grant lets {link.dataset} be linked with {asked.request.dataset} for {asked.request.purpose}"
    failures.reasons.append(Reason("grants", words))


def under(asked: Asked, link: Linked, candidate: Candidate, kept: Kept) -> tuple[Filter, ...] | Failures:
    """Return the filters of one link under one grant of the linked dataset, or what that grant does not cover."""
    schema = asked.library.bound(asked.agreement.datasets[link.dataset])
    own = unfit(asked, candidate, schema)
    if own.reasons:
        return own
    filters = kept(asked, link.where, schema, candidate.grant, own, {})
    combine.check_columns(asked.request, candidate.grant, own)
    return own if own.reasons else filters
