"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from schemas.law.case import Case

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the gravest on."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule finds something.

    Attributes:
        path: Where in the document, as ``parties/0/dpo``; for what is missing, where it would stand.
        words: What is wrong there.
        source: The provision and where it was read, where it is another one than the rule's own.
    """

    path: str
    words: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the check.

    Attributes:
        id: Stable and documented.
        severity: ``error``: the law as the table has it does not allow this, or the broker will never answer;
            ``warning``: something that the ICO's code or good practice wants; ``note``: worth knowing.
        says: The rule in a sentence.
        source: Statute, code or reason, and whether it was read or is remembered.
        mend: What to do.
        find: Yields the places where the rule is broken; a function of the case alone.
    """

    id: str
    severity: Severity
    says: str
    source: str
    mend: str
    find: Callable[[Case], Iterable[Place]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a rule is broken."""

    rule: str
    severity: Severity
    path: str
    words: str
    source: str
    mend: str
