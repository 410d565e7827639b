"""Made-up extracts for any dataset schema: for trying things out, for tests and for the demo.

What rows of the shipped datasets say, and whom they are about, is in the profiles of `schemas.profile`; a schema
without a profile gets rows that fit it and look less like life.

A `World` is a made-up population. Extracts drawn from one world share its persons, so that links between
agencies find something; two worlds of one seed are equal. No real record was used.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from connectors.synth_batch import About, Batch, Days
from connectors.synth_columns import Extract, maker
from connectors.synth_world import BATCH, World, crowd
from connectors.whole_file import whole_file
from schemas.profile import profile_of
from schemas.table_schema import TableSchema

__all__ = ["World", "synthesise", "write_csv"]


def synthesise(
    schema: TableSchema,
    rows: int,
    *,
    world: World,
    period: tuple[date, date],
    persons: int | None = None,
    label: str = "",
) -> Iterator[tuple[str, ...]]:
    """Make up the rows of an extract, as cells of a CSV file in the order of the schema's columns.

    Persons have heavy-tailed numbers of rows: most one or two, a few some hundreds in a large file.

    Args:
        schema: Any dataset schema.
        rows: How many rows.
        world: The population; extracts from one world share persons.
        period: First and last day of the dataset's main date.
        persons: How many persons the rows are about at most; None for a number that suits.
        label: Extracts with different labels, such as months, differ though seed, schema and size are one.

    Raises:
        ValueError: the period ends before it begins.
    """
    if period[0] > period[1]:
        raise ValueError("the period ends before it begins")
    profile = profile_of(schema.name)
    source = world.source(schema.name, label, period[0].isoformat(), rows)
    people = crowd(profile, world, persons or max(1, round(rows / profile.rows_a_person)))
    makers = [maker(column, Extract(schema, profile, world, period)) for column in schema.fields]
    about = About(
        people=people,
        twist=source.randrange(len(people)),
        tail=round(1 / (1 - profile.skew), 2),
        unlinked=profile.unlinked,
        days=Days(schema, period),
        grouped=any(column.kind == "flag" and column.name == "primary" for column in schema.fields),
    )
    for start in range(0, rows, BATCH):
        batch = Batch.filled(source, min(BATCH, rows - start), world, about)
        yield from zip(*[make(batch) for make in makers], strict=True)


def write_csv(
    target: Path,
    schema: TableSchema,
    rows: int,
    *,
    world: World,
    period: tuple[date, date],
    label: str = "",
) -> None:
    """Write the rows of `synthesise` with a header; the file appears whole or not at all."""
    with whole_file(target) as out:
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow([column.name for column in schema.fields])
        writer.writerows(synthesise(schema, rows, world=world, period=period, label=label))
