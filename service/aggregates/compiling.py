"""A plan as one Ibis expression, and as SQL, over tables named by ``table_name``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import ibis

from schemas.table_schema import TableSchema
from service.aggregates.frames import frame_totals
from service.aggregates.rows import Layout, datasets, left_rows
from service.layout import person_words, stored_columns
from service.policy.plan import EffectivePlan
from service.privacy.bounds import bound_of
from service.privacy.measures.registry import vectors
from service.privacy.vectors import Frame

_IBIS_TYPES = {
    "BIGINT": "int64",
    "INTEGER": "int32",
    "VARCHAR": "string",
    "DATE": "date",
    "BOOLEAN": "boolean",
}


def compile_totals(plan: EffectivePlan, schemas: Mapping[str, TableSchema], dialect: str = "duckdb") -> str:
    """Return ``bounded_totals`` as SQL; kept, since compiling takes 20 ms."""
    return _compiled(plan, tuple(sorted(_layouts(plan, schemas).items())), dialect)


@lru_cache(maxsize=256)
def _compiled(plan: EffectivePlan, layouts: tuple[tuple[str, Layout], ...], dialect: str) -> str:
    return str(ibis.to_sql(_totals(plan, dict(layouts)), dialect=dialect, pretty=False))


def bounded_totals(plan: EffectivePlan, schemas: Mapping[str, TableSchema]) -> Any:
    """Build the unbound expression of a plan's exact bounded totals.

    Args:
        plan: What to total.
        schemas: The schema of each dataset in the plan, by the dataset's name.

    Returns:
        A table as ``frames.frame_totals`` returns it. A cell may appear in several rows, which ``engine.assemble``
        adds up, or in none.

    Raises:
        RuntimeError: the plan asks for persons, or a link, of a dataset without pseudonyms.
    """
    return _totals(plan, _layouts(plan, schemas))


def _layouts(plan: EffectivePlan, schemas: Mapping[str, TableSchema]) -> dict[str, Layout]:
    return {
        name: Layout(
            columns=tuple((column.name, _IBIS_TYPES[column.type]) for column in stored_columns(schema)),
            words=person_words(schema),
            unlinked=schema.unlinked,
        )
        for name, schema in schemas.items()
        if name in datasets(plan)
    }


def _totals(plan: EffectivePlan, layouts: Mapping[str, Layout]) -> Any:
    asked = vectors(plan)
    if not layouts[plan.dataset].words and (plan.links or any(item.frame is Frame.PERSONS for item in asked)):
        raise RuntimeError("records are not linked, and have no persons to count")
    return frame_totals(left_rows(plan, asked, layouts), asked, bound_of(plan))
