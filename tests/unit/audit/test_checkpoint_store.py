"""What a client remembers of a broker, and the brokers it catches."""

import os
import stat
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.checkpoints import (
    CheckpointStore,
    ForkError,
    NotIncludedError,
    RollbackError,
    StoreDamagedError,
)
from connectors.tlog import Checkpoint, LogError
from tests.unit.audit.simulator import LogSimulator


@pytest.fixture
def store(tmp_path: Path, log: LogSimulator) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints", log.vkey)


def newest(store: CheckpointStore) -> Checkpoint:
    """Return what must be remembered by now."""
    found = store.newest()
    assert found is not None
    return found


def grow(log: LogSimulator, entries: int) -> None:
    for _ in range(entries):
        log.append("read")


def test_the_first_checkpoint_is_remembered(store: CheckpointStore, log: LogSimulator, tmp_path: Path) -> None:
    assert store.newest() is None
    accepted = store.accept(log.note())
    assert accepted.size == 8
    again = CheckpointStore(tmp_path / "checkpoints", log.vkey)
    assert again.newest() == accepted


def test_a_checkpoint_that_extends_the_remembered_one_replaces_it(store: CheckpointStore, log: LogSimulator) -> None:
    store.accept(log.note())
    grow(log, 5)
    store.accept(log.note(), log.consistency(8))
    assert newest(store).size == 13


def test_the_same_checkpoint_again_needs_no_proof(store: CheckpointStore, log: LogSimulator) -> None:
    store.accept(log.note())
    store.accept(log.note())
    assert newest(store).size == 8


def test_fork_is_caught_and_the_memory_kept(store: CheckpointStore, log: LogSimulator) -> None:
    store.accept(log.note())
    other = LogSimulator()
    grow(other, 9)
    with pytest.raises(ForkError) as caught:
        store.accept(other.note(), other.consistency(8))
    assert caught.value.code == "fork"
    assert newest(store).root == log.root()


def test_fork_of_the_same_size_is_caught(store: CheckpointStore, log: LogSimulator) -> None:
    store.accept(log.note())
    other = LogSimulator()
    grow(other, 8)
    with pytest.raises(ForkError):
        store.accept(other.note())


def test_a_longer_log_without_its_proof_is_a_fork(store: CheckpointStore, log: LogSimulator) -> None:
    store.accept(log.note())
    grow(log, 3)
    with pytest.raises(ForkError):
        store.accept(log.note())


def test_rollback_is_caught(store: CheckpointStore, log: LogSimulator) -> None:
    earlier = log.note()
    grow(log, 1)
    store.accept(log.note())
    with pytest.raises(RollbackError) as caught:
        store.accept(earlier)
    assert caught.value.code == "rollback"
    assert newest(store).size == 9


def test_a_checkpoint_of_a_stranger_is_not_remembered(store: CheckpointStore, log: LogSimulator) -> None:
    stranger = LogSimulator(Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with pytest.raises(LogError):
        store.accept(stranger.note())
    assert store.newest() is None


def test_each_entry_is_shown_to_be_in_the_log(store: CheckpointStore, log: LogSimulator) -> None:
    store.accept(log.note())
    for n, entry in enumerate(log.entries):
        store.verify_entry(n, entry.as_dict(), log.inclusion(n))
        store.verify_leaf(n, entry.leaf(), log.inclusion(n))


def test_an_entry_that_is_not_in_the_log_is_refused(store: CheckpointStore, log: LogSimulator) -> None:
    store.accept(log.note())
    changed = {**log.entries[2].as_dict(), "purpose": "another"}
    with pytest.raises(NotIncludedError) as caught:
        store.verify_entry(2, changed, log.inclusion(2))
    assert caught.value.code == "not_included"
    with pytest.raises(NotIncludedError):
        store.verify_entry(3, log.entries[2].as_dict(), log.inclusion(2))


def test_an_entry_after_the_remembered_checkpoint_is_refused(store: CheckpointStore, log: LogSimulator) -> None:
    store.accept(log.note())
    n = log.append("read")
    with pytest.raises(NotIncludedError):
        store.verify_leaf(n, log.entries[n].leaf(), log.inclusion(n))


def test_nothing_is_included_before_a_checkpoint_is_remembered(store: CheckpointStore, log: LogSimulator) -> None:
    with pytest.raises(NotIncludedError):
        store.verify_leaf(0, log.entries[0].leaf(), log.inclusion(0))


def test_two_brokers_are_remembered_apart(tmp_path: Path, log: LogSimulator) -> None:
    store = CheckpointStore(tmp_path, log.vkey)
    store.accept(log.note())
    other = CheckpointStore(tmp_path, log.vkey.replace("broker", "another", 1))
    assert other.newest() is None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_the_file_is_readable_by_its_owner_alone(store: CheckpointStore, log: LogSimulator, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store.accept(log.note())
    finally:
        os.umask(before)
    folder = tmp_path / "checkpoints"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_write_that_fails_leaves_the_memory_whole(
    store: CheckpointStore, log: LogSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.accept(log.note())
    grow(log, 1)

    def full(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        store.accept(log.note(), log.consistency(8))
    assert newest(store).size == 8
    assert not list((tmp_path / "checkpoints").glob(".checkpoint-*"))


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\xff", None])
def test_a_damaged_file_is_told_not_forgotten(
    store: CheckpointStore, log: LogSimulator, tmp_path: Path, damage: bytes | None
) -> None:
    store.accept(log.note())
    (file,) = (tmp_path / "checkpoints").glob("*.checkpoint")
    file.write_bytes(file.read_bytes().replace(b"\n8\n", b"\n7\n") if damage is None else damage)
    with pytest.raises(StoreDamagedError):
        store.newest()
    with pytest.raises(StoreDamagedError):
        store.accept(log.note())
