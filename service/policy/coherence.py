"""Whether an agreement fits the artefacts it pins: the pins here, the rest by the rules that agencies check with."""

from __future__ import annotations

from schemas import fit
from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.clauses.grants import Grant
from schemas.errors import DocumentError
from schemas.table_schema import TableSchema
from service.errors import Finding


def findings(agreement: Agreement, library: Library) -> list[Finding]:
    """Return every way in which the agreement does not fit its artefacts; empty where it does.

    Args:
        agreement: The agreement.
        library: The artefacts that the broker holds by the names the agreement pins.
    """
    return _pins(agreement, library) or [_told(found) for found in fit.misfits(agreement, library)]


def of_grant(path: str, agreement: Agreement, grant: Grant, schema: TableSchema) -> list[Finding]:
    """Return every way in which one grant does not fit its dataset's schema; such a grant covers nothing.

    Args:
        path: The grant's clause, as ``grants/3``.
        agreement: The agreement.
        grant: One of its grants.
        schema: The schema of the grant's dataset, with what the agreement binds to it.
    """
    return [_told(found) for found in fit.of_grant(path, agreement, grant, schema)]


def _told(found: fit.Misfit) -> Finding:
    return Finding(found.code, found.path, detail=found.detail)


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
