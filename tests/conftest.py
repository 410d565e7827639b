"""Fixtures that several folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.world import World, make_world

# Machines differ in speed and no test is about it.
settings.register_profile("concordat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("concordat")


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    """A control database with nothing in it yet."""
    made = make_world(tmp_path)
    yield made
    made.database.close()
