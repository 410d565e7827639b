"""Worked examples of data-sharing agreements, one YAML file a version.

An example is complete but for its keys: the thumbprints in it are placeholders, which enrolment replaces by
the keys that the parties showed out of band. ``python -m agreements NAME`` prints an example's pins as the
shipped schemas, code lists, hierarchies and gateways stand.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names of the examples, such as ``avon-somerset``."""
    return tuple(sorted(file.stem for file in _HERE.glob("*.yaml")))


def path(name: str) -> Path:
    """Return the file of an example.

    Raises:
        KeyError: there is no such example.
    """
    if name not in names():
        raise KeyError(name)
    return _HERE / f"{name}.yaml"
