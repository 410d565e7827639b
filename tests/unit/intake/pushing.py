"""Pushes over a lake and a store, with what a test decides: clock, ids, nonces, crashes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from schemas import identifiers
from schemas.table_schema import TableSchema
from service.audit.entry import AgreementRef, Caller
from service.intake.compaction import Compaction, Outcome
from service.intake.engine import Limits
from service.intake.means import Means, no_fault
from service.intake.media import CSV
from service.intake.ports import ExtractRow, Store
from service.intake.push import Order, Pushes
from service.storage.database import Database
from service.storage.lake import Lake
from service.storage.store import Store as ControlDatabase
from tests.unit.intake.files import COVERS, GOOD, PERSON_SCHEMA, write_csv

A, D = "agreement-1", "incidents"
AGREEMENT = AgreementRef(A, "1", "sha256:" + "a" * 64)
POLICE = Caller("police-client", "police", "supplier")
FIRE = Caller("fire-client", "fire", "supplier")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class Desk:
    """A supplier's desk: pushes bodies and looks at what questions would see."""

    def __init__(self, folder: Path, store: Store, fault: Callable[[str], None] = no_fault) -> None:
        for name in ("spool", "lake"):
            (folder / name).mkdir(exist_ok=True)
        self.folder = folder
        self.store = store
        self.fault = fault
        self.lake = Lake(folder / "lake", folder / "spool", Limits(memory_mb=64), fault)
        self.now = NOON
        self.pushes = Pushes(
            Means(
                store=store,
                lake=self.lake,
                identifiers=identifiers,
                sign=lambda receipt: f"signed over {len(receipt)} members",
                now=lambda: self.now,
                new_id=lambda: f"x-{os.urandom(8).hex()}",
                new_nonce=lambda: os.urandom(16).hex(),
                spool=folder / "spool",
                most_bytes=10 << 20,
                limits=Limits(memory_mb=64),
                fault=fault,
            )
        )

    def order(self, key: str = "key-1", **more: Any) -> Order:
        told: dict[str, Any] = {
            "caller": POLICE,
            "agreement": AGREEMENT,
            "dataset": D,
            "schema": PERSON_SCHEMA,
            "content_type": CSV,
            "covers": COVERS,
        }
        return Order(key=key, **{**told, **more})

    def push(self, rows: int = 1, key: str = "key-1", body: bytes | None = None, **more: Any) -> dict[str, Any]:
        return anyio.run(self.pushes.push, self.order(key, **more), pieces(body or good(rows)))

    def withdraw(self, extract: str, caller: Caller = POLICE, dataset: str = D) -> dict[str, Any]:
        return self.pushes.withdraw(caller, AGREEMENT, dataset, extract)

    def recover(self) -> None:
        self.pushes.recover(schema_of)

    def vacuum(self, agreement: str, dataset: str) -> None:
        with self.control.read() as transaction:
            oldest = transaction.answers.oldest_pinned(agreement, dataset)
        self.lake.vacuum(agreement, dataset, oldest)

    def compaction(self, most_files: int = 64) -> Compaction:
        return Compaction(self.control, self.lake, schema_of, self.vacuum, most_files, self.fault)

    def compact(self) -> list[Outcome]:
        return self.compaction().run()

    @property
    def control(self) -> ControlDatabase:
        """The real store, which alone has data versions to read."""
        assert isinstance(self.store, ControlDatabase)
        return self.store

    def row(self, extract: str) -> ExtractRow:
        with self.store.read() as transaction:
            found = transaction.extracts.get(A, D, extract)
        assert found is not None
        return found


def control_database(folder: Path) -> ControlDatabase:
    """The real store, in a file."""
    database = Database(f"sqlite:///{folder / 'control.db'}")
    database.migrate()
    return ControlDatabase(database)


def good(rows: int) -> bytes:
    return write_csv([GOOD] * rows)


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


def schema_of(_: ExtractRow) -> TableSchema:
    return PERSON_SCHEMA


def main() -> None:
    """Push, withdraw or compact in a process of its own, which kills itself at a step."""
    folder, step, action, key, rows, extract = sys.argv[1:]

    def fault(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    desk = Desk(Path(folder), control_database(Path(folder)), fault)
    if action == "push":
        desk.push(int(rows), key, replaces=extract or None)
    elif action == "compact":
        desk.compact()
    else:
        desk.withdraw(extract)


if __name__ == "__main__":
    main()
