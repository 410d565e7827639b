"""What a grant allows, in the agreement's own words, for those who may ask under it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from schemas.agreement import Agreement
from schemas.clauses.grants import Grant


def describe(agreement: Agreement, grant: Grant) -> dict[str, Any]:
    """Return what a grant allows; limits that it does not set are left out.

    ``purposes`` are those named with their narrower ones, less those for which the dataset is not supplied.
    """
    made: dict[str, Any] = {
        "purposes": purposes(agreement, grant),
        "roles": sorted(grant.roles),
        "group_by": {name: list(levels) for name, levels in grant.group_by.items()},
        "filter_by": {name: list(levels) for name, levels in grant.filter_by.items()},
        "measure": grant.measure.model_dump(mode="json"),
        "rows": {name: list(codes) for name, codes in grant.rows.items()},
        "link": list(grant.link),
    }
    if grant.combine:
        made["combine"] = dict(grant.combine)
    if grant.most_fields is not None:
        made["most_fields"] = grant.most_fields
    if grant.approval:
        made["approval"] = sorted(set(grant.approval))
    return made


def allowed(agreement: Agreement, party: str, roles: Collection[str], dataset: str) -> list[dict[str, Any]]:
    """Return all that people of a party may do with a dataset: each grant to them with its clause, links worked out.

    ``links`` names, for each dataset that a question may be linked with, the grants of that dataset one of which has
    to cover the link, and for which purposes; a link that no grant of the other dataset answers is left out.
    A grant under which there is no purpose left, or to a party without a share of the budget, allows nothing.
    """
    if party not in agreement.privacy.shares:
        return []
    own = _to(agreement, party, roles)
    return [
        {"clause": path} | describe(agreement, grant) | {"links": _links(agreement, grant, own)}
        for path, grant in own
        if grant.dataset == dataset and purposes(agreement, grant)
    ]


def _to(agreement: Agreement, party: str, roles: Collection[str]) -> list[tuple[str, Grant]]:
    return [
        (f"grants/{place}", grant)
        for place, grant in enumerate(agreement.grants)
        if party in grant.to and any(role in grant.roles for role in roles)
    ]


def _links(agreement: Agreement, grant: Grant, own: list[tuple[str, Grant]]) -> dict[str, list[dict[str, Any]]]:
    made: dict[str, list[dict[str, Any]]] = {}
    here = set(purposes(agreement, grant))
    for path, other in own:
        if other.dataset in grant.link and grant.dataset in other.link:
            shared = [name for name in purposes(agreement, other) if name in here]
            if shared:
                limits = describe(agreement, other)
                kept = {
                    name: limits[name]
                    for name in ("filter_by", "rows", "combine", "most_fields", "approval")
                    if name in limits
                }
                made.setdefault(other.dataset, []).append({"clause": path, "purposes": shared} | kept)
    return made


def purposes(agreement: Agreement, grant: Grant) -> list[str]:
    """Return the purposes for which a grant lets its dataset be asked of."""
    limit = agreement.datasets[grant.dataset].purposes
    return sorted(
        name
        for name in agreement.purposes
        if agreement.covers(grant.for_, name) and (not limit or agreement.covers(limit, name))
    )
