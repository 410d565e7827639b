"""Made-up extracts for any dataset schema: for trying things out, for tests and for the demo.

A `World` is a made-up population. Extracts drawn from one world share its persons, so that links between
agencies find something; two worlds of one seed are equal. No real record was used.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import random
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import accumulate, repeat
from pathlib import Path

from connectors import synth_weights as weights
from connectors.synth_pattern import matching
from connectors.whole_file import whole_file
from schemas.table_schema import Column, TableSchema

_BATCH = 20_000
_TAIL = 1.82  # 1 / (1 - 0.45): the person of rank r has rows in proportion to r ** -0.45
_ROWS_A_PERSON = 1.7
_UNLINKED = 0.04
_MISSING = 0.03
_UNKNOWN = 0.02
_AWAY = 0.15  # events outside the person's own council
_CHILD = 18
_LAGS = (86, 7, 3, 2, 1, 1)  # how many days other dates lie before the dataset's main date
_AREAS = 140
_AREAS_A_WARD = 7

Cells = list[str]


class World:
    """A made-up population: persons with age, sex, ethnicity and a council they live in.

    A person is a number from 0; persons with low numbers turn up most. What a person is depends on the seed
    and the number alone, not on how many persons anybody asks for.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        lads: Sequence[str] = weights.AVON_AND_SOMERSET,
        key: bytes | None = None,
    ) -> None:
        """Begin an empty world.

        Args:
            seed: Equal seeds make equal worlds; None makes a new one each time.
            lads: The codes of the councils that persons live in.
            key: What pseudonyms are made with; drawn from the seed where there is none.
        """
        self.seed = secrets.randbits(64) if seed is None else seed
        self.lads = tuple(lads)
        self._key = key or hashlib.sha256(f"synthetic persons {self.seed}".encode()).digest()
        self._random = random.Random(f"{self.seed} persons")  # noqa: S311 - made-up rows need no secrecy
        self.pseudonyms: Cells = []
        self.ages: list[int] = []
        self.sexes: Cells = []
        self.ethnicities: Cells = []
        self.homes: Cells = []

    def source(self, *parts: str | int) -> random.Random:
        """Return the chances of one file of this world."""
        named = hmac.digest(self._key, repr(parts).encode(), "sha256")
        return random.Random(named)  # noqa: S311 - made-up rows need no secrecy

    def people(self, count: int) -> None:
        """See to it that there are at least ``count`` persons."""
        draw = self._random.choices
        while len(self.ages) < count:
            first = len(self.ages)
            self.ages += draw(range(len(weights.AGES)), weights.AGES, k=_BATCH)
            self.sexes += draw(list(weights.SEX), list(weights.SEX.values()), k=_BATCH)
            self.ethnicities += draw(list(weights.ETHNICITY), list(weights.ETHNICITY.values()), k=_BATCH)
            self.homes += draw(self.lads, [_lad_weight(lad) for lad in self.lads], k=_BATCH)
            self.pseudonyms += [
                hmac.digest(self._key, b"person %d" % number, "sha256").hex() for number in range(first, first + _BATCH)
            ]


def _lad_weight(lad: str) -> float:
    return weights.LADS.get(lad, 100) * weights.CITY.get(lad, 1.0)


class _Batch:
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

    def spread(self, of_events: Cells) -> Cells:
        """Give each row what its event has."""
        return [of_events[event] for event in self.event_of] if self.event_of else of_events

    def draw(self, values: Sequence[str], cumulative: Sequence[float]) -> Cells:
        """Draw one value an event and spread it over the event's rows."""
        return self.spread(self.random.choices(values, cum_weights=cumulative, k=self.events))


Maker = Callable[[_Batch], Cells]


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
    source = world.source(schema.name, label, period[0].isoformat(), rows)
    crowd = _crowd(schema, world, persons or max(1, round(rows / _ROWS_A_PERSON)))
    makers = [_maker(column, schema, world, period) for column in schema.fields]
    grouped = any(column.kind == "flag" and column.name == "primary" for column in schema.fields)
    twist = source.randrange(len(crowd))
    dates = _Days(schema, period)
    for start in range(0, rows, _BATCH):
        batch = _Batch(source, min(_BATCH, rows - start), grouped=grouped)
        _fill(batch, world, crowd, twist, dates)
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


def _crowd(schema: TableSchema, world: World, count: int) -> Sequence[int]:
    """Return the persons that a dataset is about: children alone where it is about children."""
    names = {column.name for column in schema.fields}
    if "year_group" in names:
        youngest = 4
    elif "first_time_entrant" in names or schema.name.startswith("youth"):
        youngest = 10
    else:
        world.people(count)
        return range(count)
    found: list[int] = []
    while len(found) < count:
        world.people(len(world.ages) + _BATCH)
        found = [number for number, age in enumerate(world.ages) if youngest <= age < _CHILD]
    return found[:count]


class _Days:
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


def _fill(batch: _Batch, world: World, crowd: Sequence[int], twist: int, dates: _Days) -> None:
    """Draw what columns share: persons, which rows are unlinked, councils, days, small areas."""
    source = batch.random
    chance = source.random
    count = len(crowd)
    ranks = [int(count * chance() ** _TAIL) for _ in range(batch.rows)]
    # Half of the persons rank alike in every dataset, so that agencies meet; the others rank anew in each.
    batch.people = [crowd[rank if rank & 1 else (rank * 7 + twist) % count] for rank in ranks]
    batch.unlinked = [chance() < _UNLINKED for _ in range(batch.rows)]
    batch.days = source.choices(dates.days, cum_weights=dates.cumulative, k=batch.events)
    batch.areas = [int(_AREAS * chance() ** 2) for _ in range(batch.events)]
    away = source.choices(world.lads, [_lad_weight(lad) for lad in world.lads], k=batch.events)
    first_rows = _first_rows(batch)
    homes = world.homes
    batch.lads = [
        other if chance() < _AWAY else homes[batch.people[row]] for row, other in zip(first_rows, away, strict=True)
    ]


def _first_rows(batch: _Batch) -> Sequence[int]:
    if not batch.event_of:
        return range(batch.rows)
    return [row for row in range(batch.rows) if row == 0 or batch.event_of[row] != batch.event_of[row - 1]]


def _maker(  # noqa: PLR0911 - one line a kind
    column: Column, schema: TableSchema, world: World, period: tuple[date, date]
) -> Maker:
    if column.kind == "pseudonym":
        return lambda batch: _pseudonyms(batch, world)
    if column.kind == "unlinked":
        return lambda batch: ["true" if mark else "false" for mark in batch.unlinked]
    if column.kind == "date":
        return _date_maker(column, schema, period)
    if column.kind == "flag":
        return _flag_maker(column)
    if column.kind in ("integer", "decimal"):
        return _number_maker(column, world)
    if column.constraints.enum is None:
        return _pattern_maker(column, world)
    return _code_maker(column, column.constraints.enum, world)


def _pseudonyms(batch: _Batch, world: World) -> Cells:
    fresh = batch.random.randbytes
    return [
        fresh(32).hex() if mark else world.pseudonyms[person]
        for person, mark in zip(batch.people, batch.unlinked, strict=True)
    ]


def _date_maker(column: Column, schema: TableSchema, period: tuple[date, date]) -> Maker:
    first = period[0] - timedelta(len(_LAGS))
    texts = [(first + timedelta(day)).isoformat() for day in range((period[1] - first).days + 1)]
    if column.name == schema.period:
        return lambda batch: batch.spread([texts[day + len(_LAGS)] for day in batch.days])
    lags = list(accumulate(_LAGS))

    def make(batch: _Batch) -> Cells:
        back = batch.random.choices(range(len(lags)), cum_weights=lags, k=batch.events)
        return batch.spread([texts[day + len(_LAGS) - lag] for day, lag in zip(batch.days, back, strict=True)])

    return make


def _flag_maker(column: Column) -> Maker:
    if column.name == "primary":

        def primary(batch: _Batch) -> Cells:
            made = ["false"] * batch.rows
            for row in _first_rows(batch):
                made[row] = "true"
            return made

        return primary
    likely = weights.FLAGS.get(column.name, 0.3)
    return lambda batch: batch.draw(("true", "false"), (likely, 1.0))


def _number_maker(column: Column, world: World) -> Maker:
    low, high = column.bounds
    missing = 0.0 if column.constraints.required else _MISSING
    if column.kind == "integer" and column.name in ("age", "year_group"):
        less = 0 if column.name == "age" else 5
        texts = [str(min(max(age - less, low), high)) for age in range(len(weights.AGES))]

        def of_person(batch: _Batch) -> Cells:
            chance = batch.random.random
            return ["" if chance() < missing else texts[world.ages[person]] for person in batch.people]

        return of_person
    step = max(1, (high - low) // 500)
    values = list(range(low, high + 1, step))
    if column.name in ("hour", "arrival_hour") or column.name.endswith("_hour"):
        likely: Sequence[float] = weights.HOURS
    else:
        likely = weights.NUMBERS.get(column.name, ())
    if likely:
        likely = [*likely[: len(values)], *repeat(min(likely) / 10, len(values) - len(likely))]
    else:  # nothing is known: the middle is likeliest
        likely = [1 + min(place, len(values) - 1 - place) for place in range(len(values))]
    cumulative = list(accumulate((*likely, sum(likely) * missing)))
    cells = [*(_decimal(value, column.decimals) for value in values), ""]
    return lambda batch: batch.draw(cells, cumulative)


def _decimal(value: int, decimals: int) -> str:
    if not decimals:
        return str(value)
    whole, part = divmod(abs(value), 10**decimals)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{decimals}d}"


def _code_maker(column: Column, enum: tuple[str, ...], world: World) -> Maker:
    if set(world.lads) & set(enum):
        spare = "unknown" if "unknown" in enum else enum[0]
        known = {lad: lad if lad in enum else spare for lad in world.lads}

        def councils(batch: _Batch) -> Cells:
            chance = batch.random.random
            return batch.spread([spare if chance() < _UNKNOWN else known[lad] for lad in batch.lads])

        return councils
    if column.codes in ("sex", "ethnicity-18"):
        cells = world.sexes if column.codes == "sex" else world.ethnicities
        return lambda batch: [cells[person] for person in batch.people]
    likely = _likelihoods(column, enum)
    if column.codes == "offence-role":  # of a person, not of the offence
        return lambda batch: batch.random.choices(enum, cum_weights=likely, k=batch.rows)
    return lambda batch: batch.draw(enum, likely)


def _likelihoods(column: Column, enum: tuple[str, ...]) -> list[float]:
    known = weights.CODES.get(column.codes or "", {})
    made = [known.get(code, 0.0 if known else 1 / (place + 2)) for place, code in enumerate(enum)]
    if not any(made):
        made = [1.0] * len(enum)
    if not known:
        total = sum(made)
        for code, part in (("unknown", _UNKNOWN), ("none", 2.0 if column.name[-1] in "23456789" else 0.0)):
            if code in enum:
                made[enum.index(code)] = total * part
    return list(accumulate(made))


def _pattern_maker(column: Column, world: World) -> Maker:
    """Codes of a pattern: some for each council, the same in every dataset of a world."""
    pattern = column.constraints.pattern or ""
    source = random.Random(f"{world.seed} {pattern}")  # noqa: S311 - made-up rows need no secrecy
    size = _AREAS_A_WARD if column.name == "ward" else 1
    areas = {lad: [matching(pattern, source) for _ in range(_AREAS // size)] for lad in world.lads}
    unknown = _UNKNOWN if re.fullmatch(pattern, "unknown") else 0.0

    def make(batch: _Batch) -> Cells:
        chance = batch.random.random
        places = zip(batch.lads, batch.areas, strict=True)
        return batch.spread(["unknown" if chance() < unknown else areas[lad][area // size] for lad, area in places])

    return make
