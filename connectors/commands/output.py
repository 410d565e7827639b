"""Where commands write: results to standard output, everything else beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from connectors.upload import Phase
from connectors.upload import Progress as Told

_JSON = "concordat.json"
_WORDS = {"digest": "reading", "send": "sending", "receive": "receiving"}


def _remember(context: typer.Context, value: bool) -> bool:  # noqa: FBT001 - how Typer calls back
    if value:
        context.meta[_JSON] = True
    return value


Json = Annotated[
    bool, typer.Option("--json", help="Print JSON, for machines; errors too.", callback=_remember, is_eager=True)
]


def wants_json(context: Any) -> bool:
    """Whether ``--json`` was given to the command that runs or failed."""
    return bool(context.meta.get(_JSON))


def result(value: Any, *shown: RenderableType, as_json: bool) -> None:
    """Print a result: the value itself for machines, else what people read."""
    if as_json:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
        return
    console = Console()
    for part in shown:
        console.print(part)


def note(*shown: RenderableType) -> None:
    """Print beside the result."""
    console = Console(stderr=True)
    for part in shown:
        console.print(part)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Told]:
    """Show bars on a terminal; give what to tell about each piece."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description:>9}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(), console=console, transient=True, disable=quiet or not console.is_terminal,
    ) as bars:  # fmt: skip
        tasks: dict[Phase, Any] = {}

        def tell(phase: Phase, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(_WORDS[phase], total=total or None)
            bars.update(tasks[phase], completed=done)

        yield tell
