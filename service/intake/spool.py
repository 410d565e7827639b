"""Receive a body of any size into a private file: hashed, counted, bounded, verified, and gone afterwards.

The digests are of the content as it was sent; a gzip coding is unpacked on the way to the file, within the same
limit (RFC 9110, section 8.4; RFC 9530).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from anyio import CancelScope, to_thread

from service.errors import Malformed, TooLarge, Unsupported
from service.intake.engine import SPILL_PREFIX

BLOCK = 1 << 20
_PREFIX = "push-"
_GZIP = 16 + zlib.MAX_WBITS
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}
# A dictionary of byte sequences, RFC 8941; parameters are not in use.
_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):\Z")


@dataclass(frozen=True, slots=True)
class Spooled:
    """A body on disk.

    Attributes:
        path: The file, unpacked.
        bytes: Its size as it was sent.
        digest: ``sha256:`` and the 64 hex digits of the content as it was sent.
    """

    path: Path
    bytes: int
    digest: str


def parse_content_digest(header: str) -> dict[str, bytes]:
    """Read a ``Content-Digest`` header (RFC 9530).

    Returns:
        The digest by each algorithm that is known, at least one.

    Raises:
        Malformed: ``bad_content_digest``.
    """
    found: dict[str, bytes] = {}
    for member in header.split(","):
        parts = _MEMBER.match(member.strip(" \t"))
        if parts is None:
            raise _bad_digest()
        algorithm, encoded = parts.groups()
        if algorithm not in _ALGORITHMS:
            continue
        try:
            digest = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise _bad_digest() from None
        if len(digest) != hashlib.new(_ALGORITHMS[algorithm]).digest_size:
            raise _bad_digest()
        found[algorithm] = digest
    if not found:
        raise _bad_digest()
    return found


def _bad_digest() -> Malformed:
    return Malformed("Content-Digest is sha-256=:<base64>: or sha-512=:<base64>:", code="bad_content_digest")


@asynccontextmanager
async def spooled(
    body: AsyncIterator[bytes],
    folder: Path,
    *,
    limit: int,
    content_digest: str | None = None,
    content_encoding: str | None = None,
) -> AsyncIterator[Spooled]:
    """Write a body to a file that lasts as long as the context.

    Args:
        body: The content in pieces of any size.
        folder: A private folder.
        limit: Most bytes, as sent and unpacked.
        content_digest: The ``Content-Digest`` header, verified where given.
        content_encoding: The ``Content-Encoding`` header: none, ``identity`` or ``gzip``.

    Raises:
        TooLarge: the body exceeds the limit.
        Malformed: ``bad_content_digest``, ``content_digest_mismatch`` or ``bad_content_encoding``.
        Unsupported: another content encoding.
    """
    wanted = {} if content_digest is None else parse_content_digest(content_digest)
    packed = _is_gzip(content_encoding)
    writer = await to_thread.run_sync(_Writer, folder, limit, tuple(wanted), packed)
    try:
        pieces: list[bytes] = []
        waiting = 0
        async for piece in body:
            pieces.append(piece)
            waiting += len(piece)
            if waiting >= BLOCK:
                await to_thread.run_sync(writer.write, b"".join(pieces))
                pieces, waiting = [], 0
        await to_thread.run_sync(writer.write, b"".join(pieces))
        yield await to_thread.run_sync(writer.finish, wanted)
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(writer.remove)


def sweep(folder: Path) -> None:
    """Remove what a process that was killed left in the folder; call it before any push begins."""
    for path in folder.glob(f"{_PREFIX}*"):
        path.unlink(missing_ok=True)
    for path in folder.glob(f"{SPILL_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def _is_gzip(content_encoding: str | None) -> bool:
    coding = (content_encoding or "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip"):
        raise Unsupported("send the body as it is, or with Content-Encoding: gzip")
    return coding != "identity"


class _Writer:
    """The file, written from worker threads, one call at a time."""

    def __init__(self, folder: Path, limit: int, algorithms: tuple[str, ...], packed: bool) -> None:  # noqa: FBT001
        handle, name = tempfile.mkstemp(prefix=_PREFIX, dir=folder)
        self._path = Path(name)
        self._file: BinaryIO = os.fdopen(handle, "wb", buffering=0)
        self._limit = limit
        self._digests = {name: hashlib.new(_ALGORITHMS[name]) for name in {"sha-256", *algorithms}}
        self._gzip = zlib.decompressobj(_GZIP) if packed else None
        self._received = 0
        self._written = 0

    def write(self, data: bytes) -> None:
        """Hash, unpack and write one block."""
        self._received += len(data)
        if self._received > self._limit:
            raise self._too_large()
        for digest in self._digests.values():
            digest.update(data)
        if self._gzip is None:
            self._put(data)
            return
        try:
            more = bool(data)
            if more and self._gzip.eof:
                raise _bad_encoding()
            while more:
                unpacked = self._gzip.decompress(data, BLOCK)
                self._put(unpacked)
                data = self._gzip.unconsumed_tail
                more = not self._gzip.eof and (bool(data) or len(unpacked) == BLOCK)
            if self._gzip.unused_data:
                raise _bad_encoding()
        except zlib.error:
            raise _bad_encoding() from None

    def _put(self, data: bytes) -> None:
        self._written += len(data)
        if self._written > self._limit:
            raise self._too_large()
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def finish(self, wanted: Mapping[str, bytes]) -> Spooled:
        """Verify the digests. The file is not synced: after a crash the client sends it again."""
        if self._gzip is not None and not self._gzip.eof:
            raise _bad_encoding()
        for algorithm, digest in wanted.items():
            if not hmac.compare_digest(self._digests[algorithm].digest(), digest):
                raise Malformed(
                    "the body is not the one that Content-Digest describes: send it again",
                    code="content_digest_mismatch",
                )
        self._file.close()
        return Spooled(self._path, self._received, f"sha256:{self._digests['sha-256'].hexdigest()}")

    def remove(self) -> None:
        """Close and remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"a body has at most {self._limit} bytes: push the extract in parts")


def _bad_encoding() -> Malformed:
    return Malformed("the body is not one complete gzip member", code="bad_content_encoding")
