"""``concordat quota`` and ``reservation``: what each client may spend, and amounts set aside."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from connectors import render
from connectors.commands import output
from connectors.commands.connection import Connection, connected
from connectors.commands.groups import group
from connectors.commands.output import Json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    quotas = group(app, "quota")
    quotas.command("list")(connected(quota_list))
    quotas.command("set")(connected(quota_set))
    reservations = group(app, "reservation")
    reservations.command("list")(connected(reservation_list))
    reservations.command("make")(connected(reservation_make))
    reservations.command("give-up")(connected(reservation_give_up))


def quota_list(connection: Connection, *, json: Json = False) -> None:
    """List what each client of your party may spend in a period, as a part of its share; yours where you are none."""
    with connection.open("steward") as client:
        found = client.quotas(connection.agreement_id())
    output.result(found, _quotas(found), as_json=json)


def quota_set(
    connection: Connection,
    of: Annotated[str, typer.Argument(metavar="CLIENT", help="A client of your party.")],
    share: Annotated[str, typer.Argument(help="Part of your party's share, such as 0.25; 0 stops it.")],
    *,
    json: Json = False,
) -> None:
    """Set what a client of your party may spend in a period, within what the agreement lets it; stewards may."""
    with connection.open("steward") as client:
        found = client.set_quota(connection.agreement_id(), of, share)
    output.result(found, _quotas([found]), as_json=json)


def _quotas(found: list[dict[str, Any]]) -> Table:
    made = Table()
    for heading in ("client", "may spend of its party's share", "by the agreement", "set by a steward"):
        made.add_column(heading)
    for item in found:
        cells = (item.get("client"), item.get("quota"), item.get("agreed"), item.get("set", "-"))
        made.add_row(*map(render.plain, cells))
    return made


def reservation_list(connection: Connection, *, json: Json = False) -> None:
    """List your open reservations."""
    with connection.open("analyst") as client:
        found = client.reservations(connection.agreement_id())
    output.result(found, _reservations(found), as_json=json)


def reservation_make(
    connection: Connection,
    share: Annotated[str, typer.Argument(help="Part of your party's share to set aside, such as 0.1.")],
    *,
    purpose: Annotated[str, typer.Option(help="What its questions are for.")],
    dataset: Annotated[list[str], typer.Option(help="A dataset that they ask of or link with; more than once.")],
    until: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="The last day on which it holds.")] = None,
    json: Json = False,
) -> None:
    """Set an amount aside; questions asked with --reservation are charged to it. At most 30 days, within the period."""
    wanted: dict[str, Any] = {"purpose": purpose, "datasets": dataset, "share": share}
    wanted |= {"until": until} if until is not None else {}
    with connection.open("analyst") as client:
        found = client.reserve(connection.agreement_id(), wanted)
    output.result(found, _reservations([found]), as_json=json)


def reservation_give_up(
    connection: Connection,
    reservation: Annotated[str, typer.Argument(metavar="RESERVATION", help="Its id.")],
    *,
    json: Json = False,
) -> None:
    """Give back what is left of a reservation."""
    with connection.open("analyst") as client:
        found = client.give_up(connection.agreement_id(), reservation)
    output.result(found, _reservations([found]), as_json=json)


def _reservations(found: list[dict[str, Any]]) -> Table:
    made = Table()
    for heading in ("reservation", "state", "client", "purpose", "share reserved", "left", "expires"):
        made.add_column(heading)
    for item in found:
        cells = (
            item.get("reservation"), item.get("state"), item.get("client"), item.get("purpose"),
            (item.get("reserved") or {}).get("share"), (item.get("left") or {}).get("share"), item.get("expires"),
        )  # fmt: skip
        made.add_row(*map(render.plain, cells))
    return made
