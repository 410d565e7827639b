"""Where each part of a document stands in its text, so that a finding can name a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class _Frame:
    """One open mapping or sequence: its path, the key that waits for its value, or how many items there were."""

    path: str
    mapping: bool
    key: str | None = None
    count: int = 0


def lines(text: bytes) -> dict[str, int]:
    """Return the line, from 1 on, of every part of a YAML or JSON document by its path, as ``grants/0/to``.

    A member of a mapping stands where its key does. The whole document has the path ``""``. What cannot be parsed
    has no positions from there on: the reader has said so already.
    """
    found: dict[str, int] = {"": 1}
    stack: list[_Frame] = []
    try:
        for event in yaml.parse(text.decode("utf-8"), Loader=_LOADER):
            if isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
            elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
                _step(event, stack, found)
    except (UnicodeDecodeError, yaml.YAMLError):
        return found
    return found


def line_of(path: str, found: dict[str, int]) -> int:
    """Return the line of a path; of what is not there, the line of the innermost part around it that is."""
    while path not in found and path:
        path = path.rpartition("/")[0]
    return found[path]


def _step(event: Any, stack: list[_Frame], found: dict[str, int]) -> None:
    """Take one scalar or the start of a collection."""
    frame = stack[-1] if stack else None
    if frame is not None and frame.mapping and frame.key is None:
        frame.key = str(getattr(event, "value", ""))
        found.setdefault(_join(frame.path, frame.key), event.start_mark.line + 1)
        if isinstance(event, yaml.CollectionStartEvent):  # a key that is no text, which the reader refuses
            stack.append(_Frame(frame.path, isinstance(event, yaml.MappingStartEvent)))
        return
    path = _place(frame)
    found.setdefault(path, event.start_mark.line + 1)
    if isinstance(event, yaml.CollectionStartEvent):
        stack.append(_Frame(path, isinstance(event, yaml.MappingStartEvent)))


def _place(frame: _Frame | None) -> str:
    """Return the path of the value that comes next, and move on behind it."""
    if frame is None:
        return ""
    if frame.mapping:
        path, frame.key = _join(frame.path, frame.key or ""), None
        return path
    frame.count += 1
    return _join(frame.path, str(frame.count - 1))


def _join(path: str, step: str) -> str:
    return f"{path}/{step}" if path else step
