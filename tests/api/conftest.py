"""A broker over HTTP with police violence and ED assaults pushed, for tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from connectors.synth import World, write_csv
from tests.support.server import Served, schema, serve_here

PERIOD = (date(2026, 4, 1), date(2026, 6, 30))


@pytest.fixture(scope="session")
def extracts(tmp_path_factory) -> dict[str, Path]:
    """Synthetic extracts of one population, by dataset."""
    folder = tmp_path_factory.mktemp("extracts")
    people = World(7)
    made = {}
    for dataset, rows in (("police-violence", 8000), ("ed-assaults", 3000)):
        made[dataset] = folder / f"{dataset}.csv"
        write_csv(made[dataset], schema(f"{dataset}/v1"), rows, world=people, period=PERIOD)
    return made


@pytest.fixture
def served(tmp_path) -> Iterator[Served]:
    """A broker with nothing pushed."""
    with serve_here(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def filled(tmp_path_factory, extracts) -> Iterator[Served]:
    """A broker with two extracts pushed; tests that share it spend little."""
    with serve_here(tmp_path_factory.mktemp("filled")) as made:
        for party, dataset in (("as-police", "police-violence"), ("bri-ed", "ed-assaults")):
            answer = made.push(party, dataset, extracts[dataset].read_bytes(), dataset)
            assert answer.status_code == 201, answer.text
        yield made
