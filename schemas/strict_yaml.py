"""YAML read strictly, by the JSON schema of YAML 1.2.

libyaml parses; the values are built here from its events, because its own constructors follow YAML 1.1
(``on`` is true there, ``1e-7`` is text), keep the last of two equal keys, expand aliases, and recurse.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from schemas.errors import DocumentError
from schemas.told import step

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50
MAX_NODES = 50_000

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?\Z")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, bool | None] = {"": None, "null": None, "~": None, "true": True, "false": False}


def loads(text: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """Read one YAML document into dicts, lists, text, integers, booleans and None.

    Fractions are refused: every number that decides is exact, so a decimal is written as a string.

    Args:
        text: UTF-8 bytes.
        max_bytes: Longest text taken.
        max_depth: Deepest nesting taken.

    Raises:
        DocumentError: ``too_large``, ``too_deep``, ``not_yaml``, ``duplicate_key``, ``alias``, ``tag``,
            ``not_text_key`` or ``inexact_number``.
    """
    if len(text) > max_bytes:
        raise DocumentError("too_large", f"the document is larger than {max_bytes} bytes")
    try:
        return _build(text.decode("utf-8"), max_depth)
    except UnicodeDecodeError as error:
        raise DocumentError("not_yaml", "the document is not UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1} column {mark.column + 1}" if mark else ""
        raise DocumentError("not_yaml", f"not YAML{where}", line=mark.line + 1 if mark else None) from None


class _Frame:
    """One open mapping or sequence, and the key that waits for its value."""

    __slots__ = ("key", "path", "value")

    def __init__(self, value: dict[str, Any] | list[Any], path: str) -> None:
        self.value = value
        self.path = path
        self.key: str | None = None


def _build(text: str, max_depth: int) -> Any:
    documents: list[Any] = []
    stack: list[_Frame] = []
    for nodes, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if nodes > MAX_NODES:
            raise DocumentError("too_large", f"the document has more than {MAX_NODES} parts")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused("alias", event, "anchors and aliases are not taken")
        if isinstance(event, yaml.ScalarEvent):
            _place(stack, documents, _scalar(event), event)
        elif isinstance(event, yaml.CollectionStartEvent):
            if event.tag is not None:
                raise _refused("tag", event, "tags are not taken")
            if len(stack) >= max_depth:
                raise DocumentError("too_deep", f"the document is nested deeper than {max_depth}")
            opened: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
            path = _place(stack, documents, opened, event)
            stack.append(_Frame(opened, path))
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
    if len(documents) != 1:
        raise DocumentError("not_yaml", "the file must hold exactly one document")
    return documents[0]


def _place(stack: list[_Frame], documents: list[Any], value: Any, event: Any) -> str:
    """Put a value where it belongs and return its path."""
    if not stack:
        documents.append(value)
        return ""
    frame = stack[-1]
    if isinstance(frame.value, list):
        frame.value.append(value)
        return f"{frame.path}/{len(frame.value) - 1}".lstrip("/")
    if frame.key is None:
        if not isinstance(event, yaml.ScalarEvent):
            raise _refused("not_text_key", event, "a key must be text", frame.path)
        key = event.value
        if key in frame.value:
            raise _refused("duplicate_key", event, "a key stands twice", f"{frame.path}/{step(key)}")
        frame.key = key
        return ""
    path = f"{frame.path}/{step(frame.key)}".lstrip("/")
    frame.value[frame.key] = value
    frame.key = None
    return path


def _scalar(event: Any) -> str | int | bool | None:
    if event.tag is not None:
        raise _refused("tag", event, "tags are not taken")
    text: str = event.value
    if event.style:  # libyaml marks a plain scalar by "", the Python parser by None
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        raise _refused("inexact_number", event, "write a decimal or a long number as a string")
    return text


def _refused(code: str, event: Any, words: str, path: str = "") -> DocumentError:
    line = event.start_mark.line + 1
    return DocumentError(code, f"line {line}: {words}", path, line)


class _Dumper(yaml.SafeDumper):
    """Writes YAML that ``loads`` reads back equal: whatever could be taken for a number or a date is quoted."""

    def ignore_aliases(self, _: Any) -> bool:
        """Write an object that stands twice twice: ``loads`` takes no aliases."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    quoted = text in _WORDS or _FLOAT.match(text) is not None or text[:1].isdigit()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)


_Dumper.add_representer(str, _represent_text)


def dumps(value: Any) -> str:
    """Write dicts, lists, text, integers, booleans and None as YAML that ``loads`` reads back equal."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
