"""Lines of a log export (NDJSON): the checkpoint first, then one line for each entry, from 0, in order."""

from __future__ import annotations

import base64

from schemas.canonical import canonical


def checkpoint_line(note: str) -> bytes:
    """Return ``{"checkpoint": ...}``, the export's first line, for a signed note."""
    return canonical({"checkpoint": note}) + b"\n"


def entry_line(n: int, data: bytes) -> bytes:
    """Return ``{"entry": ..., "n": ...}`` for entry ``n``, given its leaf data, canonical JSON already."""
    return b'{"entry":%b,"n":%d}\n' % (data, n)


def expunged_line(n: int, leaf: bytes) -> bytes:
    """Return ``{"leaf": ..., "n": ...}`` for an entry of which the leaf hash alone is given."""
    return canonical({"n": n, "leaf": base64.b64encode(leaf).decode()}) + b"\n"
