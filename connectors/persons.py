"""Whom an erasure is about, as an agency lists them: pseudonyms, or identifiers that become pseudonyms here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from connectors.errors import LocalError
from connectors.pseudonymise import IdType, Pseudonymiser
from schemas.erasure import MAX_PERSONS
from schemas.errors import DocumentError

_PSEUDONYM = re.compile(r"[0-9a-f]{64}\Z")
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Persons:
    """Pseudonyms, each once.

    Attributes:
        pseudonyms: In the order in which they were listed.
        repeated: How many lines named somebody again.
    """

    pseudonyms: tuple[str, ...]
    repeated: int


def read_persons(
    lines: Iterable[str], pseudonymiser: Pseudonymiser | None = None, id_type: IdType | None = None
) -> Persons:
    """Read a list of persons, one a line; empty lines count as none.

    Args:
        lines: Pseudonyms; identifiers where ``pseudonymiser`` and ``id_type`` are given.
        pseudonymiser: Makes pseudonyms of identifiers, which stay on this machine.
        id_type: What kind of identifier they are.

    Raises:
        LocalError: ``bad_persons``: lines that name nobody, told by their numbers and never by what they hold; nobody
            at all; or more than ``MAX_PERSONS``.
    """
    found: dict[str, None] = {}
    bad, named = [], 0
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        named += 1
        pseudonym = _pseudonym(text, pseudonymiser, id_type)
        if pseudonym is None:
            bad.append(number)
        else:
            found[pseudonym] = None
    if bad:
        shown = ", ".join(map(str, bad[:_SHOWN])) + (", ..." if len(bad) > _SHOWN else "")
        what = "pseudonyms, 64 lowercase hex digits" if id_type is None else f"valid as {id_type}"
        raise LocalError("bad_persons", f"{len(bad)} lines are not {what}: {shown}")
    if not 1 <= len(found) <= MAX_PERSONS:
        raise LocalError("bad_persons", f"an erasure names 1 to {MAX_PERSONS} persons, not {len(found)}")
    return Persons(tuple(found), named - len(found))


def _pseudonym(text: str, pseudonymiser: Pseudonymiser | None, id_type: IdType | None) -> str | None:
    if pseudonymiser is None or id_type is None:
        return text if _PSEUDONYM.match(text) else None
    try:
        return pseudonymiser.pseudonym(text, id_type)
    except DocumentError:
        return None
