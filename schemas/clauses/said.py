"""How a field of the document is described: for people who write one, and for the reference generated from it."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def said(words: str, *examples: Any, **more: Any) -> Any:
    """Return a Pydantic field with its description and examples.

    Args:
        words: What the field says and what the broker does about it, in plain words.
        examples: JSON values as a document would hold them; at least one.
        more: Anything else that ``pydantic.Field`` takes.

    Raises:
        RuntimeError: there is no example.
    """
    if not examples:
        raise RuntimeError("a field is described by an example")
    return Field(description=words, examples=list(examples), **more)
