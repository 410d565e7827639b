"""Texts that match the pattern of a code column."""

from __future__ import annotations

import importlib
import random
import re
from typing import Any

_TRIES = 200
_MOST = 8  # of an open-ended repeat
_DIGITS = "0123456789"
_WORD = _DIGITS + "abcdefghijklmnopqrstuvwxyz"


def matching(pattern: str, source: random.Random) -> str:
    """Make up a text that a pattern matches; never ``unknown`` while the pattern offers others.

    Takes what schemas use: literals, classes, repeats, groups and alternatives.

    Raises:
        ValueError: no such text was found.
    """
    # The parser that re itself uses; there is no public one.
    parser: Any = importlib.import_module("re._parser")
    tree = list(parser.parse(pattern))
    text = ""
    for _ in range(_TRIES):
        text = _walk(tree, source)
        if text != "unknown" and re.fullmatch(pattern, text):
            return text
    if re.fullmatch(pattern, text):
        return text
    raise ValueError(f"cannot make up a text for the pattern {pattern}")


def _walk(tree: Any, source: random.Random) -> str:
    return "".join(_one(str(operation), argument, source) for operation, argument in tree)


def _one(operation: str, argument: Any, source: random.Random) -> str:
    if operation == "LITERAL":
        return chr(argument)
    if operation == "IN":
        return source.choice(_class(argument) or [""])
    if operation in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, tree = argument
        times = source.randint(least, min(int(most), least + _MOST))
        return "".join(_walk(tree, source) for _ in range(times))
    if operation == "SUBPATTERN":
        return _walk(argument[3], source)
    if operation == "BRANCH":
        return _walk(source.choice(argument[1]), source)
    if operation == "AT":
        return ""
    raise ValueError(f"cannot make up a text for a pattern with {operation.lower()}")


def _class(parts: Any) -> list[str]:
    found: list[str] = []
    negated = False
    for operation, argument in parts:
        kind = str(operation)
        if kind == "NEGATE":
            negated = True
        elif kind == "LITERAL":
            found.append(chr(argument))
        elif kind == "RANGE":
            found += [chr(code) for code in range(argument[0], argument[1] + 1)]
        else:
            found += _DIGITS if str(argument) == "CATEGORY_DIGIT" else _WORD
    return [letter for letter in _WORD + _WORD.upper() if letter not in found] if negated else found
