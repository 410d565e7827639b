"""Whether an agreement fits the artefacts it pins: every field, level, code and measure exists."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.clauses.grants import Grant
from schemas.errors import DocumentError
from schemas.table_schema import Column, TableSchema
from service.errors import Finding


def findings(agreement: Agreement, library: Library) -> list[Finding]:
    """Return every way in which the agreement does not fit its artefacts; empty where it does.

    Args:
        agreement: The agreement.
        library: The artefacts that the broker holds by the names the agreement pins.
    """
    found = _pins(agreement, library)
    if found:
        return found
    bound = _bindings(agreement, library)
    if bound:
        return bound
    for name, dataset in agreement.datasets.items():
        schema = library.bound(dataset)
        if dataset.privacy_unit != schema.privacy_unit:
            found.append(_other_unit(name, schema))
    for index, grant in enumerate(agreement.grants):
        dataset = agreement.datasets[grant.dataset]
        found += of_grant(f"grants/{index}", agreement, grant, library.bound(dataset))
    return found


def _pins(agreement: Agreement, library: Library) -> list[Finding]:
    found = []
    try:
        required = library.required(agreement)
    except DocumentError as error:
        return [Finding("unknown_artefact", error.path, detail=error.detail)]
    for name in sorted(required | set(agreement.pins)):
        if name not in agreement.pins:
            found.append(Finding("missing_pin", f"pins/{name}", detail="an artefact in use is not pinned"))
        elif name not in library:
            found.append(Finding("unknown_artefact", f"pins/{name}", detail="this broker holds no such artefact"))
        elif agreement.pins[name] != library.digest(name):
            words = "the pinned digest is not that of the artefact this broker holds"
            found.append(Finding("changed_artefact", f"pins/{name}", detail=words))
    return found


def _bindings(agreement: Agreement, library: Library) -> list[Finding]:
    """Find code lists and levels that the columns they are bound to cannot take."""
    found = []
    for name, dataset in agreement.datasets.items():
        try:
            library.bound(dataset)
        except DocumentError as error:
            found.append(Finding(error.code, f"datasets/{name}", detail=error.detail))
    return found


def _other_unit(name: str, schema: TableSchema) -> Finding:
    words = f"the schema protects each {schema.privacy_unit}; a schema with a pseudonym is never by record"
    return Finding("privacy_unit", f"datasets/{name}/privacy_unit", detail=words)


def of_grant(path: str, agreement: Agreement, grant: Grant, schema: TableSchema) -> list[Finding]:
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
        *_records(path, agreement, grant, schema),
    ]


def _levels(path: str, entries: Mapping[str, tuple[str, ...]], columns: Mapping[str, Column]) -> list[Finding]:
    return [
        Finding("unknown_level", f"{path}/{name}", detail=f"{name} has no level {level}")
        for name, levels in entries.items()
        for level in levels
        if name not in columns or level not in columns[name].all_levels
    ]


def _public_keys(path: str, grant: Grant, columns: Mapping[str, Column]) -> list[Finding]:
    return [
        Finding("keys_not_public", f"{path}/{name}", detail=f"{name} has no closed list, so its keys are not public")
        for name in grant.group_by
        if name in columns and columns[name].kind == "code" and not columns[name].constraints.enum
    ]


def _rows(path: str, grant: Grant, columns: Mapping[str, Column]) -> list[Finding]:
    return [
        Finding("unknown_code", f"{path}/{name}", detail=f"{name} has no code {code}")
        for name, codes in grant.rows.items()
        for code in codes
        if name not in columns or code not in (columns[name].constraints.enum or ())
    ]


def _combine(path: str, grant: Grant, columns: Mapping[str, Column]) -> list[Finding]:
    return [
        Finding("not_combinable", f"{path}/{name}", detail=f"{name} has no closed list of codes to combine")
        for name in grant.combine
        if name not in columns or not columns[name].constraints.enum
    ]


def _measures(path: str, grant: Grant, columns: Mapping[str, Column]) -> list[Finding]:
    return [
        Finding("not_a_number", f"{path}/{kind}", detail=f"{name} is no number column")
        for kind, names in (("sum", grant.measure.sum), ("mean", grant.measure.mean))
        for name in names
        if name not in columns or columns[name].kind not in ("integer", "decimal")
    ]


def _records(path: str, agreement: Agreement, grant: Grant, schema: TableSchema) -> list[Finding]:
    found = []
    if schema.privacy_unit == "record" and grant.measure.persons:
        found.append(Finding("no_persons", f"{path}/measure/persons", detail="a record dataset has no persons"))
    if schema.privacy_unit == "record" and grant.link:
        found.append(Finding("not_linkable", f"{path}/link", detail="a record dataset is never linkable"))
    found += [
        Finding("not_linkable", f"{path}/link", detail=f"{other} is a record dataset")
        for other in grant.link
        if agreement.datasets[other].privacy_unit == "record"
    ]
    return found
