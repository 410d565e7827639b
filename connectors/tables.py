"""CSV files as agencies have them: read plain or gzipped, mapped row by row, misfits counted."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from connectors.whole_file import whole_file
from schemas.errors import DocumentError

_MAX_ROWS_NAMED = 1_000
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class Problem:
    """One kind of misfit: in how many rows, and the numbers of the first thousand. The header is row 1."""

    count: int = 0
    rows: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What became of a file: rows written, which are all that there were, and misfits by name."""

    rows: int = 0
    problems: dict[str, Problem] = field(default_factory=dict)

    def note(self, problem: str, row: int) -> None:
        """Count a misfit."""
        found = self.problems.setdefault(problem, Problem())
        found.count += 1
        if len(found.rows) < _MAX_ROWS_NAMED:
            found.rows.append(row)

    def count(self, problem: str) -> int:
        """Return in how many rows a misfit was."""
        return self.problems[problem].count if problem in self.problems else 0


def slug(label: str) -> str:
    """Turn a label into a code: ``Anti-social behaviour`` into ``anti-social-behaviour``."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


@contextmanager
def table(path: Path) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    """Open a CSV file with a header, gzipped or not, as its header and its numbered rows.

    Raises:
        DocumentError: ``bad_header``, ``ragged_row``, ``not_csv``, ``not_utf8`` or ``not_gzip``; no cell is
            shown.
    """
    with _open(path) as text:
        reader = csv.reader(text, strict=True)
        try:
            header = next(reader, [])
            if not header or len(set(header)) != len(header):
                raise DocumentError("bad_header", "the file needs a header that names every column differently")
            yield header, _even(reader, len(header))
        except csv.Error:
            raise DocumentError("not_csv", f"line {reader.line_num} is not CSV") from None
        except UnicodeDecodeError:
            raise DocumentError("not_utf8", "the file is not UTF-8") from None
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise DocumentError("not_gzip", "the compressed file is damaged") from None


def _open(path: Path) -> IO[str]:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    if packed:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _even(reader: Iterable[list[str]], width: int) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(reader, start=2):
        if len(row) != width:
            raise DocumentError("ragged_row", f"row {number} has {len(row)} cells, the header {width}")
        yield number, row


def places(header: Sequence[str], names: Iterable[str]) -> list[int]:
    """Return where the columns stand.

    Raises:
        DocumentError: ``missing_column``.
    """
    for name in names:
        if name not in header:
            raise DocumentError("missing_column", "the file lacks this column", name)
    return [header.index(name) for name in names]


def convert(
    source: Path,
    target: Path,
    columns: Sequence[str],
    mapper: Callable[[Sequence[str], Report], Callable[[int, list[str]], Sequence[str]]],
) -> Report:
    """Write ``source`` mapped row by row to ``target``, which appears whole or not at all.

    Args:
        source: CSV with a header, gzipped or not.
        target: The new CSV file.
        columns: Its header.
        mapper: Given the source's header and the report, returns what maps a numbered row.

    Raises:
        DocumentError: as `table`, and whatever the mapper finds.
    """
    report = Report()
    with table(source) as (header, rows), whole_file(target) as out:
        map_row = mapper(header, report)
        write = csv.writer(out, lineterminator="\r\n").writerow
        write(columns)
        for number, row in rows:
            write(map_row(number, row))
            report.rows += 1
    return report
