"""One change, and the rules that tell its effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from schemas.calendar import Duration

Effect = Literal["widens", "narrows", "neutral"]
Kind = Literal["added", "removed", "changed"]
Rule = Callable[[Any, Any], Effect]
"""Takes what was and what is, which differ; None where there is nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        path: Its place in the new document; in the old one where it was removed.
        kind: ``added``, ``removed`` or ``changed``.
        words: What changed, for people.
        effect: Whether more or less may be asked, spent or kept.
    """

    path: str
    kind: Kind
    words: str
    effect: Effect

    def as_json(self) -> dict[str, str]:
        """Return it in the shape of the API."""
        return {"path": self.path, "kind": self.kind, "words": self.words, "effect": self.effect}


# --- rules


def neutral(_: Any, __: Any) -> Effect:
    """Nothing that the broker decides depends on it."""
    return "neutral"


def any_widens(_: Any, __: Any) -> Effect:
    """Whether it allows more cannot be told from the documents, so people have to look."""
    return "widens"


def more_widens(old: Any, new: Any) -> Effect:
    """More of it allows more."""
    return "widens" if new > old else "narrows"


def more_narrows(old: Any, new: Any) -> Effect:
    """More of it allows less."""
    return "narrows" if new > old else "widens"


def limit(old: int | None, new: int | None) -> Effect:
    """A limit: None is no limit, a lower one allows less."""
    if new is None:
        return "widens"
    return "narrows" if old is None or new < old else "widens"


def longer_widens(old: Duration, new: Duration) -> Effect:
    """A longer time allows more; one that is longer or shorter by the month widens."""
    return "narrows" if new.months <= old.months and new.days <= old.days else "widens"


def longer_narrows(old: Duration, new: Duration) -> Effect:
    """A longer time allows less; one that is longer or shorter by the month widens."""
    return "narrows" if new.months >= old.months and new.days >= old.days else "widens"


# --- words


def listed(items: Iterable[str]) -> str:
    """Return names as ``a, b and c``."""
    *first, last = sorted(items) or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def value(label: str, path: str, old: Any, new: Any, rule: Rule) -> Iterator[Change]:
    """Yield the change of one value that both documents state, if it changed."""
    if old != new:
        yield Change(path, "changed", f"{label} was {old}, is now {new}", rule(old, new))


def members(path: str, old: Iterable[str], new: Iterable[str], gains: str, loses: str, rule: Rule) -> Iterator[Change]:
    """Yield what joined and what left a set of names.

    Args:
        path: Where the set stands.
        old: What was in it.
        new: What is in it.
        gains: Words for what joined, with ``{}`` for the names.
        loses: Words for what left.
        rule: Of how many there were and are: ``more_widens`` or ``more_narrows``.
    """
    before, after = set(old), set(new)
    if after - before:
        yield Change(path, "added", gains.format(listed(after - before)), rule(0, 1))
    if before - after:
        yield Change(path, "removed", loses.format(listed(before - after)), rule(1, 0))
