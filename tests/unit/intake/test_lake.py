"""The lake: atomic, repeatable commits; withdrawal and replacement; versions that stay what they were."""

import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from schemas import identifiers
from service.errors import Conflict
from service.intake.check import Extract, Staged, check_and_stage
from service.intake.engine import Limits
from service.intake.media import CSV
from service.intake.ports import StagedFileLost
from service.storage.lake import Lake
from tests.unit.intake.files import COVERS, GOOD, PERSON_SCHEMA, RECORD_SCHEMA, write_csv

A, D = "agreement-1", "incidents"


def stage(lake: Lake, extract: str, rows: int, tmp_path: Path) -> Staged:
    body = tmp_path / "body"
    body.write_bytes(write_csv([GOOD] * rows))
    target = lake.stage_path(A, D, extract)
    return check_and_stage(Extract(body, CSV, PERSON_SCHEMA, COVERS), target, identifiers, Limits(memory_mb=64))


def commit(lake: Lake, extract: str, rows: int, tmp_path: Path, replaces: str | None = None) -> int:
    return lake.commit(A, D, extract, stage(lake, extract, rows, tmp_path), PERSON_SCHEMA, replaces)


def rows_at(lake: Lake, version: int) -> int:
    files = lake.files(A, D, version)
    if not files:
        return 0
    with duckdb.connect() as connection:
        found = connection.execute("SELECT count(*), count(person__3) FROM read_parquet(?)", [files]).fetchone()
    assert found is not None
    assert found[0] == found[1]
    return int(found[0])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    for name in ("lake", "spill"):
        (tmp_path / name).mkdir()
    return Lake(tmp_path / "lake", tmp_path / "spill", Limits(memory_mb=64))


def test_a_dataset_that_was_never_pushed_has_no_files(lake: Lake) -> None:
    assert lake.files(A, D, -1) == []
    assert lake.files(A, D, 0) == []
    assert lake.committed(A, D, "x-1") is None


def test_each_version_keeps_its_rows(lake: Lake, tmp_path: Path) -> None:
    first = commit(lake, "x-1", 1, tmp_path)
    second = commit(lake, "x-2", 2, tmp_path)
    third = lake.withdraw(A, D, "x-1")
    assert first < second < third
    assert [rows_at(lake, version) for version in (first, second, third)] == [1, 3, 2]
    assert (lake.committed(A, D, "x-1"), lake.committed(A, D, "x-2")) == (first, second)


def test_files_are_absolute_and_hold_the_stored_columns_only(lake: Lake, tmp_path: Path) -> None:
    version = commit(lake, "x-1", 1, tmp_path)
    (path,) = lake.files(A, D, version)
    assert Path(path) == tmp_path / "lake" / A / D / "x-1.parquet"
    with duckdb.connect() as connection:
        columns = [row[0] for row in connection.execute("DESCRIBE FROM read_parquet(?)", [[path]]).fetchall()]
    assert columns[:5] == ["person__0", "person__1", "person__2", "person__3", "unlinked"]
    assert "extract" not in columns


def test_a_repeated_commit_is_recognised(lake: Lake, tmp_path: Path) -> None:
    staged = stage(lake, "x-1", 1, tmp_path)
    first = lake.commit(A, D, "x-1", staged, PERSON_SCHEMA)
    for number in range(2, 40):
        commit(lake, f"x-{number}", 1, tmp_path)
    assert lake.commit(A, D, "x-1", staged, PERSON_SCHEMA) == first
    assert Lake(tmp_path / "lake", tmp_path / "spill").commit(A, D, "x-1", staged, PERSON_SCHEMA) == first
    assert rows_at(lake, lake.commit(A, D, "x-39", staged, PERSON_SCHEMA)) == 39


def test_a_commit_is_recognised_across_checkpoints(lake: Lake, tmp_path: Path) -> None:
    staged = stage(lake, "x-0", 1, tmp_path)
    first = lake.commit(A, D, "x-0", staged, PERSON_SCHEMA)
    for number in range(1, 120):
        path = lake.stage_path(A, D, f"x-{number}")
        path.write_bytes(staged.path.read_bytes())
        lake.commit(A, D, f"x-{number}", replace(staged, path=path), PERSON_SCHEMA, f"x-{number - 1}")
    assert list((tmp_path / "lake" / A / D / "_delta_log").glob("*.checkpoint.parquet"))
    fresh = Lake(tmp_path / "lake", tmp_path / "spill")
    assert fresh.commit(A, D, "x-0", staged, PERSON_SCHEMA) == first
    assert fresh.withdraw(A, D, "x-0") == first + 1
    assert [rows_at(fresh, version) for version in (first, first + 60, first + 119)] == [1, 1, 1]


def test_a_repeated_withdrawal_is_recognised(lake: Lake, tmp_path: Path) -> None:
    commit(lake, "x-1", 1, tmp_path)
    gone = lake.withdraw(A, D, "x-1")
    commit(lake, "x-2", 1, tmp_path)
    assert lake.withdraw(A, D, "x-1") == gone


def test_a_withdrawn_extract_does_not_come_back_when_its_commit_is_repeated(lake: Lake, tmp_path: Path) -> None:
    staged = stage(lake, "x-1", 1, tmp_path)
    lake.commit(A, D, "x-1", staged, PERSON_SCHEMA)
    gone = lake.withdraw(A, D, "x-1")
    lake.commit(A, D, "x-1", staged, PERSON_SCHEMA)
    assert rows_at(lake, gone) == 0
    assert DeltaTable(str(tmp_path / "lake" / A / D)).version() == gone


def test_an_extract_that_was_never_committed_cannot_be_withdrawn(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        lake.withdraw(A, D, "x-1")
    commit(lake, "x-1", 1, tmp_path)
    with pytest.raises(RuntimeError):
        lake.withdraw(A, D, "x-2")


def test_a_replacement_takes_the_old_out_in_the_same_version(lake: Lake, tmp_path: Path) -> None:
    first = commit(lake, "x-1", 1, tmp_path)
    second = commit(lake, "x-2", 5, tmp_path, replaces="x-1")
    assert second == first + 1
    assert (rows_at(lake, first), rows_at(lake, second)) == (1, 5)
    assert lake.withdraw(A, D, "x-1") == second


def test_a_table_is_readable_by_delta_itself(lake: Lake, tmp_path: Path) -> None:
    commit(lake, "x-1", 2, tmp_path)
    commit(lake, "x-2", 3, tmp_path)
    table = DeltaTable(str(tmp_path / "lake" / A / D)).to_pyarrow_table()
    assert table.num_rows == 5
    assert sorted(set(table["extract"].to_pylist())) == ["x-1", "x-2"]


def test_an_extract_is_never_staged_over_another(lake: Lake, tmp_path: Path) -> None:
    commit(lake, "x-1", 1, tmp_path)
    with pytest.raises(RuntimeError):
        lake.stage_path(A, D, "x-1")


def test_vacuum_removes_what_only_older_versions_refer_to(lake: Lake, tmp_path: Path) -> None:
    commit(lake, "x-1", 1, tmp_path)
    second = commit(lake, "x-2", 2, tmp_path)
    third = commit(lake, "x-3", 4, tmp_path, replaces="x-1")
    fourth = lake.withdraw(A, D, "x-2")
    stage(lake, "x-4", 1, tmp_path)
    assert lake.vacuum(A, D, second) == 0
    assert lake.vacuum(A, D, third) == 1
    assert (rows_at(lake, third), rows_at(lake, fourth)) == (6, 4)
    assert lake.vacuum(A, D, 10**6) == 1
    assert rows_at(lake, fourth) == 4
    assert sorted(path.name for path in (tmp_path / "lake" / A / D).glob("*.parquet")) == ["x-3.parquet", "x-4.parquet"]


def test_staged_files_that_were_never_committed_are_found_and_discarded(lake: Lake, tmp_path: Path) -> None:
    commit(lake, "x-1", 1, tmp_path)
    stage(lake, "x-2", 1, tmp_path)
    assert [(one.agreement, one.dataset, one.extract) for one in lake.strays()] == [(A, D, "x-2")]
    lake.discard_staged(A, D, "x-2")
    lake.discard_staged(A, D, "x-2")
    assert list(lake.strays()) == []
    with pytest.raises(RuntimeError):
        lake.discard_staged(A, D, "x-1")


def test_a_lost_or_cut_staged_file_is_never_committed(lake: Lake, tmp_path: Path) -> None:
    staged = stage(lake, "x-1", 1, tmp_path)
    os.truncate(staged.path, staged.bytes - 1)
    with pytest.raises(StagedFileLost):
        lake.commit(A, D, "x-1", staged, PERSON_SCHEMA)
    staged.path.unlink()
    with pytest.raises(StagedFileLost):
        lake.commit(A, D, "x-1", staged, PERSON_SCHEMA)
    assert lake.committed(A, D, "x-1") is None


def test_columns_of_another_schema_are_refused(lake: Lake, tmp_path: Path) -> None:
    commit(lake, "x-1", 1, tmp_path)
    staged = stage(lake, "x-2", 1, tmp_path)
    with pytest.raises(Conflict) as caught:
        lake.commit(A, D, "x-2", staged, RECORD_SCHEMA)
    assert caught.value.code == "schema_changed"


def test_purge_removes_an_agreement_and_nothing_else(lake: Lake, tmp_path: Path) -> None:
    version = commit(lake, "x-1", 1, tmp_path)
    (tmp_path / "lake" / "agreement-2").mkdir()
    lake.purge(A)
    lake.purge(A)
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["agreement-2"]
    assert lake.files(A, D, version) == []


def test_purging_a_dataset_leaves_the_others(lake: Lake, tmp_path: Path) -> None:
    version = commit(lake, "x-1", 1, tmp_path)
    other = tmp_path / "lake" / A / "dataset-2"
    other.mkdir()
    lake.purge_dataset(A, D)
    lake.purge_dataset(A, D)
    assert lake.files(A, D, version) == []
    assert [path.name for path in (tmp_path / "lake" / A).iterdir()] == ["dataset-2"]
    assert [path.name for path in (tmp_path / "lake").iterdir()] == [A]


@pytest.mark.parametrize("whole", [True, False])
def test_a_purge_that_fails_half_way_leaves_no_table_that_is_half_there(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    version = commit(lake, "x-1", 1, tmp_path)

    def purge() -> None:
        if whole:
            lake.purge(A)
        else:
            lake.purge_dataset(A, D)

    def half(folder: Path) -> None:
        first = next(folder.rglob("*.json"), None)
        if first is None:
            raise FileNotFoundError
        first.unlink()
        raise OSError("the disk fails")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", half)
        with pytest.raises(OSError, match="the disk fails"):
            purge()
    assert lake.files(A, D, version) == []
    assert lake.committed(A, D, "x-1") is None
    assert list(lake.strays()) == []
    purge()
    assert not list((tmp_path / "lake").rglob("*.parquet"))


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "A", "x_1", "x\n", "-x", "x" * 64, "é", "a\0"])
def test_names_that_are_no_slugs_are_refused(lake: Lake, name: str) -> None:
    for call in (
        lambda: lake.stage_path(name, D, "x-1"),
        lambda: lake.stage_path(A, name, "x-1"),
        lambda: lake.stage_path(A, D, name),
        lambda: lake.files(A, name, 1),
        lambda: lake.purge(name),
        lambda: lake.withdraw(A, D, name),
        lambda: lake.vacuum(name, D, 1),
    ):
        with pytest.raises(ValueError, match="slugs"):
            call()


CRASH = """
import os, signal, sys
from pathlib import Path
from service.intake.check import Staged
from service.storage.lake import Lake
from tests.unit.intake.files import PERSON_SCHEMA
root, point, action, extract, replaces, size, rows = sys.argv[1:]
def fault(name):
    if name == point:
        os.kill(os.getpid(), signal.SIGKILL)
lake = Lake(Path(root), Path(root).parent / "spill", fault=fault)
if action == "withdraw":
    lake.withdraw("agreement-1", "incidents", extract)
else:
    path = Path(root, "agreement-1", "incidents", f"{extract}.parquet")
    staged = Staged(path, int(rows), 1, int(size), "")
    lake.commit("agreement-1", "incidents", extract, staged, PERSON_SCHEMA, replaces or None)
"""


def killed_at(
    point: str, root: Path, action: str, extract: str, staged: Staged | None = None, replaces: str = ""
) -> None:
    size, rows = (staged.bytes, staged.rows) if staged else (0, 0)
    command = [sys.executable, "-c", CRASH, str(root), point, action, extract, replaces, str(size), str(rows)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("point", "before"),
    [("lake-table-created", None), ("lake-before-commit", None), ("lake-after-commit", 3)],
)
def test_a_commit_killed_at_any_step_is_all_or_nothing_and_a_retry_completes_it(
    lake: Lake, tmp_path: Path, point: str, before: int | None
) -> None:
    staged = stage(lake, "x-1", 3, tmp_path)
    killed_at(point, tmp_path / "lake", "commit", "x-1", staged)
    found = lake.committed(A, D, "x-1")
    assert (None if found is None else rows_at(lake, found)) == before
    assert rows_at(lake, lake.commit(A, D, "x-1", staged, PERSON_SCHEMA)) == 3


@pytest.mark.parametrize(("point", "rows"), [("lake-before-commit", 1), ("lake-after-commit", 5)])
def test_a_replacement_killed_at_any_step_shows_one_or_the_other(
    lake: Lake, tmp_path: Path, point: str, rows: int
) -> None:
    commit(lake, "x-1", 1, tmp_path)
    staged = stage(lake, "x-2", 5, tmp_path)
    killed_at(point, tmp_path / "lake", "commit", "x-2", staged, "x-1")
    assert rows_at(lake, DeltaTable(str(tmp_path / "lake" / A / D)).version()) == rows
    assert rows_at(lake, lake.commit(A, D, "x-2", staged, PERSON_SCHEMA, "x-1")) == 5


@pytest.mark.parametrize(("point", "rows"), [("lake-before-withdrawal", 1), ("lake-after-withdrawal", 0)])
def test_a_withdrawal_killed_at_any_step_is_all_or_nothing(lake: Lake, tmp_path: Path, point: str, rows: int) -> None:
    commit(lake, "x-1", 1, tmp_path)
    killed_at(point, tmp_path / "lake", "withdraw", "x-1")
    assert rows_at(lake, DeltaTable(str(tmp_path / "lake" / A / D)).version()) == rows
    assert rows_at(lake, lake.withdraw(A, D, "x-1")) == 0


def _race(root: Path, staged: list[tuple[str, Staged]], start: object) -> None:
    lake = Lake(root, root.parent / "spill")
    start.wait()  # type: ignore[attr-defined]
    for extract, one in staged:
        lake.commit(A, D, extract, one, PERSON_SCHEMA)


def test_processes_that_commit_at_once_lose_nothing_and_double_nothing(lake: Lake, tmp_path: Path) -> None:
    made = [(f"x-{number}", stage(lake, f"x-{number}", number + 1, tmp_path)) for number in range(6)]
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    orders = (made, made[::-1], made[3:] + made[:3])
    workers = [context.Process(target=_race, args=(tmp_path / "lake", order, start)) for order in orders]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    last = DeltaTable(str(tmp_path / "lake" / A / D)).version()
    assert rows_at(lake, last) == 1 + 2 + 3 + 4 + 5 + 6
    versions = {extract: lake.committed(A, D, extract) or 0 for extract, _ in made}
    # Racing creators of the table may add a version without data among those of the extracts.
    assert len(set(versions.values())) == 6
    assert min(versions.values()) > 0
    assert max(versions.values()) <= last
    for extract, version in versions.items():
        files = lake.files(A, D, version)
        assert any(extract in path for path in files)
        assert not any(extract in path for path in lake.files(A, D, version - 1))
