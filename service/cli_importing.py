"""The operator's commands ``concordat codelist`` and ``concordat hierarchy``: geographies and other lists of codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.canonical import canonical
from service.settings import Settings

if TYPE_CHECKING:
    from schemas.artefacts import Artefact
    from service.importing import Lookup

FileArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="The published lookup: CSV with a header, gzipped or not.")
]
NameOption = Annotated[str, typer.Option(help="The artefact's name, with its vintage, such as lsoa-2021.")]
TitleOption = Annotated[str, typer.Option(help="What people call it.")]
SourceOption = Annotated[str, typer.Option(help="Who published it, when, under which licence.")]
KeepOption = Annotated[
    list[str] | None,
    typer.Option("--keep", help="COLUMN=VALUE,VALUE: only rows with these count. May be given more than once."),
]
OutOption = Annotated[
    Path | None, typer.Option(help="Write the artefact to this JSON file, for partners, instead of keeping it.")
]
LabelOption = Annotated[str | None, typer.Option(help="The column of labels.")]
StateOption = Annotated[Path, typer.Option("--state", envvar="CONCORDAT_STATE", help="Folder of everything kept.")]
DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database-url", envvar="CONCORDAT_DATABASE_URL", help="Control database; SQLite in the state folder if empty."
    ),
]
_STATE = Path("concordat-state")

codelist_app = typer.Typer(no_args_is_help=True, help="Code lists that agreements may pin beside those that ship.")
hierarchy_app = typer.Typer(no_args_is_help=True, help="Hierarchies that agreements may pin beside those that ship.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(codelist_app, name="codelist")
    app.add_typer(hierarchy_app, name="hierarchy")


@codelist_app.command("import")
def codelist_import(
    file: FileArgument,
    *,
    name: NameOption,
    code: Annotated[str, typer.Option(help="The column of codes.")],
    title: TitleOption,
    source: SourceOption,
    label: LabelOption = None,
    keep: KeepOption = None,
    out: OutOption = None,
    state: StateOption = _STATE,
    database_url: DatabaseOption = "",
) -> None:
    """Make a code list of a published lookup and keep it under a name that never means anything else."""
    from service import importing

    _finish(importing.codelist(_lookup(file, name, title, source, keep), code, label), out, state, database_url)


@hierarchy_app.command("import")
def hierarchy_import(
    file: FileArgument,
    *,
    name: NameOption,
    from_: Annotated[str, typer.Option("--from", help="The column of codes.")],
    to: Annotated[str, typer.Option(help="The column of coarser codes.")],
    title: TitleOption,
    source: SourceOption,
    label: LabelOption = None,
    keep: KeepOption = None,
    out: OutOption = None,
    state: StateOption = _STATE,
    database_url: DatabaseOption = "",
) -> None:
    """Make a hierarchy of a published lookup and keep it under a name that never means anything else."""
    from service import importing

    _finish(importing.hierarchy(_lookup(file, name, title, source, keep), from_, to, label), out, state, database_url)


@codelist_app.command("list")
@hierarchy_app.command("list")
def imported_list(state: StateOption = _STATE, database_url: DatabaseOption = "") -> None:
    """List what was imported: name, kind, size, digest, title."""
    from service import importing

    for item in importing.imported(_settings(state, database_url)):
        typer.echo(f"{item['name']}  {item['kind']}  {item['size']} codes  {item['digest']}  {item['title']}")


def _lookup(file: Path, name: str, title: str, source: str, keep: list[str] | None) -> Lookup:
    from service import importing

    return importing.Lookup(file, name, title, source, importing.parse_kept(keep or ()))


def _settings(state: Path, database_url: str) -> Settings:
    return Settings(state=state.resolve(), issuer="http://127.0.0.1:8000", database_url=database_url)  # signs nothing


def _finish(made: Artefact, out: Path | None, state: Path, database_url: str) -> None:
    from service import importing

    if out is not None:
        out.write_bytes(canonical(made.value))
        typer.echo(f"{out}: {made.name} {made.digest}")
        return
    settings = _settings(state, database_url)
    new = importing.import_artefact(settings, made)
    typer.echo(f"{made.name} {made.digest} {'is kept' if new else 'was kept before; nothing changed'}")
