"""What a question needs of a grant, held against what many grants say at once.

Only a bound, and so no outcome rests on it: each need that a grant does not meet is one reason, at least, why it does
not cover the question, and ``cover`` tells the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from schemas.measures import Measure
from schemas.request import Condition, Linked
from schemas.table_schema import AS_IS, DATE_LEVELS, Column, TableSchema
from service.errors import Malformed
from service.policy import combine, filters
from service.policy.asked import Asked
from service.policy.levels import level_of
from service.policy.plan import CodeFilter, DateFilter, Filter
from service.policy.slate import LINK, MOST_FIELDS, OF_COLUMNS, Part, Places, Slate

FEW = 8
"""So many grants are simply weighed, one after the other."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Which candidates meet each need of a question.

    Attributes:
        met: The candidates that meet it, for each need.
        nonsense: The candidates under which the question makes no sense, as far as known beforehand.
        alike: Returns the candidates that are weighed as the one at a place is.
    """

    met: Sequence[Places]
    nonsense: Places
    alike: Callable[[int], Places]

    def lacking(self, among: Places) -> Iterator[tuple[int, Places]]:
        """Yield the candidates that lack no need, then those that lack one, and so on.

        The number that each candidate lacks is counted for all at once, in binary: ``digits[n]`` holds the candidates
        in whose number the digit of ``2**n`` is set.
        """
        digits: list[Places] = []
        for met in self.met:
            carried = among & ~met
            for place, digit in enumerate(digits):
                digits[place], carried = digit ^ carried, digit & carried
            if carried:
                digits.append(carried)
        for number in range(1 << len(digits)):
            found = among
            for place, digit in enumerate(digits):
                found &= digit if number >> place & 1 else ~digit
            if found:
                yield number, found


def of_question(asked: Asked, slate: Slate) -> Needs:
    """Return what a question needs of the grant of its own dataset."""
    request = asked.request
    if len(slate.items) <= FEW or not asked.whole(slate):
        return NOTHING
    schema = asked.schema(request.dataset)
    grouped = {item.field: level_of(item, schema) for item in request.by}
    wanted = [_filtered(asked, slate, schema, item, grouped) for item in request.where]
    nonsense = 0
    for item in wanted:
        nonsense |= item.nonsense
    met = [item.met for item in wanted]
    empty = _every(slate, met) & ~_every(slate, [item.some for item in wanted])
    met += [_grouped(slate, schema, name, level) for name, level in grouped.items()]
    met += [_measured(slate, item) for item in request.measures]
    met += [_linked(slate, link) for link in request.linked]
    met.append(_columns(asked, slate))
    fields = {*grouped, *(item.field for item in request.where)}
    parts = [("measure", item.clause) for item in request.measures]
    return Needs(met, nonsense | empty, _alike(slate, schema, fields, [*parts, LINK]))


def of_links(asked: Asked, slate: Slate, links: Sequence[Linked]) -> Needs:
    """Return what links to one dataset need of a grant of it."""
    if len(slate.items) <= FEW or not asked.whole(slate):
        return NOTHING
    schema = asked.schema(links[0].dataset)
    wanted = [_filtered(asked, slate, schema, item, {}) for link in links for item in link.where]
    nonsense = 0
    for item in wanted:
        nonsense |= item.nonsense
    met = [*(item.met for item in wanted), _columns(asked, slate)]
    fields = {item.field for link in links for item in link.where}
    return Needs(met, nonsense, _alike(slate, schema, fields, []))


NOTHING = Needs((), 0, lambda place: 1 << place)
"""Of which nothing is known beforehand: every candidate is weighed."""


def _every(slate: Slate, sets: Sequence[Places]) -> Places:
    found = slate.everyone
    for places in sets:
        found &= places
    return found


def _alike(slate: Slate, schema: TableSchema, fields: set[str], parts: list[Part]) -> Callable[[int], Places]:
    """Return what finds the candidates that say the same of some columns and parts: all that weighing them reads."""
    known = sorted(name for name in fields if schema.find(name) is not None)
    read: list[Part] = [*parts, MOST_FIELDS, *((clause, name) for name in known for clause in OF_COLUMNS)]
    return lambda place: slate.alike(place, read)


def _columns(asked: Asked, slate: Slate) -> Places:
    used = len(combine.columns(asked.request))
    return slate.where(MOST_FIELDS, lambda most: most is None or used <= most)


def _grouped(slate: Slate, schema: TableSchema, name: str, level: str) -> Places:
    if schema.find(name) is None:
        return 0
    return slate.where(("group_by", name), lambda levels: level in levels)


def _linked(slate: Slate, link: Linked) -> Places:
    return slate.where(LINK, lambda held: link.dataset in held)


def _measured(slate: Slate, measure: Measure) -> Places:
    of = measure.of
    return slate.where(("measure", measure.clause), lambda said: said is True if of is None else of in said)


@dataclass(frozen=True, slots=True)
class _Filtered:
    """Which candidates let a condition be asked; under which it then makes no sense; under which it keeps any row."""

    met: Places
    nonsense: Places
    some: Places


def _filtered(
    asked: Asked, slate: Slate, schema: TableSchema, condition: Condition, grouped: dict[str, str]
) -> _Filtered:
    column = schema.find(condition.field)
    if column is None:
        return _Filtered(0, 0, 0)
    try:
        found = filters.build(condition, column, column.all_levels, asked.library, lambda *_: None)
    except Malformed:
        met = _at(slate, condition, _levels(condition, column, None), grouped)
        return _Filtered(met, met, met)
    met = _at(slate, condition, _levels(condition, column, found), grouped)
    if not isinstance(found, CodeFilter):
        return _Filtered(met, 0, met)
    free, scoped = slate.silent(("rows", column.name)), slate.scoped(column.name)
    if condition.level in (None, AS_IS):
        for code in found.codes:
            met &= free | scoped.get(code, 0)
        return _Filtered(met, 0, met)
    some = free
    for code in found.codes:
        some |= scoped.get(code, 0)
    return _Filtered(met, 0, some)


def _levels(condition: Condition, column: Column, found: Filter | None) -> tuple[str, ...]:
    """Return the levels one of which a grant has to have; of dates, those whose periods begin and end as a range does.

    Dates that make no sense are found to make none under a grant with whatever level.
    """
    if column.kind != "date" or condition.level is not None:
        return (condition.level or AS_IS,)
    if not isinstance(found, DateFilter):
        return DATE_LEVELS
    return tuple(level for level in DATE_LEVELS if filters.aligned(found.first, found.last, level))


def _at(slate: Slate, condition: Condition, levels: Sequence[str], grouped: dict[str, str]) -> Places:
    """Return the candidates that let a column be filtered at one of some levels: as ``cover.filter_levels`` does."""
    found = slate.where(("filter_by", condition.field), lambda held: any(level in held for level in levels))
    level = grouped.get(condition.field)
    if (condition.from_ is not None or condition.to is not None) and level in levels:
        found |= slate.where(("group_by", condition.field), lambda held: level in held)
    return found
