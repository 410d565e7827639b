"""What a client remembers of a broker's log, so that the broker cannot take anything back unseen.

A signature shows who wrote a log, not that everyone is shown the same one or that nothing was cut off. So
each client keeps the newest checkpoint it has seen, and takes a later one only with proof that it extends it.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.tlog import (
    Checkpoint,
    LogError,
    leaf_hash,
    open_checkpoint,
    verify_consistency,
    verify_inclusion,
)
from schemas.canonical import canonical

if sys.platform != "win32":
    import fcntl


class ForkError(LogError):
    """The log shown now does not begin with the log shown before: ``fork``."""


class RollbackError(LogError):
    """The log shown now is shorter than the log shown before: ``rollback``."""


class NotIncludedError(LogError):
    """The entry is not in the log that the remembered checkpoint covers: ``not_included``."""


class StoreDamagedError(LogError):
    """The file does not hold a checkpoint that the pinned key signed: ``store_damaged``."""


class CheckpointStore:
    """The newest checkpoint seen of one broker's log, in one small file that only its owner reads."""

    def __init__(self, folder: Path, vkey: str) -> None:
        """Open the store; nothing is read or written yet.

        Args:
            folder: Where the files of all brokers lie; made, readable by its owner alone, when first written.
            vkey: The broker's verifier key, ``name+id+base64``, obtained out of band.
        """
        self._vkey = vkey
        name = vkey.partition("+")[0]
        readable = re.sub(r"[^A-Za-z0-9.-]", "_", name)[:80].lstrip(".")
        self._path = folder / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.checkpoint"

    def newest(self) -> Checkpoint | None:
        """Return the remembered checkpoint, None before the first.

        Raises:
            StoreDamagedError: Where the file was changed, or another key is pinned than when it was written.
        """
        try:
            note = self._path.read_bytes().decode()
            return open_checkpoint(note, self._vkey)
        except FileNotFoundError:
            return None
        except ValueError as error:
            said = f"{self._path.name} is not signed by the pinned key; find out why before removing it"
            raise StoreDamagedError("store_damaged", said) from error

    def accept(self, note: str, consistency_proof: Sequence[bytes] = ()) -> Checkpoint:
        """Remember a checkpoint once it is shown to extend the remembered one; the first is taken as is.

        Args:
            note: The signed checkpoint.
            consistency_proof: From the remembered size to the new one; empty when they are equal.

        Returns:
            The checkpoint, which is now remembered.

        Raises:
            LogError: The note is not a checkpoint that the pinned key signed.
            RollbackError: It is smaller than the remembered one.
            ForkError: It is not proven to extend it.
            StoreDamagedError: What was remembered cannot be read.
        """
        new = open_checkpoint(note, self._vkey)
        with self._locked():
            old = self.newest()
            if old is not None:
                _check_extends(old, new, consistency_proof)
            if old is None or old.size < new.size:
                self._write(note)
        return new

    def verify_leaf(self, n: int, leaf: bytes, proof: Sequence[bytes]) -> None:
        """Check that entry ``n`` of the remembered log has this leaf hash.

        Args:
            n: The entry's number.
            leaf: Its leaf hash.
            proof: Inclusion proof at the remembered size.

        Raises:
            NotIncludedError: Also while no checkpoint is remembered.
        """
        checkpoint = self.newest()
        if checkpoint is None:
            raise NotIncludedError("not_included", "no checkpoint of this log is remembered yet")
        try:
            verify_inclusion(n, leaf, proof, checkpoint)
        except LogError as error:
            raise NotIncludedError(error.code, error.detail) from error

    def verify_entry(self, n: int, entry: Mapping[str, Any], proof: Sequence[bytes]) -> None:
        """Check that entry ``n`` of the remembered log is ``entry``, its nonce included.

        Raises:
            NotIncludedError: Also while no checkpoint is remembered.
        """
        self.verify_leaf(n, leaf_hash(canonical(entry)), proof)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep a second process from putting an older checkpoint over a newer one."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform != "win32":  # elsewhere os.replace alone keeps the file whole
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, note: str) -> None:
        """Replace the file whole; a crash leaves the old or the new one."""
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".checkpoint-")  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(note.encode())
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _check_extends(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    if new.size < old.size:
        said = f"the log had {old.size} entries before and now shows {new.size}"
        raise RollbackError("rollback", said)
    try:
        verify_consistency(old, new, proof)
    except LogError as error:
        said = f"what the broker shows does not extend the {old.size} entries it showed before: {error.detail}"
        raise ForkError("fork", said) from error
