"""What a terminal and a machine get of a report of the check."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from connectors.checking import Located, Report
from connectors.render import plain
from schemas.law.catalogue import DISCLAIMER
from schemas.law.finding import SEVERITIES, Severity

_STYLES: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_INDENT = (0, 0, 0, 2)


def shown(report: Report) -> list[RenderableType]:
    """Return a report for people: what it is, then the findings, the gravest first."""
    parts: list[RenderableType] = [plain(f"{DISCLAIMER} Checked as of {report.today}.", "dim")]
    for severity in SEVERITIES:
        found = [held for held in report.found if held.severity == severity]
        if found:
            parts += [Text(), plain(_counted(severity, len(found)), _STYLES[severity])]
        for held in found:
            parts += _one(held, _STYLES[severity])
    parts += [Text(), plain(summary(report), "green" if not report.fails("warning") else "")]
    if report.digest is not None:
        parts.append(plain(report.digest, "dim"))
    return parts


def summary(report: Report) -> str:
    """Return in one line how many findings there are of each severity."""
    errors, warnings, notes = (_counted(severity, report.count(severity)) for severity in SEVERITIES)
    text = f"{errors}, {warnings}" + (f"; {notes}" if report.count("note") else "")
    return f"{text[0].upper()}{text[1:]}."


def as_json(report: Report) -> dict[str, Any]:
    """Return a report for machines."""
    return {
        "disclaimer": DISCLAIMER,
        "today": report.today.isoformat(),
        "digest": report.digest,
        "counts": {severity: report.count(severity) for severity in SEVERITIES},
        "findings": [
            {
                "rule": held.rule,
                "severity": held.severity,
                "path": held.path,
                "line": held.line,
                "words": held.words,
                "source": held.source,
                "mend": held.mend,
            }
            for held in report.found
        ],
    }


def _counted(severity: Severity, number: int) -> str:
    return f"{number or 'no'} {severity}{'' if number == 1 else 's'}"


def _one(held: Located, style: str) -> list[RenderableType]:
    place = f"line {held.line}" + (f", {held.path}" if held.path else "")
    heading = Text.assemble(plain(held.rule, style), "  ", plain(place, "dim"))
    lines = (plain(held.words), plain(f"Source: {held.source}", "dim"), plain(f"What to do: {held.mend}"))
    return [heading, *(Padding(line, _INDENT) for line in lines)]
