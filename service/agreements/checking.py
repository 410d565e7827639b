"""The legal check of a document, told to whoever registers it. No finding decides an access: it is no legal advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from schemas.agreement import Agreement
from schemas.artefacts import Artefact, Library
from schemas.errors import DocumentError
from schemas.law.catalogue import DISCLAIMER, findings
from schemas.law.finding import SEVERITIES, Finding


def counts(agreement: Agreement, known: Mapping[str, Artefact], today: date) -> dict[str, int] | None:
    """Return how many findings there are of each severity; None where the document pins no table to check by."""
    found = _found(agreement, known, today)
    return None if found is None else _counts(found)


def told(agreement: Agreement, known: Mapping[str, Artefact], today: date) -> dict[str, Any]:
    """Return every finding, with rule, severity, path, words, source and mend, the gravest first."""
    found = _found(agreement, known, today)
    made: dict[str, Any] = {"disclaimer": DISCLAIMER, "today": today.isoformat()}
    if found is None:
        return made | {"counts": None, "findings": []}
    return made | {"counts": _counts(found), "findings": [asdict(item) for item in found]}


def _found(agreement: Agreement, known: Mapping[str, Artefact], today: date) -> list[Finding] | None:
    try:
        return findings(agreement, Library(dict(known)), today)
    except DocumentError:
        return None


def _counts(found: list[Finding]) -> dict[str, int]:
    return {severity: sum(item.severity == severity for item in found) for severity in SEVERITIES}
