"""What an error may say back of a caller's own words: plain names, and nothing with the form of a secret.

A name says which part of a request is wrong. A value (a cell, a code, a reason, a key, a token) is never said back,
and neither is a name that is none, as a key that holds a sentence.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from schemas.identifiers import MAX_TEXT, find_in_text

WITHHELD = "(withheld)"
_NAME = re.compile(r"(?:[A-Za-z0-9$:_.-]{1,40}|row [0-9]{1,9})\Z")
_SECRET = re.compile(r"(?<!sha256:)(?<![0-9a-fA-F])[0-9a-fA-F]{32,}|eyJ[\w-]{8,}|PRIVATE KEY")
"""Pseudonyms and digests of anything but artefacts and documents; JSON Web Tokens; PEM keys."""


_ARTEFACT = re.compile(r"[a-z0-9-]{1,40}/v[0-9]{1,4}\Z")


def step(key: str) -> str:
    """Return a key as one step of a path: withheld where a slash in it would pass its parts off as names.

    The name of an artefact is the one kind of key with a slash that documents have.
    """
    return key if "/" not in key or _ARTEFACT.match(key) else WITHHELD


@lru_cache(maxsize=4096)
def told_path(path: str) -> str:
    """Return the place of an error in a document, with each part that is no plain name withheld."""
    return "/".join(part if not part or (_NAME.match(part) and not _secret(part)) else WITHHELD for part in _cut(path))


def told(value: Any) -> Any:
    """Return an error's JSON value with every word withheld that has the form of an identifier or a secret."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {name: told(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [told(item) for item in value]
    return value


def _cut(path: str) -> list[str]:
    parts = path[:MAX_TEXT].split("/")
    return parts if len(path) <= MAX_TEXT else [*parts[:-1], WITHHELD]  # what is cut short may look like a name


@lru_cache(maxsize=4096)
def _text(text: str) -> str:
    if not _secret(text):
        return text
    made = re.sub(r"[^\s/]+", lambda found: WITHHELD if _secret(found.group()) else found.group(), text)
    return WITHHELD if _secret(made) else made


def _secret(text: str) -> bool:
    """Whether a text holds an identifier or a secret; a text too long to be read to its end is taken for one."""
    if len(text) > MAX_TEXT or _SECRET.search(text):
        return True
    return bool(find_in_text(text.replace("_", " ")))
