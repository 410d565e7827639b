"""The grants that may cover a question, put so that a question weighs thousands of them at once.

A set of grants is one whole number, a bit each by its place: two sets meet in one operation, however many they hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from schemas.clauses.grants import Grant
from schemas.measures import KINDS

Places = int
"""A set of grants: bit ``n`` stands for the one at place ``n``."""
Part = tuple[str, str]
"""A part of a grant that a question may need: a clause, and the column or the kind of measure below it."""
OF_COLUMNS = ("group_by", "filter_by", "rows", "combine")
LINK, MOST_FIELDS = ("link", ""), ("most_fields", "")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A grant and its place in the document, as ``grants/3``."""

    path: str
    grant: Grant


class Slate:
    """Candidates in the order in which they are weighed. What they say of each part is read once, when first asked."""

    def __init__(self, items: tuple[Candidate, ...]) -> None:
        """Keep the candidates and their paths, which every decision on them lists."""
        self.items = items
        self.paths = tuple([item.path for item in items])
        self.everyone: Places = (1 << len(items)) - 1
        self._scoped: dict[str, dict[str, Places]] = {}

    @cached_property
    def parts(self) -> dict[Part, dict[Hashable, Places]]:
        """What the candidates say of each part that any of them names, and who says it."""
        read: dict[Part, dict[Hashable, list[int]]] = defaultdict(lambda: defaultdict(list))
        for place, item in enumerate(self.items):
            grant = item.grant
            for clause in OF_COLUMNS:
                for name, said in getattr(grant, clause).items():
                    read[clause, name][said].append(place)
            for kind in KINDS:
                read["measure", kind][getattr(grant.measure, kind)].append(place)
            read[LINK][grant.link].append(place)
            read[MOST_FIELDS][grant.most_fields].append(place)
        return {part: {said: _together(places) for said, places in found.items()} for part, found in read.items()}

    def where(self, part: Part, holds: Callable[[Any], bool]) -> Places:
        """Return the candidates of whose word on a part something holds."""
        return _union(places for said, places in self.parts.get(part, {}).items() if holds(said))

    def silent(self, part: Part) -> Places:
        """Return the candidates that say nothing of a part."""
        return self.everyone & ~_union(self.parts.get(part, {}).values())

    def scoped(self, column: str) -> dict[str, Places]:
        """Return, for each code of a column, the candidates whose forced scope holds it."""
        held = self._scoped.get(column)
        if held is None:
            found: dict[str, Places] = defaultdict(int)
            for codes, places in self.parts.get(("rows", column), {}).items():
                for code in codes if isinstance(codes, tuple) else ():
                    found[code] |= places
            if not found:
                return {}
            held = self._scoped[column] = dict(found)
        return held

    @property
    def limits(self) -> list[int]:
        """The different most columns that candidates let a question use, of those that set any."""
        return [most for most in self.parts.get(MOST_FIELDS, ()) if isinstance(most, int)]

    def alike(self, place: int, parts: Sequence[Part]) -> Places:
        """Return the candidates that say the same as one of them of all these parts."""
        found, grant = self.everyone, self.items[place].grant
        for part in parts:
            said = _said(grant, part)
            found &= self.parts[part][said] if said is not None or part == MOST_FIELDS else self.silent(part)
        return found


def _said(grant: Grant, part: Part) -> Any:
    clause, name = part
    held = getattr(grant, clause)
    if clause == "measure":
        return getattr(held, name)
    return held.get(name) if clause in OF_COLUMNS else held


def _together(places: Sequence[int]) -> Places:
    held = bytearray(places[-1] // 8 + 1)
    for place in places:
        held[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(held, "little")


def _union(sets: Iterable[Places]) -> Places:
    found = 0
    for places in sets:
        found |= places
    return found


def first(places: Places) -> int:
    """Return the first place of a set that is not empty."""
    return (places & -places).bit_length() - 1
