"""The command ``concordat``. Installed packages add commands by entry points of the group ``concordat.commands``.

Each entry point is a function that takes the Typer application and registers commands on it. One whose package
lacks a dependency is left out: an agency that installed the connectors alone has no broker to serve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from connectors.commands import (
    agreement,
    approvals,
    ask,
    check,
    ending,
    erase,
    failures,
    log,
    look,
    money,
    output,
    prepare,
    push,
    renderings,
    versions,
)

GROUP = "concordat.commands"
_OURS = (push, erase, ask, approvals, look, money, log, check, agreement, ending, versions, renderings, prepare)


class Concordat(TyperGroup):
    """Ends every command that fails with a code, words, and what to do (``connectors.commands.failures``)."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except Exception as error:
            if isinstance(error, failures.CommandError) and error.told:
                raise typer.Exit(error.exit_code) from None
            failure = failures.explain(error)
            if failure is None:
                raise
            failures.tell(failure, as_json=output.wants_json(ctx))
            raise typer.Exit(failure.exit_code) from None


def build(found: Iterable[EntryPoint] | None = None) -> typer.Typer:
    """Return the application.

    Args:
        found: Entry points of further commands; those that are installed where None.
    """
    app = typer.Typer(
        name="concordat",
        cls=Concordat,
        help="Answer each other's questions without handing over records.",
        epilog="Exit codes: 2 usage, 3 refused, 4 malformed, 5 cannot verify, 6 no connection, 7 waiting.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_root)
    for module in _OURS:
        module.register(app)
    for point in entry_points(group=GROUP) if found is None else found:
        register = _load(point)
        if register is not None:
            register(app)
    return app


def main() -> None:
    """Run the command."""
    build()()


def _load(point: EntryPoint) -> Callable[[typer.Typer], None] | None:
    try:
        loaded: Callable[[typer.Typer], None] = point.load()
    except ModuleNotFoundError as error:
        ours = point.module.partition(".")[0]
        if error.name == point.module or (error.name or "").partition(".")[0] != ours:
            return None  # the package, or something it needs, is not installed
        raise
    return loaded


def _show_version(value: bool) -> None:  # noqa: FBT001 - how Typer calls back
    if value:
        typer.echo(f"concordat {version('concordat')}")
        raise typer.Exit


def _root(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Answer each other's questions without handing over records."""
