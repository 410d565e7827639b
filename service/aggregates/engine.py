"""Exact bounded totals before noise, as every engine gives them (guarantee 2.1 to 2.5).

``compiling`` makes one Ibis expression of a plan: ``rows`` filters, links, generalises and clamps, and ``frames``
bounds and totals. An engine runs it over the plan's tables and puts the result in order with ``assemble``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.table_schema import TableSchema
from service.aggregates.cells import cell_order
from service.aggregates.frames import grouped
from service.policy.plan import EffectivePlan
from service.privacy.measures.registry import vectors


@dataclass(frozen=True, slots=True)
class Table:
    """A dataset at one data version: its schema and its Parquet files, none before its first push."""

    schema: TableSchema
    files: tuple[str, ...]


class Engine(Protocol):
    """Runs plans over pinned data versions."""

    def totals(self, plan: EffectivePlan, tables: Mapping[str, Table]) -> dict[str, list[int]]:
        """Return the exact bounded totals in units of 1/1024: never to be released without noise.

        Args:
            plan: What to total.
            tables: The plan's dataset and its links' datasets, by name.

        Returns:
            For each vector, by name, one integer for each of its cells: those of the public key set, in the order of
            the product of its groupings' keys and then its own.

        Raises:
            EngineFailed: no answer within memory and deadline; says nothing of any value.
        """
        ...


def assemble(plan: EffectivePlan, result: Iterable[Sequence[int]]) -> dict[str, list[int]]:
    """Put an engine's rows into the order of the vectors' key sets, zeros included.

    Args:
        plan: The plan that was run.
        result: Rows of ``compiling.bounded_totals``.
    """
    asked = vectors(plan)
    groups = grouped(asked)
    found: list[dict[int, Sequence[int]]] = [{} for _ in groups]
    for place, number, *values in result:
        before = found[place].get(number)
        found[place][number] = values if before is None else [a + b for a, b in zip(before, values, strict=True)]
    made: dict[str, list[int]] = {}
    for members, cells in zip(groups.values(), found, strict=True):
        order = cell_order((*members[0].by, *members[0].extra))
        nothing = [0] * len(members)
        ordered = [cells.get(number, nothing) for number in order]
        for place, vector in enumerate(members):
            made[vector.name] = [int(values[place]) for values in ordered]
    return {vector.name: made[vector.name] for vector in asked}
