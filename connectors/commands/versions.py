"""``concordat agreement diff``: what people who must sign a version read before they do, offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from connectors import render, versions
from connectors.commands import output
from connectors.commands.groups import group
from connectors.commands.output import Json
from schemas.diff.change import Change
from schemas.diff.compare import counts

_STYLES = {"widens": "bold red", "narrows": "green", "neutral": ""}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group(app, "agreement").command("diff")(diff)


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The version that you know, YAML or JSON.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The version to read.")],
    *,
    json: Json = False,
) -> None:
    """Say what changed between two versions, clause by clause, and whether each change widens or narrows."""
    before, after = versions.read(old), versions.read(new)
    changes = versions.compare(before, after)
    effects = counts(changes)
    value: dict[str, Any] = {
        "agreement": after.agreement.id,
        "from": {"version": before.agreement.version, "digest": before.digest},
        "to": {"version": after.agreement.version, "digest": after.digest},
        "effects": effects,
        "changes": [change.as_json() for change in changes],
    }
    said = (
        f"{after.agreement.id}: version {before.agreement.version} to {after.agreement.version}. "
        f"{effects['widens']} changes widen, {effects['narrows']} narrow, {effects['neutral']} are neutral."
    )
    shown: list[RenderableType] = [render.plain(said)]
    if changes:
        shown.append(_table(changes))
    output.result(value, *shown, as_json=json)


def _table(changes: Sequence[Change]) -> Table:
    made = Table()
    for heading in ("effect", "where", "what changed"):
        made.add_column(heading, overflow="fold")
    for change in changes:
        made.add_row(
            render.plain(change.effect, _STYLES[change.effect]), render.plain(change.path), render.plain(change.words)
        )
    return made
