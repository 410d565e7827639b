"""Reading the log: checkpoints, entries that a party may see, proofs, exports."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.audit import export, merkle
from service.audit.checkpoint import sign_checkpoint
from service.audit.entry import format_time
from service.audit.ports import LogStore, SearchTerms, Store, StoredEntry
from service.errors import Malformed, NotFound

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Log:
    """The log as its readers see it: everything up to the newest checkpoint, nothing after it.

    Attributes:
        store: Opens transactions.
        origin: The log's name.
        key: The log's signing key, which signs nothing else.
    """

    store: Store
    origin: str
    key: Ed25519PrivateKey

    def checkpoint_now(self, now: datetime) -> int:
        """Sign a checkpoint of the whole log unless the newest one covers it; return its size."""
        with self.store.read() as tx:
            latest = tx.log.latest_checkpoint()
            size = tx.log.size()
            if latest is not None and latest[0] == size:
                return size
            note = sign_checkpoint(self.origin, size, merkle.root(size, tx.log.node), self.key)
        with self.store.write() as tx:
            newest = tx.log.latest_checkpoint()
            if newest is None or newest[0] < size:
                tx.log.add_checkpoint(size, note, format_time(now))
        return size

    def checkpoint(self) -> str:
        """Return the newest checkpoint.

        Raises:
            NotFound: the log is not open yet.
        """
        with self.store.read() as tx:
            return _latest(tx.log)[1]

    def search(self, terms: SearchTerms) -> dict[str, Any]:
        """Return entries that fit, how to go on, and the size of the log they were taken from."""
        with self.store.read() as tx:
            size, _ = _latest(tx.log)
            found = tx.log.search(replace(terms, limit=terms.limit + 1), size)
        page = found[: terms.limit]
        return {
            "entries": [_line(item) for item in page],
            "next": found[terms.limit].n if len(found) > terms.limit else None,
            "size": size,
        }

    def entry(self, n: int, terms: SearchTerms) -> dict[str, Any]:
        """Return one entry.

        Raises:
            NotFound: there is none that this party may see.
        """
        with self.store.read() as tx:
            size, _ = _latest(tx.log)
            found = tx.log.search(replace(terms, first=n, limit=1), min(size, n + 1))
        if not found or found[0].n != n:
            raise NotFound("there is no such entry, or it is not yours to read")
        return _line(found[0])

    def inclusion(self, n: int, size: int | None) -> dict[str, Any]:
        """Return the leaf and the inclusion proof of entry ``n`` in the log of ``size`` entries.

        Raises:
            NotFound: the log has no such entry yet.
        """
        with self.store.read() as tx:
            newest, _ = _latest(tx.log)
            size = newest if size is None else size
            if not 0 <= n < size <= newest:
                raise NotFound("the log has no such entry at this size yet")
            leaf = tx.log.node(0, n)
            hashes = merkle.inclusion_proof(n, size, tx.log.node)
        return {"n": n, "size": size, "leaf": _text(leaf), "hashes": [_text(item) for item in hashes]}

    def consistency(self, old: int, new: int) -> dict[str, Any]:
        """Return the proof that the log of ``old`` entries is a prefix of that of ``new``.

        Raises:
            Malformed: the sizes are out of order or beyond the newest checkpoint.
        """
        with self.store.read() as tx:
            newest, _ = _latest(tx.log)
            if not 0 <= old <= new <= newest:
                raise Malformed("sizes run from 0 to that of the newest checkpoint", code="bad_size")
            hashes = merkle.consistency_proof(old, new, tx.log.node)
        return {"from": old, "to": new, "hashes": [_text(item) for item in hashes]}

    def export(self, terms: SearchTerms) -> Iterator[bytes]:
        """Yield the log as NDJSON: the checkpoint, then each entry, or its leaf where it is not the reader's."""
        with self.store.read() as tx:
            size, note = _latest(tx.log)
        yield export.checkpoint_line(note)
        for first in range(0, size, _BATCH):
            last = min(first + _BATCH, size)
            with self.store.read() as tx:
                seen = {item.n: item for item in tx.log.search(replace(terms, first=first, limit=_BATCH), last)}
                lines = [
                    export.entry_line(n, seen[n].entry.encode())
                    if n in seen
                    else export.expunged_line(n, tx.log.node(0, n))
                    for n in range(first, last)
                ]
            yield b"".join(lines)


def _latest(log: LogStore) -> tuple[int, str]:
    latest = log.latest_checkpoint()
    if latest is None:
        raise NotFound("the log has no checkpoint yet")
    return latest


def _line(item: StoredEntry) -> dict[str, Any]:
    return {"n": item.n, "entry": json.loads(item.entry)}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
