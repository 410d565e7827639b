"""Whether an agreement fits the artefacts it pins: every field, level, code and measure exists."""

from __future__ import annotations

from schemas.agreement import Agreement, Grant
from schemas.artefacts import Library
from schemas.errors import DocumentError
from schemas.table_schema import TableSchema
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
    for name, dataset in agreement.datasets.items():
        schema = library.schema(dataset.schema_)
        if dataset.privacy_unit != schema.privacy_unit:
            words = f"the schema protects each {schema.privacy_unit}; a schema with a pseudonym is never by record"
            found.append(Finding("privacy_unit", f"datasets/{name}/privacy_unit", detail=words))
    for index, grant in enumerate(agreement.grants):
        dataset = agreement.datasets[grant.dataset]
        found += _grant(f"grants/{index}", agreement, grant, library.schema(dataset.schema_))
    return found


def _pins(agreement: Agreement, library: Library) -> list[Finding]:
    found = []
    try:
        required = library.required({dataset.schema_ for dataset in agreement.datasets.values()})
    except DocumentError as error:
        return [Finding("unknown_artefact", error.path, detail=error.detail)]
    for name in sorted(required):
        if name not in agreement.pins:
            found.append(Finding("missing_pin", f"pins/{name}", detail="an artefact in use is not pinned"))
        elif agreement.pins[name] != library.digest(name):
            words = "the pinned digest is not that of the artefact this broker holds"
            found.append(Finding("changed_artefact", f"pins/{name}", detail=words))
    return found


def _grant(path: str, agreement: Agreement, grant: Grant, schema: TableSchema) -> list[Finding]:
    found = []
    columns = {column.name: column for column in schema.fields}
    for part, entries in (("group_by", grant.group_by), ("filter_by", grant.filter_by)):
        for name, levels in entries.items():
            column = columns.get(name)
            known = column.all_levels if column else ()
            found += [
                Finding("unknown_level", f"{path}/{part}/{name}", detail=f"{name} has no level {level}")
                for level in levels
                if level not in known
            ]
            if part == "group_by" and column is not None and column.kind == "code" and not column.constraints.enum:
                words = f"{name} has no closed list, so its keys are not public"
                found.append(Finding("keys_not_public", f"{path}/{part}/{name}", detail=words))
    for name, codes in grant.rows.items():
        column = columns.get(name)
        enum = (column.constraints.enum or ()) if column else ()
        found += [
            Finding("unknown_code", f"{path}/rows/{name}", detail=f"{name} has no code {code}")
            for code in codes
            if code not in enum
        ]
    for kind in ("sum", "mean"):
        for name in getattr(grant.measure, kind):
            if name not in columns or columns[name].kind not in ("integer", "decimal"):
                found.append(Finding("not_a_number", f"{path}/measure/{kind}", detail=f"{name} is no number column"))
    if schema.privacy_unit == "record":
        if grant.measure.persons:
            found.append(Finding("no_persons", f"{path}/measure/persons", detail="a record dataset has no persons"))
        if grant.link:
            found.append(Finding("not_linkable", f"{path}/link", detail="a record dataset is never linkable"))
    for other in grant.link:
        if agreement.datasets[other].privacy_unit == "record":
            found.append(Finding("not_linkable", f"{path}/link", detail=f"{other} is a record dataset"))
    return found
