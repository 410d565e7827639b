"""Compaction in the lake: the same rows in one file; withdrawal and replacement inside it; races; kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from schemas import identifiers
from schemas.table_schema import TableSchema
from service.errors import EngineFailed
from service.intake.check import Extract, Staged, check_and_stage
from service.intake.engine import Limits
from service.intake.media import CSV
from service.layout import stored_columns
from service.storage import compacted
from service.storage.lake import Lake
from tests.unit.intake.files import COVERS, GOOD, PERSON_SCHEMA, RECORD_SCHEMA, ROWS, write_csv

A, D = "agreement-1", "incidents"
ANN, BOB, CAT = "0" * 64, "7f" * 32, "f" * 64
"""Persons whose first words sort as CAT, ANN, BOB: words are signed."""


def lake_in(folder: Path, fault: Callable[[str], None] = lambda _: None) -> Lake:
    for name in ("lake", "spill"):
        (folder / name).mkdir(exist_ok=True)
    return Lake(folder / "lake", folder / "spill", Limits(memory_mb=64), fault)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_in(tmp_path)


def stage(lake: Lake, extract: str, rows: list[dict[str, str]], schema: TableSchema = PERSON_SCHEMA) -> Staged:
    target = lake.stage_path(A, D, extract)
    body = lake._root.parent / f"{extract}.csv"
    body.write_bytes(write_csv(rows, schema))
    return check_and_stage(Extract(body, CSV, schema, COVERS), target, identifiers, Limits(memory_mb=64))


def commit(lake: Lake, extract: str, *persons: str, replaces: str | None = None) -> int:
    rows = [GOOD | {"person": person} for person in persons]
    return lake.commit(A, D, extract, stage(lake, extract, rows), PERSON_SCHEMA, replaces)


def newest(lake: Lake) -> int:
    return DeltaTable(str(lake._root / A / D)).version()


def compact(lake: Lake, base: int | None = None) -> int | None:
    return lake.compact(A, D, PERSON_SCHEMA, newest(lake) if base is None else base)


def rows_at(lake: Lake, version: int, schema: TableSchema = PERSON_SCHEMA) -> Counter[tuple[Any, ...]]:
    """The stored rows at a version, by the names of the layout's columns, each as often as it is there."""
    files = lake.files(A, D, version)
    if not files:
        return Counter()
    columns = ", ".join(f'"{column.name}"' for column in stored_columns(schema))
    with duckdb.connect() as connection:
        return Counter(connection.execute(f"SELECT {columns} FROM read_parquet(?)", [files]).fetchall())


def count(lake: Lake, version: int | None = None) -> int:
    return rows_at(lake, newest(lake) if version is None else version).total()


def on_disk(lake: Lake) -> list[str]:
    return sorted(path.stem for path in (lake._root / A / D).glob("*.parquet"))


def holding(lake: Lake, person: str) -> list[str]:
    """The files on the disk, in the table or not, that hold a row of a person, found by the pseudonym's first word."""
    word = int.from_bytes(bytes.fromhex(person[:16]), "big", signed=True)
    paths = (lake._root / A / D).glob("*.parquet")
    return sorted(
        path.stem for path in paths if word in pq.read_table(path, partitioning=None)["person__0"].to_pylist()
    )


def only_compacted(lake: Lake) -> Path:
    (path,) = (Path(file) for file in lake.files(A, D, newest(lake)))
    assert compacted.made_from(path.stem) is not None
    return path


# --- the same rows


def test_a_compacted_version_is_one_file_with_the_same_rows(lake: Lake) -> None:
    lake.commit(A, D, "x-1", stage(lake, "x-1", [*ROWS, *ROWS[:2]]), PERSON_SCHEMA)
    base = lake.commit(A, D, "x-2", stage(lake, "x-2", [ROWS[0], *ROWS[:3]]), PERSON_SCHEMA)
    before = rows_at(lake, base)
    assert compact(lake, base) == base + 1
    assert rows_at(lake, base + 1) == before == rows_at(lake, base)
    assert before.total() == 10
    assert len(lake.files(A, D, base + 1)) == 1


def test_a_dataset_of_records_is_compacted_in_the_order_of_its_files(lake: Lake) -> None:
    flags = ["true", "false", "false", "true", "false"]
    for number, flag in enumerate(flags):
        rows = [{"month": "2026-05-01", "primary": flag}]
        base = lake.commit(A, D, f"x-{number}", stage(lake, f"x-{number}", rows, RECORD_SCHEMA), RECORD_SCHEMA)
    assert lake.compact(A, D, RECORD_SCHEMA, base) == base + 1
    stored = pq.read_table(only_compacted(lake), partitioning=None)
    assert stored["primary"].to_pylist() == [flag == "true" for flag in flags]
    assert stored["_extract"].to_pylist() == [f"x-{number}" for number in range(5)]


def test_each_persons_rows_lie_side_by_side(lake: Lake) -> None:
    commit(lake, "x-1", BOB, ANN, CAT)
    commit(lake, "x-2", ANN, CAT, BOB)
    compact(lake)
    words = pq.read_table(only_compacted(lake), partitioning=None)["person__0"].to_pylist()
    assert words == sorted(words)
    assert len(set(words)) == 3


def test_a_compacted_file_tells_of_each_row_which_extract_it_is_from_also_of_an_empty_extract(lake: Lake) -> None:
    commit(lake, "x-1", BOB)
    commit(lake, "x-2")
    commit(lake, "x-3", ANN)
    compact(lake)
    path = only_compacted(lake)
    stored = pq.read_table(path, partitioning=None)
    assert stored.column_names == [*(column.name for column in stored_columns(PERSON_SCHEMA)), "_extract"]
    assert stored["_extract"].to_pylist() == ["x-3", "x-1"]
    assert compacted.extracts_in(path) == ("x-1", "x-2", "x-3")


def test_a_compacted_table_is_readable_by_delta_itself(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    commit(lake, "x-2", BOB)
    compact(lake)
    commit(lake, "x-3", CAT)
    assert DeltaTable(str(lake._root / A / D)).to_pyarrow_table().num_rows == 3


def test_extracts_are_still_known_as_committed_and_their_commits_are_recognised(lake: Lake) -> None:
    staged = stage(lake, "x-1", [GOOD])
    first = lake.commit(A, D, "x-1", staged, PERSON_SCHEMA)
    commit(lake, "x-2", BOB)
    compact(lake)
    lake.vacuum(A, D, newest(lake))
    assert lake.committed(A, D, "x-1") == first
    assert lake.commit(A, D, "x-1", staged, PERSON_SCHEMA) == first
    assert count(lake) == 2


def test_a_repeated_compaction_is_recognised_also_after_a_push(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB)
    assert compact(lake, base) == base + 1
    assert compact(lake, base) == base + 1
    commit(lake, "x-3", CAT)
    assert compact(lake, base) == base + 1
    assert newest(lake) == base + 2


def test_a_compacted_file_is_compacted_again_with_what_came_after(lake: Lake) -> None:
    for number, person in enumerate((ANN, BOB, CAT, ANN, BOB)):
        base = commit(lake, f"x-{number}", person, person)
        compact(lake, base)
    assert count(lake) == 10
    assert compacted.extracts_in(only_compacted(lake)) == ("x-0", "x-1", "x-2", "x-3", "x-4")
    assert len(on_disk(lake)) == 5 + 4
    lake.vacuum(A, D, newest(lake))
    assert on_disk(lake) == [only_compacted(lake).stem]
    assert count(lake) == 10


def test_nothing_is_done_where_there_is_nothing_to_merge(lake: Lake) -> None:
    assert lake.compact(A, D, PERSON_SCHEMA, -1) is None
    assert lake.compact(A, D, PERSON_SCHEMA, 0) is None
    one = commit(lake, "x-1", ANN)
    assert compact(lake, one) is None
    commit(lake, "x-2", BOB)
    after = compact(lake)
    assert after is not None
    assert compact(lake, after) is None
    assert newest(lake) == after


def test_no_extract_takes_the_name_of_a_compacted_file(lake: Lake) -> None:
    with pytest.raises(RuntimeError):
        lake.stage_path(A, D, compacted.new_name(3))


# --- races


def test_a_version_that_is_not_the_newest_is_not_compacted(lake: Lake) -> None:
    """A push whose rows are in the table, but in no data version yet, must not be seen under the old name."""
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB)
    commit(lake, "x-3", CAT)
    before = on_disk(lake)
    assert compact(lake, base) is None
    assert on_disk(lake) == before


@pytest.mark.parametrize("change", ["push", "withdraw", "replace"])
def test_whoever_commits_while_rows_are_merged_wins_and_nothing_is_left_of_the_merging(
    tmp_path: Path, change: str
) -> None:
    def meanwhile(step: str) -> None:
        if step != "lake-compacted":
            return
        other = lake_in(tmp_path)
        if change == "withdraw":
            other.withdraw(A, D, "x-1")
        else:
            commit(other, "x-3", CAT, replaces="x-1" if change == "replace" else None)

    lake = lake_in(tmp_path, meanwhile)
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB)
    assert compact(lake, base) is None
    assert newest(lake) == base + 1
    assert count(lake) == {"push": 3, "withdraw": 1, "replace": 2}[change]
    assert not [stem for stem in on_disk(lake) if compacted.made_from(stem) is not None]


def test_files_that_vanish_under_a_compaction_that_has_lost_are_no_error(tmp_path: Path, monkeypatch: Any) -> None:
    lake = lake_in(tmp_path)
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB)

    def merge_late(*arguments: Any) -> Any:
        lake.vacuum(A, D, lake.withdraw(A, D, "x-1"))
        return compacted.merge(*arguments)

    monkeypatch.setattr("service.storage.lake.merge", merge_late)
    assert compact(lake, base) is None
    assert on_disk(lake) == ["x-2"]


def test_a_file_that_is_damaged_is_an_error_without_its_words_and_changes_nothing(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB)
    path = lake._root / A / D / "x-1.parquet"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(EngineFailed) as caught:
        compact(lake, base)
    assert "x-1" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert newest(lake) == base
    assert on_disk(lake) == ["x-1", "x-2"]


def test_a_merging_that_loses_doubles_or_changes_a_row_is_never_committed(lake: Lake, monkeypatch: Any) -> None:
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB, CAT)
    honest = compacted._rows
    for wrong in (
        "SELECT * FROM ({}) LIMIT 2",
        "SELECT * FROM ({0}) UNION ALL SELECT * FROM ({0}) WHERE _extract = 'x-1'",
        "SELECT * REPLACE (age + 1 AS age) FROM ({})",
        "SELECT * REPLACE ('x-1' AS _extract) FROM ({})",
    ):
        asked: list[int] = []

        def lying(sources: Any, columns: Any, wrong: str = wrong, asked: list[int] = asked) -> str:
            asked.append(1)
            rows = honest(sources, columns)
            return wrong.format(rows) if len(asked) == 2 else rows

        monkeypatch.setattr(compacted, "_rows", lying)
        with pytest.raises(EngineFailed, match="does not hold the rows"):
            compact(lake, base)
        assert newest(lake) == base
        assert on_disk(lake) == ["x-1", "x-2"]


def test_a_commit_whose_outcome_is_unknown_keeps_the_file_that_the_table_names(lake: Lake, monkeypatch: Any) -> None:
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB)

    def full(*_: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("service.storage.delta._sync_log", full)
        with pytest.raises(OSError, match="no space"):
            compact(lake, base)
    assert newest(lake) == base + 1
    assert count(lake) == 2
    assert only_compacted(lake).exists()


# --- withdraw and replace inside a compacted file


def test_an_extract_inside_a_compacted_file_is_withdrawn_and_the_others_stay(lake: Lake) -> None:
    commit(lake, "x-1", ANN, BOB)
    commit(lake, "x-2", BOB)
    commit(lake, "x-3", CAT)
    base = compact(lake)
    assert base is not None
    gone = lake.withdraw(A, D, "x-1")
    assert gone == base + 1
    assert (count(lake, base), count(lake, gone)) == (4, 2)
    assert compacted.extracts_in(only_compacted(lake)) == ("x-2", "x-3")
    assert lake.withdraw(A, D, "x-1") == gone
    assert lake.withdraw(A, D, "x-3") == gone + 1
    assert rows_at(lake, gone + 1).total() == 1


def test_withdrawn_rows_are_in_no_file_on_the_disk(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    commit(lake, "x-2", BOB)
    commit(lake, "x-3", CAT)
    compact(lake)
    gone = lake.withdraw(A, D, "x-1")
    assert holding(lake, ANN)
    lake.vacuum(A, D, gone)
    assert holding(lake, ANN) == []
    assert len(holding(lake, BOB)) == len(holding(lake, CAT)) == 1


def test_rows_that_an_open_question_pins_stay_on_the_disk_until_it_is_answered(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    pinned = commit(lake, "x-2", BOB)
    compact(lake)
    gone = lake.withdraw(A, D, "x-1")
    lake.vacuum(A, D, pinned)
    assert count(lake, pinned) == 2
    lake.vacuum(A, D, gone)
    assert holding(lake, ANN) == []


def test_the_last_extract_of_a_compacted_file_leaves_no_file(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    commit(lake, "x-2", BOB)
    compact(lake)
    lake.withdraw(A, D, "x-1")
    gone = lake.withdraw(A, D, "x-2")
    assert lake.files(A, D, gone) == []
    lake.vacuum(A, D, gone)
    assert on_disk(lake) == []


def test_an_extract_without_rows_is_withdrawn_from_a_compacted_file(lake: Lake) -> None:
    commit(lake, "x-1")
    commit(lake, "x-2", BOB)
    compact(lake)
    lake.withdraw(A, D, "x-1")
    assert compacted.extracts_in(only_compacted(lake)) == ("x-2",)
    assert count(lake) == 1


def test_an_extract_inside_a_compacted_file_is_replaced_in_one_version(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    commit(lake, "x-2", BOB)
    base = compact(lake)
    assert base is not None
    after = commit(lake, "x-3", CAT, CAT, replaces="x-1")
    assert after == base + 1
    assert (count(lake, base), count(lake, after)) == (2, 3)
    lake.vacuum(A, D, after)
    assert holding(lake, ANN) == []
    assert lake.withdraw(A, D, "x-1") == after
    assert count(lake) == 3


def test_an_extract_is_found_among_several_compacted_and_plain_files(lake: Lake) -> None:
    for number in range(4):
        commit(lake, f"x-{number}", ANN)
    compact(lake)
    commit(lake, "x-4", BOB)
    commit(lake, "x-5", CAT)
    lake.withdraw(A, D, "x-4")
    lake.withdraw(A, D, "x-2")
    assert count(lake) == 4
    compact(lake)
    lake.withdraw(A, D, "x-5")
    assert count(lake) == 3
    assert compacted.extracts_in(only_compacted(lake)) == ("x-0", "x-1", "x-3")


def test_a_withdrawal_that_loses_a_race_writes_the_rest_again(tmp_path: Path) -> None:
    raced: list[str] = []

    def meanwhile(step: str) -> None:
        if step == "lake-rewritten" and not raced:
            raced.append(step)
            lake_in(tmp_path).withdraw(A, D, "x-2")

    lake = lake_in(tmp_path, meanwhile)
    for number, person in enumerate((ANN, BOB, CAT), start=1):
        commit(lake, f"x-{number}", person)
    compact(lake)
    gone = lake.withdraw(A, D, "x-1")
    assert raced
    assert compacted.extracts_in(only_compacted(lake)) == ("x-3",)
    lake.vacuum(A, D, gone)
    assert on_disk(lake) == [only_compacted(lake).stem]


def test_a_withdrawal_whose_file_vanishes_under_it_looks_again(lake: Lake, monkeypatch: Any) -> None:
    for number, person in enumerate((ANN, BOB, CAT), start=1):
        commit(lake, f"x-{number}", person)
    compact(lake)
    other = Lake(lake._root, lake._spill, Limits(memory_mb=64))

    def rewrite_late(*arguments: Any) -> Any:
        monkeypatch.setattr("service.storage.lake.without", compacted.without)
        other.vacuum(A, D, other.withdraw(A, D, "x-2"))
        return compacted.without(*arguments)

    monkeypatch.setattr("service.storage.lake.without", rewrite_late)
    gone = lake.withdraw(A, D, "x-1")
    assert compacted.extracts_in(only_compacted(lake)) == ("x-3",)
    lake.vacuum(A, D, gone)
    assert on_disk(lake) == [only_compacted(lake).stem]


def test_a_withdrawal_from_a_damaged_file_changes_nothing(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    commit(lake, "x-2", BOB)
    base = compact(lake)
    path = only_compacted(lake)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(EngineFailed):
        lake.withdraw(A, D, "x-1")
    assert newest(lake) == base


# --- what is on the disk


def test_merged_files_stay_as_long_as_a_version_needs_them(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB)
    after = compact(lake, base)
    assert after == base + 1
    assert lake.vacuum(A, D, base) == 0
    assert count(lake, base) == 2
    assert lake.vacuum(A, D, after) == 2
    assert on_disk(lake) == [only_compacted(lake).stem]


def test_a_version_whose_merged_files_are_gone_is_read_from_the_compacted_one(lake: Lake) -> None:
    """For a question that failed and is retried: failed ones hold no files."""
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB)
    before = rows_at(lake, base)
    compact(lake, base)
    lake.vacuum(A, D, base + 1)
    assert rows_at(lake, base) == before
    first = lake.files(A, D, base - 1)
    assert not any(Path(path).exists() for path in first), "an older version's rows are not made up"


def test_an_overtaken_compacted_file_is_swept_by_the_next_vacuum_and_one_in_progress_is_not(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB)
    folder = lake._root / A / D
    for version in (base - 1, base):
        path = folder / f"{compacted.new_name(version)}.parquet"
        path.write_bytes((folder / "x-1.parquet").read_bytes())
    assert lake.vacuum(A, D, base) == 1
    assert [stray.extract for stray in lake.strays()] == [path.stem]
    gone = lake.withdraw(A, D, "x-1")
    lake.vacuum(A, D, gone)
    assert holding(lake, ANN) == []


def test_a_stray_compacted_file_is_found_and_discarded_and_a_committed_one_is_neither(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    commit(lake, "x-2", BOB)
    compact(lake)
    stem = compacted.new_name(newest(lake))
    (lake._root / A / D / f"{stem}.parquet").write_bytes(b"half")
    assert [stray.extract for stray in lake.strays()] == [stem]
    lake.discard_staged(A, D, stem)
    assert list(lake.strays()) == []
    with pytest.raises(RuntimeError):
        lake.discard_staged(A, D, only_compacted(lake).stem)


def test_a_dataset_larger_than_the_memory_is_compacted(tmp_path: Path) -> None:
    for name in ("lake", "spill"):
        (tmp_path / name).mkdir()
    lake = Lake(tmp_path / "lake", tmp_path / "spill", Limits(memory_mb=64, threads=2))
    words = ", ".join(f"(hash(range, {word}) >> 1)::BIGINT AS person__{word}" for word in range(4))
    rest = (
        "false AS unlinked, DATE '2026-04-01' AS occurred, 'violence' AS \"group\", 'unknown' AS lsoa, "
        "1::INTEGER AS age, 0::INTEGER AS change, 0::INTEGER AS gravity, true AS knife"
    )
    for number in range(3):
        path = lake.stage_path(A, D, f"x-{number}")
        with duckdb.connect() as connection:
            connection.execute(f"COPY (SELECT {words}, {rest} FROM range(400000)) TO '{path}' (FORMAT parquet)")
        base = lake.commit(A, D, path.stem, Staged(path, 400_000, 1, path.stat().st_size, ""), PERSON_SCHEMA)
    assert lake.compact(A, D, PERSON_SCHEMA, base) == base + 1
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT person__0), count(DISTINCT _extract) FROM read_parquet(?)",
            [str(only_compacted(lake))],
        ).fetchone()
    assert found == (1_200_000, 400_000, 3)
    assert not list((tmp_path / "spill").iterdir())


# --- kills

CRASH = """
import os, signal, sys
from pathlib import Path
from service.intake.check import Staged
from tests.unit.intake.test_lake_compaction import A, D, PERSON_SCHEMA, compact, lake_in
root, point, action = sys.argv[1:4]
def fault(name):
    if name == point:
        os.kill(os.getpid(), signal.SIGKILL)
lake = lake_in(Path(root), fault)
if action == "compact":
    compact(lake)
elif action == "withdraw":
    lake.withdraw(A, D, "x-1")
else:
    path = Path(root, "lake", A, D, "x-3.parquet")
    lake.commit(A, D, "x-3", Staged(path, 2, 1, path.stat().st_size, ""), PERSON_SCHEMA, "x-1")
"""


def killed_at(point: str, folder: Path, action: str) -> None:
    command = [sys.executable, "-c", CRASH, str(folder), point, action]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("point", ["lake-compacted", "lake-compaction-committed"])
def test_a_compaction_killed_at_any_step_changes_no_row_and_is_done_again(
    lake: Lake, tmp_path: Path, point: str
) -> None:
    commit(lake, "x-1", ANN)
    base = commit(lake, "x-2", BOB)
    before = rows_at(lake, base)
    killed_at(point, tmp_path, "compact")
    assert rows_at(lake, base) == before == rows_at(lake, newest(lake))
    assert compact(lake, base) == base + 1
    assert rows_at(lake, base + 1) == before
    lake.vacuum(A, D, base + 1)
    assert on_disk(lake) == [only_compacted(lake).stem]


@pytest.mark.parametrize(
    ("point", "rows"), [("lake-before-withdrawal", 2), ("lake-rewritten", 2), ("lake-after-withdrawal", 1)]
)
def test_a_withdrawal_from_a_compacted_file_killed_at_any_step_is_all_or_nothing(
    lake: Lake, tmp_path: Path, point: str, rows: int
) -> None:
    commit(lake, "x-1", ANN)
    commit(lake, "x-2", BOB)
    compact(lake)
    killed_at(point, tmp_path, "withdraw")
    assert count(lake) == rows
    gone = lake.withdraw(A, D, "x-1")
    assert count(lake) == 1
    lake.vacuum(A, D, gone)
    assert on_disk(lake) == [only_compacted(lake).stem]
    assert holding(lake, ANN) == []


@pytest.mark.parametrize(
    ("point", "rows"), [("lake-before-commit", 2), ("lake-rewritten", 2), ("lake-after-commit", 3)]
)
def test_a_replacement_inside_a_compacted_file_killed_at_any_step_shows_one_or_the_other(
    lake: Lake, tmp_path: Path, point: str, rows: int
) -> None:
    commit(lake, "x-1", ANN)
    commit(lake, "x-2", BOB)
    compact(lake)
    staged = stage(lake, "x-3", [GOOD, GOOD])
    killed_at(point, tmp_path, "replace")
    assert count(lake) == rows
    after = lake.commit(A, D, "x-3", staged, PERSON_SCHEMA, "x-1")
    assert count(lake) == 3
    lake.vacuum(A, D, after)
    assert holding(lake, ANN) == []
    assert len(on_disk(lake)) == 2
