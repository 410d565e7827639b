"""The DuckDB that reads one pushed file, or compacts stored ones: small, private to its task, and shut in.

It may touch the folders that it is given only, cannot load extensions, and its settings cannot be changed
by anything it reads. Its errors may quote cells, so no caller passes their text on. Its spill files are plain
(this DuckDB encrypts them only with an extension), in a folder of their own that goes with the connection.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

SPILL_PREFIX = "spill-"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one push may use.

    Attributes:
        memory_mb: DuckDB's memory; the rest of a push needs little.
        threads: DuckDB's threads.
        rows: Most rows of one extract.
        line_bytes: Longest line of CSV or NDJSON.
        block_bytes: Largest Parquet row group, unpacked, or Arrow record batch.
    """

    memory_mb: int = 208
    threads: int = 2
    rows: int = 50_000_000
    line_bytes: int = 1 << 20
    block_bytes: int = 256 << 20


@contextmanager
def connect(
    folders: tuple[Path, ...], spill: Path, limits: Limits, *, keep_order: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection that can reach nothing but ``folders``.

    Args:
        folders: Where it may read and write.
        spill: Under this folder it spills what does not fit into memory.
        limits: Memory and threads.
        keep_order: Whether rows are written in the order in which they are read.
    """
    private = Path(tempfile.mkdtemp(prefix=SPILL_PREFIX, dir=spill))
    connection = duckdb.connect()
    try:
        allowed = ", ".join(literal(str(folder.resolve())) for folder in folders)
        for setting in (
            f"memory_limit = '{limits.memory_mb}MB'",
            f"threads = {limits.threads}",
            f"temp_directory = {literal(str(private))}",
            "enable_progress_bar = false",
            f"preserve_insertion_order = {str(keep_order).lower()}",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            f"allowed_directories = [{allowed}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {setting}")
        yield connection
    finally:
        connection.close()
        shutil.rmtree(private, ignore_errors=True)


def literal(text: str) -> str:
    """Quote a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """Quote a name for SQL."""
    return '"' + text.replace('"', '""') + '"'
