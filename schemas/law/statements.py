"""When a statement says something: a dash, "None." or "n/a" is put down to fill a field, and is read as nothing."""

from __future__ import annotations

from collections.abc import Mapping

_STATEMENT = ("words", "post")
"""The members in which an object of the document, such as a contact, says what the rest of it is about."""
_NOTHING = frozenset(
    {"", "blank", "na", "nil", "none", "nothing", "notapplicable", "tba", "tbc", "tbd", "tobeconfirmed", "tobedecided"}
)


def says(value: object) -> bool:
    """Whether a value of the document says something.

    Args:
        value: A part of the document as JSON. A text says something unless its letters and digits are none, or those
            of a word for nothing; an object does if its statement does, or any part where it has none.
    """
    if isinstance(value, str):
        return "".join(sign for sign in value.casefold() if sign.isalnum()) not in _NOTHING
    if isinstance(value, Mapping):
        statement = [value[key] for key in _STATEMENT if key in value]
        return all(map(says, statement)) if statement else any(map(says, value.values()))
    if isinstance(value, list | tuple):
        return any(map(says, value))
    return bool(value)
