"""A pseudonym as the lake stores it."""

from __future__ import annotations

import re
import struct

_FORM = re.compile(r"[0-9a-f]{64}\Z")


def words(pseudonym: str) -> tuple[int, int, int, int]:
    """Return the four signed 64-bit words of 64 lowercase hex digits, the most significant first.

    Raises:
        ValueError: it is no pseudonym; the message does not repeat it.
    """
    if not _FORM.match(pseudonym):
        raise ValueError("a pseudonym is 64 lowercase hex digits")
    first, second, third, fourth = struct.unpack(">4q", bytes.fromhex(pseudonym))
    return first, second, third, fourth
