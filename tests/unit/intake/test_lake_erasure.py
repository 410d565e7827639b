"""Erasing in the lake: the whole dataset anew without some persons; what else is there stays bit for bit; races."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from service.errors import Conflict, EngineFailed
from service.intake.erasure_ports import Erased, PersonsLost
from service.storage.compacted import extracts_in
from service.storage.lake import Lake
from tests.unit.intake.files import GOOD, PERSON_SCHEMA
from tests.unit.intake.test_lake_compaction import (
    ANN,
    BOB,
    CAT,
    A,
    D,
    commit,
    compact,
    holding,
    lake_in,
    newest,
    on_disk,
    only_compacted,
    rows_at,
    stage,
)

E = "erasure-1"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_in(tmp_path)


def erase(lake: Lake, *persons: str, erasure: str = E) -> Erased:
    lake.list_persons(A, erasure, persons)
    return lake.erase(A, D, PERSON_SCHEMA, erasure)


def others(rows: Counter[tuple[Any, ...]], person: str) -> Counter[tuple[Any, ...]]:
    """Rows of everybody else; a pseudonym is the first four columns."""
    gone = tuple(int.from_bytes(bytes.fromhex(person[at : at + 16]), "big", signed=True) for at in (0, 16, 32, 48))
    return Counter({row: times for row, times in rows.items() if row[:4] != gone})


@pytest.mark.parametrize("merged", [False, True], ids=["plain", "compacted"])
def test_a_persons_rows_leave_the_dataset_and_the_disk_and_every_other_row_stays_bit_for_bit(
    lake: Lake, *, merged: bool
) -> None:
    commit(lake, "x-1", ANN, ANN, BOB)
    commit(lake, "x-2", CAT, ANN)
    if merged:
        compact(lake)
    before = rows_at(lake, newest(lake))
    erased = erase(lake, ANN)
    assert erased == Erased(newest(lake), 3)
    assert rows_at(lake, erased.version) == others(before, ANN)
    lake.vacuum(A, D, erased.version)
    assert holding(lake, ANN) == []
    assert len(on_disk(lake)) == 1
    assert set(extracts_in(only_compacted(lake))) == {"x-1", "x-2"}


def test_two_pseudonyms_that_differ_in_one_digit_are_two_persons(lake: Lake) -> None:
    near = [ANN[:at] + "1" + ANN[at + 1 :] for at in (0, 16, 32, 48, 63)]
    commit(lake, "x-1", ANN, *near)
    assert erase(lake, near[4]).rows == 1
    assert rows_at(lake, newest(lake)).total() == 5
    assert erase(lake, ANN, erasure="erasure-2").rows == 1
    assert rows_at(lake, newest(lake)).total() == 4


def test_a_person_who_is_not_there_has_everything_written_anew_all_the_same(lake: Lake) -> None:
    commit(lake, "x-1", ANN)
    commit(lake, "x-2", BOB)
    base, held, before = newest(lake), on_disk(lake), rows_at(lake, newest(lake))
    erased = erase(lake, CAT)
    assert erased == Erased(base + 1, 0)
    assert rows_at(lake, erased.version) == before
    lake.vacuum(A, D, erased.version)
    assert len(on_disk(lake)) == 1
    assert not set(on_disk(lake)) & set(held)


def test_an_erasure_is_done_once_and_tells_the_same_when_repeated(lake: Lake) -> None:
    commit(lake, "x-1", ANN, BOB)
    first = erase(lake, ANN)
    commit(lake, "x-2", ANN)
    assert lake.erase(A, D, PERSON_SCHEMA, E) == first
    lake.vacuum(A, D, newest(lake))
    lake.forget_persons(A, E)
    assert lake.erase(A, D, PERSON_SCHEMA, E) == first
    assert len(holding(lake, ANN)) == 1, "a later push brings the person back, and the old erasure does not reach it"


def test_a_dataset_that_lost_everybody_and_one_without_a_table_can_be_erased_from(lake: Lake) -> None:
    assert erase(lake, ANN) == Erased(-1, 0)
    commit(lake, "x-1", ANN)
    assert erase(lake, ANN, erasure="erasure-2").rows == 1
    assert erase(lake, ANN, erasure="erasure-3") == Erased(newest(lake), 0)
    lake.withdraw(A, D, "x-1")
    assert erase(lake, ANN, erasure="erasure-4") == Erased(newest(lake), 0)
    commit(lake, "x-2", BOB)
    assert rows_at(lake, newest(lake)).total() == 1


def test_an_extract_is_withdrawn_and_replaced_after_an_erasure(lake: Lake) -> None:
    commit(lake, "x-1", ANN, BOB)
    commit(lake, "x-2", ANN)
    erase(lake, ANN)
    commit(lake, "x-3", CAT, replaces="x-2")
    assert rows_at(lake, newest(lake)).total() == 2
    lake.withdraw(A, D, "x-1")
    lake.vacuum(A, D, newest(lake))
    assert rows_at(lake, newest(lake)).total() == 1
    assert (holding(lake, ANN), holding(lake, BOB)) == ([], [])


def test_a_push_whose_commit_is_repeated_after_an_erasure_brings_nobody_back(lake: Lake) -> None:
    staged = stage(lake, "x-1", [GOOD | {"person": ANN}])
    first = lake.commit(A, D, "x-1", staged, PERSON_SCHEMA)
    erase(lake, ANN)
    assert lake.commit(A, D, "x-1", staged, PERSON_SCHEMA) == first
    assert rows_at(lake, newest(lake)).total() == 0


def test_what_an_open_question_pins_stays_until_it_is_answered(lake: Lake) -> None:
    base = commit(lake, "x-1", ANN, BOB)
    erased = erase(lake, ANN)
    lake.vacuum(A, D, base)
    assert rows_at(lake, base).total() == 2
    lake.vacuum(A, D, erased.version)
    assert holding(lake, ANN) == []


# --- races


def once(step: str, action: Callable[[], object]) -> Callable[[str], None]:
    """Do an action the first time that a step is reached."""
    left = [action]

    def fault(name: str) -> None:
        if name == step and left:
            left.pop()()

    return fault


@pytest.mark.parametrize("act", ["push", "withdraw", "compact", "vacuum"])
def test_what_comes_in_while_the_rows_are_written_is_neither_lost_nor_brings_anybody_back(
    tmp_path: Path, act: str
) -> None:
    other = lake_in(tmp_path)
    acts: dict[str, Callable[[], object]] = {
        "push": lambda: commit(other, "x-3", ANN, CAT),
        "withdraw": lambda: other.withdraw(A, D, "x-2"),
        "compact": lambda: compact(other),
        "vacuum": lambda: (compact(other), other.vacuum(A, D, newest(other))),
    }
    lake = lake_in(tmp_path, once("lake-rewritten", acts[act]))
    commit(lake, "x-1", ANN, BOB)
    commit(lake, "x-2", ANN, CAT)
    erased = erase(lake, ANN)
    assert erased.rows == {"push": 3, "withdraw": 1, "compact": 2, "vacuum": 2}[act]
    assert rows_at(lake, erased.version).total() == {"push": 3, "withdraw": 1, "compact": 2, "vacuum": 2}[act]
    lake.vacuum(A, D, erased.version)
    assert holding(lake, ANN) == []


@pytest.mark.parametrize("step", ["lake-compacted", "lake-compaction-committed"])
def test_an_erasure_that_comes_into_a_compaction_leaves_no_copy_behind(tmp_path: Path, step: str) -> None:
    other = lake_in(tmp_path)
    lake = lake_in(tmp_path, once(step, lambda: erase(other, ANN)))
    commit(lake, "x-1", ANN, BOB)
    commit(lake, "x-2", ANN, CAT)
    compact(lake)
    lake.vacuum(A, D, newest(lake))
    assert rows_at(lake, newest(lake)).total() == 2
    assert holding(lake, ANN) == []


def test_two_brokers_that_complete_one_erasure_make_one_commit(tmp_path: Path) -> None:
    other, told = lake_in(tmp_path), []
    lake = lake_in(tmp_path, once("lake-rewritten", lambda: told.append(other.erase(A, D, PERSON_SCHEMA, E))))
    commit(lake, "x-1", ANN, BOB)
    told.append(erase(lake, ANN))
    assert told == [Erased(newest(lake), 1)] * 2
    assert newest(lake) == 2


def beside(action: Callable[[], object], seconds: float) -> threading.Thread:
    """Do something in another thread, and wait for it as long as told."""
    thread = threading.Thread(target=action)
    thread.start()
    thread.join(seconds)
    return thread


def test_nobody_waits_while_the_rows_are_written_and_what_comes_in_is_erased_too(tmp_path: Path) -> None:
    threads: list[threading.Thread] = []

    lake = lake_in(tmp_path)

    def act() -> None:
        threads.append(beside(lambda: commit(lake, "x-2", ANN, CAT), 30))
        threads.append(beside(lambda: lake.vacuum(A, D, 1), 30))

    lake._fault = once("lake-rewritten", act)
    commit(lake, "x-1", ANN, BOB)
    erased = erase(lake, ANN)
    assert len(threads) == 2
    assert not any(thread.is_alive() for thread in threads)
    assert erased == Erased(newest(lake), 2)
    assert rows_at(lake, erased.version).total() == 2
    lake.vacuum(A, D, erased.version)
    assert holding(lake, ANN) == []
    assert len(on_disk(lake)) == 1


def test_an_erasure_that_pushes_overtake_again_and_again_makes_them_wait_at_last_and_is_done(tmp_path: Path) -> None:
    threads: list[threading.Thread] = []
    lake = lake_in(tmp_path)

    def fault(step: str) -> None:
        if step == "lake-rewritten":
            name = f"x-{len(threads) + 2}"
            threads.append(beside(lambda: commit(lake, name, ANN, CAT), 1 if len(threads) < 3 else 0.5))

    commit(lake, "x-1", ANN, BOB)
    lake._fault = fault
    erased = erase(lake, ANN)
    for thread in threads:
        thread.join(30)
    assert (len(threads), erased.rows) == (4, 4), "three were overtaken, and the fourth kept a push waiting"
    assert rows_at(lake, erased.version).total() == 4
    assert newest(lake) == erased.version + 1, "which came after it"
    assert rows_at(lake, newest(lake)).total() == 6


@pytest.mark.parametrize("purge", [lambda lake: lake.purge_dataset(A, D), lambda lake: lake.purge(A)])
@pytest.mark.parametrize("step", ["lake-rewritten", "lake-after-erasure"])
def test_an_erasure_that_a_purge_by_another_process_overtakes_leaves_nothing(
    tmp_path: Path, step: str, purge: Callable[[Lake], None]
) -> None:
    other = lake_in(tmp_path)
    lake = lake_in(tmp_path, once(step, lambda: purge(other)))
    commit(lake, "x-1", ANN, BOB)
    assert erase(lake, ANN) == Erased(-1, 0)
    assert not (lake._root / A / D).exists()


ACTS: dict[str, Callable[[Lake], object]] = {
    "lake-before-commit": lambda lake: commit(lake, "x-3", CAT),
    "lake-before-withdrawal": lambda lake: lake.withdraw(A, D, "x-1"),
    "lake-rewritten": lambda lake: lake.withdraw(A, D, "x-1"),
}


@pytest.mark.parametrize("step", ACTS)
def test_a_push_or_withdrawal_that_a_purge_by_another_process_overtakes_is_refused_and_leaves_nothing(
    tmp_path: Path, step: str
) -> None:
    other = lake_in(tmp_path)
    lake = lake_in(tmp_path, once(step, lambda: other.purge_dataset(A, D)))
    commit(other, "x-1", ANN, BOB)
    commit(other, "x-2", CAT)
    if step == "lake-rewritten":
        compact(other)
    with pytest.raises(Conflict) as caught:
        ACTS[step](lake)
    assert caught.value.code == "records_purged"
    assert not (lake._root / A / D).exists()


# --- failures


def test_a_lost_list_and_a_damaged_file_change_nothing(lake: Lake) -> None:
    base = commit(lake, "x-1", ANN, BOB)
    with pytest.raises(PersonsLost):
        lake.erase(A, D, PERSON_SCHEMA, E)
    (path,) = (lake._root / A / D).glob("*.parquet")
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(EngineFailed) as caught:
        erase(lake, ANN)
    assert ANN not in str(caught.value)
    assert newest(lake) == base
    path.write_bytes(good)
    assert erase(lake, ANN).rows == 1


def test_a_list_is_its_owners_alone_and_no_stray_and_goes_without_a_trace(lake: Lake) -> None:
    lake.list_persons(A, E, [ANN, BOB])
    lake.list_persons(A, "erasure-2", [CAT])
    (first, second) = lake.person_lists()
    assert (first.agreement, first.erasure, second.erasure) == (A, E, "erasure-2")
    path = lake._root / A / ".erasing" / f"{E}.list"
    assert path.stat().st_mode & 0o777 == 0o600
    assert pq.read_table(path).num_rows == 2
    assert list(lake.strays()) == []
    lake.forget_persons(A, E)
    lake.forget_persons(A, "erasure-2")
    lake.forget_persons(A, "erasure-2")
    assert list(lake.person_lists()) == []
    assert not list(path.parent.iterdir())


def test_more_rows_than_fit_into_memory_are_written_anew(tmp_path: Path) -> None:
    """A million rows to sort, and 64 MB for it: they spill, and all but the person's are there afterwards."""
    lake = lake_in(tmp_path)
    base = commit(lake, "x-1", ANN)
    (path,) = (lake._root / A / D).glob("*.parquet")
    large = tmp_path / "large.parquet"
    with duckdb.connect() as connection:
        rows = f"SELECT person__0 + n AS person__0, * EXCLUDE (person__0, n) FROM '{path}', range(1000000) AS t(n)"
        connection.execute(f"COPY ({rows}) TO '{large}'")
    large.replace(path)
    assert erase(lake, ANN).version == base + 1
    with duckdb.connect() as connection:
        counted = connection.execute("SELECT count(*) FROM read_parquet(?)", [lake.files(A, D, base + 1)]).fetchone()
    assert counted == (999_999,)
    assert not list((tmp_path / "spill").iterdir())
