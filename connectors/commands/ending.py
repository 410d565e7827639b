"""``concordat agreement suspend | resume | terminate | leave | rejoin | purge-receipt``: an IG lead's acts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from connectors import render
from connectors.client import Client
from connectors.commands import output
from connectors.commands.connection import Connection, connected
from connectors.commands.groups import group
from connectors.commands.output import Json
from connectors.files import private_file
from connectors.keys import load_signing_key
from schemas import jws
from schemas.canonical import canonical
from schemas.confirmations import TERMINATION_TYPE, WITHDRAWAL_TYPE, termination_payload, withdrawal_payload

SigningKey = Annotated[Path, typer.Option("--signing-key", help="File of the party's signing key.")]
_ROLE = "ig-lead"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    agreement = group(app, "agreement")
    for name, command in (("suspend", suspend), ("resume", resume), ("terminate", terminate), ("leave", leave)):
        agreement.command(name)(connected(command))
    agreement.command("rejoin")(connected(rejoin))
    agreement.command("purge-receipt")(connected(purge_receipt))


def suspend(connection: Connection, *, json: Json = False) -> None:
    """Stop an agreement at once, as one of its suppliers; your party alone lifts it."""
    with connection.open(_ROLE) as client:
        found = client.suspend(connection.agreement_id())
    output.result(found, render.plain("suspended: nothing is answered or taken", "green"), as_json=json)


def resume(connection: Connection, *, json: Json = False) -> None:
    """Lift your party's suspension."""
    with connection.open(_ROLE) as client:
        found = client.resume(connection.agreement_id())
    output.result(found, render.plain("your party's suspension is lifted", "green"), as_json=json)


def terminate(connection: Connection, *, signing_key: SigningKey, json: Json = False) -> None:
    """End an agreement for good, as one of its suppliers; its records are purged after the grace."""
    with connection.open(_ROLE) as client:
        agreement = connection.agreement_id()
        confirmation = _confirmation(client, agreement, signing_key, termination_payload, TERMINATION_TYPE)
        found = client.terminate(agreement, confirmation)
    said = f"ended: nothing is answered or taken any more; purged from {found.get('purge_due')}"
    output.result(found, render.plain(said, "green"), as_json=json)


def leave(connection: Connection, *, signing_key: SigningKey, json: Json = False) -> None:
    """Withdraw your party and what it supplies from an agreement; purged after the grace, until then `rejoin`."""
    with connection.open(_ROLE) as client:
        agreement = connection.agreement_id()
        confirmation = _confirmation(client, agreement, signing_key, withdrawal_payload, WITHDRAWAL_TYPE)
        found = client.leave(agreement, confirmation)
    said = f"withdrawn; final from {found.get('final')}, until then `concordat agreement rejoin`"
    output.result(found, render.plain(said, "green"), as_json=json)


def rejoin(connection: Connection, *, json: Json = False) -> None:
    """Rescind your party's withdrawal, before the grace is over."""
    with connection.open(_ROLE) as client:
        found = client.rejoin(connection.agreement_id())
    output.result(found, render.plain("your party's withdrawal is rescinded", "green"), as_json=json)


def purge_receipt(
    connection: Connection,
    *,
    out: Annotated[Path | None, typer.Option(help="Write the receipt there; keep it.")] = None,
    left_out_by: Annotated[
        int | None, typer.Option(min=1, metavar="VERSION", help="The version that left datasets of yours out.")
    ] = None,
    json: Json = False,
) -> None:
    """Fetch and verify the broker's receipt of the purge of what your party supplied, the newest unless you say."""
    with connection.open(_ROLE) as client:
        version = str(left_out_by) if left_out_by is not None else None
        found = client.purge_receipt(connection.agreement_id(), version)
    if out is not None:
        with private_file(out, replace=True) as written:
            written.write(canonical(found) + b"\n")
    datasets = [
        f"{item['dataset']}: {item['rows']} rows in {len(item['extracts'])} extracts"
        for item in found.get("datasets") or ()
    ]
    lines = (f"purged {found.get('purged')} ({found.get('reason')})", *datasets)
    output.result(found, *map(render.plain, lines), as_json=json)


def _confirmation(
    client: Client, agreement: str, key: Path, payload: Callable[[str, str, str], dict[str, str]], typ: str
) -> str:
    """Sign over the version that decides now, as the broker shows it and its document hashes."""
    digest = str(client.agreement(agreement)["digest"])
    return jws.sign(payload(agreement, digest, client.issuer), load_signing_key(key), typ=typ)
