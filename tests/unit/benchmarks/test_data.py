import csv
from collections import Counter
from itertools import product

import pytest

from benchmarks import data
from schemas import artefacts
from schemas.artefacts import Library

PERSONS = 3_000


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return data.make(tmp_path_factory.mktemp("bench"), PERSONS)


@pytest.fixture(scope="module")
def rows(small):
    with small.extract.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_extract_has_the_columns_of_its_schema(rows):
    schema = Library(artefacts.load()).schema("ambulance-calls/v1")
    assert list(rows[0]) == [column.name for column in schema.fields]


def test_persons_are_heavy_tailed_and_none_has_more_than_600_rows(rows):
    held = Counter(row["person"] for row in rows)
    assert len(held) == PERSONS
    assert min(held.values()) == 1
    assert 100 < max(held.values()) <= data.MOST


def test_the_truth_counts_every_row_once(small, rows):
    counted = Counter((row["called"][:7], row["lad"], row["sex"]) for row in rows)
    assert {key: exact.rows for key, exact in small.truth().items()} == counted
    assert small.rows == len(rows)


def test_bounding_leaves_a_person_twelve_rows(small, rows):
    held = Counter(row["person"] for row in rows)
    left = sum(min(count, data.PER_PERSON) for count in held.values())
    assert sum(exact.bounded for exact in small.truth().values()) == pytest.approx(left)


def test_every_cell_is_a_public_key(small):
    months = [f"2025-{month:02}" for month in range(1, 13)]
    keys = set(product(months, data.COUNCILS, data.SEXES))
    assert len(keys) == data.CELLS == 480
    assert set(small.truth()) <= keys


def test_rows_made_once_are_kept(small):
    before = small.extract.stat().st_mtime_ns
    again = data.make(small.extract.parent.parent, PERSONS)
    assert again == small
    assert again.extract.stat().st_mtime_ns == before


def test_peers_get_the_same_rows(small, rows):
    with small.narrow_csv.open(newline="") as file:
        narrow = Counter((row["month"], row["lad"], row["sex"]) for row in csv.DictReader(file))
    assert narrow == Counter((row["called"][:7], row["lad"], row["sex"]) for row in rows)
