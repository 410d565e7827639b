"""The nearest request that would be allowed: mended to fit a grant, then decided again before anyone is shown it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.errors import DocumentError
from schemas.model import read
from schemas.request import AggregateRequest
from service.errors import Malformed
from service.policy.asked import ANALYST, Asked
from service.policy.decide import decide, ranked
from service.policy.decision import Decision, Nearest
from service.policy.measures import of_one_period
from service.policy.needs import FEW
from service.policy.repair import Draft, repaired
from service.policy.slate import Candidate


def explained(
    decision: Decision,
    agreement: Agreement,
    library: Library,
    party: str,
    request: AggregateRequest,
    roles: Collection[str] = ANALYST,
) -> Decision:
    """Return a decision as it is shown: a refusal with the nearest request that would be allowed, if there is one.

    Args:
        decision: What ``decide`` said of the other arguments.
        agreement: The agreement version.
        library: The artefacts it pins.
        party: The caller's party.
        request: The question.
        roles: The caller's roles.
    """
    if decision.allowed:
        return decision
    return replace(decision, nearest=nearest(Asked(agreement, library, party, request, roles)))


def nearest(asked: Asked) -> Nearest | None:
    """Return the nearest request that is allowed: of those that the nearest few grants allow, that with fewest changes.

    Where these allow nothing at all, the next nearest that does is taken.

    Returns:
        None where nothing can be asked: no grant to this party and role for this purpose and dataset, or no share.
    """
    agreement, name = asked.agreement, asked.request.dataset
    if asked.request.purpose not in agreement.purposes or name not in agreement.datasets:
        return None
    if asked.party not in agreement.privacy.shares or asked.limited(name):
        return None
    found: Nearest | None = None
    tried: list[Draft] = []
    for seen, candidate in enumerate(_near(asked)):
        if seen >= FEW and found is not None:
            break
        draft = _mended(asked, candidate)
        if draft is None or draft in tried:
            continue
        tried.append(draft)
        found = _allowed(asked, draft, len(found.changes) if found is not None else None) or found
        if found is not None and len(found.changes) == 1:
            break  # none has fewer
    return found


def _near(asked: Asked) -> Iterable[Candidate]:
    """Return the grants that may cover a question, the nearest first; one alone need not be weighed for that."""
    items = asked.candidates(asked.request.dataset).items
    return items if len(items) <= 1 else (one.candidate for one in ranked(asked))


def _mended(asked: Asked, candidate: Candidate) -> Draft | None:
    try:
        return repaired(asked, candidate)
    except (DocumentError, Malformed):
        return None


def _allowed(asked: Asked, draft: Draft, fewest: int | None) -> Nearest | None:
    """Return the first form of a mended request that is allowed, the fullest first; None where none has fewer changes.

    Args:
        asked: The question.
        draft: The request mended to fit one grant.
        fewest: The changes of the best found yet; None where there is none.
    """
    for form in _forms(draft):
        if fewest is not None and len(form.changes) >= fewest:
            return None
        try:
            request = read(AggregateRequest, form.made)
            allowed = decide(asked.agreement, asked.library, asked.party, request, asked.roles).allowed
        except (Malformed, DocumentError):
            continue
        if allowed:
            return Nearest(request, tuple(form.changes))
    return None


def _forms(draft: Draft) -> Iterator[Draft]:
    """Yield a mended request, then ever barer forms of it: without links, without conditions, the measures alone."""
    yield draft
    if draft.made["linked"]:
        yield _without(draft, {"linked": []}, "do not link with other datasets")
    grouped = {item["field"] for item in draft.made["by"]}
    fixing = [item for item in draft.made["where"] if item["field"] in grouped and {"from", "to"} <= item.keys()]
    if len(fixing) < len(draft.made["where"]):
        words = "filter by nothing but the days that a grouping needs"
        yield _without(draft, {"linked": [], "where": fixing}, words)
    bare = {"linked": [], "where": [], "by": [], "measures": of_one_period(draft.made["measures"])[0]}
    yield _without(draft, bare, "ask for the total of what the grant covers")


def _without(draft: Draft, parts: dict[str, Any], words: str) -> Draft:
    return Draft(draft.made | parts, [*draft.changes, words])
