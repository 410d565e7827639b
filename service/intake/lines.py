"""Lines of bounded length out of a file that may hold anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its end; ``broken`` where it is too long (then cut) or not UTF-8 (then patched)."""

    text: str
    broken: bool


def read_lines(file: BinaryIO, limit: int) -> Iterator[Line]:
    """Read lines of at most ``limit`` bytes, their ends not counted; memory stays below a few times that."""
    while data := file.readline(limit + 2):
        broken = False
        if not data.endswith(b"\n") and len(data) == limit + 2:
            while (rest := file.readline(limit)) and not rest.endswith(b"\n"):
                pass
            data = data[:limit] + b"\n"
            broken = True
        elif len(data.rstrip(b"\r\n")) > limit:
            broken = True
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("utf-8", errors="replace")
            broken = True
        yield Line(text, broken)
