"""Compacting a dataset: the data version keeps its name, whatever races or kills; withdrawn rows leave the disk."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from service.aggregates.ports import VersionName
from service.errors import EngineFailed
from service.intake.compaction import Outcome
from service.intake.means import COMPACTION_STEPS, PUSH_STEPS, REWRITING_STEPS, no_fault
from service.intake.service import Intake
from service.storage.compacted import made_from
from tests.unit.intake.files import GOOD, P1, P2, P3, write_csv
from tests.unit.intake.pushing import A, D, Desk, control_database
from tests.unit.intake.test_push_crashes import assert_consistent, killed, kinds, restarted, seen_rows, states

SECRET = "SECRET 943 476 5919"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, control_database(tmp_path))


def beside(folder: Path, fault: Callable[[str], None] = no_fault) -> Desk:
    """Another broker on the same database and lake."""
    return Desk(folder, control_database(folder), fault)


def version(desk: Desk) -> VersionName:
    with desk.control.read() as transaction:
        return transaction.answers.data_version(A, D)


def files(desk: Desk) -> list[str]:
    return [Path(path).stem for path in desk.lake.files(A, D, version(desk).lake)]


def rows_at(desk: Desk, at: VersionName) -> int:
    paths = desk.lake.files(A, D, at.lake)
    with duckdb.connect() as connection:
        found = connection.execute("SELECT count(*) FROM read_parquet(?)", [paths]).fetchone() if paths else (0,)
    assert found is not None
    return int(found[0])


def on_disk(desk: Desk) -> list[str]:
    return sorted(path.stem for path in (desk.folder / "lake" / A / D).glob("*.parquet"))


def push_person(desk: Desk, person: str, key: str) -> str:
    receipt = desk.push(key=key, body=write_csv([GOOD | {"person": person}]))
    return str(receipt["extract"])


def holding(desk: Desk, person: str) -> list[str]:
    """The files on the disk, in the table or not, that hold a person's rows."""
    word = int.from_bytes(bytes.fromhex(person[:16]), "big", signed=True)
    found = []
    for path in (desk.folder / "lake" / A / D).glob("*.parquet"):
        with duckdb.connect() as connection:
            row = connection.execute("SELECT count(*) FROM read_parquet(?) WHERE person__0 = ?", [str(path), word])
            if row.fetchone() != (0,):
                found.append(path.stem)
    return found


def test_a_compaction_keeps_the_rows_and_the_data_versions_name(desk: Desk) -> None:
    for number in range(4):
        desk.push(number + 1, f"key-{number}")
    before, entries = version(desk), kinds(desk)
    assert desk.compact() == [Outcome(A, D, 4, 1)]
    assert version(desk) == VersionName(before.name, before.lake + 1)
    assert seen_rows(desk) == 10
    assert on_disk(desk) == files(desk)
    assert kinds(desk) == entries, "it is no access: the log does not grow"
    assert desk.compact() == [Outcome(A, D, 1, 1)]
    assert version(desk) == VersionName(before.name, before.lake + 1)


def test_a_dataset_without_rows_is_vacuumed_and_nothing_else(desk: Desk) -> None:
    assert desk.compact() == []
    desk.withdraw(desk.push(1, "key-1")["extract"])
    assert len(on_disk(desk)) == 1
    assert desk.compact() == [Outcome(A, D, 0, 0)]
    assert on_disk(desk) == []


def test_only_what_is_named_is_compacted(desk: Desk) -> None:
    for dataset in (D, "others"):
        for number in range(2):
            desk.push(1, f"{dataset}-{number}", dataset=dataset)
    compaction = desk.compaction()
    assert compaction.run("agreement-2") == []
    assert compaction.run(A, "others") == [Outcome(A, "others", 2, 1)]
    assert compaction.run(A) == [Outcome(A, D, 2, 1), Outcome(A, "others", 1, 1)]


def test_every_push_after_a_compaction_makes_a_new_data_version_and_is_compacted_in_its_turn(desk: Desk) -> None:
    names = []
    for number in range(4):
        desk.push(1, f"key-{number}")
        names.append(version(desk).name)
        desk.compact()
        assert version(desk).name == names[-1]
    assert len(set(names)) == 4
    assert seen_rows(desk) == 4
    assert len(on_disk(desk)) == 1


# --- withdrawal and replacement


def test_withdrawn_rows_leave_the_disk_also_out_of_a_compacted_file(desk: Desk) -> None:
    extracts = [push_person(desk, person, f"key-{person[:2]}") for person in (P1, P2, P3)]
    desk.compact()
    before = version(desk)
    receipt = desk.withdraw(extracts[0])
    desk.vacuum(A, D)
    assert version(desk).name != before.name
    assert seen_rows(desk) == 2
    assert holding(desk, P1) == []
    assert len(holding(desk, P2)) == len(holding(desk, P3)) == 1
    assert desk.withdraw(extracts[0]) == receipt


def test_a_replacement_inside_a_compacted_file_shows_the_new_rows_and_removes_the_old(desk: Desk) -> None:
    old = push_person(desk, P1, "key-1")
    push_person(desk, P2, "key-2")
    desk.compact()
    desk.push(key="key-3", replaces=old, body=write_csv([GOOD | {"person": P3}] * 2))
    desk.vacuum(A, D)
    assert seen_rows(desk) == 3
    assert holding(desk, P1) == []
    assert states(desk) == ["committed", "committed", "replaced"]


def test_everything_can_be_withdrawn_after_a_compaction(desk: Desk) -> None:
    extracts = [desk.push(1, f"key-{number}")["extract"] for number in range(3)]
    desk.compact()
    for extract in extracts:
        desk.withdraw(extract)
        desk.vacuum(A, D)
    assert seen_rows(desk) == 0
    assert on_disk(desk) == []
    desk.push(2, "key-9")
    assert seen_rows(desk) == 2


# --- races


def at(step: str, action: Callable[[], object]) -> Callable[[str], None]:
    def fault(name: str) -> None:
        if name == step:
            action()

    return fault


class Stop(Exception):
    """Ends what a test interrupts, as a crash would."""


def stop() -> None:
    raise Stop


def test_rows_that_are_committed_and_not_yet_recorded_are_never_seen_under_the_old_name(tmp_path: Path) -> None:
    desk = beside(tmp_path)
    desk.push(1, "key-1")
    desk.push(2, "key-2")
    before = version(desk)
    with pytest.raises(Stop):
        beside(tmp_path, at("push-delta-committed", stop)).push(4, "key-3")
    assert desk.compact() == [Outcome(A, D, 2, 2)]
    assert version(desk) == before
    assert seen_rows(desk) == 3
    desk.recover()
    assert seen_rows(desk) == 7
    assert desk.compact() == [Outcome(A, D, 3, 1)]
    assert seen_rows(desk) == 7


@pytest.mark.parametrize("stopped_at", ["push-delta-committed", None], ids=["not recorded", "recorded"])
@pytest.mark.parametrize("step", COMPACTION_STEPS[:3])
def test_a_push_that_comes_in_at_any_step_of_a_compaction_is_seen_when_it_is_recorded_and_not_before(
    tmp_path: Path, step: str, stopped_at: str | None
) -> None:
    def come_in() -> None:
        other = beside(tmp_path, at(stopped_at or "", stop))
        if stopped_at is None:
            other.push(4, "key-3")
            return
        with pytest.raises(Stop):
            other.push(4, "key-3")

    desk = beside(tmp_path, at(step, come_in))
    desk.push(1, "key-1")
    desk.push(2, "key-2")
    before = version(desk).name
    desk.compact()
    assert (version(desk).name == before) is (stopped_at is not None)
    assert seen_rows(desk) == (3 if stopped_at else 7)
    desk = restarted(tmp_path)
    desk.recover()
    assert version(desk).name != before
    assert seen_rows(desk) == 7
    desk.compact()
    assert seen_rows(desk) == 7
    assert on_disk(desk) == files(desk)
    assert len(files(desk)) == 1


@pytest.mark.parametrize("step", COMPACTION_STEPS)
def test_a_withdrawal_that_comes_in_at_any_step_of_a_compaction_removes_its_rows_for_good(
    tmp_path: Path, step: str
) -> None:
    extracts: list[str] = []

    def come_in() -> None:
        other = beside(tmp_path)
        other.withdraw(extracts[0])
        other.vacuum(A, D)

    desk = beside(tmp_path, at(step, come_in))
    extracts += [push_person(desk, person, person[:4]) for person in (P1, P2, P3)]
    desk.compact()
    assert seen_rows(desk) == 2
    assert holding(desk, P1) == []


def test_two_brokers_that_compact_at_once_make_one_file_of_the_same_rows(tmp_path: Path) -> None:
    desk = beside(tmp_path, at("lake-compacted", lambda: beside(tmp_path).compact()))
    for number in range(3):
        desk.push(1, f"key-{number}")
    name = version(desk).name
    desk.compact()
    assert version(desk).name == name
    assert seen_rows(desk) == 3
    assert on_disk(desk) == files(desk)
    assert len(files(desk)) == 1


def supply(desk: Desk, rows: int) -> None:
    """Push six extracts and withdraw two."""
    for turn in range(6):
        extract = desk.push(rows, f"key-{rows}-{turn}")["extract"]
        if turn % 3 == 1:
            desk.withdraw(extract)
            desk.vacuum(A, D)


def compact_until(done: threading.Event, desk: Desk) -> None:
    while not done.is_set():
        desk.compact()


def read_until(done: threading.Event, desk: Desk, seen: dict[str, set[int]]) -> None:
    """Note how many rows there are under each data version's name."""
    while not done.is_set():
        found = version(desk)
        with contextlib.suppress(duckdb.IOException):  # no intent pins these files, so a vacuum may be faster
            rows = rows_at(desk, found)
            seen.setdefault(found.name, set()).add(rows)


def test_brokers_that_push_withdraw_and_compact_at_once_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Each thread is a broker of its own, so that only the table's log and the control database keep order."""
    done = threading.Event()
    seen: dict[str, set[int]] = {}
    with ThreadPoolExecutor(6) as pool:
        desks = [beside(tmp_path) for _ in range(6)]
        suppliers = [pool.submit(supply, desk, rows) for desk, rows in zip(desks[:3], (1, 10, 100), strict=True)]
        others = [pool.submit(compact_until, done, desk) for desk in desks[3:5]]
        others.append(pool.submit(read_until, done, desks[5], seen))
        try:
            for supplier in suppliers:
                supplier.result()
        finally:
            done.set()
        for other in others:
            other.result()
    desk = desks[0]
    assert seen_rows(desk) == 4 * 111
    desk.compact()
    assert seen_rows(desk) == 4 * 111
    assert on_disk(desk) == files(desk)
    assert len(files(desk)) == 1
    assert len(seen) > 3
    assert all(len(counts) == 1 for counts in seen.values()), "one name, one content"


# --- kills


@pytest.mark.parametrize("step", COMPACTION_STEPS)
def test_a_compaction_killed_at_any_step_changes_nothing_that_is_seen_and_the_next_one_completes_it(
    tmp_path: Path, step: str
) -> None:
    desk = restarted(tmp_path)
    extracts = [push_person(desk, person, person[:4]) for person in (P1, P2, P3)]
    before = version(desk)
    killed(tmp_path, step, "compact")
    desk = restarted(tmp_path)
    desk.recover()
    assert version(desk).name == before.name
    assert seen_rows(desk) == 3
    assert kinds(desk) == ["pushed"] * 3
    desk.compact()
    assert version(desk).name == before.name
    assert seen_rows(desk) == 3
    assert len(files(desk)) == 1
    desk.withdraw(extracts[0])
    desk.vacuum(A, D)
    assert holding(desk, P1) == []
    assert on_disk(desk) == files(desk)


@pytest.mark.parametrize("step", COMPACTION_STEPS)
def test_a_withdrawal_after_a_killed_compaction_leaves_its_rows_nowhere(tmp_path: Path, step: str) -> None:
    desk = restarted(tmp_path)
    extracts = [push_person(desk, person, person[:4]) for person in (P1, P2)]
    killed(tmp_path, step, "compact")
    desk = restarted(tmp_path)
    desk.withdraw(extracts[0])
    desk.vacuum(A, D)
    assert seen_rows(desk) == 1
    assert holding(desk, P1) == []


def test_the_start_sweeps_what_a_killed_compaction_left_once_nobody_can_be_about_to_commit_it(tmp_path: Path) -> None:
    desk = restarted(tmp_path)
    desk.push(1, "key-1")
    desk.push(1, "key-2")
    killed(tmp_path, "lake-compacted", "compact")
    desk = restarted(tmp_path)
    (stray,) = (stem for stem in on_disk(desk) if made_from(stem) is not None)
    path = desk.folder / "lake" / A / D / f"{stray}.parquet"
    made = desk.now.timestamp()
    for age, left in ((1800, True), (7200, False)):
        os.utime(path, (made - age, made - age))
        desk.recover()
        assert path.exists() is left
    assert seen_rows(desk) == 2


@pytest.mark.parametrize("recovered", [False, True])
@pytest.mark.parametrize("step", REWRITING_STEPS)
def test_a_withdrawal_from_a_compacted_file_killed_at_any_step_completes(
    tmp_path: Path, step: str, *, recovered: bool
) -> None:
    desk = restarted(tmp_path)
    extracts = [push_person(desk, person, person[:4]) for person in (P1, P2, P3)]
    desk.compact()
    killed(tmp_path, step, "withdraw", extract=extracts[0])
    desk = restarted(tmp_path)
    assert seen_rows(desk) == (2 if step == "withdrawal-recorded" else 3)
    if recovered:
        desk.recover()
        assert seen_rows(desk) == 2
    receipt = desk.withdraw(extracts[0])
    desk.vacuum(A, D)
    assert desk.row(extracts[0]).withdrawal == receipt
    assert seen_rows(desk) == 2
    assert holding(desk, P1) == []
    assert on_disk(desk) == files(desk)


@pytest.mark.parametrize("step", [*PUSH_STEPS[2:], "lake-rewritten"])
def test_a_replacement_inside_a_compacted_file_killed_at_any_step_never_shows_both_or_neither(
    tmp_path: Path, step: str
) -> None:
    desk = restarted(tmp_path)
    old = desk.push(3, "key-1")["extract"]
    desk.push(10, "key-2")
    desk.compact()
    killed(tmp_path, step, "push", "key-3", 5, old)
    desk = restarted(tmp_path)
    assert seen_rows(desk) == (15 if step == "push-recorded" else 13)
    desk.recover()
    assert seen_rows(desk) == 15
    receipt = desk.push(5, "key-3", replaces=old)
    assert seen_rows(desk) == 15
    assert_consistent(desk, receipt)


# --- by itself, after a push


def test_a_dataset_is_compacted_by_itself_when_a_push_leaves_too_many_files(desk: Desk) -> None:
    compaction = desk.compaction(most_files=3)
    for number, expected in enumerate((1, 2, 3, 1, 2, 3, 1)):
        desk.push(1, f"key-{number}")
        compaction.after_push(A, D)
        assert len(files(desk)) == expected
    assert seen_rows(desk) == 7


def test_a_dataset_is_never_compacted_by_itself_where_the_setting_is_0(desk: Desk) -> None:
    desk.push(1, "key-1")
    desk.push(1, "key-2")
    desk.compaction(most_files=0).after_push(A, D)
    assert len(files(desk)) == 2


@pytest.mark.parametrize("error", [RuntimeError(SECRET), EngineFailed(SECRET), OSError(SECRET)])
def test_a_compaction_that_fails_after_a_push_is_logged_by_its_type_alone(
    desk: Desk, caplog: Any, error: Exception
) -> None:
    class Failing:
        def compact(self, *_: Any) -> int | None:
            raise error

        def files(self, *arguments: Any) -> list[str]:
            return desk.lake.files(*arguments)

    desk.push(1, "key-1")
    desk.push(1, "key-2")
    caplog.set_level(logging.DEBUG)
    compaction = replace(desk.compaction(most_files=1), lake=Failing())
    compaction.after_push(A, D)
    (record,) = caplog.records
    assert record.getMessage() == f"compaction of {D} in {A} failed with {type(error).__name__}"
    assert record.exc_info is None
    assert seen_rows(desk) == 2
    replace(compaction, lake=desk.lake).after_push(A, D)
    assert len(files(desk)) == 1, "the next push tries again"


def test_a_push_never_waits_for_another_pushs_compaction(tmp_path: Path) -> None:
    asked: list[int] = []

    def push_again() -> None:
        asked.append(1)
        compaction.after_push(A, D)

    desk = beside(tmp_path, at("compaction-committed", push_again))
    desk.push(1, "key-1")
    desk.push(1, "key-2")
    compaction = desk.compaction(most_files=1)
    compaction.after_push(A, D)
    assert asked == [1]
    assert len(files(desk)) == 1


# --- at the start


def test_a_table_that_cannot_be_vacuumed_at_the_start_keeps_no_other_from_being_served(desk: Desk, caplog: Any) -> None:
    class Damaged:
        def vacuum(self, agreement: str, dataset: str, keep_versions_from: int) -> int:
            if dataset == D:
                raise OSError(SECRET)
            return desk.lake.vacuum(agreement, dataset, keep_versions_from)

    for dataset in (D, "others"):
        desk.withdraw(desk.push(1, dataset, dataset=dataset)["extract"], dataset=dataset)
    intake = Intake(desk.control, desk.pushes, Damaged(), "https://broker.example", lambda: desk.now)
    intake.recover()
    assert [record.getMessage() for record in caplog.records] == [f"{D} in {A} could not be vacuumed: OSError"]
    assert len(on_disk(desk)) == 1
    assert not list((desk.folder / "lake" / A / "others").glob("*.parquet"))


def test_a_push_that_overtakes_a_compaction_has_its_dataset_compacted_when_that_ends(tmp_path: Path) -> None:
    overtaken: list[str] = []

    def overtake() -> None:
        if not overtaken:
            overtaken.append(str(beside(tmp_path).push(4, "key-3")["extract"]))
            compaction.after_push(A, D)  # returns at once, as one is under way

    desk = beside(tmp_path, at(COMPACTION_STEPS[0], overtake))
    compaction = desk.compaction(most_files=1)
    desk.push(1, "key-1")
    desk.push(2, "key-2")
    compaction.after_push(A, D)
    assert overtaken
    assert len(files(desk)) == 1
    assert seen_rows(desk) == 7
