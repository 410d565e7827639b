"""Compacted files: the rows of several extracts in one Parquet file, each still telling which extract it is from.

A compacted file holds ``service.layout``'s columns unchanged and one more, ``_extract``, whose name no column of a
dataset can have; readers name the columns they want and never see it. The file's footer lists its extracts, also those
without a row. Its name tells which version of the table it was made from: it is committed as the very next version or
never, so one that another version has overtaken is known to be rubbish.

Before a file may be committed it is read back: it must hold the same rows as the files it is made from, extract by
extract.
"""
# ruff: noqa: S608 - names are quoted by engine.name, texts by engine.literal

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.table_schema import TableSchema
from service.errors import EngineFailed
from service.intake.engine import Limits, connect, literal, name
from service.layout import WORDS, person_words, stored_columns

MEMBER = "_extract"
"""The extra column. A dataset's columns begin with a letter (``schemas.names.FieldName``)."""
PERSON_WORDS = tuple(f"word_{place}" for place in range(WORDS))
"""The columns of a list of persons: the words of a pseudonym, the most significant first."""
_FILE = "_file"
_FOOTER = "concordat_extracts"
_FORM = re.compile(r"compacted-([0-9]{1,20})-[0-9a-f]{20}\Z")
_FAILURES = (duckdb.Error, pa.ArrowException, OSError, MemoryError)
_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Compacted:
    """A compacted file, complete and synced to disk.

    Attributes:
        path: Where it lies.
        extracts: The extracts in it, in order.
        rows: Its rows.
        bytes: Its size.
    """

    path: Path
    extracts: tuple[str, ...]
    rows: int
    bytes: int


def new_name(version: int) -> str:
    """Return a name, a slug, for a file made from a version of the table: to be committed as the next, or never."""
    return f"compacted-{version}-{secrets.token_hex(10)}"


def made_from(stem: str) -> int | None:
    """Return the version that a compacted file was made from, None of any other file's name."""
    found = _FORM.match(stem)
    return int(found[1]) if found else None


def extracts_in(path: Path) -> tuple[str, ...]:
    """Return the extracts whose rows a file of the lake holds: a compacted file's list, or the extract itself.

    Raises:
        EngineFailed: the file cannot be read.
    """
    if made_from(path.stem) is None:
        return (path.stem,)
    with _told_by_type():
        footer = pq.read_metadata(path).metadata or {}
        return tuple(json.loads(footer[_FOOTER.encode()]))


def merge(sources: Sequence[Path], schema: TableSchema, target: Path, spill: Path, limits: Limits) -> Compacted:
    """Write the rows of several files into one, each person's rows side by side; records keep the files' order.

    Args:
        sources: Files of extracts and compacted files, all in the target's folder, of the schema's layout.
        schema: The dataset's schema.
        target: Where to write; what is there after a failure is for the caller to remove.
        spill: A private folder for what does not fit into memory.
        limits: Memory and threads.

    Raises:
        EngineFailed: a file is gone or unreadable, or memory or disk gave out. Tells no value.
    """
    columns = [column.name for column in stored_columns(schema)]
    extracts = tuple(extract for source in sources for extract in extracts_in(source))
    words = ", ".join(name(word) for word in person_words(schema))
    order = f" ORDER BY {words}" if words else ""
    return _made(_rows(sources, columns), order, columns, extracts, target, spill, limits)


def erased(
    sources: Sequence[Path], schema: TableSchema, words: Path, target: Path, spill: Path, limits: Limits
) -> Compacted:
    """Write the rows of several files into one as ``merge`` does, without those of the persons in a list.

    Every row is read and written, whoever is listed, so that neither time nor size tells whether a person was there.

    Args:
        sources: As ``merge``.
        schema: The schema of a person dataset.
        words: A Parquet file of the persons, with the columns ``PERSON_WORDS``; no person twice.
        target: As ``merge``.
        spill: As ``merge``.
        limits: As ``merge``.

    Raises:
        EngineFailed: as ``merge``.
    """
    columns = [column.name for column in stored_columns(schema)]
    extracts = tuple(extract for source in sources for extract in extracts_in(source))
    own = person_words(schema)
    same = " AND ".join(f"held.{name(mine)} = gone.{name(word)}" for mine, word in zip(own, PERSON_WORDS, strict=True))
    listed = f"read_parquet({_plain(words)}, hive_partitioning = false)"
    rows = f"SELECT held.* FROM ({_rows(sources, columns)}) AS held ANTI JOIN {listed} AS gone ON {same}"
    order = f" ORDER BY {', '.join(map(name, own))}"
    return _made(rows, order, columns, extracts, target, spill, limits, words.parent)


def without(source: Path, gone: Collection[str], target: Path, spill: Path, limits: Limits) -> Compacted | None:
    """Write a compacted file again, in its order, without the rows of some of its extracts.

    Returns:
        What was written; None, and no file, where no extract is left.

    Raises:
        EngineFailed: as ``merge``.
    """
    left = tuple(other for other in extracts_in(source) if other not in gone)
    if not left:
        return None
    with _told_by_type():
        columns = [column for column in pq.read_schema(source).names if column != MEMBER]
    kept = f"{name(MEMBER)} NOT IN ({', '.join(map(literal, gone))})"
    rows = f"SELECT * FROM ({_rows([source], columns)}) WHERE {kept}"
    return _made(rows, "", columns, left, target, spill, limits)


def _made(
    rows: str,
    order: str,
    columns: Sequence[str],
    extracts: tuple[str, ...],
    target: Path,
    spill: Path,
    limits: Limits,
    *more: Path,
) -> Compacted:
    footer = f"KV_METADATA {{{_FOOTER}: {literal(json.dumps(extracts))}}}"
    with _told_by_type():
        with connect((target.parent, *more), spill, limits, keep_order=True) as connection:
            connection.execute(f"COPY ({rows}{order}) TO {literal(str(target))} (FORMAT parquet, {footer})")
            wanted = _digests(connection, rows, columns)
            found = _digests(connection, _rows([target], columns), columns)
        if found != wanted or not set(found) <= set(extracts):
            raise EngineFailed("a compacted file does not hold the rows that it was made from")
        for path in (target, target.parent):
            sync(path)
        return Compacted(target, extracts, sum(count for count, _ in found.values()), target.stat().st_size)


def _rows(sources: Iterable[Path], columns: Sequence[str]) -> str:
    """Return SQL for the rows of files with the extract that each is from."""
    single = [path for path in sources if made_from(path.stem) is None]
    parts = []
    listed = ", ".join(name(column) for column in columns)
    for paths, member in (
        (single, f"parse_filename({name(_FILE)}, true)"),
        ([path for path in sources if path not in set(single)], name(MEMBER)),
    ):
        if paths:
            files = ", ".join(_plain(path) for path in paths)
            read = f"read_parquet([{files}], hive_partitioning = false, filename = {literal(_FILE)})"
            parts.append(f"SELECT {listed}, {member} AS {name(MEMBER)} FROM {read}")
    return " UNION ALL ".join(parts)


def _digests(connection: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return each extract's number of rows and a sum of their hashes, which no order changes."""
    listed = ", ".join(name(column) for column in columns)
    query = f"SELECT {name(MEMBER)}, count(*), sum(hash({listed})) FROM ({rows}) GROUP BY ALL"
    return {extract: (int(count), int(total)) for extract, count, total in connection.execute(query).fetchall()}


def _plain(path: Path) -> str:
    """Quote a path.

    Raises:
        RuntimeError: DuckDB would read it as a pattern.
    """
    if _GLOB & set(str(path)):
        raise RuntimeError("a file of the lake has no wildcards in its path")
    return literal(str(path))


@contextmanager
def _told_by_type() -> Iterator[None]:
    """Let no error's text out: it may quote a cell."""
    try:
        yield
    except _FAILURES as error:
        raise EngineFailed(f"stored rows could not be rewritten ({type(error).__name__})") from None


def sync(path: Path) -> None:
    """Bring a file, or a folder's names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
