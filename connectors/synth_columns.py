"""Makers of made-up cells: one for each column of a schema, by its kind and what the dataset's profile knows of it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, repeat

from connectors import synth_weights as weights
from connectors.synth_batch import AREAS, Batch, Cells
from connectors.synth_pattern import matching
from connectors.synth_world import World
from schemas.profile import End, Profile
from schemas.table_schema import Column, TableSchema

_MISSING = 0.03
_UNKNOWN = 0.02
_LIKELY = 0.3  # a flag that no profile knows
_LAGS = (86, 7, 3, 2, 1, 1)  # how many days other dates lie before the dataset's main date
_AREAS_A_WARD = 7

Maker = Callable[[Batch], Cells]


@dataclass(frozen=True, slots=True)
class Extract:
    """What is made up: a dataset, from a population, over a period."""

    schema: TableSchema
    profile: Profile
    world: World
    period: tuple[date, date]


def maker(column: Column, extract: Extract) -> Maker:  # noqa: PLR0911 - one line a kind
    """Return what makes the cells of a column, a batch at a time."""
    if column.kind == "pseudonym":
        return lambda batch: _pseudonyms(batch, extract.world)
    if column.kind == "unlinked":
        return lambda batch: ["true" if mark else "false" for mark in batch.unlinked]
    if column.kind == "date":
        return _date_maker(column, extract)
    if column.kind == "flag":
        return _flag_maker(column, extract)
    if column.kind in ("integer", "decimal"):
        return _number_maker(column, extract)
    if column.constraints.enum is None:
        return _pattern_maker(column, extract.world)
    return _code_maker(column, column.constraints.enum, extract)


def _pseudonyms(batch: Batch, world: World) -> Cells:
    fresh = batch.random.randbytes
    return [
        fresh(32).hex() if mark else world.pseudonyms[person]
        for person, mark in zip(batch.people, batch.unlinked, strict=True)
    ]


def _date_maker(column: Column, extract: Extract) -> Maker:
    end = extract.profile.ends.get(column.name)
    if end is not None and column.name != extract.schema.period:
        return _end_maker(column.name, end, extract.period)
    first = extract.period[0] - timedelta(len(_LAGS))
    texts = [(first + timedelta(day)).isoformat() for day in range((extract.period[1] - first).days + 1)]
    if column.name == extract.schema.period:
        return lambda batch: batch.spread([texts[day + len(_LAGS)] for day in batch.days])
    lags = list(accumulate(_LAGS))

    def make(batch: Batch) -> Cells:
        back = batch.random.choices(range(len(lags)), cum_weights=lags, k=batch.events)
        return batch.spread([texts[day + len(_LAGS) - lag] for day, lag in zip(batch.days, back, strict=True)])

    return make


def _end_maker(name: str, end: End, period: tuple[date, date]) -> Maker:
    first, last = period
    still = end.still.isoformat()

    def make(batch: Batch) -> Cells:
        days = batch.ends(name, end, (last - first).days)
        return batch.spread([still if day is None else (first + timedelta(day)).isoformat() for day in days])

    return make


def _open_maker(name: str, end: End, period: tuple[date, date]) -> Maker:
    last = (period[1] - period[0]).days
    return lambda batch: batch.spread(["true" if day is None else "false" for day in batch.ends(name, end, last)])


def _flag_maker(column: Column, extract: Extract) -> Maker:
    if column.name == "primary":

        def primary(batch: Batch) -> Cells:
            made = ["false"] * batch.rows
            for row in batch.first_rows:
                made[row] = "true"
            return made

        return primary
    for name, end in extract.profile.ends.items():
        if end.open == column.name:
            return _open_maker(name, end, extract.period)
    likely = extract.profile.flags.get(column.name, _LIKELY)
    return lambda batch: batch.draw(("true", "false"), (likely, 1.0))


def _number_maker(column: Column, extract: Extract) -> Maker:
    low, high = column.bounds
    missing = 0.0 if column.constraints.required else _MISSING
    if column.kind == "integer" and column.name in ("age", "year_group"):
        return _age_maker(column, extract.world, missing)
    step = max(1, (high - low) // 500)
    values = list(range(low, high + 1, step))
    likely: Sequence[float] = extract.profile.numbers.get(column.name, ())
    if not likely and (column.name == "hour" or column.name.endswith("_hour")):
        likely = weights.HOURS
    if likely:
        likely = [*likely[: len(values)], *repeat(min(likely) / 10, len(values) - len(likely))]
    else:  # nothing is known: the middle is likeliest
        likely = [1 + min(place, len(values) - 1 - place) for place in range(len(values))]
    cumulative = list(accumulate((*likely, sum(likely) * missing)))
    cells = [*(_decimal(value, column.decimals) for value in values), ""]
    return lambda batch: batch.draw(cells, cumulative)


def _age_maker(column: Column, world: World, missing: float) -> Maker:
    low, high = column.bounds
    less = 0 if column.name == "age" else 5
    texts = [str(min(max(age - less, low), high)) for age in range(len(weights.AGES))]

    def make(batch: Batch) -> Cells:
        chance = batch.random.random
        return ["" if chance() < missing else texts[world.ages[person]] for person in batch.people]

    return make


def _decimal(value: int, decimals: int) -> str:
    if not decimals:
        return str(value)
    whole, part = divmod(abs(value), 10**decimals)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{decimals}d}"


def _code_maker(column: Column, enum: tuple[str, ...], extract: Extract) -> Maker:
    world = extract.world
    if set(world.lads) & set(enum):
        spare = "unknown" if "unknown" in enum else enum[0]
        known = {lad: lad if lad in enum else spare for lad in world.lads}

        def councils(batch: Batch) -> Cells:
            chance = batch.random.random
            return batch.spread([spare if chance() < _UNKNOWN else known[lad] for lad in batch.lads])

        return councils
    if column.codes in ("sex", "ethnicity-18"):
        cells = world.sexes if column.codes == "sex" else world.ethnicities
        return lambda batch: [cells[person] for person in batch.people]
    likely = _likelihoods(column, enum, extract.profile)
    if column.codes == "offence-role":  # of a person, not of the offence
        return lambda batch: batch.random.choices(enum, cum_weights=likely, k=batch.rows)
    return lambda batch: batch.draw(enum, likely)


def _likelihoods(column: Column, enum: tuple[str, ...], profile: Profile) -> list[float]:
    known = profile.codes.get(column.name, {})
    if known:
        made = [known.get(code, 0.0) for code in enum]
        return list(accumulate(made if any(made) else [1.0] * len(enum)))
    made = [1 / (place + 2) for place in range(len(enum))]
    total = sum(made)
    for code, part in (("unknown", _UNKNOWN), ("none", 2.0 if column.name[-1] in "23456789" else 0.0)):
        if code in enum:
            made[enum.index(code)] = total * part
    return list(accumulate(made if any(made) else [1.0] * len(enum)))


def _pattern_maker(column: Column, world: World) -> Maker:
    """Codes of a pattern: some for each council, the same in every dataset of a world."""
    pattern = column.constraints.pattern or ""
    source = random.Random(f"{world.seed} {pattern}")  # noqa: S311 - made-up rows need no secrecy
    size = _AREAS_A_WARD if column.name == "ward" else 1
    areas = {lad: [matching(pattern, source) for _ in range(AREAS // size)] for lad in world.lads}
    unknown = _UNKNOWN if re.fullmatch(pattern, "unknown") else 0.0

    def make(batch: Batch) -> Cells:
        chance = batch.random.random
        places = zip(batch.lads, batch.areas, strict=True)
        return batch.spread(["unknown" if chance() < unknown else areas[lad][area // size] for lad, area in places])

    return make
