"""Several links to one dataset, weighed together: each may be coarse enough where the two of them are not.

Who has a row in one band and none in another that crosses it has a row in what neither of them is.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.artefacts import Library
from schemas.clauses.grants import Grant
from schemas.request import Linked
from schemas.table_schema import AS_IS, TableSchema
from service.policy.failures import Failures
from service.policy.levels import crossing


def check(links: Sequence[Linked], schema: TableSchema, grant: Grant, library: Library, failures: Failures) -> None:
    """Refuse links to one dataset that together ask for finer parts of a column than its grant lets be asked.

    Args:
        links: All of a question's links to the dataset.
        schema: The dataset's.
        grant: The dataset's, which covers each of the links.
        library: The agreement's artefacts.
        failures: Told of each column.
    """
    for field, levels in _several(links).items():
        if field in grant.combine:
            words = f"one link at most conditions {field}: two could leave fewer than {grant.combine[field]} codes"
            failures.forbid(f"combine/{field}", words)
            continue
        column = schema.find(field)
        if column is None or AS_IS in grant.filter_by.get(field, ()):
            continue
        crossed = crossing(column, levels, library)
        if crossed:
            words = f"links condition {field} by {' and '.join(crossed)}, together finer than either; take one level"
            failures.forbid(f"filter_by/{field}", words)


def _several(links: Sequence[Linked]) -> dict[str, tuple[str, ...]]:
    """Return the columns that more than one link conditions, with the levels at which they do."""
    levels: dict[str, list[str]] = {}
    users: dict[str, set[int]] = {}
    for place, link in enumerate(links):
        for item in link.where:
            levels.setdefault(item.field, []).append(item.level or AS_IS)
            users.setdefault(item.field, set()).add(place)
    return {field: tuple(dict.fromkeys(levels[field])) for field, places in users.items() if len(places) > 1}
