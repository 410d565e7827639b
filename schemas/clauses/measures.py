"""What a grant lets be measured: a clause for each kind of measure, and the words that people read of it.

A kind that is of a column is granted by naming columns, any other by ``true``. Whoever walks over clauses, as a page, a
difference or ODRL do, walks over these tables and names no kind.
"""

from __future__ import annotations

from typing import Annotated

from schemas.clauses.said import said
from schemas.model import Strict
from schemas.names import FieldName


class Measures(Strict):
    """What may be measured. What is not named is not granted."""

    count: Annotated[bool, said("Records may be counted.", True)] = False
    persons: Annotated[bool, said("Different persons may be counted.", True)] = False
    sum: Annotated[tuple[FieldName, ...], said("Number columns that may be summed.", ["sessions"])] = ()
    mean: Annotated[tuple[FieldName, ...], said("Number columns whose mean may be asked.", ["gravity"])] = ()
    repeat: Annotated[bool, said("Persons may be counted by how many records they have.", True)] = False
    histogram: Annotated[
        tuple[FieldName, ...],
        said("Number columns by which records may be counted in bins, however narrow.", ["age"]),
    ] = ()
    variance: Annotated[tuple[FieldName, ...], said("Number columns whose variance may be asked.", ["gravity"])] = ()
    quantile: Annotated[
        tuple[FieldName, ...],
        said("Number columns of which medians and other quantiles may be asked, on a grid however fine.", ["age"]),
    ] = ()


FLAGS = {
    "count": ("records", "how many records"),
    "persons": ("persons", "how many different people"),
    "repeat": ("persons by their number of records", "how many people have one record, how many have more"),
}
"""The kinds granted by ``true``: what is counted, and what is learnt."""

FIELDS = tuple(name for name in Measures.model_fields if name not in FLAGS)
"""The kinds granted by columns, which are number columns."""

OF_PERSONS = ("persons", "repeat")
"""The kinds that count persons, whom a record dataset has none of."""

OF_SQUARES = ("variance",)
"""The kinds that add up squares, which not every number column's bounds let be totalled exactly."""


def granted(measure: Measures) -> list[tuple[str, str | None]]:
    """Return each kind that a grant names, with each column that it names for it; None where it is of no column."""
    flags: list[tuple[str, str | None]] = [(kind, None) for kind in FLAGS if getattr(measure, kind)]
    return [*flags, *((kind, field) for kind in FIELDS for field in getattr(measure, kind))]
