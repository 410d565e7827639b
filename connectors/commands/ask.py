"""``concordat ask``, ``preview`` and ``releases``: what an analyst runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from connectors import charts, release_table, render
from connectors.answers import Answer
from connectors.commands import output
from connectors.commands.connection import Connection, connected
from connectors.commands.failures import REFUSED, CommandError
from connectors.commands.options import taking
from connectors.commands.output import Json
from connectors.commands.question import Question
from connectors.errors import LocalError
from schemas.canonical import canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How an answer is shown and kept."""

    bars: Annotated[bool, typer.Option(help="Draw error bars in the terminal.")] = True
    chart: Annotated[Path | None, typer.Option(help="Write a chart to this SVG file; needs the extra `charts`.")] = None
    out: Annotated[
        Path | None, typer.Option(help="Write the signed release to a .json file, or its table to a .csv.")
    ] = None

    def check(self) -> None:
        """Refuse before anything is charged what could not be written after.

        Raises:
            LocalError: ``format_unknown`` or ``charts_not_installed``.
        """
        if self.out is not None and self.out.suffix.lower() not in (".json", ".csv"):
            raise LocalError("format_unknown", f"{self.out} ends neither in .json nor in .csv")
        if self.chart is not None:
            charts.library()

    def write(self, release: Any) -> None:
        """Write the files that were asked for."""
        if self.out is not None:
            csv = self.out.suffix.lower() == ".csv"
            self.out.write_bytes(release_table.to_csv(release).encode() if csv else canonical(release))
        if self.chart is not None:
            charts.write_svg(release, self.chart)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("ask")(taking(Connection, Question, Shown)(ask))
    app.command("preview")(taking(Connection, Question)(preview))
    app.command("releases")(connected(releases))
    app.command("release")(taking(Connection, Shown)(release))


def preview(connection: Connection, question: Question, *, json: Json = False) -> None:
    """Show what a question would cost, how wrong its answer may be, and what would remain. Free."""
    request = question.request()
    with connection.open("analyst") as client:
        found = client.preview(connection.agreement_id(), request)
    output.result(found, render.preview_lines(found), as_json=json)
    if (found.get("decision") or {}).get("outcome") != "allowed" or found.get("affordable") is False:
        raise CommandError("refused", "the question would be refused", REFUSED, told=True)


def ask(
    connection: Connection,
    question: Question,
    shown: Shown,
    *,
    show_budget: Annotated[bool, typer.Option("--budget", help="Show the budget before and after.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The key of an ask whose answer was lost: it is charged once.")
    ] = None,
    reservation: Annotated[str | None, typer.Option(help="A reservation of yours that it is charged to.")] = None,
    json: Json = False,
) -> None:
    """Ask a question; its answer is shown once its signature and its entry in the log are verified."""
    request = question.request()
    shown.check()
    agreement = connection.agreement_id()
    with connection.open("analyst") as client:
        before = client.budget(agreement) if show_budget else None
        answer = client.ask(agreement, request, idempotency_key=idempotency_key, reservation=reservation)
        after = client.budget(agreement) if show_budget else None
    _show(answer, shown, as_json=json)
    if before is not None and not json:
        output.result(None, render.budget_table(before, after), as_json=False)


def releases(
    connection: Connection,
    *,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 50,
    before: Annotated[str | None, typer.Option(help="Only those older than this release.")] = None,
    json: Json = False,
) -> None:
    """List your party's releases, the newest first."""
    with connection.open("analyst") as client:
        found = client.releases(connection.agreement_id(), limit=limit, before=before)
    made = Table()
    for heading in ("release", "at", "dataset", "purpose", "columns", "rho"):
        made.add_column(heading)
    for item in found:
        question, guarantee = item.get("question") or {}, item.get("guarantee") or {}
        cells = (
            item.get("id"), item.get("released"), question.get("dataset"), question.get("purpose"),
            ", ".join(map(str, item.get("columns") or ())), guarantee.get("rho"),
        )  # fmt: skip
        made.add_row(*map(render.plain, cells))
    output.result(found, made, as_json=json)


def release(
    connection: Connection,
    shown: Shown,
    release_id: Annotated[str, typer.Argument(metavar="RELEASE", help="Its id.")],
    *,
    json: Json = False,
) -> None:
    """Show a release of your party's again, verified like a new one."""
    shown.check()
    with connection.open("analyst") as client:
        answer = client.release(connection.agreement_id(), release_id)
    _show(answer, shown, as_json=json)


def _show(answer: Answer, shown: Shown, *, as_json: bool) -> None:
    shown.write(answer.release)
    proof = answer.proof
    said = (
        f"Verified: signed by the broker, entry {proof.n} of its log, under the checkpoint of "
        f"{proof.checkpoint.size} entries."
    )
    parts: list[RenderableType] = [render.release_table(answer.release)]
    if shown.bars:
        parts.append(render.error_bars(answer.release))
    parts.append(render.plain(said, "green"))
    output.result(answer.release, *parts, as_json=as_json)
