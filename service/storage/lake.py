"""The records: one Delta table a dataset, in a folder of its own agreement.

An extract is one Parquet file, ``root/<agreement>/<dataset>/<extract>.parquet``, and a partition of its own, so
committing, replacing and withdrawing change the table's log alone, in one transaction each. Every commit marks
what it added and removed as Delta's application transactions, with its own version, so a repeated commit is
recognised. Old versions stay readable until ``vacuum`` removes the files that only they refer to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from deltalake import CommitProperties, DeltaTable, Field, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction, RemoveAction

from schemas.table_schema import TableSchema
from service.errors import Conflict
from service.intake.check import Staged
from service.intake.ports import StagedFileLost, Stray
from service.layout import stored_columns

PARTITION = "extract"
_SUFFIX = ".parquet"
_LOG = "_delta_log"
_GRAVES = Path(".purged", "tables")
"""Where purged folders are put aside; no slug is its name, and it is a level deeper than any table."""
_ATTEMPTS = 20
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_TYPES = {"BIGINT": "long", "INTEGER": "integer", "BOOLEAN": "boolean", "DATE": "date", "VARCHAR": "string"}

Fault = Callable[[str], None]


def _no_fault(_: str) -> None:
    """Do nothing; tests put a crash here."""


class Lake:
    """Tables under one folder of the local file system."""

    def __init__(self, root: Path, fault: Fault = _no_fault) -> None:
        """Keep the folder.

        Args:
            root: Exists, is private to the broker.
            fault: Called with the name of each step that a crash could follow.
        """
        self._root = root.resolve()
        self._fault = fault
        self._lock = threading.Lock()

    def stage_path(self, agreement: str, dataset: str, extract: str) -> Path:
        """Return where a new extract is to be staged, and make its folder.

        Raises:
            RuntimeError: there is such an extract already; staging would overwrite it.
        """
        path = self._path(agreement, dataset, extract)
        if path.exists():
            raise RuntimeError("an extract's id is used once")
        for folder in (path.parent.parent, path.parent):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
                _sync(folder.parent)
        return path

    def commit(
        self,
        agreement: str,
        dataset: str,
        extract: str,
        staged: Staged,
        schema: TableSchema,
        replaces: str | None = None,
    ) -> int:
        """Put an extract into its table, and take out the one that it replaces, in one transaction.

        Returns:
            The version that holds it first; the same when repeated.

        Raises:
            StagedFileLost: the staged file is gone or has another size than when it was checked.
            Conflict: ``schema_changed`` where the table's columns differ from the schema's.
        """
        path = self._path(agreement, dataset, extract)
        folder = path.parent
        with self._lock:
            table = _open(folder)
            if table is not None and (done := table.transaction_version(extract)) is not None:
                return done
            if not path.exists() or path.stat().st_size != staged.bytes:
                raise StagedFileLost
            columns = _delta_schema(schema)
            if table is None:
                table = _create(folder, columns)
                self._fault("lake-table-created")
            if table.schema() != columns:
                raise Conflict(
                    "the dataset's stored columns are those of another schema: use a new dataset name",
                    code="schema_changed",
                )
            added = AddAction(
                path=path.name,
                size=staged.bytes,
                partition_values={PARTITION: extract},
                modification_time=_milliseconds(),
                data_change=True,
                stats=json.dumps({"numRecords": staged.rows}),
            )
            if replaces is not None:
                _slug(replaces)
            self._fault("lake-before-commit")
            version = _transact(table, folder, added=added, removed=replaces)
            self._fault("lake-after-commit")
            return version

    def withdraw(self, agreement: str, dataset: str, extract: str) -> int:
        """Take a committed extract out of its table.

        Returns:
            The first version without it; the same when repeated.
        """
        path = self._path(agreement, dataset, extract)
        with self._lock:
            table = _open(path.parent)
            if table is None or table.transaction_version(extract) is None:
                raise RuntimeError("only a committed extract can be withdrawn")
            done = table.transaction_version(_removal(extract))
            if done is not None:
                return done
            self._fault("lake-before-withdrawal")
            version = _transact(table, path.parent, removed=extract)
            self._fault("lake-after-withdrawal")
            return version

    def committed(self, agreement: str, dataset: str, extract: str) -> int | None:
        """Return the version at which an extract was committed, None where it never was."""
        path = self._path(agreement, dataset, extract)
        table = _open(path.parent)
        return None if table is None else table.transaction_version(extract)

    def files(self, agreement: str, dataset: str, version: int) -> list[str]:
        """Return the absolute paths of the Parquet files at a version; none where there is no table.

        The files hold ``service.layout``'s columns only.
        """
        folder = self._folder(agreement, dataset)
        if version < 0 or not DeltaTable.is_deltatable(str(folder)):
            return []
        table = DeltaTable(str(folder), version=version)
        return sorted(str(folder / name) for name in _names(table))

    def vacuum(self, agreement: str, dataset: str, keep_versions_from: int) -> int:
        """Remove the files that no version from this one on refers to; earlier versions become unreadable.

        Files that are staged and not yet committed are left alone.

        Returns:
            How many files were removed.
        """
        folder = self._folder(agreement, dataset)
        with self._lock:
            table = _open(folder)
            if table is None:
                return 0
            gone = 0
            for path in folder.glob(f"*{_SUFFIX}"):
                removed = table.transaction_version(_removal(path.stem))
                if removed is not None and removed <= keep_versions_from:
                    path.unlink()
                    gone += 1
            _sync(folder)
            return gone

    def discard_staged(self, agreement: str, dataset: str, extract: str) -> None:
        """Remove the file of an extract that was never committed."""
        path = self._path(agreement, dataset, extract)
        with self._lock:
            table = _open(path.parent)
            if table is not None and table.transaction_version(extract) is not None:
                raise RuntimeError("a committed extract is withdrawn, not discarded")
            path.unlink(missing_ok=True)

    def strays(self) -> Iterator[Stray]:
        """Find files that were staged and never committed."""
        for folder in sorted(self._root.glob("*/*")):
            table = _open(folder)
            for path in sorted(folder.glob(f"*{_SUFFIX}")):
                if _SLUG.match(path.stem) and (table is None or table.transaction_version(path.stem) is None):
                    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                    yield Stray(folder.parent.name, folder.name, path.stem, modified)

    def purge(self, agreement: str) -> None:
        """Remove everything of an agreement; the same when repeated, by whomever."""
        self._purge(self._root / _slug(agreement), agreement)

    def purge_dataset(self, agreement: str, dataset: str) -> None:
        """Remove everything of one dataset; the same when repeated, by whomever."""
        self._purge(self._folder(agreement, dataset), f"{agreement}.{dataset}")

    def _purge(self, folder: Path, name: str) -> None:
        """Put a folder aside, at once and whole, then remove it: nobody ever opens a table that is half there."""
        graves = self._root / _GRAVES
        grave = graves / name
        with self._lock:
            while folder.exists() or grave.exists():
                graves.mkdir(mode=0o700, parents=True, exist_ok=True)
                with suppress(FileNotFoundError):  # there is none yet, or another process removes it too
                    shutil.rmtree(grave)
                self._fault("lake-before-purge")
                with suppress(FileNotFoundError):  # it was put aside already
                    folder.rename(grave)
                self._fault("lake-put-aside")
            for empty in (graves, graves.parent):
                with suppress(OSError):  # there is none, or another purge is under way
                    empty.rmdir()
            for held in (folder.parent, self._root):
                if held.exists():
                    _sync(held)

    def _folder(self, agreement: str, dataset: str) -> Path:
        return self._root / _slug(agreement) / _slug(dataset)

    def _path(self, agreement: str, dataset: str, extract: str) -> Path:
        return self._folder(agreement, dataset) / f"{_slug(extract)}{_SUFFIX}"


def _slug(name: str) -> str:
    """Let through what cannot leave the folder."""
    if not _SLUG.match(name):
        raise ValueError("agreements, datasets and extracts are named by slugs")
    return name


def _open(folder: Path) -> DeltaTable | None:
    try:
        return DeltaTable(str(folder))
    except TableNotFoundError:
        return None


def _create(folder: Path, columns: Schema) -> DeltaTable:
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


def _delta_schema(schema: TableSchema) -> Schema:
    types = [(column.name, _TYPES[column.type]) for column in stored_columns(schema)]
    return Schema([Field(name, PrimitiveType(kind), nullable=True) for name, kind in (*types, (PARTITION, "string"))])


def _removal(extract: str) -> str:
    """Return the application id that marks an extract's removal; no slug is one."""
    return f"{extract}/removed"


def _names(table: DeltaTable) -> list[str]:
    return [Path(uri).name for uri in table.file_uris()]


def _transact(table: DeltaTable, folder: Path, *, added: AddAction | None = None, removed: str | None = None) -> int:
    """Add and remove an extract in one commit and bring it to disk; a lost race is run again on the newer state.

    Delta is told not to retry by itself: then a commit lands at the version after the one that was read, or fails.

    Returns:
        The version of the commit, or of an earlier one that did the same.
    """
    mark = _removal(removed or "") if added is None else Path(added.path).stem
    for _ in range(_ATTEMPTS):
        done = table.transaction_version(mark)
        if done is not None:
            return done
        version = table.version() + 1
        actions: list[AddAction | RemoveAction] = [] if added is None else [added]
        marks = [Transaction(mark, version)]
        if removed is not None and f"{removed}{_SUFFIX}" in _names(table):
            actions.append(_removed(removed))
            marks = [Transaction(app, version) for app in {mark, _removal(removed)}]
        try:
            table.create_write_transaction(
                actions,
                mode="append",
                schema=table.schema(),
                partition_by=[PARTITION],
                commit_properties=CommitProperties(max_commit_retries=0, app_transactions=marks),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
            )
        except CommitFailedError:
            table.update_incremental()
            continue
        _sync_log(folder, version)
        return version
    raise Conflict("the dataset is being changed by others: try again", code="in_progress")


def _removed(extract: str) -> RemoveAction:
    return RemoveAction(
        f"{extract}{_SUFFIX}",
        data_change=True,
        deletion_timestamp=_milliseconds(),
        partition_values={PARTITION: extract},
    )


def _milliseconds() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _sync_log(folder: Path, version: int) -> None:
    _sync(folder / _LOG / f"{version:020}.json")
    _sync(folder / _LOG)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
