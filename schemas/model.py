"""The base of every document model, and the one way to read a value into it."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import DocumentError
from schemas.told import step, told_path

_ENCODE = json.JSONEncoder(allow_nan=False).encode
_MAX_FINDINGS = 50
Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Strictly typed, immutable, and closed: an unknown key is refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class InvalidDocument(DocumentError):
    """A document of the wrong shape.

    Attributes:
        findings: Each place and what is wrong there, as ``(path, words)``; no input value among them, and no key
            but plain names.
    """

    def __init__(self, findings: list[tuple[str, str]]) -> None:
        """Show the first finding and keep them all."""
        self.findings = [(told_path(path), words) for path, words in findings]
        path, words = self.findings[0]
        super().__init__("invalid_document", words, path)


def read(model: type[Model], value: Any) -> Model:
    """Read a JSON value into a model by the rules of JSON, strictly.

    Raises:
        InvalidDocument: with every finding.
        ValueError: the value is no JSON value.
    """
    try:
        return model.model_validate_json(_ENCODE(value))
    except ValidationError as error:
        findings = [
            ("/".join(step(str(part)) for part in found["loc"]), found["msg"])
            for found in error.errors(include_input=False, include_url=False, include_context=False)[:_MAX_FINDINGS]
        ]
        raise InvalidDocument(findings) from None
