"""Verifies an export of a broker's log offline, sharing no code with the broker.

An export is NDJSON: ``{"checkpoint": "<signed note>"}``, then from 0 in order one line for each entry,
``{"n": n, "entry": {...}}``, or ``{"n": n, "leaf": "<base64>"}`` where its contents were expunged or are not
the reader's to see. The steps, and the codes of what fails them:

1. The note parses and the pinned key has signed it: ``note_malformed``, ``key_malformed``, ``key_unknown``,
   ``signature_invalid``, ``checkpoint_malformed``, ``origin_mismatch``. Nothing is verified past this.
2. Every entry is there, in order, once: ``line_malformed``, ``entry_missing``, ``entry_out_of_order``,
   ``entries_truncated``, ``entries_beyond_checkpoint``, ``nonce_missing``.
3. The root recomputed from the leaves is the checkpoint's: ``root_mismatch``.
4. The remembered checkpoint is a beginning of this log: ``truncation`` when this log is shorter, ``fork``
   when it is another of the same size, ``history_rewritten`` when its beginning is another.
5. Charges keep within the caps, and each release was charged before, once: ``charge_malformed``,
   ``charged_twice``, ``period_went_back``, ``caps_unknown``, ``caps_malformed``, ``caps_changed``,
   ``overspent_period``, ``overspent_share``, ``overspent_lifetime``, ``overspent_quota``, ``overspent_delta``,
   ``quota_malformed``, ``release_malformed``, ``release_without_charge``, ``released_twice``.

Without step 4 a log that was cut short or told differently to others passes: a key alone cannot show either.
Answers given off the log are in no export.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.logcharges import Caps, ChargeCheck, Failure, Spent
from connectors.tlog import Checkpoint, Frontier, LogError, leaf_hash, open_checkpoint
from schemas.canonical import canonical
from schemas.errors import DocumentError
from schemas.strict_json import loads

MAX_FAILURES = 1000
"""Reading stops after so many, with ``too_many_failures``."""

_HASH_SIZE = 32
_NONCE_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found.

    Attributes:
        checkpoint: The checkpoint that the export was held against; None when step 1 failed.
        entries: How many entries the export has.
        hidden: How many of them by their leaf only: their charges are in no sum below.
        anchored: Whether a remembered checkpoint was given, without which truncation and forks do not show.
        spent: What was spent, by agreement, in the entries whose contents were seen.
        unmatched_releases: Releases whose charge must be among hidden entries.
        failures: What is wrong, in the order it was found.
    """

    checkpoint: Checkpoint | None = None
    entries: int = 0
    hidden: int = 0
    anchored: bool = False
    spent: Mapping[str, Spent] = field(default_factory=dict)
    unmatched_releases: int = 0
    failures: tuple[Failure, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures


def verify_export(
    lines: Iterable[bytes | str],
    vkey: str,
    remembered: Checkpoint | None = None,
    *,
    caps: Mapping[str, Mapping[str, Any]] | None = None,
) -> Report:
    """Verify an export, reading it once.

    Args:
        lines: The export's lines, as an open file gives them.
        vkey: The broker's verifier key, pinned when its log was first met.
        remembered: A checkpoint seen earlier, verified then; of this log.
        caps: By agreement id, ``{"period_rho_nano", "lifetime_rho_nano", "shares": {party: rho_nano}}`` from
            the agreement itself, with ``period_delta_e18``, ``lifetime_delta_e18``, ``delta_shares`` and
            ``analysts`` (``connectors.logcharges.Caps``); where not given, what the log recorded with the
            agreement's version.

    Raises:
        LogError: ``caps_malformed`` for the ``caps`` given here. What is wrong with the log is in the report.
    """
    reader = _Reader({agreement: Caps.from_json(value) for agreement, value in (caps or {}).items()})
    rows = (line for line in map(_to_bytes, lines) if line.strip())
    try:
        checkpoint = open_checkpoint(_read_note(next(rows, b"")), vkey)
    except LogError as error:  # step 1
        return Report(anchored=remembered is not None, failures=(Failure(error.code, None, error.detail),))
    failures = []
    for failure in reader.verify(rows, checkpoint, remembered):
        failures.append(failure)
        if len(failures) == MAX_FAILURES:
            failures.append(Failure("too_many_failures", failure.n, "reading stopped here"))
            break
    return Report(
        checkpoint=checkpoint,
        entries=reader.frontier.size,
        hidden=reader.hidden,
        anchored=remembered is not None,
        spent=reader.charges.spent,
        unmatched_releases=reader.charges.unmatched_releases,
        failures=tuple(failures),
    )


class _Reader:
    """Steps 2 to 5 over the lines of entries."""

    def __init__(self, caps: Mapping[str, Caps]) -> None:
        self.frontier = Frontier()
        self.charges = ChargeCheck(caps)
        self.hidden = 0
        self._expected = 0

    def verify(self, rows: Iterable[bytes], checkpoint: Checkpoint, remembered: Checkpoint | None) -> Iterator[Failure]:
        prefix = self.frontier.root() if remembered is not None and remembered.size == 0 else None
        for row in rows:
            if self.frontier.size == checkpoint.size:
                said = f"the checkpoint covers {checkpoint.size} entries, the export holds more"
                yield Failure("entries_beyond_checkpoint", checkpoint.size, said)
                break
            yield from self._take(row)
            if remembered is not None and self.frontier.size == remembered.size:
                prefix = self.frontier.root()
        if self.frontier.size < checkpoint.size:  # step 2
            said = f"the export ends after {self.frontier.size} of {checkpoint.size} entries"
            yield Failure("entries_truncated", self.frontier.size, said)
        if self.frontier.root() != checkpoint.root:  # step 3
            yield Failure("root_mismatch", None, "the entries are not those that the checkpoint was signed over")
        if remembered is not None:  # step 4
            yield from _compare(checkpoint, remembered, prefix)

    def _take(self, row: bytes) -> Iterator[Failure]:
        """Steps 2 and 5 for one line."""
        try:
            n, entry, leaf = _read_entry(row)
        except LogError as error:
            yield Failure(error.code, self._expected, error.detail)
            self.hidden += 1
            self._expected += 1
            return
        if n > self._expected:
            yield Failure("entry_missing", self._expected, f"entry {n} stands where {self._expected} belongs")
        elif n < self._expected:
            yield Failure("entry_out_of_order", n, f"entry {n} stands where {self._expected} belongs")
        self._expected = max(self._expected, n + 1)
        self.frontier.add(leaf)
        if entry is None:
            self.hidden += 1
            return
        nonce = entry.get("nonce")
        if not isinstance(nonce, str) or len(nonce) != _NONCE_DIGITS:
            yield Failure("nonce_missing", n, "the entry has no 128-bit nonce: its leaf would tell its contents")
        yield from self.charges.take(n, entry, all_seen=self.hidden == 0)


def _compare(checkpoint: Checkpoint, remembered: Checkpoint, prefix: bytes | None) -> Iterator[Failure]:
    """Step 4: ``prefix`` is the root of as many leaves as were remembered, None where too few came."""
    if remembered.origin != checkpoint.origin:
        yield Failure("origin_mismatch", None, "the remembered checkpoint is of another log")
    elif remembered.size > checkpoint.size:
        said = f"the log had {remembered.size} entries before and now shows {checkpoint.size}"
        yield Failure("truncation", checkpoint.size, said)
    elif remembered.size == checkpoint.size:
        if remembered.root != checkpoint.root:
            yield Failure("fork", None, f"two different logs of {checkpoint.size} entries bear the same signature")
    elif prefix is not None and prefix != remembered.root:
        said = f"among its first {remembered.size} entries some are not those that were there before"
        yield Failure("history_rewritten", None, said)


def _read_note(row: bytes) -> str:
    try:
        head = loads(row)
    except DocumentError as error:
        raise LogError("note_malformed", f"the first line is not a checkpoint: {error.detail}") from error
    note = head.get("checkpoint") if isinstance(head, dict) else None
    if not isinstance(note, str):
        raise LogError("note_malformed", "the first line is not a checkpoint")
    return note


def _read_entry(row: bytes) -> tuple[int, dict[str, Any] | None, bytes]:
    """Return the number, the contents (None if hidden) and the leaf hash of one line."""
    try:
        line = loads(row)
        match line:
            case {"n": int(n), "entry": dict(entry), **rest} if type(n) is int and not rest:
                return n, entry, leaf_hash(canonical(entry))
            case {"n": int(n), "leaf": str(encoded), **rest} if type(n) is int and not rest:
                leaf = base64.b64decode(encoded, validate=True)
                if len(leaf) == _HASH_SIZE:
                    return n, None, leaf
    except ValueError as error:
        raise LogError("line_malformed", "the line is not JSON with canonical contents or a base64 leaf") from error
    raise LogError("line_malformed", "the line does not hold one entry's number, and its contents or leaf")


def _to_bytes(line: bytes | str) -> bytes:
    return line if isinstance(line, bytes) else line.encode(errors="surrogatepass")
