"""Some made-up rows in the making: what their columns share."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from connectors import synth_weights as weights
from connectors.synth_world import World, lad_weight
from schemas.profile import End
from schemas.table_schema import TableSchema

AREAS = 140
"""Small areas of a council."""
_AWAY = 0.15  # events outside the person's own council

Cells = list[str]


@dataclass(frozen=True, slots=True)
class About:
    """Whom and which days a dataset is about.

    Attributes:
        people: The persons, those that turn up most first.
        twist: What parts the ranks of this dataset from those of others.
        tail: 1 / (1 - skew): a chance to this power is a rank, see `schemas.profile.Profile`.
        unlinked: Share of rows whose person nobody identified.
        days: The days of the period.
        grouped: Whether an event has several rows, one of them primary.
    """

    people: Sequence[int]
    twist: int
    tail: float
    unlinked: float
    days: Days
    grouped: bool


class Days:
    """The days of a period with their weights: season and day of the week."""

    def __init__(self, schema: TableSchema, period: tuple[date, date]) -> None:
        first, last = period
        days = range((last - first).days + 1)
        if schema.period == "month":
            days_kept = [day for day in days if (first + timedelta(day)).day == 1] or [0]
        else:
            days_kept = list(days)
        self.days = days_kept
        self.cumulative = list(accumulate(_day_weight(first + timedelta(day)) for day in days_kept))


def _day_weight(day: date) -> float:
    return weights.MONTHS[day.month - 1] * weights.WEEKDAYS[day.weekday()]


class Batch:
    """Some rows in the making.

    An event (an offence, a call) has one row or several; each row has one person.
    """

    def __init__(self, source: random.Random, rows: int, *, grouped: bool) -> None:
        self.random = source
        self.rows = rows
        if grouped:
            sizes = source.choices((1, 2, 3, 4), (52, 36, 9, 3), k=rows)
            self.event_of = [event for event, size in enumerate(sizes) for _ in range(size)][:rows]
            self.events = self.event_of[-1] + 1
        else:
            self.event_of = []
            self.events = rows
        self.people: list[int] = []
        self.unlinked: list[bool] = []
        self.lads: Cells = []
        self.days: list[int] = []
        self.areas: list[int] = []
        self._ends: dict[str, list[int | None]] = {}

    @classmethod
    def filled(cls, source: random.Random, rows: int, world: World, about: About) -> Batch:
        """Draw what columns share: persons, which rows are unlinked, councils, days, small areas."""
        batch = cls(source, rows, grouped=about.grouped)
        chance = source.random
        people, count = about.people, len(about.people)
        ranks = [int(count * chance() ** about.tail) for _ in range(rows)]
        # Half of the persons rank alike in every dataset, so that agencies meet; the others rank anew in each.
        batch.people = [people[rank if rank & 1 else (rank * 7 + about.twist) % count] for rank in ranks]
        batch.unlinked = [chance() < about.unlinked for _ in range(rows)]
        batch.days = source.choices(about.days.days, cum_weights=about.days.cumulative, k=batch.events)
        batch.areas = [int(AREAS * chance() ** 2) for _ in range(batch.events)]
        away = source.choices(world.lads, [lad_weight(lad) for lad in world.lads], k=batch.events)
        homes = world.homes
        batch.lads = [
            other if chance() < _AWAY else homes[batch.people[row]]
            for row, other in zip(batch.first_rows, away, strict=True)
        ]
        return batch

    @property
    def first_rows(self) -> Sequence[int]:
        """The first row of each event."""
        if not self.event_of:
            return range(self.rows)
        return [row for row in range(self.rows) if row == 0 or self.event_of[row] != self.event_of[row - 1]]

    def spread(self, of_events: Cells) -> Cells:
        """Give each row what its event has."""
        return [of_events[event] for event in self.event_of] if self.event_of else of_events

    def draw(self, values: Sequence[str], cumulative: Sequence[float]) -> Cells:
        """Draw one value an event and spread it over the event's rows."""
        return self.spread(self.random.choices(values, cum_weights=cumulative, k=self.events))

    def ends(self, column: str, end: End, last: int) -> list[int | None]:
        """Draw, once, the day on which what each event began came to its end; None for one after ``last``."""
        if column not in self._ends:
            spans = self.random.choices(end.spans, [span.weight for span in end.spans], k=self.events)
            days = [
                day + self.random.randint(span.first, span.last) for day, span in zip(self.days, spans, strict=True)
            ]
            self._ends[column] = [day if day <= last else None for day in days]
        return self._ends[column]
