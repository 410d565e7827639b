"""The engines that every specification runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.aggregates.engine import Engine
from service.storage.duckdb_engine import DuckDBEngine
from tests.spec.harness import Lake


@pytest.fixture(scope="session")
def lake(tmp_path_factory) -> Lake:
    return Lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="session", params=["duckdb"])
def engine(lake, tmp_path_factory) -> Iterator[Engine]:
    made = DuckDBEngine(lake.root, "1GB", 2, tmp_path_factory.mktemp("spill"))
    yield made
    made.close()
