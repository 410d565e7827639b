"""Statements that stand in the way of every request, compiled once and run on the driver's own cursor.

SQLAlchemy looks a statement up, binds and wraps it anew at each execution, which takes longer than the statement
itself: a preview runs ten of them. What is compiled is SQLAlchemy's text for the dialect; transactions stay with
``database.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement

Values = Mapping[str, Any]
_NOTHING: Values = {}


class Prepared:
    """A statement with named parameters, none of which expands to several."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, Values]] = {}

    def first(self, connection: Connection, values: Values = _NOTHING) -> tuple[Any, ...] | None:
        """Return the first row, None where there is none."""
        cursor = self._run(connection, values)
        try:
            row: tuple[Any, ...] | None = cursor.fetchone()
        finally:
            cursor.close()
        return row

    def scalar(self, connection: Connection, values: Values = _NOTHING) -> Any:
        """Return the one value of the first row.

        Raises:
            RuntimeError: there is no row.
        """
        row = self.first(connection, values)
        if row is None:
            raise RuntimeError("the statement has a row")
        return row[0]

    def all(self, connection: Connection, values: Values = _NOTHING) -> list[tuple[Any, ...]]:
        """Return all rows."""
        cursor = self._run(connection, values)
        try:
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        finally:
            cursor.close()
        return rows

    def many(self, connection: Connection, values: Sequence[Values]) -> None:
        """Run the statement once for each set of values."""
        text, names, fixed = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(text, [_bound(names, fixed, item) for item in values])
        finally:
            cursor.close()

    def _run(self, connection: Connection, values: Values) -> Any:
        text, names, fixed = self._for(connection.dialect)
        cursor: Any = connection.connection.cursor()
        cursor.execute(text, _bound(names, fixed, values))
        return cursor

    def _for(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, Values]:
        held = self._compiled.get(dialect.name)
        if held is None:
            if not isinstance(self._statement, ClauseElement):
                raise TypeError("a statement is compiled to text")
            made: Any = self._statement.compile(dialect=dialect)
            names = tuple(made.positiontup) if made.positional else None
            fixed = {name: value for name, value in made.params.items() if value is not None}
            held = self._compiled[dialect.name] = (str(made), names, fixed)
        return held


def _bound(names: tuple[str, ...] | None, fixed: Values, values: Values) -> Any:
    """Return a statement's values as the driver takes them: by place or by name, with those it was written with."""
    if names is None:
        return {**fixed, **values}
    return [values[name] if name in values else fixed[name] for name in names]
