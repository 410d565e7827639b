"""Pinned artefacts: what a digest that changed gives its meaning to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from schemas.agreement import Agreement
from schemas.artefacts import GATEWAYS, Artefact
from schemas.diff.change import Change, listed

_KINDS = {
    "concordat:schema": "dataset schema",
    "concordat:codelist": "code list",
    "concordat:hierarchy": "hierarchy",
    "concordat:gateways": "gateway table",
}


def kinds(artefacts: Mapping[str, Artefact]) -> dict[str, str]:
    """Return what kind of thing each artefact is, by name."""
    return {
        name: next((words for key, words in _KINDS.items() if key in made.value), "artefact")
        for name, made in artefacts.items()
    }


def compare(old: Agreement, new: Agreement, known: Mapping[str, str]) -> Iterator[Change]:
    """Yield what changed among the pins.

    Args:
        old: The one agreement.
        new: The other.
        known: What kind of thing an artefact is, by name.
    """
    for name in sorted({*old.pins, *new.pins}):
        what = f"the {known.get(name, 'artefact')} {name}"
        path = f"pins/{name}"
        if name not in old.pins:
            yield Change(path, "added", f"{what} is pinned{_used(name, new)}", "neutral")
        elif name not in new.pins:
            yield Change(path, "removed", f"{what} is no longer pinned", "neutral")
        elif old.pins[name] != new.pins[name]:
            words = f"{what} is ANOTHER TEXT under the same name{_used(name, new)}: read what it says now"
            # The gateway table is read by people and decides no access; the others say what every answer means.
            yield Change(path, "changed", words, "neutral" if name == GATEWAYS else "widens")


def _used(name: str, agreement: Agreement) -> str:
    """Return where an agreement itself names an artefact; what its schemas use is not told."""
    used = set()
    for dataset, entry in agreement.datasets.items():
        if entry.schema_ == name:
            used.add(f"datasets/{dataset}/schema")
        used |= {f"datasets/{dataset}/codes/{column}" for column, listed_ in entry.codes.items() if listed_ == name}
        used |= {
            f"datasets/{dataset}/levels/{column}/{level}"
            for column, levels in entry.levels.items()
            for level, hierarchy in levels.items()
            if hierarchy == name
        }
    return f", named at {listed(used)}" if used else ""
