"""How objects of the document are said: key by key, with what no term says kept as it was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]


class Source:
    """One object of the document, of which each key is taken once.

    What nobody takes is the residue: what is written but says nothing (``null``, an empty list or object), and keys
    that are the parties' own.

    Attributes:
        there: Whether there is an object at all.
    """

    def __init__(self, value: Any) -> None:
        """Start with everything yet to be said; what is no object has nothing to say."""
        self.there = isinstance(value, dict)
        self._left: Json = dict(value) if isinstance(value, dict) else {}
        self._keys = len(self._left)
        self._children: dict[str, Source] = {}
        self._left_out: list[str] = []

    def take(self, key: str) -> Any:
        """Return a key's value and count it as said; None where it says nothing, which then stays as written."""
        value = self._left.get(key)
        if value is None or value in ([], {}):
            return None
        return self._left.pop(key)

    def or_default(self, key: str, default: Any) -> Any:
        """Return a key's value, or the default that holds where it is left out, which is noted."""
        if key not in self._left:
            self._left_out.append(key)
            return default
        return self._left.pop(key)

    def if_true(self, key: str) -> bool:
        """Tell whether a flag is set; one that is written as not set stays as written."""
        if self._left.get(key) is not True:
            return False
        del self._left[key]
        return True

    def child(self, key: str) -> Source:
        """Return an inner object, empty where there is none; what is left of it is told with this one's."""
        made = self._children[key] = Source(self._left.get(key))
        if made.there:
            del self._left[key]
        return made

    def finish(self, node: Mapping[str, Any]) -> Json:
        """Return a node with the residue and what was left out noted on it."""
        residue, left_out = self.residue(), self.omitted()
        return {**node} | ({"asWritten": residue} if residue else {}) | ({"leftOut": left_out} if left_out else {})

    def says(self, residue: Json) -> bool:
        """Whether something was said but for a residue, so that reading makes the object again."""
        return len(residue) < self._keys

    def residue(self) -> Json:
        """Return what nobody took."""
        found = dict(self._left)
        for key, made in self._children.items():
            inner = made.residue()
            if made.there and (inner or not made.says(inner)):
                found[key] = inner
        return found

    def omitted(self) -> list[str]:
        """Return the keys left to their default, by path."""
        inner = [f"{key}/{name}" for key, made in self._children.items() for name in made.omitted()]
        return [*self._left_out, *inner]


def optional(source: Source, **terms: str) -> Json:
    """Return what a source says of some keys, by the term of each; nothing of those it says nothing of."""
    found = {term: source.take(key) for key, term in terms.items()}
    return {term: value for term, value in found.items() if value is not None}


def constraint(left: str, operator: str, right: Any, **more: Any) -> Json:
    """Return an ODRL constraint; ``left`` and ``operator`` are compact IRIs."""
    made = {"@type": "odrl:Constraint", "leftOperand": left, "operator": operator, "rightOperand": right}
    return made | more


def any_of(left: str, members: Iterable[Any], **more: Any) -> Json:
    """Return the constraint that a value is one of a list's members: texts, or nodes that name something."""
    return constraint(left, "odrl:isAnyOf", {"@list": list(members)}, **more)


def typed(text: str, kind: str) -> Json:
    """Return a text as a typed literal, such as of ``xsd:date``."""
    return {"@value": text, "@type": kind}


def day(text: str) -> Json:
    """Return a date as a literal."""
    return typed(text, "xsd:date")


def duration(text: str) -> Json:
    """Return an ISO 8601 duration as a literal."""
    return typed(text, "xsd:duration")


def number(text: str) -> Json:
    """Return a decimal as a literal, digit by digit as it is written; ``xsd:decimal`` knows no exponent."""
    return typed(text, "xsd:double" if "e" in text.lower() else "xsd:decimal")


def references(iris: Iterable[str]) -> list[Json]:
    """Return nodes that name things."""
    return [{"@id": iri} for iri in iris]
