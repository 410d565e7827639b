"""What a grant allows, in the agreement's own words, for those who may ask under it."""

from __future__ import annotations

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
        "measure": {
            "count": grant.measure.count,
            "persons": grant.measure.persons,
            "sum": list(grant.measure.sum),
            "mean": list(grant.measure.mean),
        },
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


def purposes(agreement: Agreement, grant: Grant) -> list[str]:
    """Return the purposes for which a grant lets its dataset be asked of."""
    limit = agreement.datasets[grant.dataset].purposes
    return sorted(
        name
        for name in agreement.purposes
        if agreement.covers(grant.for_, name) and (not limit or agreement.covers(limit, name))
    )
