"""Databases stored as the broker stores them: in the real lake, one extract a part, and compacted now and then."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from service.aggregates.engine import Table
from service.intake.check import Staged
from service.intake.engine import Limits
from service.storage.compacted import made_from
from service.storage.lake import Lake
from tests.property.questions import hospital_row, police_row
from tests.spec.harness import SCHEMAS
from tests.spec.harness import Lake as Plain

A = "agreement-1"


@dataclass(frozen=True)
class Layout:
    """How a dataset came to be stored.

    Attributes:
        files: Into how many extracts its rows are dealt.
        compacted: After so many extracts the table is compacted; 0 for never.
        again: Whether it is compacted once more at the end.
        withdrawn: Rows of an extract that is pushed first and withdrawn last, so out of the compacted file if there
            is one; by dataset.
    """

    files: int
    compacted: int
    again: bool
    withdrawn: Mapping[str, Sequence[dict[str, Any]]]


plain = Layout(1, 0, again=False, withdrawn={})
withdrawals = st.fixed_dictionaries(
    {}, optional={"police": st.lists(police_row, max_size=4), "hospital": st.lists(hospital_row, max_size=4)}
)
layouts = st.builds(Layout, st.integers(1, 4), st.integers(0, 4), again=st.booleans(), withdrawn=withdrawals)
compacted_layouts = st.builds(Layout, st.integers(2, 4), st.integers(0, 4), again=st.just(True), withdrawn=withdrawals)


class Stored:
    """Stores databases below a folder that an engine may read."""

    def __init__(self, root: Path, spill: Path) -> None:
        self._root = root / "stored"
        self._root.mkdir()
        self._lake = Lake(self._root, spill, Limits(memory_mb=64))
        self._plain = Plain(root)
        self._names = itertools.count()

    def tables(self, database: Mapping[str, list[dict[str, Any]]], layout: Layout) -> dict[str, Table]:
        return {name: self._table(name, rows, layout) for name, rows in database.items()}

    def _table(self, name: str, rows: list[dict[str, Any]], layout: Layout) -> Table:
        dataset = f"d-{next(self._names)}"
        version = -1
        decoy = layout.withdrawn.get(name)
        if decoy is not None:
            self._push(dataset, "decoy", name, list(decoy))
        for part in range(layout.files):
            version = self._push(dataset, f"x-{part}", name, rows[part :: layout.files])
            if part + 1 == layout.compacted:
                version = self._compact(dataset, name, version)
        if layout.again:
            version = self._compact(dataset, name, version)
        if decoy is not None:
            version = self._lake.withdraw(A, dataset, "decoy")
        return Table(SCHEMAS[name], tuple(self._lake.files(A, dataset, version)))

    def _push(self, dataset: str, extract: str, name: str, rows: list[dict[str, Any]]) -> int:
        path = self._lake.stage_path(A, dataset, extract)
        (written,) = self._plain.table(name, rows).files
        Path(written).rename(path)
        staged = Staged(path, len(rows), 0, path.stat().st_size, "")
        return self._lake.commit(A, dataset, extract, staged, SCHEMAS[name])

    def _compact(self, dataset: str, name: str, version: int) -> int:
        compacted = self._lake.compact(A, dataset, SCHEMAS[name], version)
        return version if compacted is None else compacted


def is_compacted(table: Table) -> bool:
    """Tell whether a compacted file is among a table's."""
    return any(made_from(Path(path).stem) is not None for path in table.files)
