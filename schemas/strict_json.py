"""JSON read strictly: no duplicate keys, no NaN or Infinity, bounded size and depth."""

from __future__ import annotations

import json
import math
from typing import Any

from schemas.errors import DocumentError
from schemas.told import step

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50
_MAX_INTEGER_DIGITS = 18
_BACKSLASH, _QUOTE = b'\\"'
_OPENING = b"{["
_CLOSING = b"}]"


def loads(text: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """Read one JSON text (RFC 8259, and I-JSON's rule of unique keys, RFC 7493).

    Args:
        text: UTF-8 bytes.
        max_bytes: Longest text taken.
        max_depth: Deepest nesting taken; counted before anything is built.

    Raises:
        DocumentError: ``too_large``, ``too_deep``, ``not_json``, ``duplicate_key`` or ``not_a_number``.
    """
    if len(text) > max_bytes:
        raise DocumentError("too_large", f"the document is larger than {max_bytes} bytes")
    if text.count(b"{") + text.count(b"[") > max_depth:  # else it cannot be deeper, whatever stands where
        _check_depth(text, max_depth)
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise DocumentError("not_json", "the document is not UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise DocumentError("not_json", f"not JSON at {where}: {error.msg}", line=error.lineno) from None


def _check_depth(text: bytes, max_depth: int) -> None:
    depth = 0
    in_string = False
    skip = False
    for byte in text:
        if in_string:
            if skip:
                skip = False
            elif byte == _BACKSLASH:
                skip = True
            elif byte == _QUOTE:
                in_string = False
        elif byte == _QUOTE:
            in_string = True
        elif byte in _OPENING:
            depth += 1
            if depth > max_depth:
                raise DocumentError("too_deep", f"the document is nested deeper than {max_depth}")
        elif byte in _CLOSING:
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DocumentError("duplicate_key", "a key stands twice in one object", step(key))
            seen.add(key)
    return made


def _refuse_constant(name: str) -> Any:
    raise DocumentError("not_a_number", f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise DocumentError("not_a_number", "a number is too large to be represented")
    return value


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_INTEGER_DIGITS:
        raise DocumentError("not_a_number", f"an integer has more than {_MAX_INTEGER_DIGITS} digits")
    return int(text)
