"""What an operator could do to the log, and that each is caught from an export, offline."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors import checkpoints, logcharges, logverify, tlog
from connectors.logverify import verify_export
from connectors.tlog import Checkpoint
from service.audit.export import checkpoint_line
from tests.unit.audit.reading import codes, edited, seen, verify
from tests.unit.audit.simulator import LogSimulator

# --- an honest log ------------------------------------------------------------------------------


def test_an_honest_log_verifies(log: LogSimulator) -> None:
    report = verify(log, seen(log))
    assert report.ok, report.failures
    assert report.anchored
    assert (report.entries, report.hidden) == (8, 0)
    assert report.checkpoint == seen(log)
    spent = report.spent["avon"]
    assert (spent.lifetime, spent.periods, spent.delta_e18) == (500, {0: 500}, 10)
    assert spent.parties == {(0, "opcc"): 300, (0, "bristol"): 200}


def test_lines_may_be_text_and_spaced_otherwise(log: LogSimulator) -> None:
    lines = [json.dumps(json.loads(line), indent=None) + "\r\n" for line in log.export()]
    assert verify_export([*lines, "\n"], log.vkey).ok


def test_an_empty_log_verifies() -> None:
    empty = LogSimulator()
    assert verify(empty, seen(empty)).ok


@pytest.mark.parametrize("size", range(9))
def test_a_log_that_grew_verifies_from_any_checkpoint_remembered(log: LogSimulator, size: int) -> None:
    before = LogSimulator()
    for entry in log.entries[:size]:
        before.append(entry.kind, caller=entry.caller, charge=entry.charge, result=entry.result)
    assert verify(log, seen(before)).ok


def test_a_report_says_when_nothing_was_remembered(log: LogSimulator) -> None:
    assert not verify(log).anchored


# --- 1: the note --------------------------------------------------------------------------------


def test_a_checkpoint_by_another_key_is_refused(log: LogSimulator) -> None:
    stranger = LogSimulator(Ed25519PrivateKey.from_private_bytes(bytes(32)))
    report = verify_export(log.export(), stranger.vkey)
    assert codes(report) == ["key_unknown"]
    assert report.checkpoint is None


def test_an_edited_checkpoint_is_refused(log: LogSimulator) -> None:
    head = checkpoint_line(log.note().replace("\n8\n", "\n7\n", 1))
    assert codes(verify_export([head, *log.export()[1:]], log.vkey)) == ["signature_invalid"]


@pytest.mark.parametrize("head", [b"", b"{}\n", b"[]\n", b'{"checkpoint": 1}\n', b"nonsense\n", b"\xff\n"])
def test_an_export_without_a_checkpoint_is_refused(log: LogSimulator, head: bytes) -> None:
    lines = [head] if head else []
    assert codes(verify_export(lines, log.vkey)) == ["note_malformed"]


# --- 2 and 3: the entries -----------------------------------------------------------------------


@pytest.mark.parametrize("n", range(8))
def test_edited_log_rows_fail_verification(log: LogSimulator, n: int) -> None:
    lines = log.export()
    lines[n + 1] = edited(lines[n + 1], reason="something else")
    assert "root_mismatch" in codes(verify_export(lines, log.vkey))


def test_an_edited_nonce_fails_verification(log: LogSimulator) -> None:
    lines = log.export()
    lines[3] = edited(lines[3], nonce="f" * 32)
    assert codes(verify_export(lines, log.vkey)) == ["root_mismatch"]


@pytest.mark.parametrize("n", range(8))
def test_deleted_log_rows_fail_verification(log: LogSimulator, n: int) -> None:
    lines = log.export()
    del lines[n + 1]
    report = verify_export(lines, log.vkey)
    assert {"root_mismatch", "entries_truncated"} <= set(codes(report))
    if n < 7:
        assert report.failures[0].code == "entry_missing"
        assert report.failures[0].n == n


def test_deleted_rows_renumbered_fail_verification(log: LogSimulator) -> None:
    lines = [json.loads(line) for line in log.export()]
    del lines[4]
    rows = [lines[0], *({**line, "n": n} for n, line in enumerate(lines[1:]))]
    report = verify_export([json.dumps(row) for row in rows], log.vkey)
    assert {"entries_truncated", "root_mismatch"} <= set(codes(report))


def test_reordered_log_rows_fail_verification(log: LogSimulator) -> None:
    lines = log.export()
    lines[3], lines[4] = lines[4], lines[3]
    found = codes(verify_export(lines, log.vkey))
    assert {"entry_missing", "entry_out_of_order", "root_mismatch"} <= set(found)


def test_reordered_rows_renumbered_fail_verification(log: LogSimulator) -> None:
    rows = [json.loads(line) for line in log.export()]
    rows[2]["entry"], rows[8]["entry"] = rows[8]["entry"], rows[2]["entry"]
    assert codes(verify_export([json.dumps(row) for row in rows], log.vkey)) == ["root_mismatch"]


def test_repeated_log_rows_fail_verification(log: LogSimulator) -> None:
    lines = log.export()
    assert {"entry_out_of_order", "root_mismatch", "entries_beyond_checkpoint"} <= set(
        codes(verify_export([*lines[:4], lines[3], *lines[4:]], log.vkey))
    )


def test_rows_after_the_checkpoint_fail_verification(log: LogSimulator) -> None:
    lines = log.export()
    log.append("read")
    report = verify_export([*lines, log.export()[-1]], log.vkey)
    assert codes(report) == ["entries_beyond_checkpoint"]
    assert report.failures[0].n == 8


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[]",
        b"{}",
        b'{"n": true, "entry": {}}',
        b'{"n": 2, "entry": []}',
        b'{"n": 2, "entry": {}, "leaf": "AAAA"}',
        b'{"n": 2, "n": 2, "entry": {}}',
        b'{"n": 2, "leaf": "AAAA"}',
        b'{"n": 2, "leaf": "?"}',
        b'{"n": 2, "entry": {"x": NaN}}',
        b'{"n": 2, "entry": {"x": 1e999}}',
        b'{"n": 2, "entry": {"x": 9007199254740993}}',
        b'{"n": 2, "entry": {"x": "\\ud800"}}',
        b'{"n": 2, "entry": ' + b"[" * 5000 + b"}",
        b"\xff",
    ],
)
def test_a_row_that_is_no_entry_fails_verification(log: LogSimulator, line: bytes) -> None:
    lines = log.export()
    lines[3] = line
    report = verify_export(lines, log.vkey)
    assert report.failures[0].code == "line_malformed"
    assert report.failures[0].n == 2
    assert "root_mismatch" in codes(report)


def test_an_entry_without_a_nonce_fails_verification(log: LogSimulator) -> None:
    lines = log.export()
    row = json.loads(lines[2])
    del row["entry"]["nonce"]
    lines[2] = json.dumps(row).encode()
    assert "nonce_missing" in codes(verify_export(lines, log.vkey))


def test_a_long_list_of_failures_ends(log: LogSimulator) -> None:
    report = verify_export([log.export()[0], *(b"nonsense" for _ in range(5000))], log.vkey)
    assert len(report.failures) == logverify.MAX_FAILURES + 1
    assert codes(report)[-1] == "too_many_failures"


# --- 4: what was remembered ---------------------------------------------------------------------


def test_truncation_is_caught_from_a_remembered_checkpoint(log: LogSimulator) -> None:
    remembered = seen(log)
    shorter = LogSimulator()
    for entry in log.entries[:5]:
        shorter.append(entry.kind, caller=entry.caller, charge=entry.charge, result=entry.result)
    assert verify(shorter).ok  # a key alone cannot tell
    assert codes(verify(shorter, remembered)) == ["truncation"]


def test_fork_is_caught_from_a_remembered_checkpoint(log: LogSimulator) -> None:
    remembered = seen(log)
    other = LogSimulator()
    other.register()
    for _ in range(7):
        other.append("read")
    assert verify(other).ok
    assert codes(verify(other, remembered)) == ["fork"]


def test_rewritten_history_is_caught_from_a_remembered_checkpoint(log: LogSimulator) -> None:
    remembered = seen(log)
    other = LogSimulator()
    other.register()
    for _ in range(9):
        other.append("read")
    assert verify(other).ok
    assert codes(verify(other, remembered)) == ["history_rewritten"]


def test_a_checkpoint_of_another_log_is_no_anchor(log: LogSimulator) -> None:
    other = Checkpoint("other.example/log", 8, log.root(), "")
    assert codes(verify(log, other)) == ["origin_mismatch"]


# --- expunged contents --------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [{1}, {1, 4, 7}, set(range(8))])
def test_expunged_entry_still_verifies(log: LogSimulator, hidden: set[int]) -> None:
    report = verify_export(log.export(hidden), log.vkey, seen(log))
    assert report.ok, report.failures
    assert report.hidden == len(hidden)


def test_a_release_whose_charge_was_expunged_is_counted_not_condemned(log: LogSimulator) -> None:
    report = verify_export(log.export({2}), log.vkey)
    assert report.ok
    assert report.unmatched_releases == 1
    assert report.spent["avon"].lifetime == 200


def test_an_expunged_entry_cannot_be_swapped_for_another_leaf(log: LogSimulator) -> None:
    lines = log.export({1})
    lines[2] = log.export({3})[4].replace(b'"n":3', b'"n":1')
    assert codes(verify_export(lines, log.vkey)) == ["root_mismatch"]


# --- independence -------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [tlog, logcharges, logverify, checkpoints])
def test_writer_and_verifier_are_separate_code(module: ModuleType) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported
    assert not [name for name in imported if name.split(".")[0] == "service"]


def test_verifying_loads_nothing_of_the_service() -> None:
    script = (
        "import sys, connectors.logverify, connectors.checkpoints\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'service'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
