"""``concordat log``: what an information-governance lead runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from connectors import render
from connectors.commands import output
from connectors.commands.connection import Connection, connected
from connectors.commands.failures import UNVERIFIED, CommandError
from connectors.commands.groups import group
from connectors.commands.options import taking
from connectors.commands.output import Json
from connectors.errors import UnverifiedError
from connectors.files import read_input, replace_private
from connectors.logverify import Report, verify_export
from connectors.tlog import Checkpoint, LogError, open_checkpoint
from schemas import strict_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Search terms, which all hold together."""

    party: Annotated[str | None, typer.Option(help="Whose accesses.")] = None
    dataset: Annotated[str | None, typer.Option(help="To which dataset.")] = None
    purpose: Annotated[str | None, typer.Option(help="For which purpose.")] = None
    kind: Annotated[str | None, typer.Option(help="charged, released, refused, pushed, ...")] = None
    outcome: Annotated[str | None, typer.Option(help="allowed or refused.")] = None
    since: Annotated[str | None, typer.Option(help="At or after this time, RFC 3339 or a day.")] = None
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None


def register(app: typer.Typer) -> None:
    """Add the commands."""
    log = group(app, "log")
    log.command("search")(taking(Connection, Terms)(search))
    log.command("export")(connected(export))
    log.command("checkpoint")(connected(checkpoint))
    log.command("verify")(verify)


def search(
    connection: Connection,
    terms: Terms,
    *,
    first: Annotated[int, typer.Option(min=0, help="From this entry on.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """Show the entries that you may see: your party's own, and accesses to the datasets it supplies."""
    with connection.open("ig-lead") as client:
        entries = client.entries(
            first=first,
            page=min(limit, 1000),
            agreement=connection.agreement,
            party=terms.party,
            dataset=terms.dataset,
            purpose=terms.purpose,
            kind=terms.kind,
            outcome=terms.outcome,
            since=terms.since,
            until=terms.until,
        )
        found = list(itertools.islice(entries, limit))
    output.result(found, _entries(found), as_json=json)


def export(
    connection: Connection,
    file: Annotated[Path, typer.Argument(help="The new file, NDJSON.")],
    *,
    json: Json = False,
) -> None:
    """Take the whole log away, to verify it offline; what is not yours to read comes as hashes."""
    with connection.open("ig-lead") as client, output.progress(quiet=json) as told:
        remembered = client.export_log(file, progress=told)
        vkey = client.keys().log
    value = {"file": str(file), "size": remembered.size, "verifier_key": vkey}
    said = f"{file}: the log with at least {remembered.size} entries. Verify it with --key '{vkey}'"
    output.result(value, render.plain(said), as_json=json)


def checkpoint(
    connection: Connection,
    out: Annotated[Path | None, typer.Option(help="Write the signed note to a file.")] = None,
    *,
    json: Json = False,
) -> None:
    """Fetch the newest checkpoint; it must extend the one remembered."""
    with connection.open("ig-lead") as client:
        found = client.checkpoint()
    if out is not None:
        replace_private(out, found.note.encode())
    value = {"origin": found.origin, "size": found.size, "root": found.root.hex(), "note": found.note}
    said = f"{found.origin}: {found.size} entries, extends what was remembered"
    output.result(value, render.plain(said, "green"), render.plain(found.root.hex(), "dim"), as_json=json)


def verify(
    file: Annotated[Path, typer.Argument(metavar="EXPORT", help="An export of the log.")],
    *,
    key: Annotated[str, typer.Option(help="The log's verifier key, had out of band.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint seen earlier: without it, cuts and forks do not show.")
    ] = None,
    caps: Annotated[
        Path | None, typer.Option(help="Caps by agreement id as JSON, instead of those the log records.")
    ] = None,
    json: Json = False,
) -> None:
    """Verify an export offline: signature, every entry, the earlier checkpoint, the sum of charges."""
    limits = strict_json.loads(read_input(caps)) if caps is not None else None
    if limits is not None and not isinstance(limits, Mapping):
        raise LogError("caps_malformed", "caps are an object by agreement id")
    remembered = _remembered(checkpoint, key)
    with file.open("rb") as lines:
        report = verify_export(lines, key, remembered, caps=limits)
    output.result(_report_json(report), *_report(report), as_json=json)
    if not report.ok:
        said = f"{len(report.failures)} things are wrong with the log or the export"
        raise CommandError(report.failures[0].code, said, UNVERIFIED)


def _remembered(path: Path | None, key: str) -> Checkpoint | None:
    if path is None:
        return None
    try:
        return open_checkpoint(read_input(path).decode(), key)
    except UnicodeDecodeError as error:
        raise UnverifiedError("note_malformed", f"{path} is no checkpoint") from error


def _entries(found: Iterable[Mapping[str, Any]]) -> Table:
    made = Table()
    for heading in ("n", "time", "kind", "party", "dataset", "purpose", "outcome", "rho", "reason"):
        made.add_column(heading)
    for item in found:
        entry = item["entry"]
        charge, decision, caller = (entry.get(name) or {} for name in ("charge", "decision", "caller"))
        cells = (
            item["n"], entry.get("time"), entry.get("kind"), caller.get("party"),
            (entry.get("request") or {}).get("dataset"), entry.get("purpose"), decision.get("outcome"),
            _rho(charge["rho_nano"]) if "rho_nano" in charge else None, entry.get("reason"),
        )  # fmt: skip
        made.add_row(*map(render.plain, cells))
    return made


def _report(report: Report) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if report.checkpoint is not None:
        said = f"{report.checkpoint.origin}: {report.entries} entries, {report.hidden} of them as hashes alone"
        parts.append(render.plain(said))
    for agreement, spent in report.spent.items():
        parts.append(render.plain(f"{agreement}: rho {_rho(spent.lifetime)} spent in the entries that were seen"))
        for (period, party), rho in sorted(spent.parties.items()):
            parts.append(render.plain(f"  period {period}, {party}: rho {_rho(rho)}"))
    if report.unmatched_releases:
        said = f"{report.unmatched_releases} releases whose charge is not among the entries that were seen"
        parts.append(render.plain(said, "yellow"))
    if not report.anchored:
        said = "No earlier checkpoint was given: a log cut short, or told differently to others, would pass."
        parts.append(render.plain(said, "yellow"))
    for failure in report.failures:
        where = "" if failure.n is None else f" at entry {failure.n}"
        parts.append(render.plain(f"{failure.code}{where}: {failure.detail}", "red"))
    if report.ok:
        parts.append(render.plain("The log holds.", "green"))
    return parts


def _report_json(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "entries": report.entries,
        "hidden": report.hidden,
        "anchored": report.anchored,
        "checkpoint": None if report.checkpoint is None else report.checkpoint.note,
        "spent_rho_nano": {agreement: spent.lifetime for agreement, spent in report.spent.items()},
        "unmatched_releases": report.unmatched_releases,
        "failures": [{"code": failure.code, "n": failure.n, "detail": failure.detail} for failure in report.failures],
    }


def _rho(nano: int) -> str:
    return f"{Decimal(nano).scaleb(-9):f}"
