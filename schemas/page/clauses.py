"""Every clause of a document as rows of tables, each with its path as anchor."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from schemas.agreement import Agreement
from schemas.page import words

Path = tuple[str | int, ...]
_SHORT = 40
_TITLES = {
    "period": "Period",
    "parties": "Parties",
    "purposes": "Purposes",
    "datasets": "Datasets",
    "grants": "Grants",
    "privacy": "Privacy budget",
    "obligations": "Obligations",
    "legal": "Law and governance",
    "pins": "Pinned artefacts",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One clause.

    Attributes:
        anchor: Its path.
        label: What it is called.
        named: Whether the label is a name of the document's own, not a word of ours.
        hint: What the field says, in words; empty where it is said elsewhere.
        depth: How deep it stands below its table.
        value: What it says; empty where rows below say it.
        items: What it lists, each with its own anchor.
        group: Whether the rows below it are its parts.
    """

    anchor: str
    label: str
    named: bool
    hint: str
    depth: int
    value: str = ""
    items: tuple[tuple[str, str], ...] = ()
    group: bool = False

    @property
    def short(self) -> bool:
        """Whether what it lists fits in a line."""
        return all(len(text) <= _SHORT for _, text in self.items)


@dataclass(frozen=True, slots=True)
class Item:
    """One party, purpose, dataset or grant."""

    anchor: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the document: a table, or an item each for what it lists."""

    anchor: str
    title: str
    says: str
    rows: tuple[Row, ...] = ()
    items: tuple[Item, ...] = field(default=())


@functools.cache
def _schema() -> dict[str, Any]:
    return Agreement.model_json_schema(by_alias=True)


def sections(value: dict[str, Any]) -> list[Section]:
    """Return every clause of a document, part by part; what stands alone comes first.

    Args:
        value: The JSON value of an agreement that reads.
    """
    fields = _schema()["properties"]
    alone = [key for key in _ordered(value, fields) if key not in _TITLES]
    rows = tuple(row for key in alone for row in _rows(value[key], fields.get(key, {}), (key,), key, hints=True))
    made = [Section("page-document", "This document", "What it is called, and which version it is.", rows)]
    made += [_section(key, value[key], fields[key]) for key in _TITLES if key in value]
    return made


def _section(key: str, value: Any, told: dict[str, Any]) -> Section:
    says, kind = told.get("description", ""), _resolve(told, value)
    if key in ("parties", "purposes", "datasets", "grants"):
        entries = list(enumerate(value)) if isinstance(value, list) else list(value.items())
        items = tuple(_item(key, name, entry, _inner(kind)) for name, entry in entries)
        return Section(key, _TITLES[key], says, items=items)
    return Section(key, _TITLES[key], says, tuple(_children(value, kind, (key,), depth=0, hints=True)))


def _item(key: str, name: str | int, entry: Any, told: dict[str, Any]) -> Item:
    title = str(name)
    if key == "parties":
        title = entry["name"]
    elif key == "grants":
        title = f"Grant {name}: {entry['dataset']} for {words.listed(entry['to'])}"
    return Item(
        words.anchor((key, name)),
        words.visible(title),
        tuple(_children(entry, _resolve(told, entry), (key, name), depth=0)),
    )


def _children(value: Any, kind: dict[str, Any], path: Path, *, depth: int, hints: bool = False) -> Iterator[Row]:
    """Yield the rows of an object's members."""
    fields = kind.get("properties", {})
    for key in _ordered(value, fields):
        inner = fields.get(key) or _inner(kind)
        yield from _rows(value[key], inner, (*path, key), key, depth=depth, named=key not in fields, hints=hints)


def _rows(
    value: Any,
    told: dict[str, Any],
    path: Path,
    key: str,
    *,
    depth: int = 0,
    named: bool = False,
    hints: bool = False,
) -> Iterator[Row]:
    kind = _resolve(told, value)
    name = words.visible(key) if named else words.label(key)
    own = Row(words.anchor(path), name, named, told.get("description", "") if hints and not named else "", depth)
    if isinstance(value, dict) and value:
        yield _with(own, group=True)
        yield from _children(value, kind, path, depth=depth + 1)
    elif isinstance(value, list) and any(isinstance(entry, dict | list) for entry in value):
        yield _with(own, group=True)
        for index, entry in enumerate(value):
            yield from _rows(entry, _inner(kind), (*path, index), str(index), depth=depth + 1, named=True)
    elif isinstance(value, list) and value:
        shown = (words.shown(entry, _resolve(_inner(kind), entry)) for entry in value)
        yield _with(own, items=tuple((words.anchor((*path, index)), text) for index, text in enumerate(shown)))
    else:
        yield _with(own, value="none" if value in ([], {}) else words.shown(value, kind))


def _with(row: Row, *, value: str = "", items: tuple[tuple[str, str], ...] = (), group: bool = False) -> Row:
    return Row(row.anchor, row.label, row.named, row.hint, row.depth, value, items, group)


def _ordered(value: dict[str, Any], fields: dict[str, Any]) -> list[str]:
    """Return an object's keys as the model orders them; others follow as they stand."""
    return [*(key for key in fields if key in value), *(key for key in value if key not in fields)]


def _resolve(told: dict[str, Any], value: Any) -> dict[str, Any]:
    """Return the schema that a value is read by: references followed, of alternatives the one of its kind."""
    if "$ref" in told:
        return _resolve(_schema()["$defs"][told["$ref"].rsplit("/", maxsplit=1)[-1]], value)
    if "anyOf" in told:
        parts = [_resolve(part, value) for part in told["anyOf"]]
        wanted = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "string"
        return next((part for part in parts if part.get("type") == wanted), {})
    return told


def _inner(kind: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what a list or a map holds."""
    if "items" in kind:
        found = kind["items"]
    elif "patternProperties" in kind:
        found = next(iter(kind["patternProperties"].values()))
    else:
        found = kind.get("additionalProperties")
    return found if isinstance(found, dict) else {}
