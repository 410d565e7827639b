"""Datasets that a version leaves out: whose they were, since when, and until when a later version may take them back.

The confirmation is in the versions themselves: every party of the version that leaves a dataset out, and of the one
before it, has signed it, the supplier among them. Nothing else is read, and their signatures are verified again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.agreements.grace import comes_into_force, over
from service.agreements.ports import AgreementStore, VersionRow
from service.agreements.standing import State, document, required_signers, signed_at


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What one version leaves out of one supplier's.

    Attributes:
        version: The version from which on the datasets are not there.
        due: When the grace is over that this version states; None where a signature under it does not hold.
    """

    party: str
    version: VersionRow
    datasets: tuple[str, ...]
    due: datetime | None


def left_out(store: AgreementStore, held: State, broker: str) -> list[LeftOut]:
    """Return what the deciding version does not have that versions before it had, by supplier and version."""
    if held.decides is None:
        return []
    last = held.decides.version
    signed = [row for row in held.versions if row.version in held.completions and row.version <= last]
    made: dict[tuple[str, int], list[str]] = {}
    for dataset, (supplier, place) in _last_seen(signed).items():
        if place + 1 < len(signed):
            made.setdefault((supplier, place + 1), []).append(dataset)
    return [
        LeftOut(party, signed[place], tuple(sorted(datasets)), _due(store, held, signed, place, broker))
        for (party, place), datasets in sorted(made.items())
    ]


def _last_seen(signed: Sequence[VersionRow]) -> dict[str, tuple[str, int]]:
    """Return each dataset's supplier, and the place of the newest version that has it."""
    return {
        name: (dataset.supplier, place)
        for place, row in enumerate(signed)
        for name, dataset in document(row.document).datasets.items()
    }


def _due(store: AgreementStore, held: State, signed: Sequence[VersionRow], place: int, broker: str) -> datetime | None:
    version = signed[place]
    signers = required_signers(version, signed[place - 1]) | set(held.completions[version.version])
    at = signed_at(store, version, signers, broker)
    if at is None:
        return None
    agreement = document(version.document)
    return over(agreement, comes_into_force(agreement, datetime.fromisoformat(at)))
