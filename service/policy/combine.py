"""Limits on a question's own form: how many codes a condition combines, how many columns a question uses.

They are computed from the request and public code lists alone. They keep people from asking of one small area; they
are no privacy guarantee, which is the noise's (docs/privacy-model.md says why).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.clauses.grants import Grant
from schemas.request import AggregateRequest, Condition
from schemas.table_schema import AS_IS, TableSchema
from service.policy.failures import Failures
from service.policy.filters import UNKNOWN, stored_codes
from service.policy.plan import CodeFilter, CodeKeys, Filter, Keys


def too_few(codes: Iterable[str], least: int) -> bool:
    """Whether these are some codes, but fewer than ``least``.

    ``unknown`` is no area, so it counts for nothing, and it is not kept from being asked of.
    """
    return 0 < sum(code != UNKNOWN for code in codes) < least


def check_filters(where: Sequence[Condition], kept: Sequence[Filter], grant: Grant, failures: Failures) -> None:
    """Refuse a condition that, with the forced scope, combines fewer codes than the grant wants.

    Args:
        where: The request's conditions; a column that none of them names needs no combining.
        kept: The filters they come to: stored codes, after levels and forced scope.
        grant: Says how many codes of which columns.
        failures: Told of each column that combines too few.
    """
    held = {item.field: item for item in kept}
    for field in dict.fromkeys(item.field for item in where if item.field in grant.combine):
        least, found = grant.combine[field], held.get(field)
        if isinstance(found, CodeFilter) and not too_few(found.codes, least):
            continue
        failures.forbid(f"combine/{field}", f"a filter by {field} combines at least {least} of its codes")


def check_rest(
    where: Sequence[Condition], kept: Sequence[Filter], schema: TableSchema, grant: Grant, failures: Failures
) -> None:
    """Refuse a link that wants no row with some codes, and so leaves fewer codes than the grant wants combined.

    Args:
        where: The link's conditions.
        kept: The filters they come to.
        schema: Of the linked dataset.
        grant: Of the linked dataset.
        failures: Told of each column of which too few codes are left.
    """
    held = {item.field: item for item in kept}
    for field in dict.fromkeys(item.field for item in where if item.field in grant.combine):
        least, found = grant.combine[field], held.get(field)
        scope = grant.rows.get(field, stored_codes(schema.column(field)))
        out = frozenset(found.codes) if isinstance(found, CodeFilter) else frozenset(scope)
        if sum(code not in out and code != UNKNOWN for code in scope) < least:
            words = f"a link without rows by {field} leaves at least {least} of its codes"
            failures.forbid(f"combine/{field}", words)


def combines(keys: Keys, least: int) -> bool:
    """Whether every key of a grouping combines at least ``least`` codes of its column."""
    if not isinstance(keys, CodeKeys) or keys.level == AS_IS:
        return False
    members: dict[str, list[str]] = {key: [] for key in keys.keys}
    for code, key in keys.mapping:
        members[key].append(code)
    return not any(too_few(codes, least) for codes in members.values())


def check_keys(keys: Keys, grant: Grant, failures: Failures) -> None:
    """Refuse a grouping of which a key combines fewer codes than the grant wants."""
    least = grant.combine.get(keys.field)
    if least is not None and not combines(keys, least):
        words = f"every group of {keys.field} combines at least {least} of its codes; at {keys.level} one does not"
        failures.forbid(f"combine/{keys.field}", words)


def columns(request: AggregateRequest) -> tuple[tuple[str, str], ...]:
    """Return the different columns that a question groups and filters by, each with its dataset, as they come.

    Bins of a measure are groups too; they come first.
    """
    binned = [measure.shape.grouped for measure in request.measures]
    fields = [*binned, *(item.field for item in request.by), *(item.field for item in request.where)]
    own = [(request.dataset, name) for name in fields if name is not None]
    linked = [(link.dataset, item.field) for link in request.linked for item in link.where]
    return tuple(dict.fromkeys((*own, *linked)))


def check_columns(request: AggregateRequest, grant: Grant, failures: Failures) -> None:
    """Refuse a question that uses more columns than the grant lets one question use."""
    used = len(columns(request))
    if grant.most_fields is not None and used > grant.most_fields:
        words = f"a question groups and filters by at most {grant.most_fields} columns; this one uses {used}"
        failures.forbid("most_fields", words)
