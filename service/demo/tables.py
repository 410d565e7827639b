"""Releases as tables that fit a page: the last key across, value and half-width in one cell, names for codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from connectors.release_table import Cell, key_names, measure_names, rows
from connectors.render import number, plain
from schemas import artefacts

USABLE, TOO_NOISY = "●", "○"
LEGEND = (
    f"Value ± half-width of the 95% interval; {USABLE} usable, {TOO_NOISY} too noisy to use, by the agreement's rule."
)
_COUNCILS = "lad-2025"
_LEVELS = ("as-is", "")


def councils() -> dict[str, str]:
    """Return the names of councils by their codes."""
    return {code["code"]: code["label"] for code in artefacts.load()[_COUNCILS].value["codes"]}


def named(release: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a copy of a release to be shown: its keys by their names. It is no longer what was signed."""
    shown = [
        row | {"keys": {field: names.get(str(key), key) for field, key in row["keys"].items()}}
        for row in release["rows"]
    ]
    return dict(release) | {"rows": shown}


def crosstab(title: str, release: Mapping[str, Any], side: Sequence[str] | None = None) -> Group:
    """Return the first measure with the last key across.

    Args:
        title: What it shows.
        release: The release; its keys are two or more.
        side: Headings of the other keys; their names where None.
    """
    made = Table()
    for name in side or key_names(release)[:-1]:
        made.add_column(plain(name), no_wrap=True)
    table = [(tuple(keys[:-1]), keys[-1], cells[0]) for keys, cells in rows(release)]
    across = list(dict.fromkeys(last for _, last, _ in table))
    for last in across:
        made.add_column(plain(last), justify="right")
    found = {(first, last): cell for first, last, cell in table}
    for first in dict.fromkeys(first for first, _, _ in table):
        made.add_row(*map(plain, first), *(_cell(found[first, last]) for last in across))
    return titled(title, made)


def listing(title: str, release: Mapping[str, Any], side: Sequence[str] | None = None) -> Group:
    """Return every measure, one row a group.

    Args:
        title: What it shows.
        release: The release.
        side: Headings of the keys; their names where None.
    """
    made = Table()
    for name in side or key_names(release):
        made.add_column(plain(name), no_wrap=True)
    for name in measure_names(release):
        made.add_column(plain(name.replace("_", " ")), justify="right", no_wrap=True)
    for keys, cells in rows(release):
        made.add_row(*map(plain, keys), *map(_cell, cells))
    return titled(title, made)


def side_by_side(title: str, first: str, releases: Mapping[str, Mapping[str, Any]]) -> Group:
    """Return releases over the same single key beside each other.

    Args:
        title: What it shows.
        first: Heading of the key.
        releases: By the heading of each.
    """
    made = Table()
    made.add_column(plain(first), no_wrap=True)
    for heading in releases:
        made.add_column(plain(heading), justify="right")
    tables = [{keys[0]: cells[0] for keys, cells in rows(release)} for release in releases.values()]
    for key in tables[0]:
        made.add_row(plain(key), *(_cell(table[key]) for table in tables))
    return titled(title, made)


def granted(instead: Mapping[str, Any]) -> Table:
    """Return what a grant allows."""
    made = Table(title="What the nearest grant allows", title_justify="left", show_header=False)
    made.add_column("", no_wrap=True)
    made.add_column("")
    for name, value in instead.items():
        made.add_row(plain(name.replace("_", " ")), plain(_listed(value)))
    return made


def _listed(value: Any) -> str:
    """Write lists and maps as a person would: ``age (sna-band), lad``."""
    if isinstance(value, Mapping):
        parts = [(name, _listed(item)) for name, item in value.items() if item is not False and item != []]
        return ", ".join(name if said in _LEVELS else f"{name} ({said})" for name, said in parts) or "nothing"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return "" if value is True else str(value)


def titled(title: str, table: Table, legend: str = LEGEND) -> Group:
    """Put title and legend around a table as lines of their own, which a narrow table would break."""
    return Group(plain(title, "bold"), table, plain(legend, "dim"))


def _cell(cell: Cell) -> Text:
    said = f"{number(cell.value)} ± {number(cell.half_width)} {USABLE if cell.usable else TOO_NOISY}"
    return plain(said, "" if cell.usable else "dim")
