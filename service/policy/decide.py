"""The decision: closed by default, one grant covers a question, grants are never united."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.errors import DocumentError
from schemas.request import AggregateRequest
from service.policy.allowances import describe
from service.policy.asked import ANALYST, Asked
from service.policy.cover import Covered, cover
from service.policy.decision import ALLOWED, FORBIDDEN, NOT_GRANTED, Decision, Reason
from service.policy.failures import Failures
from service.policy.needs import of_question
from service.policy.ranking import Ranked, nearest_first
from service.policy.slate import Candidate


def decide(
    agreement: Agreement,
    library: Library,
    party: str,
    request: AggregateRequest,
    roles: Collection[str] = ANALYST,
) -> Decision:
    """Decide whether ``party`` may ask ``request`` under an agreement that is in force.

    Args:
        agreement: The agreement version in force.
        library: The artefacts it pins.
        party: The caller's party.
        request: The question.
        roles: The caller's roles; a grant speaks to those it names alone.

    Returns:
        An allowed decision with the effective plan, or a refusal with its clauses. The decision depends on
        nothing else: no data, no time, no spending.

    Raises:
        Malformed: the request does not make sense for the dataset's schema, whoever asks.
    """
    asked = Asked(agreement, library, party, request, roles)
    weighed = [f"purposes/{request.purpose}"]
    if request.purpose not in agreement.purposes:
        return _refusal(NOT_GRANTED, weighed, f"purposes/{request.purpose}", "the agreement has no such purpose")
    weighed.append(f"datasets/{request.dataset}")
    if request.dataset not in agreement.datasets:
        return _refusal(NOT_GRANTED, weighed, f"datasets/{request.dataset}", "the agreement has no such dataset")
    if agreement.datasets[request.dataset].purposes:
        weighed[-1] += "/purposes"
    if asked.limited(request.dataset):
        words = f"{request.dataset} is not supplied for {request.purpose}, whatever a grant says"
        return _refusal(FORBIDDEN, weighed, f"datasets/{request.dataset}/purposes", words)
    candidates = asked.candidates(request.dataset)
    if not candidates.items:
        return _without_grant(asked, weighed)
    weighed += ["privacy/shares", *candidates.paths, *_linked(asked)]
    if party not in agreement.privacy.shares:
        return _refusal(NOT_GRANTED, weighed, "privacy/shares", f"{party} has no share of the privacy budget")
    return _under(asked, tuple(dict.fromkeys(weighed) if request.linked else weighed))


def _under(asked: Asked, weighed: tuple[str, ...]) -> Decision:
    """Decide by the first grant that covers the question, or tell what the nearest one lacks."""
    nearest = next(ranked(asked))
    candidate = nearest.candidate
    found = nearest.found or covering(asked, candidate)  # where it makes no sense under any grant, this raises
    if isinstance(found, Covered):
        reasons = tuple(Reason(clause, "this grant covers the request") for clause in found.clauses)
        return Decision(ALLOWED, reasons, weighed, approvals=found.approvals, plan=found.plan)
    code = FORBIDDEN if found.forbidden else NOT_GRANTED
    instead = describe(asked.agreement, candidate.grant)
    return Decision(code, tuple(found.reasons), weighed, allowed_instead=instead)


def ranked(asked: Asked) -> Iterator[Ranked[Covered]]:
    """Yield the grants that may cover a question, the nearest first; at the same distance, the widest scope first."""
    slate = asked.candidates(asked.request.dataset)
    return nearest_first(slate, of_question(asked, slate), lambda item: covering(asked, item))


def covering(asked: Asked, candidate: Candidate) -> Covered | Failures:
    """Weigh one grant; where its artefacts are not at hand it covers nothing.

    Raises:
        Malformed: under this grant's levels the question makes no sense.
    """
    try:
        return cover(asked, candidate)
    except DocumentError as error:
        failures = Failures(candidate.path)
        failures.forbid("dataset", f"an artefact is missing or does not fit: {error.code}")
        return failures


def _without_grant(asked: Asked, weighed: list[str]) -> Decision:
    """Refuse a question for which there is no grant, or none to the caller's roles."""
    name = asked.request.dataset
    missed = asked.granted(name).items
    if not missed:
        words = f"no grant covers {asked.party} asking of {name} for {asked.request.purpose}"
        return _refusal(NOT_GRANTED, [*weighed, "grants"], "grants", words)
    reasons = tuple(
        Reason(f"{item.path}/roles", f"this grant is to those with the role {' or '.join(sorted(item.grant.roles))}")
        for item in missed
    )
    return Decision(NOT_GRANTED, reasons, (*weighed, *(item.path for item in missed)))


def _linked(asked: Asked) -> list[str]:
    """Return the grants of linked datasets that are weighed, and the limits on their purposes."""
    found: list[str] = []
    for name in dict.fromkeys(link.dataset for link in asked.request.linked):
        if name in asked.agreement.datasets:
            if asked.agreement.datasets[name].purposes:
                found.append(f"datasets/{name}/purposes")
            found += asked.linkable(name).paths
    return found


def _refusal(code: str, weighed: list[str], clause: str, words: str) -> Decision:
    return Decision(code, (Reason(clause, words),), tuple(weighed))
