"""Lists of the persons that are being erased: small Parquet files beside an agreement's tables, of stored words.

They lie in the lake, so that every broker over it can complete an erasure, and not in the control database, whose
pages, write-ahead log and backups keep what was deleted. No table's folder begins with a dot, and no file of a table
ends in ``.list``, so nothing takes them for records. A purge of the agreement takes them along.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from service.intake.erasure_ports import PersonList
from service.intake.pseudonym import words
from service.storage.compacted import PERSON_WORDS, sync

_FOLDER = ".erasing"
_SUFFIX = ".list"


def path_of(agreement: Path, erasure: str) -> Path:
    """Return where an erasure's list lies in the folder of its agreement."""
    return agreement / _FOLDER / f"{erasure}{_SUFFIX}"


def write(path: Path, persons: Sequence[str]) -> None:
    """Write a list, whole or not at all, and bring it to disk."""
    for folder in (path.parent.parent, path.parent):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            sync(folder.parent)
    columns = zip(*map(words, persons), strict=True)
    table = pa.table({name: pa.array(column, pa.int64()) for name, column in zip(PERSON_WORDS, columns, strict=True)})
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        pq.write_table(table, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync(path.parent)


def remove(path: Path) -> None:
    """Remove a list; nothing where there is none. Its folder stays, as another erasure may be about to use it."""
    for file in (path, path.with_suffix(".new")):
        file.unlink(missing_ok=True)
    with suppress(FileNotFoundError):  # the agreement was purged, its folder with it
        sync(path.parent)


def found(root: Path) -> Iterator[PersonList]:
    """Find the lists under the lake's folder, also those that were never written to their end."""
    for path in sorted(root.glob(f"*/{_FOLDER}/*")):
        with suppress(FileNotFoundError):  # it was removed meanwhile
            modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            yield PersonList(path.parent.parent.name, path.stem, modified)
