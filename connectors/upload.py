"""An extract's file on its way to a broker: digested first, then sent piece by piece."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from connectors.errors import LocalError
from schemas.canonical import canonical

CHUNK = 256 * 1024

MEDIA_TYPES = {
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.stream",
    ".arrows": "application/vnd.apache.arrow.stream",
}

Phase = Literal["digest", "send", "receive"]
Progress = Callable[[Phase, int, int], None]
"""Told the phase, the bytes done, and the bytes in all (0 where unknown)."""


def no_progress(phase: Phase, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Extract:
    """What shall be pushed.

    Attributes:
        dataset: The dataset's name in the agreement.
        path: CSV, NDJSON, Parquet or an Arrow stream.
        covers: The first and the last day that the file covers; rows outside are refused.
        replaces: Id of the extract that this one corrects.
        media_type: By the file's name where None.
    """

    dataset: str
    path: Path
    covers: tuple[date, date]
    replaces: str | None = None
    media_type: str | None = None

    @property
    def params(self) -> dict[str, str]:
        """The parameters of the push."""
        made = {"from": self.covers[0].isoformat(), "to": self.covers[1].isoformat()}
        return made if self.replaces is None else made | {"replaces": self.replaces}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was when it was digested.

    Attributes:
        size: In bytes.
        sha256: Its digest.
    """

    path: Path
    size: int
    sha256: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """The digest as receipts write it, ``sha256:`` and hex digits."""
        return f"sha256:{self.sha256.hex()}"

    @property
    def headers(self) -> dict[str, str]:
        """Headers that tell what the body is."""
        return {
            "Content-Type": self.media_type,
            "Content-Length": str(self.size),
            "Content-Digest": f"sha-256=:{base64.b64encode(self.sha256).decode()}:",
        }

    def body(self, progress: Progress) -> Iterator[bytes]:
        """Yield the file from its beginning, in pieces.

        Raises:
            LocalError: ``file_changed`` where it is not as long as it was, ``file_unreadable``.
        """
        done = 0
        progress("send", 0, self.size)
        for piece in _pieces(self.path):
            done += len(piece)
            if done > self.size:
                break
            yield piece
            progress("send", done, self.size)
        if done != self.size:
            raise LocalError("file_changed", f"{self.path} changed while it was sent; nothing was taken")


def read_upload(extract: Extract, progress: Progress) -> Upload:
    """Digest an extract's file in one pass.

    Raises:
        LocalError: ``format_unknown`` or ``file_unreadable``.
    """
    path = extract.path
    kind = extract.media_type or MEDIA_TYPES.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(MEDIA_TYPES)
        raise LocalError("format_unknown", f"{path} ends in none of {known}; say what it is")
    try:
        total = path.stat().st_size
    except OSError as error:
        raise LocalError("file_unreadable", f"{path}: {error.strerror}") from error
    found, done = hashlib.sha256(), 0
    for piece in _pieces(path):
        found.update(piece)
        done += len(piece)
        progress("digest", done, total)
    return Upload(path, done, found.digest(), kind)


def push_key(upload: Upload, agreement: str, extract: Extract) -> str:
    """Return an Idempotency-Key that is the same whenever the same file is pushed for the same days."""
    parts = [upload.digest, agreement, extract.dataset, extract.params]
    return "push-" + hashlib.sha256(canonical(parts)).hexdigest()[:40]


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece
    except OSError as error:
        raise LocalError("file_unreadable", f"{path}: {error.strerror}") from error
