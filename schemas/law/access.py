"""Rules about grants: what they reach for, and whether anybody can use them."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.clauses.grants import Grant
from schemas.clauses.measures import granted
from schemas.law.case import Case
from schemas.law.finding import Place, Rule

LIMITATION = "UK GDPR art. 5(1)(b), purpose limitation (remembered, not read)"
BROKER = "How the broker decides: docs/privacy-model.md"


def _wider(case: Case) -> Iterator[Place]:
    for index, grant in enumerate(case.agreement.grants):
        limit = case.agreement.datasets[grant.dataset].purposes
        for place, purpose in enumerate(grant.for_):
            if limit and not case.agreement.covers(limit, purpose):
                words = f"{grant.dataset} is supplied for {', '.join(limit)}, and granted for {purpose}"
                yield Place(f"grants/{index}/for/{place}", words)


def _without_share(case: Case) -> Iterator[Place]:
    for index, grant in enumerate(case.agreement.grants):
        for place, party in enumerate(grant.to):
            if party not in case.agreement.privacy.shares:
                yield Place(f"grants/{index}/to/{place}", f"{party} has no share of the budget")


def _share_unused(case: Case) -> Iterator[Place]:
    granted = {party for grant in case.agreement.grants for party in grant.to}
    for party in case.agreement.privacy.shares:
        if party not in granted:
            yield Place(f"privacy/shares/{party}", f"{party} has a share and no grant")


def _measures_nothing(case: Case) -> Iterator[Place]:
    for index, grant in enumerate(case.agreement.grants):
        if not granted(grant.measure):
            yield Place(f"grants/{index}/measure", "nothing may be measured, so no question is covered")


def _links_back(case: Case, grant: Grant, other: Grant, dataset: str, party: str) -> bool:
    """Whether another grant lets a party link a dataset to the grant's own, for a purpose of both."""
    if other.dataset != dataset or grant.dataset not in other.link or party not in other.to:
        return False
    covers = case.agreement.covers
    return any(covers(grant.for_, name) and covers(other.for_, name) for name in case.agreement.purposes)


def _link_one_sided(case: Case) -> Iterator[Place]:
    for index, grant in enumerate(case.agreement.grants):
        for place, other in enumerate(grant.link):
            for party in grant.to:
                if not any(_links_back(case, grant, held, other, party) for held in case.agreement.grants):
                    words = f"no grant of {other} to {party} for these purposes links back to {grant.dataset}"
                    yield Place(f"grants/{index}/link/{place}", words)


def _processor_receives(case: Case) -> Iterator[Place]:
    for index, grant in enumerate(case.agreement.grants):
        for place, party in enumerate(grant.to):
            held = case.party(party)
            if "processor" in (held.role, held.kind):
                by = "role" if held.role == "processor" else "kind"
                yield Place(f"grants/{index}/to/{place}", f"{party} is a processor by its {by} and asks for itself")


def _supplied_to_nobody(case: Case) -> Iterator[Place]:
    used = {grant.dataset for grant in case.agreement.grants}
    for name in case.agreement.datasets:
        if name not in used:
            yield Place(f"datasets/{name}", f"{name} is supplied, and no grant names it")


RULES = (
    Rule(
        "grant_wider_than_dataset",
        "error",
        "A grant names a purpose for which the supplier does not supply the dataset.",
        LIMITATION,
        "Take the purpose out of the grant, or have the supplier add it to the dataset's `purposes`.",
        _wider,
    ),
    Rule(
        "grant_without_share",
        "error",
        "A grant's recipient has no share of the budget, so nothing it asks is answered.",
        BROKER,
        "Give the party a share under `privacy.shares`, or take it out of the grant.",
        _without_share,
    ),
    Rule(
        "share_without_grant",
        "note",
        "A party has a share of the budget and may ask nothing.",
        BROKER,
        "Take the share out, or grant the party something.",
        _share_unused,
    ),
    Rule(
        "grant_measures_nothing",
        "warning",
        "A grant lets nothing be measured.",
        BROKER,
        "Name a measure, or take the grant out.",
        _measures_nothing,
    ),
    Rule(
        "link_one_sided",
        "error",
        "A grant links to a dataset, and no grant of that dataset links back.",
        f"{BROKER}: a linked dataset needs a grant of its own to the same recipient for the same purpose",
        "Add the link to the other dataset's grant, or take it out of this one.",
        _link_one_sided,
    ),
    Rule(
        "processor_receives",
        "error",
        "A processor, by its role or its kind, is granted data for itself.",
        "UK GDPR art. 28(3)(a), (10) (remembered, not read)",
        "Take it out of the grant, or make it a controller with a basis of its own and the kind of body that it is.",
        _processor_receives,
    ),
    Rule(
        "dataset_without_grant",
        "warning",
        "A dataset is supplied that nobody may ask of.",
        "UK GDPR art. 5(1)(c), data minimisation (remembered, not read)",
        "Take the dataset out, or grant somebody something.",
        _supplied_to_nobody,
    ),
)
