"""The grants that may cover a question, put so that a question weighs thousands of them at once.

A set of grants is one whole number, a bit each by its place: two sets meet in one operation, however many they hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from schemas.clauses.grants import Grant

Places = int
"""A set of grants: bit ``n`` stands for the one at place ``n``."""
Part = tuple[str, str]
"""A part of a grant that a question may need: a clause, and the column or the kind of measure below it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A grant and its place in the document, as ``grants/3``."""

    path: str
    grant: Grant


_READ: dict[str, Callable[[Grant, str], Any]] = {
    "group_by": lambda grant, name: grant.group_by.get(name),
    "filter_by": lambda grant, name: grant.filter_by.get(name),
    "rows": lambda grant, name: grant.rows.get(name),
    "combine": lambda grant, name: grant.combine.get(name),
    "measure": lambda grant, name: getattr(grant.measure, name),
    "link": lambda grant, _: grant.link,
    "most_fields": lambda grant, _: grant.most_fields,
}


class Slate:
    """Candidates in the order in which they are weighed. Which of them say what is found once for each part."""

    def __init__(self, items: tuple[Candidate, ...]) -> None:
        """Keep the candidates and their paths, which every decision on them lists."""
        self.items = items
        self.paths = tuple(item.path for item in items)
        self.everyone: Places = (1 << len(items)) - 1
        self._saying: dict[Part, dict[Hashable, Places]] = {}
        self._scoped: dict[str, dict[str, Places]] = {}

    def saying(self, part: Part) -> dict[Hashable, Places]:
        """Return the candidates by what they say of a part; under None those that say nothing.

        Args:
            part: Names a column of the dataset's schema, or none, so that there are only so many parts.
        """
        held = self._saying.get(part)
        if held is None:
            clause, name = part
            read = _READ[clause]
            places: dict[Hashable, list[int]] = defaultdict(list)
            for place, item in enumerate(self.items):
                places[read(item.grant, name)].append(place)
            held = self._saying[part] = {said: _together(found) for said, found in places.items()}
        return held

    def where(self, part: Part, holds: Callable[[Any], bool]) -> Places:
        """Return the candidates of whose word on a part something holds; those that say nothing are not asked."""
        found = 0
        for said, places in self.saying(part).items():
            if said is not None and holds(said):
                found |= places
        return found

    def scoped(self, column: str) -> dict[str, Places]:
        """Return, for each code of a column, the candidates whose forced scope holds it."""
        held = self._scoped.get(column)
        if held is None:
            held = defaultdict(int)
            for codes, places in self.saying(("rows", column)).items():
                for code in codes if isinstance(codes, tuple) else ():
                    held[code] |= places
            self._scoped[column] = held = dict(held)
        return held

    @property
    def limits(self) -> tuple[int | None, ...]:
        """The different most columns that the candidates let a question use; None is among them where one has none."""
        return tuple(said for said in self.saying(("most_fields", "")) if said is None or isinstance(said, int))

    def alike(self, place: int, parts: list[Part]) -> Places:
        """Return the candidates that say the same as one of them of all these parts."""
        found, grant = self.everyone, self.items[place].grant
        for clause, name in parts:
            found &= self.saying((clause, name))[_READ[clause](grant, name)]
        return found


def _together(places: list[int]) -> Places:
    held = bytearray(places[-1] // 8 + 1)
    for place in places:
        held[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(held, "little")


def first(places: Places) -> int:
    """Return the first place of a set that is not empty."""
    return (places & -places).bit_length() - 1
