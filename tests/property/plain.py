"""A decision in its plain form: every grant that could cover a question is found by reading all, and weighed.

It shares ``cover`` with the service, and neither the index, the sets of grants, nor the order in which few are weighed.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.clauses.grants import Grant
from service.errors import Malformed
from service.policy import decide, nearest, needs
from service.policy.asked import Asked
from service.policy.cover import Covered
from service.policy.decision import Nearest
from service.policy.failures import Failures
from service.policy.slate import Candidate

Told = tuple[Any, ...]


def unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: unordered(item) for name, item in value.items()}
    return sorted(value) if isinstance(value, list) else value


def rank(grant: Grant) -> tuple[int, int, str]:
    """Return what sorts grants: the least narrowed, then the least to approve, then what they say."""
    value = grant.model_dump(by_alias=True, mode="json")
    return len(grant.rows), len(grant.approval), json.dumps(unordered(value), sort_keys=True)


def candidates(asked: Asked, dataset: str, linked: str | None = None) -> list[Candidate]:
    """Return the grants that could cover a question of a dataset, or its links to one, in their order."""
    found = [
        Candidate(f"grants/{place}", grant)
        for place, grant in enumerate(asked.agreement.grants)
        if asked.party in grant.to
        and asked.agreement.covers(grant.for_, asked.request.purpose)
        and grant.dataset == dataset
        and set(asked.roles) & set(grant.roles)
        and (linked is None or linked in grant.link)
    ]
    return sorted(found, key=lambda item: rank(item.grant))


def told(asked: Asked) -> Told:
    """Return what a question with candidates comes to: the code of nonsense, or all that a decision says of grants."""
    best: tuple[Failures, Candidate] | None = None
    nonsense: Malformed | None = None
    for item in candidates(asked, asked.request.dataset):
        try:
            found = weigh(asked, item)
        except Malformed as error:
            nonsense = nonsense or error
            continue
        if isinstance(found, Covered):
            return "allowed", found.clauses, found.approvals, found.plan
        if best is None or len(found.reasons) < len(best[0].reasons):
            best = (found, item)
    if best is None:
        assert nonsense is not None
        return nonsense.code, nonsense.detail
    failures, item = best
    return "forbidden" if failures.forbidden else "not_granted", tuple(failures.reasons), item.grant


def weigh(asked: Asked, candidate: Candidate) -> Covered | Failures:
    """Weigh one grant, links and all, by weighing every grant of the datasets linked with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(needs, "FEW", 10**9)
        return decide.covering(asked, candidate)


def nearest_request(asked: Asked, few: int) -> Nearest | None:
    """Return the mended request with the fewest changes, of those to fit the few grants at the least distance."""

    def distance(candidate: Candidate) -> float:
        try:
            found = weigh(asked, candidate)
        except Malformed:
            return float("inf")
        return len(found.reasons) if isinstance(found, Failures) else 0

    best: Nearest | None = None
    for seen, item in enumerate(sorted(candidates(asked, asked.request.dataset), key=distance)):
        if seen >= few and best is not None:
            break
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(needs, "FEW", 10**9)
            draft = nearest._mended(asked, item)
            found = nearest._allowed(asked, draft, None) if draft is not None else None
        if found is not None and (best is None or len(found.changes) < len(best.changes)):
            best = found
    return best
