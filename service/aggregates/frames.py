"""Bound and total: from the rows left to the totals of every vector, in whole numbers.

Bounding by scaling: a person with n rows left weighs ``min(1024, 1024 * K // n)`` on each of them; in a frame of
persons, with m distinct cells of the question's groupings, ``min(1024, 1024 * K // m)`` on each. An unlinked row has a
one-off pseudonym of its own, so it weighs 1024; were a supplier to repeat one, its rows would be bounded together as
any person's are. Unlinked rows are no persons. In a record dataset each row is its own unit and weighs 1024.

Only persons above the bound need a weight of their own. They are few, so they are found by one grouping on the
pseudonym's words and joined back to the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import ibis

from service.aggregates.cells import cell_count, slots
from service.aggregates.rows import LeftRows
from service.policy.plan import Keys
from service.privacy.bounds import Bound
from service.privacy.fixed import SCALE
from service.privacy.vectors import Frame, Has, Label, One, Vector


class Group(NamedTuple):
    """What vectors must share to be totalled by one grouped select."""

    frame: Frame
    extra: tuple[Keys, ...]
    label: Label | None


def grouped(vectors: Sequence[Vector]) -> dict[Group, list[Vector]]:
    """Return the vectors by the select that totals them, in order."""
    made: dict[Group, list[Vector]] = {}
    for vector in vectors:
        made.setdefault(Group(vector.frame, vector.extra, vector.label), []).append(vector)
    return made


def frame_totals(rows: LeftRows, vectors: Sequence[Vector], bound: Bound) -> Any:
    """Return the exact bounded totals of some vectors over the rows left.

    Returns:
        A table of ``part`` (the place of a group in ``grouped``), ``cell`` (its groupings' cell times the number of
        extra cells, plus the extra cell) and ``t0``, ``t1`` and so on: the totals of the group's vectors in order, and
        zero for groups that have fewer than the others.
    """
    groups = grouped(vectors)
    width = max(len(members) for members in groups.values())
    carriers = {frame: _WEIGHED[frame](rows, bound) for frame in dict.fromkeys(group.frame for group in groups)}
    made = []
    for place, (group, members) in enumerate(groups.items()):
        carrying = carriers[group.frame]
        table = carrying.mutate(cell=_cell(group, rows, carrying)) if group.extra else carrying
        totals = [_total(vector, rows, table) for vector in members]
        totals += [ibis.literal(0, "int64")] * (width - len(totals))
        summed = table.group_by("cell").aggregate(**{f"t{column}": total for column, total in enumerate(totals)})
        columns = {f"t{column}": summed[f"t{column}"].cast("int64") for column in range(width)}
        made.append(summed.select(part=ibis.literal(place, "int64"), cell=summed.cell, **columns))
    return reduce(lambda one, two: one.union(two, distinct=False), made)


def _cell(group: Group, rows: LeftRows, table: Any) -> Any:
    """Return a cell within a group: of the question's groupings, and of the vectors' own key sets."""
    own = rows.slots[group.extra] if group.label is None else _labelled(group, table)
    slot = table[own] if isinstance(own, str) else own
    return table.cell * cell_count(group.extra) + slot


def _labelled(group: Group, pairs: Any) -> Any:
    """Return the extra slot of a person in a group, by its label: the band of how many rows the person has there."""
    (keys,) = group.extra
    return slots(keys).slot(pairs.many).cast("int64")


def _total(vector: Vector, rows: LeftRows, table: Any) -> Any:
    if isinstance(vector.value, One):
        return table.weight.sum()
    if isinstance(vector.value, Has):
        return ibis.cases((table[rows.values[vector.value]], table.weight), else_=0).sum()
    return ibis.coalesce((table.weight * table[rows.values[vector.value]]).sum(), 0)


def _rows_weighed(rows: LeftRows, bound: Bound) -> Any:
    """Return each row at its person's weight."""
    if not rows.words:
        return rows.table.mutate(weight=ibis.literal(SCALE, "int64"))
    return _weighed(rows.table, rows.words, bound)


def _pairs_weighed(rows: LeftRows, bound: Bound) -> Any:
    """Return each person once in each cell touched, with the number of rows there, at the weight of so many cells."""
    known = rows.table.filter(~rows.table[rows.unlinked]) if rows.unlinked is not None else rows.table
    pairs = known.group_by([*rows.words, "cell"]).aggregate(many=known.count())
    return _weighed(pairs, rows.words, bound)


def _weighed(rows: Any, words: Sequence[str], bound: Bound) -> Any:
    """Add each row's weight: its person's ``bounds.weight`` over as many rows as the person has here.

    The division is of whole numbers below 2**53, whose floor a double gives exactly: 1024 K / n differs
    from a whole number by at least 1 / n when it is none, which is far above a double's rounding since
    1024 K < 2**21.
    """
    many = rows.group_by(list(words)).aggregate(n=rows.count())
    heavy = many.filter(many.n > bound.per_person)
    joined = rows.left_join(heavy, list(words))
    weight = ibis.cases((joined.n.isnull(), SCALE), else_=SCALE * bound.per_person // joined.n)
    return joined.select(*rows.columns, weight=weight.cast("int64"))


_WEIGHED = {Frame.ROWS: _rows_weighed, Frame.PERSONS: _pairs_weighed}
