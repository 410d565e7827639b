"""``concordat agreement export | import | page``: an agreement in other forms, offline."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from connectors import agreements, render
from connectors.commands import output
from connectors.commands.failures import MALFORMED, CommandError
from connectors.commands.groups import group
from connectors.commands.output import Json
from connectors.files import read_input
from connectors.whole_file import whole_file
from schemas import strict_json, strict_yaml
from schemas.canonical import digest
from schemas.errors import DocumentError
from schemas.odrl import document as odrl
from schemas.page.render import page as rendered

File = Annotated[Path, typer.Argument(metavar="FILE", help="The agreement, YAML or JSON.")]
_MAX_BYTES = 32 * 1024 * 1024
_MAX_DEPTH = 64
"""JSON-LD says the same at greater length, and the parties' own keys stand a few levels deeper in it."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    agreement = group(app, "agreement")
    agreement.command("export")(export)
    agreement.command("import")(import_)
    agreement.command("page")(page)


def export(
    file: File,
    *,
    format_: Annotated[Literal["odrl"], typer.Option("--format", help="The form: ODRL 2.2 with DPV, as JSON-LD.")] = (
        "odrl"
    ),
    out: Annotated[Path | None, typer.Option(help="The new file; standard output where none is named.")] = None,
) -> None:
    """Write an agreement as an ODRL policy with DPV terms (JSON-LD), for catalogues and policy tools."""
    del format_  # there is one yet
    _write(_json(odrl.export(_load(file))), out)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON-LD that `agreement export` wrote.")],
    *,
    out: Annotated[Path, typer.Option(help="The new file: JSON where its name ends so, else YAML.")],
    json: Json = False,
) -> None:
    """Read an agreement back from JSON-LD that Concordat exported; any other JSON-LD is refused."""
    text = read_input(file, max_bytes=_MAX_BYTES)
    value = odrl.read(strict_json.loads(text, max_bytes=_MAX_BYTES, max_depth=_MAX_DEPTH))
    _write(_json(value) if out.suffix.lower() == ".json" else _yaml(value), out)
    found = {"id": value["id"], "version": value["version"], "digest": digest(value), "file": str(out)}
    said = f"{value['id']} version {value['version']}, {found['digest']}: {out}"
    output.result(found, render.plain(said, "green"), as_json=json)


def page(
    file: File,
    *,
    out: Annotated[Path, typer.Option(help="The new file, HTML.")],
    json: Json = False,
) -> None:
    """Write an agreement as a page to read and to print; it is one file and loads nothing."""
    value = _load(file)
    _write(rendered(value), out)
    found = {"digest": digest(value), "file": str(out)}
    output.result(found, render.plain(f"{out}: {found['digest']}"), as_json=json)


def _load(file: Path) -> Any:
    """Return an agreement's value; what it pins is not looked at, since nobody signs here."""
    checked = agreements.check(file)
    if checked.agreement is None:
        found = checked.findings[0]
        raise CommandError(found.code, f"{file}: {found.path}: {found.detail}", MALFORMED)
    return checked.value


def _json(value: Any) -> str:
    return json_text.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _yaml(value: Any) -> str:
    """Return a value as YAML, once it was seen to read back equal: the digest must not change on the way."""
    text = strict_yaml.dumps(value)
    try:
        same = digest(strict_yaml.loads(text.encode())) == digest(value)
    except DocumentError:
        same = False
    if not same:
        raise CommandError("not_yaml", "YAML cannot hold this exactly; name an --out that ends in .json", MALFORMED)
    return text


def _write(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
        return
    with whole_file(out) as file:
        file.write(text)
