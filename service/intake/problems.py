"""What an extract breaks, gathered while it is read: rules, columns, counts and rows, never a value.

Every word that leaves this module is Concordat's own: rule names, their explanations, and the names of the
schema's columns. The names of columns that the schema does not know may be data (a file without a header), so
they are told by their place, as ``#3``; unless they are plain words that say what identifiers the column holds, as
``Postcode``, which its sender needs to see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from service.errors import Finding

FIRST_ROWS = 5
MAX_SAMPLES = 10_000
"""Distinct offending cells of a column that are kept to be judged for identifiers."""
MAX_SAMPLE = 1000
"""So much of each is kept."""

_PLAIN_WORDS = re.compile(r"[A-Za-z][A-Za-z _/()&-]{0,63}\Z")

RULES = {
    "malformed_csv": "not CSV by RFC 4180 in UTF-8: one kind of line end, as many cells as names",
    "malformed_ndjson": "not one JSON object a line in UTF-8, every key once, every line short",
    "malformed_parquet": "not a Parquet file that can be read within the limits",
    "malformed_arrow": "not an uncompressed Arrow stream that can be read within the limits",
    "block_too_large": "a row group or record batch is too large: write more and smaller ones",
    "too_many_rows": "more rows than one extract may have: push it in parts",
    "missing_column": "the schema has this column, the extract does not",
    "unknown_column": "the schema has no such column; its place is told unless its name is plainly of an identifier",
    "duplicate_column": "the column stands more than once",
    "wrong_type": "the value has a type that the column's kind does not allow",
    "required": "the cell is empty",
    "pseudonym": "not 64 lowercase hex digits",
    "flag": "not true or false",
    "date": "not a day written YYYY-MM-DD",
    "code": "not a code of the column's list or form",
    "integer": "not a whole number in plain digits",
    "decimal": "not a number in plain digits with at most the column's decimals",
    "range": "outside the column's minimum and maximum",
    "outside_period": "outside the period that the push says it covers",
    "unlinked_repeated": "an unlinked row's pseudonym stands on another row too; it must be a one-off",
}
"""Every rule with its explanation; ``identifier:<name>`` comes besides."""


_OF_HEADERS = frozenset({"missing_column", "unknown_column", "duplicate_column"})
"""Rules that a column breaks as a whole, which tell nothing of how many of its cells do."""


class Identifiers(Protocol):
    """What can tell identifiers of persons; ``schemas.identifiers`` is one."""

    def judge_header(self, name: str) -> tuple[str, ...]:
        """Return what a column's name says it holds."""
        ...

    def judge_column(self, values: Iterable[str | None]) -> tuple[str, ...]:
        """Return the names of the identifiers that these cells of a column hold."""
        ...


@dataclass(slots=True)
class _Seen:
    count: int = 0
    rows: list[int] = field(default_factory=list)

    def add(self, count: int, rows: Iterable[int]) -> None:
        self.count += count
        self.rows = sorted({*self.rows, *rows})[:FIRST_ROWS]


class Problems:
    """Gathers what is broken, and samples of the offending cells, which never leave."""

    def __init__(self) -> None:
        """Start with nothing broken."""
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._samples: dict[str, dict[str, None]] = {}
        self._headers: dict[str, str] = {}
        self._shown: dict[str, str] = {}
        self._strays: dict[str, _Seen] = {}

    def __bool__(self) -> bool:
        """Tell whether anything is broken."""
        return bool(self._seen)

    def add(self, rule: str, column: str = "", *, count: int = 1, rows: Iterable[int] = ()) -> None:
        """Note that ``count`` rows break a rule; ``rows`` are the first of them, counted from 1."""
        if rule not in RULES:
            raise RuntimeError("a rule needs an explanation")
        self._seen.setdefault((rule, column), _Seen()).add(count, rows)

    def sample(self, column: str, cells: Iterable[str | None]) -> None:
        """Keep offending cells of a column to be judged."""
        kept = self._samples.setdefault(column, {})
        for cell in cells:
            if len(kept) >= MAX_SAMPLES:
                return
            if cell:
                kept[cell[:MAX_SAMPLE]] = None

    def stray(self, column: str, count: int, rows: Iterable[int]) -> None:
        """Note how many cells of a column that the schema does not know hold something, and in which first rows."""
        self._strays.setdefault(column, _Seen()).add(count, rows)

    def header(self, place: str, name: str) -> None:
        """Keep a column's name to be judged; ``place`` is what may be told of it."""
        self._headers[place] = name

    def judge(self, identifiers: Identifiers) -> None:
        """Add ``identifier:<name>`` for each name and each sampled column that holds identifiers."""
        for place, name in self._headers.items():
            kinds = identifiers.judge_header(name)
            if kinds and _PLAIN_WORDS.match(name):
                self._shown[place] = name
            for kind in kinds:
                self._identifier(kind, place, self._strays.get(place, _Seen()))
        for column, cells in self._samples.items():
            for kind in identifiers.judge_column(cells):
                broken = _Seen()
                for (rule, other), seen in tuple(self._seen.items()):
                    if other == column and rule not in _OF_HEADERS and not rule.startswith("identifier:"):
                        broken.add(seen.count, seen.rows)
                self._identifier(kind, column, self._strays.get(column, broken))

    def _identifier(self, kind: str, column: str, broken: _Seen) -> None:
        self._seen[f"identifier:{kind}", column] = _Seen(max(broken.count, 1), list(broken.rows))

    def findings(self) -> tuple[Finding, ...]:
        """Return the findings, identifiers first, then in the order in which they were met."""
        order = sorted(self._seen.items(), key=lambda item: not item[0][0].startswith("identifier:"))
        return tuple(
            Finding(
                rule=rule,
                column=self._shown.get(column, column),
                count=seen.count,
                rows=tuple(seen.rows),
                detail=_words(rule),
            )
            for (rule, column), seen in order
        )


def _words(rule: str) -> str:
    kind, found, name = rule.partition(":")
    if found and kind == "identifier":
        return f"it seems to hold this identifier: {name}; such columns are never sent"
    return RULES[rule]
