"""``concordat budget`` and ``catalogue``: what there is, and what is left."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from connectors import render
from connectors.commands import output
from connectors.commands.connection import Connection, connected
from connectors.commands.output import Json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("budget")(connected(budget))
    app.command("catalogue")(connected(catalogue))


def budget(
    connection: Connection,
    *,
    statement: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="What was charged in a month, instead.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the privacy budget: caps, shares, what is spent and left, by whom, when it renews and runs out."""
    with connection.open("analyst") as client:
        if statement is not None:
            told = client.statement(connection.agreement_id(), statement)
            output.result(told, render.statement_table(told), as_json=json)
            return
        found = client.budget(connection.agreement_id())
    output.result(found, render.budget_table(found), render.forecast_lines(found), as_json=json)


def catalogue(
    connection: Connection,
    dataset: Annotated[str | None, typer.Argument(help="One dataset, with its fields.")] = None,
    *,
    json: Json = False,
) -> None:
    """Show the datasets, the days they cover, and what you may do with each."""
    with connection.open("analyst") as client:
        found = client.catalogue(connection.agreement_id(), dataset)
    shown = [_datasets(found.get("datasets") or ())] if dataset is None else _dataset(found)
    output.result(found, *shown, as_json=json)


def _datasets(found: Any) -> Table:
    made = Table()
    for heading in ("dataset", "title", "supplier", "covered", "you may"):
        made.add_column(heading)
    for item in found:
        cells = (item.get("dataset"), item.get("title"), item.get("supplier"), _covered(item), _may(item))
        made.add_row(*map(render.plain, cells))
    return made


def _dataset(item: dict[str, Any]) -> list[RenderableType]:
    made = Table()
    for heading in ("field", "kind", "title", "levels"):
        made.add_column(heading)
    for field in item.get("fields") or ():
        levels = ", ".join(map(str, field.get("levels") or ()))
        made.add_row(*map(render.plain, (field.get("name"), field.get("kind"), field.get("title"), levels)))
    grants: list[RenderableType] = []
    for grant in (item.get("you_may") or {}).get("ask") or ():
        grants += [render.plain(f"{grant.get('clause')}:", "bold")]
        allowed = {name: value for name, value in grant.items() if name != "clause"}
        grants += [render.plain(f"  {render.named(name)}: {render.listed(value)}") for name, value in allowed.items()]
    title = render.plain(f"{item.get('dataset')}: {item.get('title')}; {_covered(item)}", "bold")
    return [title, made, *grants]


def _covered(item: dict[str, Any]) -> str:
    spans = [f"{span.get('from')} to {span.get('to')}" for span in item.get("covered") or ()]
    return ", ".join(spans) or "nothing yet"


def _may(item: dict[str, Any]) -> str:
    may = item.get("you_may") or {}
    verbs = [verb for verb in ("push", "ask") if may.get(verb)]
    return ", ".join(verbs) or "nothing"
