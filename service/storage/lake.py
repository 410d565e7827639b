"""The records: one Delta table a dataset, in a folder of its own agreement.

An extract is one Parquet file, ``root/<agreement>/<dataset>/<extract>.parquet``, and a partition of its own, so
committing, replacing and withdrawing change the table's log alone, in one transaction each. Every commit marks
what it added and removed as Delta's application transactions, with its own version, so a repeated commit is
recognised. Old versions stay readable until ``vacuum`` removes the files that only they refer to.

``compact`` merges the files of a version into one (``service.storage.compacted``) and commits it in their place. The
version after holds the same rows. An extract inside a compacted file is withdrawn or replaced by writing the file
again without its rows, and the old one is removed by the same commit. ``erase`` writes all files into one as
``compact`` does, without the rows of some persons. Commits and their marks are ``service.storage.delta``'s.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction

from schemas.table_schema import TableSchema
from service.errors import Conflict, EngineFailed
from service.intake.check import Staged
from service.intake.engine import Limits
from service.intake.erasure_ports import Erased, PersonList, PersonsLost
from service.intake.ports import StagedFileLost, Stray
from service.storage import delta, person_lists
from service.storage.compacted import Compacted, erased, extracts_in, made_from, merge, new_name, sync, without

_GRAVES = Path(".purged", "tables")
"""Where purged folders are put aside; no slug is its name, and it is a level deeper than any table."""
_ATTEMPTS_BESIDE = 3
"""So often are rows written anew while the table may be changed, before its other changes have to wait."""
_LEAST = 2
"""Fewer files are not merged."""
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")

_LIMITS = Limits()

Fault = Callable[[str], None]


def _no_fault(_: str) -> None:
    """Do nothing; tests put a crash here."""


class Lake:
    """Tables under one folder of the local file system."""

    def __init__(self, root: Path, spill: Path, limits: Limits = _LIMITS, fault: Fault = _no_fault) -> None:
        """Keep the folder.

        Args:
            root: Exists, is private to the broker.
            spill: A private folder outside the root, for what does not fit into memory while files are rewritten.
            limits: Memory and threads for that.
            fault: Called with the name of each step that a crash could follow.
        """
        self._root = root.resolve()
        self._spill = spill
        self._limits = limits
        self._fault = fault
        self._lock = threading.Lock()
        self._erasing: dict[Path, threading.Lock] = {}
        """One for each dataset: its erasures come one after the other, and hold up nothing else."""

    def stage_path(self, agreement: str, dataset: str, extract: str) -> Path:
        """Return where a new extract is to be staged, and make its folder.

        Raises:
            RuntimeError: there is such an extract already, or a compacted file could have its name.
        """
        path = self._path(agreement, dataset, extract)
        if path.exists() or made_from(extract) is not None:
            raise RuntimeError("an extract's id is used once, and is none of a compacted file")
        for folder in (path.parent.parent, path.parent):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
                sync(folder.parent)
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
            Conflict: ``schema_changed`` where the table's columns differ from the schema's; ``in_progress``; or
                ``records_purged`` where a purge removes the table meanwhile.
            EngineFailed: the compacted file that holds the replaced extract cannot be rewritten; nothing was changed.
        """
        path = self._path(agreement, dataset, extract)
        folder = path.parent
        with self._lock:
            table = delta.opened(folder)
            if table is not None and (done := table.transaction_version(extract)) is not None:
                return done
            if not path.exists() or path.stat().st_size != staged.bytes:
                raise StagedFileLost
            columns = delta.columns(schema)
            if table is None:
                table = delta.create(folder, columns)
                self._fault("lake-table-created")
            if table.schema() != columns:
                raise Conflict(
                    "the dataset's stored columns are those of another schema: use a new dataset name",
                    code="schema_changed",
                )
            added = delta.file_added(path, staged.bytes, staged.rows)
            if replaces is not None:
                _slug(replaces)
            self._fault("lake-before-commit")
            with _purge_told(folder):
                version = self._transact(table, folder, added=added, removed=replaces)
            self._fault("lake-after-commit")
            return version

    def withdraw(self, agreement: str, dataset: str, extract: str, along: Collection[str] = ()) -> int:
        """Take a committed extract out of its table.

        Args:
            agreement: The agreement.
            dataset: The dataset.
            extract: The extract.
            along: Others that are to go too: those in the same compacted file go by the same commit, so that it is
                written anew once, and withdrawing them tells the same version.

        Returns:
            The first version without it; the same when repeated.

        Raises:
            Conflict: ``in_progress``; or ``records_purged`` where a purge removes the table meanwhile.
            EngineFailed: the compacted file that holds it cannot be rewritten; nothing was changed.
        """
        path = self._path(agreement, dataset, extract)
        with self._lock:
            table = delta.opened(path.parent)
            if table is None or table.transaction_version(extract) is None:
                raise RuntimeError("only a committed extract can be withdrawn")
            done = table.transaction_version(delta.removal(extract))
            if done is not None:
                return done
            self._fault("lake-before-withdrawal")
            with _purge_told(path.parent):
                version = self._transact(table, path.parent, removed=extract, along=along)
            self._fault("lake-after-withdrawal")
            return version

    def committed(self, agreement: str, dataset: str, extract: str) -> int | None:
        """Return the version at which an extract was committed, None where it never was."""
        path = self._path(agreement, dataset, extract)
        table = delta.opened(path.parent)
        return None if table is None else table.transaction_version(extract)

    def files(self, agreement: str, dataset: str, version: int) -> list[str]:
        """Return the absolute paths of the Parquet files at a version; none where there is no table.

        The files hold ``service.layout``'s columns; compacted ones one more, which readers do not name. Where a
        version was compacted and its own files are gone, these are the files of the compacted version, which hold the
        same rows.
        """
        folder = self._folder(agreement, dataset)
        if version < 0 or not DeltaTable.is_deltatable(str(folder)):
            return []
        table = DeltaTable(str(folder), version=version)
        paths = sorted(folder / name for name in delta.names(table))
        if not all(path.exists() for path in paths):
            same = DeltaTable(str(folder)).transaction_version(delta.compaction(version))
            if same is not None:
                return self.files(agreement, dataset, same)
        return [str(path) for path in paths]

    def compact(self, agreement: str, dataset: str, schema: TableSchema, base: int) -> int | None:
        """Merge the files of the table's newest version into one, so that the next version holds the same rows.

        It is one commit, tried once: whoever pushes or withdraws meanwhile is before us, and the work is thrown away.
        Nobody waits while the rows are written.

        Args:
            agreement: The agreement.
            dataset: The dataset.
            schema: Its schema.
            base: The version to compact, which is the newest that anyone may read.

        Returns:
            The version that holds the same rows as ``base``, compacted, always ``base + 1``; the same when repeated.
            None where there is nothing to merge, or where ``base`` is not the table's newest version.

        Raises:
            EngineFailed: the rows could not be rewritten; nothing was changed.
        """
        folder = self._folder(agreement, dataset)
        table = delta.opened(folder)
        if table is None or base < 0:
            return None
        done = table.transaction_version(delta.compaction(base))
        if done is not None:
            return done
        sources = [folder / name for name in sorted(delta.names(table))]
        if table.version() != base or len(sources) < _LEAST:
            return None
        target = folder / f"{new_name(base)}{delta.SUFFIX}"
        try:
            made = self._merged(folder, sources, schema, target, base)
            return None if made is None else self._commit_compacted(table, sources, made, base)
        finally:
            delta.discard(folder, target)

    def _merged(
        self, folder: Path, sources: list[Path], schema: TableSchema, target: Path, base: int
    ) -> Compacted | None:
        try:
            made = merge(sources, schema, target, self._spill, self._limits)
        except EngineFailed:
            if DeltaTable(str(folder)).version() != base:
                return None  # a file that was replaced meanwhile may be gone already
            raise
        self._fault("lake-compacted")
        return made

    def _commit_compacted(self, table: DeltaTable, sources: list[Path], made: Compacted, base: int) -> int | None:
        folder = made.path.parent
        removed = [delta.file_removed(path.stem, data_change=False) for path in sources]
        apps = [made.path.stem, delta.compaction(base), *(delta.left(path.stem) for path in sources)]
        with self._lock:
            try:
                added = delta.file_added(made.path, made.bytes, made.rows, data_change=False)
                delta.commit(table, folder, [added, *removed], apps)
            except CommitFailedError:
                return None
        self._fault("lake-compaction-committed")
        return base + 1

    def vacuum(self, agreement: str, dataset: str, keep_versions_from: int) -> int:
        """Remove the files that no version from this one on refers to; earlier versions become unreadable.

        Files that are staged and not yet committed are left alone, but for compacted ones that never can be: they may
        hold rows that were withdrawn since.

        Returns:
            How many files were removed.
        """
        folder = self._folder(agreement, dataset)
        with self._lock:
            table = delta.opened(folder)
            if table is None:
                return 0
            gone = 0
            for path in folder.glob(f"*{delta.SUFFIX}"):
                left = delta.left_at(table, path.stem)
                if (left is not None and left <= keep_versions_from) or delta.overtaken(table, path.stem):
                    path.unlink(missing_ok=True)
                    gone += 1
            sync(folder)
            return gone

    def discard_staged(self, agreement: str, dataset: str, extract: str) -> None:
        """Remove the file of an extract, or a compacted file, that was never committed."""
        path = self._path(agreement, dataset, extract)
        with self._lock:
            table = delta.opened(path.parent)
            if table is not None and table.transaction_version(extract) is not None:
                raise RuntimeError("a committed extract is withdrawn, not discarded")
            path.unlink(missing_ok=True)

    def strays(self) -> Iterator[Stray]:
        """Find files that were staged, or compacted, and never committed."""
        for folder in sorted(self._root.glob("*/*")):
            table = delta.opened(folder)
            for path in sorted(folder.glob(f"*{delta.SUFFIX}")):
                if not _SLUG.match(path.stem) or (
                    table is not None and table.transaction_version(path.stem) is not None
                ):
                    continue
                with suppress(FileNotFoundError):  # whoever wrote it has just removed it, or committed it and it left
                    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                    yield Stray(folder.parent.name, folder.name, path.stem, modified)

    def list_persons(self, agreement: str, erasure: str, persons: Sequence[str]) -> None:
        """Keep an erasure's pseudonyms on disk until it is done."""
        person_lists.write(self._persons(agreement, erasure), persons)

    def forget_persons(self, agreement: str, erasure: str) -> None:
        """Remove an erasure's list, if it is there."""
        person_lists.remove(self._persons(agreement, erasure))

    def person_lists(self) -> Iterator[PersonList]:
        """Find the lists of persons that lie in the lake."""
        return person_lists.found(self._root)

    def erase(self, agreement: str, dataset: str, schema: TableSchema, erasure: str) -> Erased:
        """Write a dataset anew, into one file, without the rows of the persons that an erasure lists.

        All of it is written, whether or not a row matches: nothing but the rows themselves tells that one did.
        Nobody waits while the rows are written, unless they are changed again and again meanwhile.

        Returns:
            The first version without them, and how many rows that lost; the same when repeated. No version where
            there is no table, or where a purge removes it meanwhile.

        Raises:
            PersonsLost: the list is gone, and the dataset was not written anew yet.
            Conflict: ``in_progress``.
            EngineFailed: the rows could not be rewritten; nothing was changed.
        """
        folder, words = self._folder(agreement, dataset), self._persons(agreement, erasure)
        with self._erasing.setdefault(folder, threading.Lock()):  # a repeated one waits for the first, and finds it
            table = delta.opened(folder)
            if table is None:
                return Erased(-1, 0)

            def change(target: Path) -> delta.Change:
                if not words.exists():
                    raise PersonsLost
                sources = [folder / name for name in sorted(delta.names(table))]
                if not sources:
                    return [], []
                made = erased(sources, schema, words, target, self._spill, self._limits)
                self._fault("lake-rewritten")
                removed = [delta.file_removed(path.stem) for path in sources]
                return [delta.file_added(made.path, made.bytes, made.rows), *removed], [
                    made.path.stem,
                    *(delta.left(path.stem) for path in sources),
                ]

            try:
                with _purge_told(folder):
                    version = self._attempt_beside(table, folder, delta.erasure(erasure), change)
                    self._fault("lake-after-erasure")
                    return Erased(version, delta.rows_lost(folder, version))
            except _TablePurged:
                return Erased(-1, 0)

    def _attempt_beside(
        self, table: DeltaTable, folder: Path, mark: str, change: Callable[[Path], delta.Change]
    ) -> int:
        """Make a change while others go on, so that they wait for its commit alone; see ``delta.attempt``.

        The commit is of the version after the one that the rows are from, so whoever changes the table meanwhile has
        them written again. Where that happens too often, the last attempts keep this process's other changes out.
        """
        try:
            return delta.attempt(table, folder, mark, change, attempts=_ATTEMPTS_BESIDE, committing=self._lock)
        except delta.Busy:
            with self._lock:
                return delta.attempt(table, folder, mark, change)

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
                    sync(held)

    def _transact(
        self,
        table: DeltaTable,
        folder: Path,
        *,
        added: AddAction | None = None,
        removed: str | None = None,
        along: Collection[str] = (),
    ) -> int:
        """Add and remove an extract in one commit and bring it to disk; a lost race is run again on the newer state.

        Returns:
            The version of the commit, or of an earlier one that did the same.
        """
        mark = delta.removal(removed or "") if added is None else Path(added.path).stem

        def change(rewritten: Path) -> delta.Change:
            actions, apps = self._removal_of(table, folder, removed, along, rewritten) if removed else ([], [])
            return [*actions, *([] if added is None else [added])], apps

        return delta.attempt(table, folder, mark, change)

    def _removal_of(
        self, table: DeltaTable, folder: Path, extract: str, along: Collection[str], rewritten: Path
    ) -> delta.Change:
        """Return what takes an extract's rows out of the table, and the marks of it; nothing where it has none there.

        Where they lie in a compacted file, the rest of that file is written anew first, without those that go along.
        """
        names = delta.names(table)
        if f"{extract}{delta.SUFFIX}" in names:
            return [delta.file_removed(extract)], [delta.removal(extract)]
        for holder in (folder / name for name in names if made_from(Path(name).stem) is not None):
            held = extracts_in(holder)
            if extract in held:
                gone = {extract, *along} & set(held)
                made = without(holder, gone, rewritten, self._spill, self._limits)
                self._fault("lake-rewritten")
                marks = [*map(delta.removal, sorted(gone)), delta.left(holder.stem)]
                if made is None:
                    return [delta.file_removed(holder.stem)], marks
                added = delta.file_added(made.path, made.bytes, made.rows)
                return [delta.file_removed(holder.stem), added], [*marks, rewritten.stem]
        return [], []

    def _persons(self, agreement: str, erasure: str) -> Path:
        return person_lists.path_of(self._root / _slug(agreement), _slug(erasure))

    def _folder(self, agreement: str, dataset: str) -> Path:
        return self._root / _slug(agreement) / _slug(dataset)

    def _path(self, agreement: str, dataset: str, extract: str) -> Path:
        return self._folder(agreement, dataset) / f"{_slug(extract)}{delta.SUFFIX}"


class _TablePurged(Conflict):
    """A purge, by another process, has removed the table since it was read."""

    def __init__(self) -> None:
        super().__init__("the dataset's records were purged meanwhile", code="records_purged")


@contextmanager
def _purge_told(folder: Path) -> Iterator[None]:
    """Tell a purge by another process, which took the table away under our hands, from whatever follows of it."""
    try:
        yield
    except (DeltaError, EngineFailed, FileNotFoundError, PersonsLost):
        if delta.opened(folder) is None:
            raise _TablePurged from None
        raise


def _slug(name: str) -> str:
    """Let through what cannot leave the folder."""
    if not _SLUG.match(name):
        raise ValueError("agreements, datasets and extracts are named by slugs")
    return name
