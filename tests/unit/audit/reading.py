"""Reading a simulated log as a client does, with what can be done to an export on the way."""

from __future__ import annotations

import json
from typing import Any

from connectors.logverify import Report, verify_export
from connectors.tlog import Checkpoint, open_checkpoint
from tests.unit.audit.simulator import LogSimulator


def codes(report: Report) -> list[str]:
    return [failure.code for failure in report.failures]


def verify(log: LogSimulator, remembered: Checkpoint | None = None, **options: Any) -> Report:
    return verify_export(iter(log.export()), log.vkey, remembered, **options)


def seen(log: LogSimulator) -> Checkpoint:
    return open_checkpoint(log.note(), log.vkey)


def edited(line: bytes, **changes: Any) -> bytes:
    row = json.loads(line)
    row["entry"].update(changes)
    return json.dumps(row).encode()


def spending(*charges: tuple[str, int, int, str]) -> LogSimulator:
    """A log of answers: (intent, rho in nano-units, period, party)."""
    log = LogSimulator()
    log.register()
    for intent, rho_nano, period, party in charges:
        log.answer(intent, rho_nano, period=period, party=party)
    return log
