"""A broker's log as one client follows it: each checkpoint extends the last, each answer is in it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from connectors.checkpoints import CheckpointStore
from connectors.errors import ProblemError, UnverifiedError
from connectors.tlog import Checkpoint, LogError, leaf_hash, open_checkpoint, verify_inclusion
from connectors.transport import Call, Transport
from schemas.canonical import canonical
from schemas.errors import DocumentError

PATIENCE = 10.0
"""Seconds within which an answer must be covered by a checkpoint; a broker needs 0.05."""

_FIRST_WAIT, _LAST_WAIT = 0.05, 0.5
_NOT_FOUND = 404
_RACES = 5


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry stands in the log.

    Attributes:
        n: The entry's index.
        entry: Its contents.
        checkpoint: The checkpoint, signed, remembered and extending the one before, that covers it.
    """

    n: int
    entry: Mapping[str, Any]
    checkpoint: Checkpoint


class LogFollower:
    """Follows one broker's log."""

    def __init__(self, transport: Transport, store: CheckpointStore, vkey: str) -> None:
        """Begin; nothing is fetched yet.

        Args:
            transport: Reaches the broker.
            store: Remembers the newest checkpoint.
            vkey: The log's pinned verifier key.
        """
        self._transport = transport
        self._store = store
        self._vkey = vkey

    def checkpoint(self) -> Checkpoint:
        """Fetch the newest checkpoint, and remember it once it is shown to extend the remembered one.

        Raises:
            UnverifiedError: ``fork``, ``rollback``, or why the note is not the log's checkpoint.
        """
        for attempt in range(_RACES):
            with verified():
                before = self._store.newest()
            note = self._note()
            with verified():
                proof = self._consistency(before, open_checkpoint(note, self._vkey))
                try:
                    return self._store.accept(note, proof)
                except LogError:
                    # Another process of ours may have gone on meanwhile; then it is no fault of the broker.
                    if attempt == _RACES - 1 or self._store.newest() == before:
                        raise
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def cover(self, n: int) -> Checkpoint:
        """Return a checkpoint that covers entry ``n``, waiting a little for it.

        Raises:
            UnverifiedError: ``not_included`` when none comes; what ``checkpoint`` raises.
        """
        wait, waited = _FIRST_WAIT, 0.0
        while True:
            found = self.checkpoint()
            if n < found.size:
                return found
            if waited >= PATIENCE:
                said = f"the log of {found.size} entries does not reach entry {n}, which the answer names"
                raise UnverifiedError("not_included", said)
            self._transport.sleep(wait)
            waited += wait
            wait = min(wait * 2, _LAST_WAIT)

    def prove(self, n: int) -> Proof:
        """Fetch entry ``n`` with its proof, and check that the log includes it.

        Raises:
            UnverifiedError: ``not_included``, or what ``checkpoint`` raises.
        """
        checkpoint = self.cover(n)
        try:
            entry = self.entry(n)
            _, hashes = self.inclusion(n, checkpoint.size)
        except ProblemError as error:
            if error.status != _NOT_FOUND:
                raise
            said = f"the broker does not show entry {n}, which its answer names: {error.detail}"
            raise UnverifiedError("not_included", said) from error
        with verified():
            verify_inclusion(n, leaf_hash(canonical(entry)), hashes, checkpoint)
        return Proof(n, entry, checkpoint)

    def entry(self, n: int) -> dict[str, Any]:
        """Return the contents of entry ``n``, unverified."""
        match self._transport.get(f"/v1/audit/entries/{n}"):
            case {"n": int(told), "entry": dict(entry)} if told == n:
                return entry
        raise UnverifiedError("not_included", f"the broker shows something else than entry {n}")

    def inclusion(self, n: int, size: int) -> tuple[bytes, list[bytes]]:
        """Return the leaf of entry ``n`` and its inclusion proof at a size, unverified."""
        match self._transport.get(f"/v1/audit/entries/{n}/proof", size=size):
            case {"leaf": str(leaf), "hashes": list(hashes)}:
                return _hash(leaf), [_hash(item) for item in hashes]
        raise UnverifiedError("not_included", f"the broker shows no inclusion proof of entry {n}")

    def _note(self) -> str:
        call = Call("GET", "/v1/audit/checkpoint", repeatable=True)
        return self._transport.send(call).content.decode(errors="replace")

    def _consistency(self, old: Checkpoint | None, new: Checkpoint) -> Sequence[bytes]:
        if old is None or not 0 < old.size < new.size:
            return ()
        shown = self._transport.get("/v1/audit/consistency", **{"from": old.size, "to": new.size})
        match shown:
            case {"hashes": list(hashes)}:
                return [_hash(item) for item in hashes]
        raise UnverifiedError("fork", "the broker shows no proof that its log only grew")


@contextmanager
def verified() -> Iterator[None]:
    """Tell what a check of the log or of a document found as an ``UnverifiedError`` of the same code."""
    try:
        yield
    except (LogError, DocumentError) as error:
        raise UnverifiedError(error.code, error.detail) from error


def _hash(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise UnverifiedError("proof_malformed", "a proof holds base64 hashes") from error
