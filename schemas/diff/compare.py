"""The whole document against another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.agreement import Agreement
from schemas.diff import datasets, grants, parties, pins, privacy, purposes
from schemas.diff.change import Change
from schemas.diff.prose import differences, plain

_SECTIONS = {
    "concordat", "version", "period", "parties", "purposes", "pins", "datasets", "grants", "privacy", "obligations",
    "legal",
}  # fmt: skip


def compare(old: Agreement, new: Agreement, known: Mapping[str, str] | None = None) -> tuple[Change, ...]:
    """Return what changed from one agreement to another, clause by clause, in the order of the document.

    Version numbers are not compared. The order of parties, grants, fields, levels and codes does not count.

    Args:
        old: The one agreement, usually the version in force.
        new: The other, usually the one proposed.
        known: What kind of thing each pinned artefact is, by name (``schemas.diff.pins.kinds``).
    """
    names = datasets.renamed(old, new)
    was, now = (
        {name: item for name, item in plain(_head(document)).items() if item is not None} for document in (old, new)
    )
    return (
        *(
            change
            for name in sorted({*was, *now})
            for change in differences(f"the agreement's {name}", name, was.get(name), now.get(name))
        ),
        *privacy.period(old, new),
        *parties.compare(old, new),
        *purposes.compare(old, new),
        *pins.compare(old, new, known or {}),
        *datasets.compare(old, new, names),
        *grants.compare(old, new, names),
        *privacy.compare(old, new),
        *privacy.obligations(old, new),
        *differences("legal", "legal", plain(old.legal), plain(new.legal)),
    )


def _head(agreement: Agreement) -> dict[str, Any]:
    return {name: getattr(agreement, name) for name in type(agreement).model_fields if name not in _SECTIONS}


def counts(changes: Iterable[Change]) -> dict[str, int]:
    """Return how many changes have each effect."""
    made = {"widens": 0, "narrows": 0, "neutral": 0}
    for change in changes:
        made[change.effect] += 1
    return made
