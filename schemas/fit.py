"""Whether an agreement fits the artefacts it pins: every field, level, code and measure exists.

Pure, and the same for an agency that checks a file and for the broker that registers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.clauses.grants import Grant
from schemas.clauses.measures import OF_PERSONS, OF_SQUARES, granted
from schemas.errors import DocumentError
from schemas.table_schema import Column, TableSchema


@dataclass(frozen=True, slots=True)
class Misfit:
    """One place where an agreement does not fit: a stable code, the place, the words."""

    code: str
    path: str
    detail: str


def misfits(agreement: Agreement, library: Library) -> list[Misfit]:
    """Return every way in which an agreement's datasets and grants do not fit; empty where they do.

    Args:
        agreement: The agreement.
        library: Every artefact that it needs, by the names that it pins.
    """
    found = _bindings(agreement, library)
    if found:
        return found
    for name, dataset in agreement.datasets.items():
        schema = library.bound(dataset)
        if dataset.privacy_unit != schema.privacy_unit:
            words = f"the schema protects each {schema.privacy_unit}; a schema with a pseudonym is never by record"
            found.append(Misfit("privacy_unit", f"datasets/{name}/privacy_unit", words))
    for index, grant in enumerate(agreement.grants):
        dataset = agreement.datasets[grant.dataset]
        found += of_grant(f"grants/{index}", agreement, grant, library.bound(dataset))
    return found


def _bindings(agreement: Agreement, library: Library) -> list[Misfit]:
    """Find code lists and levels that the columns they are bound to cannot take."""
    found = []
    for name, dataset in agreement.datasets.items():
        try:
            library.bound(dataset)
        except DocumentError as error:
            found.append(Misfit(error.code, f"datasets/{name}", error.detail))
    return found


def of_grant(path: str, agreement: Agreement, grant: Grant, schema: TableSchema) -> list[Misfit]:
    """Return every way in which one grant does not fit its dataset's schema; such a grant covers nothing.

    Args:
        path: The grant's clause, as ``grants/3``.
        agreement: The agreement.
        grant: One of its grants.
        schema: The schema of the grant's dataset, with what the agreement binds to it.
    """
    columns = {column.name: column for column in schema.fields}
    return [
        *_levels(f"{path}/group_by", grant.group_by, columns),
        *_levels(f"{path}/filter_by", grant.filter_by, columns),
        *_public_keys(f"{path}/group_by", grant, columns),
        *_rows(f"{path}/rows", grant, columns),
        *_combine(f"{path}/combine", grant, columns),
        *_measures(f"{path}/measure", grant, columns),
        *_squares(f"{path}/measure", grant, columns),
        *_records(path, agreement, grant, schema),
    ]


def _levels(path: str, entries: Mapping[str, tuple[str, ...]], columns: Mapping[str, Column]) -> list[Misfit]:
    return [
        Misfit("unknown_level", f"{path}/{name}", f"{name} has no level {level}")
        for name, levels in entries.items()
        for level in levels
        if name not in columns or level not in columns[name].all_levels
    ]


def _public_keys(path: str, grant: Grant, columns: Mapping[str, Column]) -> list[Misfit]:
    return [
        Misfit("keys_not_public", f"{path}/{name}", f"{name} has no closed list, so its keys are not public")
        for name in grant.group_by
        if name in columns and columns[name].kind == "code" and not columns[name].constraints.enum
    ]


def _rows(path: str, grant: Grant, columns: Mapping[str, Column]) -> list[Misfit]:
    return [
        Misfit("unknown_code", f"{path}/{name}", f"{name} has no code {code}")
        for name, codes in grant.rows.items()
        for code in codes
        if name not in columns or code not in (columns[name].constraints.enum or ())
    ]


def _combine(path: str, grant: Grant, columns: Mapping[str, Column]) -> list[Misfit]:
    return [
        Misfit("not_combinable", f"{path}/{name}", f"{name} has no closed list of codes to combine")
        for name in grant.combine
        if name not in columns or not columns[name].constraints.enum
    ]


def _measures(path: str, grant: Grant, columns: Mapping[str, Column]) -> list[Misfit]:
    return [
        Misfit("not_a_number", f"{path}/{kind}", f"{name} is no number column")
        for kind, name in granted(grant.measure)
        if name is not None
        if name not in columns or columns[name].kind not in ("integer", "decimal")
    ]


def _squares(path: str, grant: Grant, columns: Mapping[str, Column]) -> list[Misfit]:
    """Find columns so wide that totals of their squares might not fit in 63 bits; so no question ever fails of it."""
    words = "has bounds too far apart for its squares to be totalled exactly"
    return [
        Misfit("too_wide", f"{path}/{kind}", f"{name} {words}")
        for kind, name in granted(grant.measure)
        if kind in OF_SQUARES and name is not None and name in columns
        if columns[name].kind in ("integer", "decimal") and not columns[name].squares_fit
    ]


def _records(path: str, agreement: Agreement, grant: Grant, schema: TableSchema) -> list[Misfit]:
    found = []
    if schema.privacy_unit == "record":
        found += [
            Misfit("no_persons", f"{path}/measure/{kind}", "a record dataset has no persons")
            for kind in OF_PERSONS
            if getattr(grant.measure, kind)
        ]
    if schema.privacy_unit == "record" and grant.link:
        found.append(Misfit("not_linkable", f"{path}/link", "a record dataset is never linkable"))
    found += [
        Misfit("not_linkable", f"{path}/link", f"{other} is a record dataset")
        for other in grant.link
        if agreement.datasets[other].privacy_unit == "record"
    ]
    return found
