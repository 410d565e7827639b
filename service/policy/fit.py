"""Whether a grant fits the artefacts at hand: one that does not covers nothing, rather than something else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import Any

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.clauses.datasets import Dataset
from schemas.clauses.grants import Grant
from schemas.clauses.measures import Measures
from schemas.errors import DocumentError
from schemas.table_schema import TableSchema
from service.policy.coherence import of_grant
from service.policy.decision import Reason
from service.policy.slate import Candidate, Slate


class Fit:
    """What was found of an agreement under one library, each thing once; neither of them ever changes."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._schemas: dict[str, TableSchema] = {}
        self._misfits: dict[str, tuple[Reason, ...]] = {}
        self._at_hand: dict[str, bool] = {}
        self._whole: dict[Slate, bool] = {}

    def schema(self, agreement: Agreement, library: Library, dataset: str) -> TableSchema:
        """Return a dataset's schema with what the agreement binds to it.

        Raises:
            DocumentError: an artefact is missing or does not fit.
        """
        held = self._schemas.get(dataset)
        if held is None:
            held = self._schemas[dataset] = library.bound(agreement.datasets[dataset])
        return held

    def misfits(self, agreement: Agreement, candidate: Candidate, schema: TableSchema) -> tuple[Reason, ...]:
        """Return what of a grant its dataset's schema does not know; a registered agreement's grants have nothing such.

        A forced scope on a column that is not there would otherwise force nothing.
        """
        held = self._misfits.get(candidate.path)
        if held is None:
            held = self._misfits[candidate.path] = tuple(_misfits(agreement, candidate, schema))
        return held

    def whole(self, agreement: Agreement, library: Library, slate: Slate, datasets: Iterable[str]) -> bool:
        """Whether every grant of a slate fits, and all that the levels of some datasets are made of can be read.

        Args:
            agreement: The agreement.
            library: The artefacts it pins.
            slate: Grants of one dataset.
            datasets: That dataset, and those linked with it.
        """
        if not all(self._reads(agreement, library, name) for name in datasets):
            return False
        held = self._whole.get(slate)
        if held is None:
            united = Candidate("grants", _united(slate))
            schema = self.schema(agreement, library, united.grant.dataset)
            held = self._whole[slate] = not any(_misfits(agreement, united, schema))
        return held

    def _reads(self, agreement: Agreement, library: Library, dataset: str) -> bool:
        held = self._at_hand.get(dataset)
        if held is None:
            held = self._at_hand[dataset] = _can_be_read(library, agreement.datasets[dataset])
        return held


def _can_be_read(library: Library, dataset: Dataset) -> bool:
    try:
        for column in library.bound(dataset).fields:
            for name in column.levels.values():
                library.hierarchy(name)
    except DocumentError:
        return False
    return True


def _misfits(agreement: Agreement, candidate: Candidate, schema: TableSchema) -> Iterable[Reason]:
    dataset = candidate.grant.dataset
    if agreement.datasets[dataset].privacy_unit != schema.privacy_unit:
        yield Reason(f"datasets/{dataset}/privacy_unit", f"the schema protects each {schema.privacy_unit}")
    for found in of_grant(candidate.path, agreement, candidate.grant, schema):
        yield Reason(found.column, f"the grant does not fit its artefacts: {found.detail}")


def _united(slate: Slate) -> Grant:
    """Return all that the grants of a slate say as if one said it: it fits its artefacts where each of them does.

    Only what does not fit is read off it; nothing is ever asked under it.
    """
    said: dict[str, dict[str, Any]] = defaultdict(dict)
    for (clause, name), found in slate.parts.items():
        values = [value for value in found if isinstance(value, tuple)]
        said[clause][name] = tuple(dict.fromkeys(chain.from_iterable(values))) if values else max(found, key=bool)
    return Grant.model_construct(
        to=(),
        for_=(),
        dataset=slate.items[0].grant.dataset,
        measure=Measures(**said["measure"]),
        link=said["link"][""],
        group_by=said["group_by"],
        filter_by=said["filter_by"],
        rows=said["rows"],
        combine=said["combine"],
    )
