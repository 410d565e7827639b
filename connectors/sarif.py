"""A report of the check as SARIF 2.1.0 (OASIS Standard, 27 March 2020), which tools for code review read."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from connectors.checking import Located, Report
from schemas.law.catalogue import DISCLAIMER, RULES

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def log(report: Report) -> dict[str, Any]:
    """Return a SARIF log of one run.

    Paths of the document are logical locations; the file and the line are physical ones. Every rule of the
    catalogue is described, so that a reader shows what was looked for, and each finding names its rule's place.
    """
    described = [_described(rule.id, rule.says, rule.severity, rule.source, rule.mend) for rule in RULES]
    place = {rule["id"]: index for index, rule in enumerate(described)}
    for found in report.found:
        if found.rule not in place:
            place[found.rule] = len(described)
            described.append(_described(found.rule, found.words, found.severity, found.source, found.mend))
    driver = {
        "name": "concordat agreement check",
        "version": version("concordat"),
        "fullDescription": {"text": DISCLAIMER},
        "rules": described,
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "properties": {"today": report.today.isoformat(), "digest": report.digest},
        "results": [_result(found, _uri(report.file), place[found.rule]) for found in report.found],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _uri(file: Path) -> str:
    """Return a file's place as a URI, relative where the path is."""
    return file.as_uri() if file.is_absolute() else quote(file.as_posix())


def _described(rule: str, says: str, level: str, source: str, mend: str) -> dict[str, Any]:
    return {
        "id": rule,
        "shortDescription": {"text": says},
        "fullDescription": {"text": f"{says} Source: {source}."},
        "help": {"text": mend},
        "defaultConfiguration": {"level": level},
    }


def _result(found: Located, file: str, place: int) -> dict[str, Any]:
    location = {
        "physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": found.line}},
        "logicalLocations": [{"fullyQualifiedName": found.path}],
    }
    return {
        "ruleId": found.rule,
        "ruleIndex": place,
        "level": found.severity,
        "message": {"text": f"{found.words}. Source: {found.source}. What to do: {found.mend}"},
        "locations": [location],
    }
