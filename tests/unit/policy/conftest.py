"""The worked agreement and its artefacts, and a way to change either."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import agreements
from schemas import agreement as documents
from schemas import artefacts
from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.request import AggregateRequest, parse


@pytest.fixture(scope="session")
def library() -> Library:
    return Library(artefacts.load())


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    value: dict[str, Any] = documents.load(agreements.path("avon-somerset").read_bytes())
    return value


@pytest.fixture
def change(document: dict[str, Any]) -> Callable[[Callable[[dict[str, Any]], None]], Agreement]:
    def made(edit: Callable[[dict[str, Any]], None]) -> Agreement:
        value = copy.deepcopy(document)
        edit(value)
        return documents.parse(value)

    return made


@pytest.fixture
def small(change: Callable[[Callable[[dict[str, Any]], None]], Agreement]) -> Callable[..., Agreement]:
    """The worked agreement with grants of the test's own."""

    def made(*grants: dict[str, Any]) -> Agreement:
        def edit(value: dict[str, Any]) -> None:
            value["grants"] = list(grants)

        return change(edit)

    return made


@pytest.fixture
def ask() -> Callable[..., AggregateRequest]:
    def made(**fields: Any) -> AggregateRequest:
        base: dict[str, Any] = {
            "purpose": "needs-assessment",
            "dataset": "police-violence",
            "measures": [{"count": {}}],
            "spend": {"share": "0.02"},
        }
        return parse(base | fields)

    return made
