"""The check of an agreement's file: its shape, its pins, its fit, then the law, each finding with its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from connectors import agreements
from connectors.files import read_input
from schemas.artefacts import Artefact, Library
from schemas.artefacts import load as shipped
from schemas.fit import misfits
from schemas.law.catalogue import findings
from schemas.law.finding import SEVERITIES, Severity
from schemas.positions import line_of, lines

READER = "Concordat's reader of agreements, docs/errors.md"
MEND = "Correct the document; schemas/agreement.v1.schema.json says what each part holds."
MEND_PIN = "Pin the digests of the artefacts that the parties have read and the broker holds, all that decide."


@dataclass(frozen=True, slots=True)
class Located:
    """One finding and the line of the file where it stands.

    Attributes:
        malformed: Whether the document cannot be read, or does not fit what it pins; the law is not looked at then.
    """

    rule: str
    severity: Severity
    path: str
    line: int
    words: str
    source: str
    mend: str
    malformed: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a file.

    Attributes:
        file: The file.
        today: The day on which it was checked.
        digest: What parties would sign; None where the file cannot be read at all.
        found: Every finding, the gravest first.
    """

    file: Path
    today: date
    digest: str | None
    found: tuple[Located, ...]

    @property
    def malformed(self) -> bool:
        """Whether the document's shape, pins or fit are wrong."""
        return any(held.malformed for held in self.found)

    def count(self, severity: Severity) -> int:
        """Return how many findings have a severity."""
        return sum(held.severity == severity for held in self.found)

    def fails(self, on: Severity) -> bool:
        """Whether there is a finding as grave as ``on`` or graver."""
        return any(SEVERITIES.index(held.severity) <= SEVERITIES.index(on) for held in self.found)


def check(path: Path, today: date, known: Mapping[str, Artefact] | None = None) -> Report:
    """Check an agreement's file.

    Args:
        path: YAML, or JSON by its suffix.
        today: The day on which it is checked.
        known: The artefacts by name; those that are shipped where it is left out.

    Raises:
        LocalError: The file cannot be read.
    """
    held = shipped() if known is None else known
    checked = agreements.check(path, held)
    places = lines(read_input(path))
    library = Library(held)
    wrong: Sequence[agreements.Finding] = checked.findings
    if checked.agreement is not None and not wrong:
        wrong = [agreements.Finding(item.code, item.path, item.detail) for item in misfits(checked.agreement, library)]
    if checked.agreement is None or wrong:
        found = tuple(_malformed(item, item.line or line_of(item.path, places)) for item in wrong)
    else:
        found = tuple(
            Located(item.rule, item.severity, item.path, line_of(item.path, places), item.words, item.source, item.mend)
            for item in findings(checked.agreement, library, today)
        )
    return Report(path, today, checked.digest, found)


def _malformed(found: agreements.Finding, line: int) -> Located:
    mend = MEND_PIN if found.path.startswith("pins") else MEND
    return Located(found.code, "error", found.path, line, found.detail, READER, mend, malformed=True)
