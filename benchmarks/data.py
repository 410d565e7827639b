"""The rows that every benchmark reads: made up, the same on every run, kept in the cache folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import duckdb

FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
COUNCILS = (
    "E06000022",
    "E06000023",
    "E06000024",
    "E06000025",
    "E06000066",
    "E08000032",
    "E08000033",
    "E08000034",
    "E08000035",
    "E08000036",
)
SEXES = ("female", "male", "other", "unknown")
CELLS = 12 * len(COUNCILS) * len(SEXES)
PERSONS = 333_333
MOST = 600
"""The most rows that a person has."""

Key = tuple[str, str, str]
"""A month as ``YYYY-MM``, a council, a sex."""

PER_PERSON = 12
"""How many rows of a person count at most, in every answer."""

_TAIL = 1.3809040757969342
"""Rows a person follow a Pareto law of this index, cut at 600; 333,333 persons then have 1,000,000 rows."""

# Persons keep their sex and mostly their council; days are spread evenly. Every draw is a hash of what it is for.
_PERSON = f"""
CREATE TEMP TABLE person AS
SELECT
    i AS person,
    least({MOST}, floor(pow(1 - (i + 0.5) / $persons, -1 / {_TAIL})))::BIGINT AS n,
    CASE WHEN h < 45 THEN 'female' WHEN h < 94 THEN 'male' WHEN h < 97 THEN 'other' ELSE 'unknown' END AS sex,
    (hash(i, 'home') % {len(COUNCILS)})::INTEGER AS home,
    (hash(i, 'age') % 90)::INTEGER AS age
FROM (SELECT i, hash(i, 'sex') % 100 AS h FROM range($persons) numbers(i))
"""  # noqa: S608 - our own text
_ROW = f"""
CREATE TEMP TABLE row AS
SELECT
    person,
    DATE '{FIRST}' + (hash(person, k, 'day') % 365)::INTEGER AS called,
    (hash(person, k, 'hour') % 24)::INTEGER AS hour,
    ['assault', 'assault', 'assault', 'stab-or-gunshot', 'unknown'][1 + (hash(person, k, 'card') % 5)::INTEGER] AS card,
    (hash(person, k, 'area') % 900)::INTEGER AS area,
    {list(COUNCILS)}[1 + CASE
        WHEN hash(person, k, 'away') % 10 < 8 THEN home
        ELSE (hash(person, k, 'lad') % {len(COUNCILS)})::INTEGER
    END] AS lad,
    age,
    sex,
    hash(person, k, 'conveyed') % 2 = 0 AS conveyed,
    hash(person, k, 'place') AS place,
    least(1, {PER_PERSON} / n) AS part
FROM (SELECT *, unnest(range(n)) AS k FROM person)
"""  # noqa: S608 - our own text
_PSEUDONYM = "sha256('person ' || person)"
_EXTRACT = f"""
SELECT
    {_PSEUDONYM} AS person, FALSE AS unlinked, called, hour, card,
    'E01' || lpad((14000 + area)::VARCHAR, 6, '0') AS lsoa,
    'E05' || lpad((8000 + area // 9)::VARCHAR, 6, '0') AS ward,
    lad, age, sex, conveyed
FROM row ORDER BY called, place
"""  # noqa: S608 - our own text
_TRUTH = """
SELECT strftime(called, '%Y-%m') AS month, lad, sex, count(*), sum(part) FROM row GROUP BY ALL ORDER BY ALL
"""
# What peers get: the month already made of the date, and beside the pseudonym a number for the person.
_NARROW = f"""
SELECT {_PSEUDONYM} AS pseudonym, person AS number, strftime(called, '%Y-%m') AS month, lad, sex
FROM row ORDER BY called, place
"""  # noqa: S608 - our own text


class Truth(NamedTuple):
    """What is true of one cell.

    Attributes:
        rows: How many rows it has.
        bounded: How many are left, on average over the ways to choose, once 12 rows of each person count.
    """

    rows: int
    bounded: float


@dataclass(frozen=True, slots=True)
class Data:
    """Files of one set of rows.

    Attributes:
        extract: What the supplier pushes: 11 columns of ``ambulance-calls/v1``, as CSV.
        narrow_csv: Pseudonym, the person's number, month, council and sex, for peers.
        narrow_parquet: The same.
        truth_file: The exact count of each cell, and the count with each person's rows bounded.
        rows: How many rows there are.
    """

    extract: Path
    narrow_csv: Path
    narrow_parquet: Path
    truth_file: Path
    rows: int

    def truth(self) -> dict[Key, Truth]:
        """Return what is true of each cell."""
        cells = json.loads(self.truth_file.read_text())
        return {(month, lad, sex): Truth(n, bounded) for month, lad, sex, n, bounded in cells}


def make(folder: Path, persons: int = PERSONS) -> Data:
    """Make the rows, or return those made before.

    Args:
        folder: Where they are kept.
        persons: How many persons they are of; about three times as many rows.
    """
    made_by = _PERSON + _ROW + _EXTRACT + _NARROW + _TRUTH
    held = folder / f"rows-{persons}-{hashlib.sha256(made_by.encode()).hexdigest()[:8]}"
    names = ("extract.csv", "narrow.csv", "narrow.parquet", "truth.json")
    files = [held / name for name in names]
    if not files[-1].exists():
        held.mkdir(parents=True, exist_ok=True)
        _write(files, persons)
    rows = sum(cell[3] for cell in json.loads(files[-1].read_text()))
    extract, narrow_csv, narrow_parquet, truth = files
    return Data(extract, narrow_csv, narrow_parquet, truth, rows)


def _write(files: list[Path], persons: int) -> None:
    """Write the files, the truth last, whose presence tells that all are there."""
    extract, narrow_csv, narrow_parquet, truth = files
    with duckdb.connect() as connection:
        connection.execute(_PERSON.replace("$persons", str(persons)))
        connection.execute(_ROW)
        connection.execute(f"COPY ({_EXTRACT}) TO '{extract}' (HEADER)")
        connection.execute(f"COPY ({_NARROW}) TO '{narrow_csv}' (HEADER)")
        connection.execute(f"COPY ({_NARROW}) TO '{narrow_parquet}'")
        cells = connection.execute(_TRUTH).fetchall()
    whole = truth.with_suffix(".new")
    whole.write_text(json.dumps(cells))
    whole.replace(truth)
