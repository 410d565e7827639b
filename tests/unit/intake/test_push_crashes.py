"""``kill -9`` at each step of a push or a withdrawal: all or nothing, and a restart or a retry completes it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from service.intake.means import PUSH_STEPS, WITHDRAWAL_STEPS
from service.intake.spool import sweep
from service.storage.store import Store
from tests.unit.intake.pushing import A, D, Desk, control_database

UNINTENDED = ("push-spooled", "push-staged")


def killed(folder: Path, step: str, action: str, key: str = "", rows: int = 0, extract: str = "") -> None:
    command = [sys.executable, "-m", "tests.unit.intake.pushing", str(folder), step, action, key, str(rows), extract]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def restarted(folder: Path) -> Desk:
    sweep(folder / "spool")
    return Desk(folder, control_database(folder))


def database(desk: Desk) -> Store:
    assert isinstance(desk.store, Store)
    return desk.store


def seen_rows(desk: Desk) -> int:
    with database(desk).read() as transaction:
        version = transaction.answers.data_version(A, D).lake
    files = desk.lake.files(A, D, version)
    if not files:
        return 0
    with duckdb.connect() as connection:
        found = connection.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchone()
    assert found is not None
    return int(found[0])


def kinds(desk: Desk) -> list[str]:
    with database(desk).read() as transaction:
        found = [transaction.log.entry(n) for n in range(transaction.log.size())]
    return [json.loads(item.entry)["kind"] for item in found if item is not None]


def states(desk: Desk) -> list[str]:
    with desk.store.read() as transaction:
        return [row.state.value for row in transaction.extracts.listed(A, D, "police", 10, None)]


def assert_consistent(desk: Desk, receipt: dict[str, Any]) -> None:
    """The receipt is stored and logged once, and nothing half-done is left."""
    assert desk.row(receipt["extract"]).receipt == receipt
    assert kinds(desk).count("pushed") == receipt["audit"]["index"] + 1
    assert not {"staged", "replacing", "withdrawing"} & set(states(desk))
    assert not list((desk.folder / "spool").iterdir())


@pytest.mark.parametrize("step", PUSH_STEPS)
def test_a_push_killed_at_any_step_is_all_or_nothing_and_a_retry_completes_it(tmp_path: Path, step: str) -> None:
    killed(tmp_path, step, "push", "key-1", 3)
    desk = restarted(tmp_path)
    assert seen_rows(desk) == (3 if step == "push-recorded" else 0)
    receipt = desk.push(3, "key-1")
    assert seen_rows(desk) == 3
    assert kinds(desk) == ["pushed"]
    assert_consistent(desk, receipt)


@pytest.mark.parametrize("step", PUSH_STEPS)
def test_a_restart_completes_what_was_intended_and_forgets_the_rest(tmp_path: Path, step: str) -> None:
    killed(tmp_path, step, "push", "key-1", 3)
    desk = restarted(tmp_path)
    desk.recover()
    desk.recover()
    assert seen_rows(desk) == (0 if step in UNINTENDED else 3)
    receipt = desk.push(3, "key-1")
    assert seen_rows(desk) == 3
    assert kinds(desk) == ["pushed"]
    assert_consistent(desk, receipt)


@pytest.mark.parametrize("step", PUSH_STEPS)
def test_a_replacement_killed_at_any_step_never_shows_both_or_neither(tmp_path: Path, step: str) -> None:
    desk = restarted(tmp_path)
    old = desk.push(3, "key-1")["extract"]
    killed(tmp_path, step, "push", "key-2", 5, old)
    desk = restarted(tmp_path)
    assert seen_rows(desk) == (5 if step == "push-recorded" else 3)
    desk.recover()
    assert seen_rows(desk) == (3 if step in UNINTENDED else 5)
    receipt = desk.push(5, "key-2", replaces=old)
    assert seen_rows(desk) == 5
    assert states(desk) == ["committed", "replaced"]
    assert_consistent(desk, receipt)


def test_another_push_between_a_crash_and_its_recovery_changes_nothing(tmp_path: Path) -> None:
    killed(tmp_path, "lake-after-commit", "push", "key-1", 3)
    desk = restarted(tmp_path)
    desk.push(4, "key-2")
    desk.recover()
    assert seen_rows(desk) == 7
    assert states(desk) == ["committed", "committed"]
    assert kinds(desk) == ["pushed", "pushed"]


@pytest.mark.parametrize("recovered", [False, True])
@pytest.mark.parametrize("step", WITHDRAWAL_STEPS)
def test_a_withdrawal_killed_at_any_step_completes(tmp_path: Path, step: str, *, recovered: bool) -> None:
    desk = restarted(tmp_path)
    extract = desk.push(3, "key-1")["extract"]
    desk.push(2, "key-2")
    killed(tmp_path, step, "withdraw", extract=extract)
    desk = restarted(tmp_path)
    assert seen_rows(desk) == (2 if step == "withdrawal-recorded" else 5)
    if recovered:
        desk.recover()
        assert seen_rows(desk) == 2
    receipt = desk.withdraw(extract)
    assert seen_rows(desk) == 2
    assert states(desk) == ["committed", "withdrawn"]
    assert kinds(desk) == ["pushed", "pushed", "withdrawn"]
    assert desk.row(extract).withdrawal == receipt


def test_a_staged_file_that_was_damaged_is_not_committed_at_restart(tmp_path: Path) -> None:
    killed(tmp_path, "push-intended", "push", "key-1", 3)
    desk = restarted(tmp_path)
    (path,) = (tmp_path / "lake" / A / D).glob("*.parquet")
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" + data[101:])
    desk.recover()
    assert seen_rows(desk) == 0
    assert kinds(desk) == ["push-refused"]
    assert not path.exists()
    assert desk.push(3, "key-1")["rows"] == 3
