"""``concordat push`` and ``concordat withdraw``: what an agency's system runs on a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from connectors import agreements, render
from connectors.commands import output
from connectors.commands.connection import Connection, connected
from connectors.commands.failures import MALFORMED, CommandError
from connectors.commands.options import taking
from connectors.commands.output import Json
from connectors.commands.values import From, To
from connectors.upload import Extract


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What the extract is, and what its supplier knows."""

    first: From
    last: To
    replaces: Annotated[str | None, typer.Option(help="Id of the extract that this one corrects.")] = None
    media_type: Annotated[str | None, typer.Option("--type", help="Media type, if the file's name does not tell.")] = (
        None
    )
    agreement_digest: Annotated[
        str | None, typer.Option(help="Digest of the version you know; by default that of your last push.")
    ] = None
    agreement_file: Annotated[
        Path | None, typer.Option(help="The version you know as a file, instead of its digest.")
    ] = None
    idempotency_key: Annotated[
        str | None, typer.Option(help="Another key, to push a file again that was withdrawn.")
    ] = None

    def known(self) -> str | None:
        """Return the digest of the version that the supplier knows, None where nothing was said.

        Raises:
            CommandError: The file cannot be read.
        """
        if self.agreement_file is None:
            return self.agreement_digest
        found = agreements.check(self.agreement_file).digest
        if found is None:
            raise CommandError("agreement_malformed", f"{self.agreement_file} cannot be read", MALFORMED)
        return found


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("push")(taking(Connection, Pushed)(push))
    app.command("extracts")(connected(extracts))
    app.command("withdraw")(connected(withdraw))


def push(
    connection: Connection,
    pushed: Pushed,
    dataset: Annotated[str, typer.Argument(help="The dataset's name in the agreement.")],
    file: Annotated[Path, typer.Argument(help="CSV, NDJSON, Parquet or an Arrow stream.")],
    *,
    json: Json = False,
) -> None:
    """Push an extract, all or nothing. Run it again after a failure: nothing is taken twice."""
    known = pushed.known()
    extract = Extract(dataset, file, (pushed.first, pushed.last), pushed.replaces, pushed.media_type)
    with connection.open("supplier") as client, output.progress(quiet=json) as told:
        receipt = client.push(
            connection.agreement_id(),
            extract,
            agreement_digest=known,
            idempotency_key=pushed.idempotency_key,
            progress=told,
        )
    said = f"{receipt.extract}: {receipt.rows} rows of {receipt.persons} persons taken and receipted"
    output.result(receipt.receipt, render.plain(said, "green"), as_json=json)


def extracts(
    connection: Connection,
    dataset: Annotated[str, typer.Argument(help="The dataset's name in the agreement.")],
    *,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 50,
    before: Annotated[str | None, typer.Option(help="Only those older than this extract.")] = None,
    json: Json = False,
) -> None:
    """List what your party has pushed, the newest first, and what became of it."""
    with connection.open("supplier") as client:
        found = client.extracts(connection.agreement_id(), dataset, limit=limit, before=before)
    made = Table()
    for heading in ("extract", "state", "covers", "rows", "persons", "kept until"):
        made.add_column(heading)
    for item in found:
        covers = item.get("covers") or {}
        days = f"{covers.get('from')} to {covers.get('to')}" if covers else None
        told = (item.get(name) for name in ("rows", "persons", "kept_until"))
        cells = (item.get("extract"), item.get("state"), days, *told)
        made.add_row(*map(render.plain, cells))
    output.result(found, made, as_json=json)


def withdraw(
    connection: Connection,
    dataset: Annotated[str, typer.Argument(help="The dataset's name in the agreement.")],
    extract: Annotated[str, typer.Argument(help="The extract's id, as its receipt names it.")],
    *,
    json: Json = False,
) -> None:
    """Withdraw an extract of your own."""
    with connection.open("supplier") as client:
        confirmed = client.withdraw(connection.agreement_id(), dataset, extract)
    output.result(confirmed, render.plain(f"{extract} is withdrawn", "green"), as_json=json)
