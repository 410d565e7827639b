"""The exported JSON Schema is the model's, and takes the worked example."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

import agreements
from schemas import agreement, export
from schemas.errors import DocumentError

SCHEMA = json.loads(export.TARGET.read_text(encoding="utf-8"))
EXAMPLE = agreement.load(agreements.path("avon-somerset").read_bytes())


def test_the_file_equals_the_export() -> None:
    assert export.TARGET.read_text(encoding="utf-8") == export.agreement_schema()


def test_the_export_writes_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "TARGET", tmp_path / "schema.json")
    export.main()
    assert json.loads((tmp_path / "schema.json").read_text(encoding="utf-8")) == SCHEMA


def test_the_schema_is_a_schema_and_takes_the_worked_example() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(EXAMPLE, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("concordat",), "agreement/v2"),
        (("privacy", "budget", "epsilon"), 8),
        (("privacy", "budget", "epsilon"), "eight"),
        (("datasets", "police-violence", "bounds", "per_person"), 0),
        (("unheard_of",), "a key that nobody reads"),
        (("parties", 0, "key"), "short"),
    ],
)
def test_the_schema_refuses_what_the_model_refuses(path: tuple[Any, ...], value: Any) -> None:
    broken = copy.deepcopy(EXAMPLE)
    inner = broken
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)
    with pytest.raises(DocumentError):
        agreement.parse(broken)
