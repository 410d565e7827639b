"""Command groups, such as ``concordat log``, that several packages add commands to."""

from __future__ import annotations

import typer

HELP = {
    "agreement": "Read, check and sign agreements.",
    "approvals": "See the questions that wait for stewards, and decide on them.",
    "key": "Make keys.",
    "log": "Read, take away and verify a broker's log.",
    "quota": "What each client of your party may spend.",
    "reservation": "Set budget aside for questions that you plan.",
}


def group(app: typer.Typer, name: str) -> typer.Typer:
    """Return a group of commands, made when first asked for."""
    for held in app.registered_groups:
        if held.name == name and held.typer_instance is not None:
            return held.typer_instance
    made = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(made, name=name, help=HELP.get(name))
    return made
