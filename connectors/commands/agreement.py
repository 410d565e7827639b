"""``concordat agreement`` and ``concordat key``: what a party's signatory runs, offline but for three commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors import agreements, render, signatures
from connectors.commands import output
from connectors.commands.connection import Connection, connected
from connectors.commands.failures import MALFORMED, UNVERIFIED, CommandError
from connectors.commands.groups import group
from connectors.commands.output import Json
from connectors.files import private_file, read_input
from connectors.keys import load_public_key, load_signing_key, new_key, public_file
from connectors.pseudonymise import new_key as new_pseudonym_key
from schemas.canonical import canonical

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
    agreement.command("digest")(digest)
    agreement.command("register")(connected(register_version))
    agreement.command("sign")(sign)
    agreement.command("verify")(verify)
    agreement.command("submit")(connected(submit))
    agreement.command("show")(connected(show))
    agreement.command("status")(connected(status))
    key = group(app, "key")
    key.command("new")(new)
    key.command("new-pseudonym-key")(new_for_pseudonyms)


def digest(file: File, *, json: Json = False) -> None:
    """Print the digest that parties sign and pushes name."""
    checked = agreements.check(file)
    if checked.digest is None:
        found = checked.findings[0]
        raise CommandError(found.code, f"{file}: {found.detail}", MALFORMED)
    output.result({"digest": checked.digest}, render.plain(checked.digest), as_json=json)


def register_version(connection: Connection, file: File, *, json: Json = False) -> None:
    """Register a version with the broker, as a steward; it is in force once every party has signed it."""
    kind = "application/json" if file.suffix.lower() == ".json" else "application/yaml"
    with connection.open("steward") as client:
        found = client.register(read_input(file), kind)
    lines = (
        f"registered: {found.get('id')} version {found.get('version')}",
        f"digest: {found.get('digest')}",
        f"yet to sign: {_names(found.get('unsigned'))}",
        f"check: {_counts(found.get('check'))}",
    )
    output.result(found, *map(render.plain, lines), as_json=json)


def sign(
    file: File,
    *,
    key: Annotated[Path, typer.Option(help="File of the party's signing key.")],
    broker: Annotated[str, typer.Option(metavar="ISSUER", help="Issuer of the broker that shall execute it.")],
    out: Annotated[
        Path | None, typer.Option(help="Write a signature file, which covers every byte of FILE, and holds the key.")
    ] = None,
    artefacts: Artefacts = None,
    json: Json = False,
) -> None:
    """Sign an agreement for one broker and print the signature; read the agreement before."""
    checked = agreements.check(file, agreements.known_artefacts(artefacts))
    private = load_signing_key(key)
    signature = agreements.sign(checked, private, broker)
    if out is not None:
        made = signatures.make(_document(file), signature, private, broker)
        with private_file(out, replace=True) as written:
            written.write(made)
    if checked.agreement is not None and not json:
        said = f"signed: {checked.agreement.id} version {checked.agreement.version}, {checked.digest}, for {broker}"
        output.note(render.plain(said))
    if json:
        output.result({"signature": signature, "digest": checked.digest, "broker": broker}, as_json=True)
    else:
        typer.echo(signature)


def verify(
    file: File,
    *,
    signature: Annotated[list[Path], typer.Option(help="A signature, or a signature file; may be given often.")],
    key: Annotated[
        list[Path] | None, typer.Option(help="A party's public key, for bare signatures; may be given often.")
    ] = None,
    broker: Annotated[
        str | None, typer.Option(metavar="ISSUER", help="For which broker; bare signatures do not tell.")
    ] = None,
    json: Json = False,
) -> None:
    """Verify signatures over exactly this file, offline: whose hold, for which broker, and whose are missing."""
    document = _document(file)
    given = [signatures.read(str(path), read_input(path)) for path in signature]
    found = signatures.verify(document, given, [load_public_key(path) for path in key or ()], broker)
    lines = [
        *(f"{item.party} signed {_COVERS[item.covers]}, for {item.broker} ({item.name})" for item in found.held),
        *(f"{item.name} does not hold: {item.detail} [{item.code}]" for item in found.refused),
        *(f"missing for {issuer}: {', '.join(parties) or 'nobody'}" for issuer, parties in found.missing.items()),
    ]
    output.result(found.as_json(), *map(render.plain, lines), as_json=json)
    if found.refused:
        said = f"{len(found.refused)} of {len(given)} signatures do not hold"
        raise CommandError(found.refused[0].code, said, UNVERIFIED)


_COVERS = {"file": "every byte of the file", "content": "what the file says, its comments and layout aside"}


def submit(
    connection: Connection,
    file: File,
    signature: Annotated[Path, typer.Argument(help="File of the signature that `sign` printed or wrote.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Write the broker's signed receipt there; keep it.")] = None,
    json: Json = False,
) -> None:
    """Hand your party's signature of an agreement in, and verify the broker's receipt."""
    checked = agreements.check(file)
    if checked.agreement is None:
        raise CommandError("agreement_malformed", f"{file} has findings", MALFORMED)
    given = signatures.read(str(signature), read_input(signature))
    with connection.open("ig-lead") as client:
        if given.file is not None:
            refused = signatures.verify(_document(file), [given], broker=client.issuer).refused
            if refused:
                raise CommandError(refused[0].code, f"{signature}: {refused[0].detail}", UNVERIFIED)
        found = client.sign(checked.agreement.id, checked.agreement.version, given.jws, digest=checked.digest)
    if out is not None:
        with private_file(out, replace=True) as written:
            written.write(canonical(found) + b"\n")
    lines = (
        f"signed; yet to sign: {_names(found.get('unsigned'))}",
        f"receipt: entry {found['audit']['index']} of the broker's log",
    )
    output.result(found, *(render.plain(line, "green") for line in lines), as_json=json)


def _document(file: Path) -> signatures.Document:
    kind = "application/json" if file.suffix.lower() == ".json" else "application/yaml"
    return signatures.Document.read(read_input(file), kind)


def show(
    connection: Connection,
    version: Annotated[str | None, typer.Argument(help="A version; the deciding one if none is named.")] = None,
    *,
    json: Json = False,
) -> None:
    """Show an agreement's standing, and who has signed it."""
    with connection.open("analyst") as client:
        found = client.agreement(connection.agreement_id(), version)
    signed = _names([item.get("party") for item in found.get("signatures") or ()])
    lines = (
        f"{found.get('id')} version {found.get('version')}: {found.get('standing')}",
        f"digest: {found.get('digest')}",
        f"signed by: {signed}",
        f"yet to sign: {_names(found.get('unsigned'))}",
    )
    output.result(found, *map(render.plain, lines), as_json=json)


def status(
    connection: Connection,
    version: Annotated[str | None, typer.Argument(help="A version; the deciding one if none is named.")] = None,
    *,
    json: Json = False,
) -> None:
    """Tell whether an agreement is in force, who signed it and when, who has yet to, and who stopped what."""
    with connection.open("ig-lead") as client:
        found = client.agreement(connection.agreement_id(), version)
    value = {name: part for name, part in found.items() if name != "document"}
    signed = [
        f"signed by {item['party']}, {item['signed']}{_receipted(item)}" for item in found.get("signatures") or ()
    ]
    lines = [
        f"{found.get('id')} version {found.get('version')}: {found.get('standing')}",
        f"digest: {found.get('digest')}",
        *signed,
        f"yet to sign: {_names(found.get('unsigned'))}",
        f"suspended by: {_names(found.get('suspended_by'))}",
        f"withdrawn: {_names(found.get('withdrawn'))}",
    ]
    output.result(value, *map(render.plain, lines), as_json=json)


def _receipted(item: Mapping[str, Any]) -> str:
    return ", with the broker's receipt" if "receipt" in item else ""


def _names(value: Any) -> str:
    return ", ".join(map(str, value or ())) or "nobody"


def _counts(check: Any) -> str:
    counts = check.get("counts") if isinstance(check, dict) else None
    if not isinstance(counts, dict):
        return "not checked"
    found = ", ".join(f"{number} of severity {severity}" for severity, number in counts.items() if number)
    return f"{found or 'nothing found'} (`concordat agreement check` tells which; not legal advice)"


def new(file: Annotated[Path, typer.Argument(help="The new file.")], *, json: Json = False) -> None:
    """Make an Ed25519 key for a client or a party, for its owner alone, and its public half beside it."""
    public = new_key(file)
    lines = (f"thumbprint: {public['kid']}", f"public key: {public_file(file)}")
    output.result(public, *map(render.plain, lines), as_json=json)


def new_for_pseudonyms(file: Annotated[Path, typer.Argument(help="The new file.")], *, json: Json = False) -> None:
    """Make a key for pseudonyms. Share it with the other agencies, never with the broker."""
    new_pseudonym_key(file)
    output.result({"file": str(file)}, render.plain(f"{file}: keep it where identifiers are"), as_json=json)
