"""How a JSON-LD document of our own shape is read: each step says where it found another shape, and no value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.errors import DocumentError

Json = dict[str, Any]


def other_shape(path: str, detail: str) -> DocumentError:
    """Return the error of a place that has not the shape Concordat exports."""
    return DocumentError("odrl_shape", f"{detail}; Concordat reads back what it exports and no other JSON-LD", path)


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object and where it stands."""

    value: Json
    path: str

    @classmethod
    def of(cls, value: Any, path: str) -> Node:
        """Take a value as an object.

        Raises:
            DocumentError: ``odrl_shape``, as from every method below.
        """
        if not isinstance(value, dict):
            raise other_shape(path, "an object is expected")
        return cls(value, path)

    def at(self, key: str) -> str:
        """Return where a member stands."""
        return f"{self.path}/{key}" if self.path else key

    def get(self, key: str) -> Any:
        """Return a member that must be there."""
        if key not in self.value:
            raise other_shape(self.at(key), "this member is missing")
        return self.value[key]

    def node(self, key: str) -> Node:
        """Return a member that is an object."""
        return Node.of(self.get(key), self.at(key))

    def text(self, key: str) -> str:
        """Return a member that is a text, or the text of a typed literal."""
        value = self.get(key)
        if isinstance(value, dict):
            value = value.get("@value")
        if not isinstance(value, str):
            raise other_shape(self.at(key), "a text is expected")
        return value

    def items(self, key: str) -> list[Any]:
        """Return a list that must be there."""
        value = self.get(key)
        if not isinstance(value, list):
            raise other_shape(self.at(key), "a list is expected")
        return value

    def nodes(self, key: str) -> Iterator[Node]:
        """Return a list's objects; none where the list is not there."""
        for index, value in enumerate(self.items(key) if key in self.value else ()):
            yield Node.of(value, f"{self.at(key)}/{index}")

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        found = self.items(key)
        if not all(isinstance(item, str) for item in found):
            raise other_shape(self.at(key), "texts are expected")
        return found

    def only(self, key: str, what: str) -> str:
        """Return the one text of a list of one."""
        found = self.texts(key)
        if len(found) != 1:
            raise other_shape(self.at(key), f"one {what} is expected")
        return found[0]

    def types(self) -> list[str]:
        """Return the node's types."""
        value = self.get("@type")
        return [value] if isinstance(value, str) else self.texts("@type")

    def constraints(self, left: str, operator: str | None = None, key: str = "constraint") -> list[Node]:
        """Return the constraints with a left operand, and an operator where one is named."""
        return [
            found
            for found in self.nodes(key)
            if found.text("leftOperand") == left and operator in (None, found.text("operator"))
        ]

    def constraint(self, left: str, operator: str | None = None, key: str = "constraint") -> Node:
        """Return the first such constraint, which must be there."""
        found = self.constraints(left, operator, key)
        if not found:
            raise other_shape(self.at(key), f"no constraint on {left}")
        return found[0]

    def members(self) -> list[str]:
        """Return the texts of a constraint's list, or the IRIs where it names things."""
        listed = self.node("rightOperand")
        items = listed.items("@list")
        found = [item.get("@id") if isinstance(item, dict) else item for item in items]
        texts = [item for item in found if isinstance(item, str)]
        if len(texts) != len(items):
            raise other_shape(listed.at("@list"), "texts or names are expected")
        return texts

    def said(self, **terms: str) -> Json:
        """Return by document key the members that are there, each read from its term."""
        return {key: self.value[term] for key, term in terms.items() if term in self.value}

    def left_out(self) -> list[str]:
        """Return the keys that the document leaves to their default."""
        return self.texts("leftOut") if "leftOut" in self.value else []

    def finish(self, made: Json) -> Json:
        """Return what was read, with what is kept as written put back."""
        if "asWritten" in self.value:
            _put_back(made, self.node("asWritten"))
        return made


def _put_back(made: Json, written: Node) -> None:
    for key, value in written.value.items():
        if isinstance(value, dict) and isinstance(made.get(key), dict):
            _put_back(made[key], Node(value, written.path))
        elif key in made:
            raise other_shape(written.path, "a key is said twice")
        else:
            made[key] = value
