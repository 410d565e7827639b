"""Print the pins of an example agreement, computed from the artefacts that ship with Concordat."""

from __future__ import annotations

import sys
from typing import Any

from agreements import path
from schemas import agreement, artefacts


def pins(value: Any) -> dict[str, str]:
    """Return what an agreement must pin: each artefact that it uses, with its digest, sorted by name.

    Args:
        value: The agreement's JSON value; its ``pins`` are not read.
    """
    library = artefacts.Library(artefacts.load())
    needed = library.required(agreement.parse(value))
    return {name: library.digest(name) for name in sorted(needed)}


if __name__ == "__main__":
    loaded = agreement.load(path(sys.argv[1]).read_bytes())
    sys.stdout.write("pins:\n" + "".join(f'  {name}: "{digest}"\n' for name, digest in pins(loaded).items()))
