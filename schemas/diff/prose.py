"""Clauses that people read and the broker does not act on: each part that differs, at its path, neutral."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from schemas.calendar import Duration
from schemas.canonical import canonical
from schemas.diff.change import Change, Rule, neutral

_SHOWN = 160
_BEFORE = 40


def plain(value: Any) -> Any:
    """Return a clause as JSON values, sets of names sorted, without what is absent."""
    if isinstance(value, BaseModel):
        named = {field.alias or name: getattr(value, name) for name, field in type(value).model_fields.items()}
        return plain(named | (value.model_extra or {}))
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, tuple | list):
        items = [plain(item) for item in value]
        return sorted(items) if all(isinstance(item, str) for item in items) else items
    return str(value) if isinstance(value, Duration | Decimal | date) else value


def without(clause: BaseModel, *names: str) -> dict[str, Any]:
    """Return a clause as JSON values, without some of its parts."""
    return {name: item for name, item in plain(clause).items() if name not in names}


def differences(label: str, path: str, old: Any, new: Any, rule: Rule = neutral) -> Iterator[Change]:
    """Yield each part that differs between two clauses, as ``plain`` returns them.

    Args:
        label: What people call the clause.
        path: Where it stands.
        old: What was there, None for nothing.
        new: What is there, None for nothing.
        rule: The effect of each part that differs.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from differences(
                f"{label}, {name.replace('_', ' ')}", f"{path}/{name}", old.get(name), new.get(name), rule
            )
    elif old is None and new is not None:
        yield Change(path, "added", f"{label} is new: {_quoted(new)}", rule(old, new))
    elif new is None and old is not None:
        yield Change(path, "removed", f"{label} is left out; it was {_quoted(old)}", rule(old, new))
    elif _text(old) != _text(new):
        before, after = _apart(_text(old), _text(new))
        yield Change(path, "changed", f"{label} was “{before}”, is now “{after}”", rule(old, new))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return canonical(value).decode()


def _quoted(value: Any) -> str:
    text = _text(value)
    return f"“{text}”" if len(text) <= _SHOWN else f"“{text[:_SHOWN]}…”"


def _apart(old: str, new: str) -> tuple[str, str]:
    """Cut two long texts so that where they part is shown."""
    if max(len(old), len(new)) <= _SHOWN:
        return old, new
    parting = next((at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, parting - _BEFORE)
    return _cut(old, start), _cut(new, start)


def _cut(text: str, start: int) -> str:
    return ("…" if start else "") + text[start : start + _SHOWN] + ("…" if start + _SHOWN < len(text) else "")
