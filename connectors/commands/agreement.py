"""``concordat agreement`` and ``concordat key``: what a party's signatory runs, offline but for two commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connectors import agreements, render
from connectors.commands import output
from connectors.commands.connection import Connection, connected
from connectors.commands.failures import MALFORMED, CommandError
from connectors.commands.groups import group
from connectors.commands.output import Json
from connectors.files import read_input
from connectors.keys import load_signing_key, new_key, public_file
from connectors.pseudonymise import new_key as new_pseudonym_key

File = Annotated[Path, typer.Argument(metavar="FILE", help="The agreement, YAML or JSON.")]

Artefacts = Annotated[
    Path | None,
    typer.Option(
        "--artefacts", exists=True, file_okay=False, help="Folder of code lists and hierarchies the broker imported."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    agreement = group(app, "agreement")
    agreement.command("check")(check)
    agreement.command("digest")(digest)
    agreement.command("sign")(sign)
    agreement.command("submit")(connected(submit))
    agreement.command("show")(connected(show))
    key = group(app, "key")
    key.command("new")(new)
    key.command("new-pseudonym-key")(new_for_pseudonyms)


def check(file: File, *, artefacts: Artefacts = None, json: Json = False) -> None:
    """Read an agreement strictly and tell every finding."""
    checked = agreements.check(file, agreements.known_artefacts(artefacts))
    findings = [{"rule": found.code, "column": found.path, "detail": found.detail} for found in checked.findings]
    value = {"digest": checked.digest, "findings": findings}
    if not findings:
        output.result(value, render.plain(f"No findings. {checked.digest}", "green"), as_json=json)
        return
    output.result(value, render.findings_table(findings), as_json=json)
    raise CommandError("agreement_malformed", f"{len(findings)} findings in {file}", MALFORMED)


def digest(file: File, *, json: Json = False) -> None:
    """Print the digest that parties sign and pushes name."""
    checked = agreements.check(file)
    if checked.digest is None:
        found = checked.findings[0]
        raise CommandError(found.code, f"{file}: {found.detail}", MALFORMED)
    output.result({"digest": checked.digest}, render.plain(checked.digest), as_json=json)


def sign(
    file: File,
    *,
    key: Annotated[Path, typer.Option(help="File of the party's signing key.")],
    broker: Annotated[str, typer.Option(metavar="ISSUER", help="Issuer of the broker that shall execute it.")],
    artefacts: Artefacts = None,
    json: Json = False,
) -> None:
    """Sign an agreement for one broker and print the signature; read the agreement before."""
    checked = agreements.check(file, agreements.known_artefacts(artefacts))
    signature = agreements.sign(checked, load_signing_key(key), broker)
    if checked.agreement is not None and not json:
        said = f"signed: {checked.agreement.id} version {checked.agreement.version}, {checked.digest}, for {broker}"
        output.note(render.plain(said))
    if json:
        output.result({"signature": signature, "digest": checked.digest, "broker": broker}, as_json=True)
    else:
        typer.echo(signature)


def submit(
    connection: Connection,
    file: File,
    signature: Annotated[Path, typer.Argument(help="File of the signature that `sign` printed.")],
    *,
    json: Json = False,
) -> None:
    """Hand your party's signature of an agreement in."""
    checked = agreements.check(file)
    if checked.agreement is None:
        raise CommandError("agreement_malformed", f"{file} has findings", MALFORMED)
    text = read_input(signature).decode(errors="replace").strip()
    with connection.open("ig-lead") as client:
        found = client.sign(checked.agreement.id, checked.agreement.version, text)
    missing = ", ".join(map(str, found.get("unsigned") or ())) or "nobody"
    output.result(found, render.plain(f"signed; yet to sign: {missing}", "green"), as_json=json)


def show(
    connection: Connection,
    version: Annotated[str | None, typer.Argument(help="A version; the deciding one if none is named.")] = None,
    *,
    json: Json = False,
) -> None:
    """Show an agreement's standing, and who has signed it."""
    with connection.open("analyst") as client:
        found = client.agreement(connection.agreement_id(), version)
    signed = ", ".join(str(item.get("party")) for item in found.get("signatures") or ()) or "nobody"
    lines = (
        f"{found.get('id')} version {found.get('version')}: {found.get('standing')}",
        f"digest: {found.get('digest')}",
        f"signed by: {signed}",
        f"yet to sign: {', '.join(map(str, found.get('unsigned') or ())) or 'nobody'}",
    )
    output.result(found, *map(render.plain, lines), as_json=json)


def new(file: Annotated[Path, typer.Argument(help="The new file.")], *, json: Json = False) -> None:
    """Make an Ed25519 key for a client or a party, for its owner alone, and its public half beside it."""
    public = new_key(file)
    lines = (f"thumbprint: {public['kid']}", f"public key: {public_file(file)}")
    output.result(public, *map(render.plain, lines), as_json=json)


def new_for_pseudonyms(file: Annotated[Path, typer.Argument(help="The new file.")], *, json: Json = False) -> None:
    """Make a key for pseudonyms. Share it with the other agencies, never with the broker."""
    new_pseudonym_key(file)
    output.result({"file": str(file)}, render.plain(f"{file}: keep it where identifiers are"), as_json=json)
