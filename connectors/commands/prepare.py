"""``concordat synth``, ``pseudonymise`` and ``street``: making files that can be pushed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from connectors import render
from connectors.commands import output
from connectors.commands.options import taking
from connectors.commands.output import Json
from connectors.commands.values import day, last_month
from connectors.errors import LocalError
from connectors.files import read_input
from connectors.pseudonymise import IdType, Pseudonymiser, load_key, pseudonymise_csv
from connectors.sources import police_street
from connectors.synth import World, synthesise
from connectors.tables import Report
from connectors.whole_file import whole_file
from schemas import artefacts, strict_json
from schemas.table_schema import TableSchema, parse

Out = Annotated[Path, typer.Option(help="The new CSV file; it appears whole or not at all.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What shall be made up."""

    schema: Annotated[str, typer.Option(help="A schema's name, such as police-violence/v1, or its .json file.")]
    rows: Annotated[int, typer.Option(min=1, help="How many rows.")]
    first: Annotated[
        date | None, typer.Option("--from", parser=day, metavar="DAY", help="First day; by default last month's.")
    ] = None
    last: Annotated[
        date | None, typer.Option("--to", parser=day, metavar="DAY", help="Last day; by default last month's.")
    ] = None
    seed: Annotated[int | None, typer.Option(help="Equal seeds make equal persons and rows.")] = None
    persons: Annotated[int | None, typer.Option(min=1, help="At most so many persons.")] = None

    def period(self) -> tuple[date, date]:
        """Return the first and the last day."""
        usual = last_month()
        period = (self.first or usual[0], self.last or usual[1])
        if period[0] > period[1]:
            raise typer.BadParameter("it lies before the first day", param_hint="--to")
        return period


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifiers:
    """Where the identifiers are, and how they become pseudonyms."""

    key: Annotated[Path, typer.Option(help="File of the key for pseudonyms, shared by the agencies.")]
    agreement: Annotated[str, typer.Option(help="Id of the agreement.", envvar="CONCORDAT_AGREEMENT")]
    id_column: Annotated[str, typer.Option(help="The column that holds the identifier.")]
    id_type: Annotated[IdType, typer.Option(help="What kind of identifier it is.")]
    drop: Annotated[list[str] | None, typer.Option(help="A column to leave out; repeatable.")] = None


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("synth")(taking(Shape)(synth))
    app.command("pseudonymise")(taking(Identifiers)(pseudonymise))
    app.command("street")(street)


def synth(shape: Shape, *, out: Out, json: Json = False) -> None:
    """Make up an extract for any dataset schema: no real record is in it."""
    table, period = _schema(shape.schema), shape.period()
    label = f"{period[0]}/{period[1]}"
    world = World(shape.seed)
    made = synthesise(table, shape.rows, world=world, period=period, persons=shape.persons, label=label)
    with whole_file(out) as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow([column.name for column in table.fields])
        writer.writerows(made)
    days = {"from": str(period[0]), "to": str(period[1])}
    value = {"file": str(out), "schema": table.name, "rows": shape.rows, **days}
    said = f"{out}: {shape.rows} made-up rows of {table.name}, {period[0]} to {period[1]}"
    output.result(value, render.plain(said, "green"), as_json=json)


def pseudonymise(
    identifiers: Identifiers,
    source: Annotated[Path, typer.Argument(help="The CSV file with identifiers.")],
    *,
    out: Out,
    json: Json = False,
) -> None:
    """Copy a CSV file with its identifiers replaced by pseudonyms; identifiers stay on this machine."""
    report = pseudonymise_csv(
        source,
        out,
        id_column=identifiers.id_column,
        id_type=identifiers.id_type,
        pseudonymiser=Pseudonymiser(load_key(identifiers.key), identifiers.agreement),
        drop=tuple(identifiers.drop or ()),
    )
    value = {
        "file": str(out),
        "rows": report.rows,
        "unlinked": report.unlinked,
        "bad": report.bad,
        "bad_rows": list(report.bad_rows),
    }
    lines = [render.plain(f"{out}: {report.rows} rows, {report.unlinked} of persons not known", "green")]
    if report.bad:
        said = f"{report.bad} identifiers are not valid, in rows {_first(report.bad_rows)}"
        lines.append(render.plain(said, "yellow"))
    output.result(value, *lines, as_json=json)


def street(
    files: Annotated[list[Path], typer.Argument(help="Street files as data.police.uk publishes them.")],
    *,
    lookup: Annotated[list[Path], typer.Option(help="LSOA to council lookup, CSV; repeatable for vintages.")],
    out: Annotated[Path, typer.Option(help="Folder of the new files, which keep their names.")],
    json: Json = False,
) -> None:
    """Map published street-level crime to the dataset street-crime/v1."""
    schema = _schema(police_street.SCHEMA)
    councils = police_street.councils_by_lsoa(*lookup)
    out.mkdir(parents=True, exist_ok=True)
    made, lines = [], []
    for file in files:
        target = out / (file.name.removesuffix(".gz").removesuffix(".csv") + ".csv")
        if target.exists() and target.samefile(file):
            raise LocalError("file_exists", f"{file} would be overwritten; choose another folder")
        report = police_street.convert_street(file, target, schema=schema, lookup=councils)
        made.append({"file": str(target), **_report_json(report)})
        lines.append(render.plain(f"{target}: {report.rows} rows", "green"))
        for name, problem in report.problems.items():
            lines.append(render.plain(f"  {name}: {problem.count} rows, {_first(problem.rows)}", "yellow"))
    output.result(made, *lines, as_json=json)


def _schema(name: str) -> TableSchema:
    path = Path(name)
    if path.suffix == ".json":
        return parse(strict_json.loads(read_input(path)))
    return artefacts.Library(artefacts.load()).schema(name)


def _report_json(report: Report) -> dict[str, object]:
    problems = {name: {"count": found.count, "rows": found.rows} for name, found in report.problems.items()}
    return {"rows": report.rows, "problems": problems}


def _first(rows: tuple[int, ...] | list[int]) -> str:
    shown = ", ".join(map(str, rows[:10]))
    return f"{shown}, ..." if len(rows) > 10 else shown  # noqa: PLR2004 - as many as shown
