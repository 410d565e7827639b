"""Print the pins of an example agreement, computed from the artefacts that ship with Concordat.

``python -m agreements NAME`` prints the block; with ``--write`` it takes the place of the block in the file.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from agreements import path
from schemas import agreement, artefacts

_BLOCK = re.compile(r"^pins:\n(?:  .*\n)*", re.MULTILINE)


def pins(value: Any) -> dict[str, str]:
    """Return what an agreement must pin: each artefact that it uses, with its digest, sorted by name.

    Args:
        value: The agreement's JSON value; its ``pins`` are not read.
    """
    library = artefacts.Library(artefacts.load())
    needed = library.required(agreement.parse(value | {"pins": {}}))
    return {name: library.digest(name) for name in sorted(needed)}


def block(value: Any) -> str:
    """Return the pins of an agreement as they stand in its file."""
    return "pins:\n" + "".join(f'  {name}: "{digest}"\n' for name, digest in pins(value).items())


def write(file: Path) -> None:
    """Put the pins of an agreement into its file, in place of those that are there."""
    text = file.read_text(encoding="utf-8")
    made = block(agreement.load(file.read_bytes()))
    file.write_text(_BLOCK.sub(lambda _: made, text, count=1), encoding="utf-8")


if __name__ == "__main__":
    named = path(sys.argv[1])
    if sys.argv[2:] == ["--write"]:
        write(named)
    else:
        sys.stdout.write(block(agreement.load(named.read_bytes())))
