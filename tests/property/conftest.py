"""The engine that properties are tried on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.storage.duckdb_engine import DuckDBEngine
from tests.property.stored import Stored
from tests.spec.harness import Lake


@pytest.fixture(scope="session")
def lake(tmp_path_factory) -> Lake:
    return Lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="session")
def engine(lake, tmp_path_factory) -> Iterator[DuckDBEngine]:
    made = DuckDBEngine(lake.root, "1GB", 2, tmp_path_factory.mktemp("spill"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def compactable(lake, tmp_path_factory) -> Stored:
    return Stored(lake.root, tmp_path_factory.mktemp("compaction-spill"))
