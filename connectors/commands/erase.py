"""``concordat erase``: an objection was upheld, or a court has ordered it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from connectors import render
from connectors.commands import output
from connectors.commands.connection import Connection
from connectors.commands.options import taking
from connectors.commands.output import Json
from connectors.errors import LocalError
from connectors.files import read_input
from connectors.persons import Persons, read_persons
from connectors.pseudonymise import IdType, Pseudonymiser, load_key
from schemas.erasure import Reach

_MOST_BYTES = 4 * 1024 * 1024
_STDIN = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the lines are: pseudonyms, or identifiers and how they become pseudonyms here."""

    pseudonym_key: Annotated[
        Path | None, typer.Option(help="File of the key for pseudonyms, where the lines are identifiers.")
    ] = None
    id_type: Annotated[IdType | None, typer.Option(help="What kind of identifier the lines are.")] = None

    def read(self, file: Path, agreement: str) -> Persons:
        """Read the persons out of a file, or out of standard input where it is ``-``."""
        if (self.pseudonym_key is None) != (self.id_type is None):
            raise typer.BadParameter("--pseudonym-key and --id-type go together", param_hint="--id-type")
        data = sys.stdin.buffer.read(_MOST_BYTES + 1) if file == _STDIN else read_input(file, max_bytes=_MOST_BYTES)
        if len(data) > _MOST_BYTES:  # never half a list
            raise LocalError("file_too_large", f"the list is larger than {_MOST_BYTES} bytes")
        try:
            lines = data.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise LocalError("bad_persons", "the list is not UTF-8 text") from None
        if self.pseudonym_key is None:
            return read_persons(lines)
        return read_persons(lines, Pseudonymiser(load_key(self.pseudonym_key), agreement), self.id_type)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("erase")(taking(Connection, Listed)(erase))


def erase(
    connection: Connection,
    listed: Listed,
    file: Annotated[Path, typer.Argument(help="One person a line; - reads standard input.")],
    *,
    reason: Annotated[str, typer.Option(help="Why, naming nobody: it is kept in the log.")],
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="As a steward, from every supplier's datasets.")
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The key of an erasure whose answer was lost: it happens once.")
    ] = None,
    json: Json = False,
) -> None:
    """Erase persons for good by pseudonym. Stop sending them too: a later push that names them brings them back."""
    agreement = connection.agreement_id()
    persons = listed.read(file, agreement)
    reach, role = (Reach.AGREEMENT, "steward") if everywhere else (Reach.OWN, "supplier")
    console = Console(stderr=True, quiet=json)
    with connection.open(role) as client, console.status(f"erasing {len(persons.pseudonyms)} persons"):
        receipt = client.erase(agreement, persons.pseudonyms, reason, reach=reach, idempotency_key=idempotency_key)
    output.result(receipt, *_lines(receipt, persons), as_json=json)


def _lines(receipt: dict[str, Any], persons: Persons) -> list[Any]:
    # What was done: whether any of them was there is told to nobody but the supplier, in rows.
    said = f"{receipt.get('erasure')}: every dataset reached is without the {len(persons.pseudonyms)} persons asked for"
    lines = [render.plain(said, "green")]
    lines += [render.plain(f"{item.get('dataset')}: {item.get('rows')} rows") for item in receipt.get("datasets", ())]
    lines += [
        render.plain(f"{name}: holds no pseudonyms, so nobody was erased there", "yellow")
        for name in receipt.get("records", ())
    ]
    if persons.repeated:
        lines.append(render.plain(f"{persons.repeated} lines named somebody again"))
    return lines
