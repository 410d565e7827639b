"""The grants that may cover a question, the nearest first: weighed one by one, but no more of them than need be."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.errors import Malformed
from service.policy.failures import Failures
from service.policy.needs import Needs
from service.policy.slate import Candidate, Places, Slate, first

NONSENSE = 10_000
"""The distance of a grant under which the question makes no sense: beyond any number of reasons."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Ranked(Generic[Found]):
    """A grant at its distance from a question: how many reasons keep it from covering it, 0 where it does.

    ``found`` is what weighing it gave; None where the question makes no sense under it, or it was not weighed as one
    that says the same was.
    """

    distance: int
    candidate: Candidate
    found: Found | Failures | None


def nearest_first(
    slate: Slate, needs: Needs, weigh: Callable[[Candidate], Found | Failures]
) -> Iterator[Ranked[Found]]:
    """Yield all candidates by distance, those at the same one in their order: as weighing each would sort them.

    ``needs`` tells how many reasons at least keep each candidate from covering the question. So whoever is weighed and
    lacks no more than the others do at least comes before them, and they are weighed only if more are asked for. Those
    that say the same of all that the question touches are weighed once.
    """
    ranked: list[tuple[int, int, Places, Found | Failures | None]] = []

    def take() -> Ranked[Found]:
        distance, place, others, found = heapq.heappop(ranked)
        if others:
            heapq.heappush(ranked, (distance, first(others), others & (others - 1), None))
        return Ranked(distance, slate.items[place], found)

    if needs.nonsense:
        heapq.heappush(ranked, (NONSENSE, first(needs.nonsense), needs.nonsense & (needs.nonsense - 1), None))
    for least, places in needs.lacking(slate.everyone & ~needs.nonsense):
        unknown = places
        while unknown:
            place = first(unknown)
            while ranked and ranked[0][:2] < (least, place):
                yield take()
            alike = needs.alike(place) & unknown
            unknown &= ~alike
            distance, found = _weighed(slate.items[place], weigh)
            heapq.heappush(ranked, (distance, place, alike & (alike - 1), found))
    while ranked:
        yield take()


def _weighed(
    candidate: Candidate, weigh: Callable[[Candidate], Found | Failures]
) -> tuple[int, Found | Failures | None]:
    try:
        found = weigh(candidate)
    except Malformed:
        return NONSENSE, None
    return len(found.reasons) if isinstance(found, Failures) else 0, found
