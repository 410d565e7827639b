"""A Delta table: made, opened, and changed by one commit at a time, which marks what it did.

The marks, by application id; no extract's id has a slash:

    <file>           the version that added it, an extract or a compacted file
    <extract>/removed  the version that took an extract out of the dataset
    <file>/left      the version that put a compacted file, or none, in this file's place
    <version>/compacted  the version that holds the rows of that one, compacted
    <erasure>/erased  the first version without the persons of an erasure
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from deltalake import CommitProperties, DeltaTable, Field, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction, RemoveAction

from schemas.table_schema import TableSchema
from service.errors import Conflict, EngineFailed
from service.layout import stored_columns
from service.storage.compacted import made_from, new_name, sync

PARTITION = "extract"
SUFFIX = ".parquet"
LOG = "_delta_log"
_ATTEMPTS = 20
_TYPES = {"BIGINT": "long", "INTEGER": "integer", "BOOLEAN": "boolean", "DATE": "date", "VARCHAR": "string"}

_NOBODY = nullcontext()
"""Held where whoever calls keeps others out already."""

Change = tuple[list[AddAction | RemoveAction], list[str]]
"""What a commit adds and removes, and its marks."""


class Busy(Conflict):
    """Others change the dataset again and again."""

    def __init__(self) -> None:
        super().__init__("the dataset is being changed by others: try again", code="in_progress")


def attempt(
    table: DeltaTable,
    folder: Path,
    mark: str,
    change: Callable[[Path], Change],
    *,
    attempts: int = _ATTEMPTS,
    committing: AbstractContextManager[object] = _NOBODY,
) -> int:
    """Make a change in one commit and bring it to disk; a lost race is run again on the newer state.

    Args:
        table: As it was last read; when this ends, as it was read last.
        folder: Where it lies.
        mark: Tells that the change was made.
        change: Returns it for the table as it is read; where rows are rewritten, they go into the file it is given.
        attempts: How many races may be lost.
        committing: Held while the commit is made.

    Returns:
        The version of the commit, or of an earlier one that did the same.

    Raises:
        EngineFailed: rows cannot be rewritten; nothing was changed.
        Conflict: ``in_progress``.
    """
    for _ in range(attempts):
        done = table.transaction_version(mark)
        if done is not None:
            return done
        rewritten = folder / f"{new_name(table.version())}{SUFFIX}"
        try:
            actions, apps = change(rewritten)
            with committing:
                return commit(table, folder, actions, [mark, *apps])
        except (CommitFailedError, EngineFailed) as error:
            read = table.version()
            table.update_incremental()
            if isinstance(error, EngineFailed) and table.version() == read:
                raise  # otherwise a file that was compacted meanwhile may be gone already
        finally:
            discard(folder, rewritten)
    raise Busy


def rows_lost(folder: Path, version: int) -> int:
    """Return how many rows a version has less than the one before it, as the table's log says."""
    return _rows_at(folder, version - 1) - _rows_at(folder, version)


def _rows_at(folder: Path, version: int) -> int:
    files = DeltaTable(str(folder), version=version).get_add_actions()
    return sum(int(count) for count in files.column("num_records").to_pylist())


def opened(folder: Path) -> DeltaTable | None:
    """Return the table in a folder, None where there is none."""
    try:
        return DeltaTable(str(folder))
    except TableNotFoundError:
        return None


def create(folder: Path, columns: Schema) -> DeltaTable:
    """Make an empty table, or return the one that another process has just made."""
    # An empty table changes nothing for anyone. Logs are kept: pinned versions and repeated commits need them.
    settings = {"delta.enableExpiredLogCleanup": "false"}
    try:
        table = DeltaTable.create(
            str(folder), schema=columns, mode="ignore", partition_by=[PARTITION], configuration=settings
        )
    except CommitFailedError:
        # Another process has just created it.
        table = DeltaTable(str(folder))
    _sync_log(folder, 0)
    return table


def columns(schema: TableSchema) -> Schema:
    """Return the columns in which records of a schema are stored, the partition last."""
    types = [(column.name, _TYPES[column.type]) for column in stored_columns(schema)]
    return Schema([Field(name, PrimitiveType(kind), nullable=True) for name, kind in (*types, (PARTITION, "string"))])


def removal(extract: str) -> str:
    """Return the application id that marks an extract's removal; no slug is one."""
    return f"{extract}/removed"


def left(stem: str) -> str:
    """Return the application id that marks that a file left the table while other rows of it stayed, or were merged."""
    return f"{stem}/left"


def erasure(name: str) -> str:
    """Return the application id that marks the first version without the persons of an erasure."""
    return f"{name}/erased"


def compaction(version: int) -> str:
    """Return the application id that marks the version that holds the rows of this one, compacted."""
    return f"{version}/compacted"


def left_at(table: DeltaTable, stem: str) -> int | None:
    """Return the version that took a file out of the table.

    An extract that was merged, and withdrawn afterwards, left with the merging: its removal was from another file.
    """
    merged = table.transaction_version(left(stem))
    return table.transaction_version(removal(stem)) if merged is None else merged


def overtaken(table: DeltaTable, stem: str) -> bool:
    """Tell whether a compacted file was not committed and never will be: it could only be the next version."""
    base = made_from(stem)
    return base is not None and base < table.version() and table.transaction_version(stem) is None


def discard(folder: Path, target: Path) -> None:
    """Remove a compacted file unless it was committed, which alone the table's log can tell."""
    if not target.exists():
        return
    table = opened(folder)
    if table is None or table.transaction_version(target.stem) is None:
        target.unlink(missing_ok=True)


def names(table: DeltaTable) -> list[str]:
    """Return the names of a table's files."""
    return [Path(uri).name for uri in table.file_uris()]


def commit(table: DeltaTable, folder: Path, actions: list[AddAction | RemoveAction], apps: Iterable[str]) -> int:
    """Commit at the version after the one that was read, with marks of that version, and bring it to disk.

    Raises:
        CommitFailedError: another commit has that version. Delta is told not to retry by itself.
    """
    version = table.version() + 1
    table.create_write_transaction(
        actions,
        mode="append",
        schema=table.schema(),
        partition_by=[PARTITION],
        commit_properties=CommitProperties(
            max_commit_retries=0, app_transactions=[Transaction(app, version) for app in dict.fromkeys(apps)]
        ),
        post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
    )
    _sync_log(folder, version)
    return version


def file_added(file: Path, size: int, rows: int, *, data_change: bool = True) -> AddAction:
    """Return the addition of a file, a partition of its own; ``data_change`` unless its rows were there already."""
    return AddAction(
        path=file.name,
        size=size,
        partition_values={PARTITION: file.stem},
        modification_time=_milliseconds(),
        data_change=data_change,
        stats=json.dumps({"numRecords": rows}),
    )


def file_removed(stem: str, *, data_change: bool = True) -> RemoveAction:
    """Return the removal of a file; ``data_change`` unless its rows stay in another."""
    return RemoveAction(
        f"{stem}{SUFFIX}",
        data_change=data_change,
        deletion_timestamp=_milliseconds(),
        partition_values={PARTITION: stem},
    )


def _milliseconds() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _sync_log(folder: Path, version: int) -> None:
    sync(folder / LOG / f"{version:020}.json")
    sync(folder / LOG)
