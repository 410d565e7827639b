"""Purposes: a grant for one covers the narrower ones, so where a purpose stands in the hierarchy decides."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.agreement import Agreement
from schemas.diff.change import Change, Effect
from schemas.diff.prose import differences, without


def compare(old: Agreement, new: Agreement) -> Iterator[Change]:
    """Yield what changed among the purposes."""
    for name in sorted({*old.purposes, *new.purposes}):
        path = f"purposes/{name}"
        if name not in old.purposes:
            parent = new.purposes[name].parent
            within = f", a part of {parent}, whose grants cover it" if parent is not None else ""
            words = f"{name} is a new purpose{within}: {new.purposes[name].description}"
            yield Change(path, "added", words, "neutral" if parent is None else "widens")
        elif name not in new.purposes:
            yield Change(path, "removed", f"{name} is no longer a purpose: nothing may be asked for it", "narrows")
        else:
            yield from _purpose(path, name, old, new)


def _purpose(path: str, name: str, old: Agreement, new: Agreement) -> Iterator[Change]:
    before, after = old.purposes[name].parent, new.purposes[name].parent
    if before != after:
        was, now = (f"a part of {item}" if item is not None else "a purpose of its own" for item in (before, after))
        yield Change(f"{path}/parent", "changed", f"{name} was {was}, is now {now}", _moved(name, old, new))
    told, tells = (without(agreement.purposes[name], "parent") for agreement in (old, new))
    yield from differences(f"purpose {name}", path, told, tells)


def _moved(name: str, old: Agreement, new: Agreement) -> Effect:
    """A purpose with a wider one that it had not is covered by more grants."""
    return "widens" if set(new.wider(name)) - set(old.wider(name)) else "narrows"
