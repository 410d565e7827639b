"""Every field of an agreement is described by words and by an example that the field takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from schemas import reference
from schemas.agreement import Agreement
from schemas.clauses.said import said

PAGE = Path(__file__).resolve().parents[3] / "docs" / "agreement-reference.md"


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        yield from nested(field.annotation)


def nested(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from models(annotation)
    for part in get_args(annotation):
        yield from nested(part)


MODELS = list(dict.fromkeys(models(Agreement)))
FIELDS = [
    pytest.param(model, name, field, id=f"{model.__name__}.{field.alias or name}")
    for model in MODELS
    for name, field in model.model_fields.items()
]


def test_the_models_of_every_clause_are_found():
    assert {"Agreement", "Party", "Contact", "PurposeLegal", "Grant", "Dpia", "Usable"} <= {m.__name__ for m in MODELS}


@pytest.mark.parametrize(("model", "name", "field"), FIELDS)
def test_every_field_has_words_and_an_example_that_it_takes(model: type[BaseModel], name: str, field: FieldInfo):
    assert field.description
    assert field.description.endswith(".")
    assert field.examples
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    for example in field.examples:
        adapter.validate_json(json.dumps(example), strict=True)


def test_a_field_without_an_example_is_a_mistake_of_ours():
    with pytest.raises(RuntimeError, match="example"):
        said("Words alone.")


def test_the_exported_schema_carries_the_words_and_the_examples():
    schema = Agreement.model_json_schema(by_alias=True)
    for part in (schema, *schema["$defs"].values()):
        for told in part["properties"].values():
            assert told["description"]
            assert told["examples"]


def test_the_page_is_what_the_model_says():
    assert PAGE.read_text(encoding="utf-8") == reference.page()
