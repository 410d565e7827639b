"""``concordat agreement replay``: past decisions decided again under a version, from an export of the log, offline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from connectors.render import plain
from schemas import artefacts, strict_json
from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.errors import DocumentError
from service.aggregates.replay import KINDS, Replay
from service.errors import Malformed, NotFound
from service.policy.coherence import findings

OTHERS = "not for this party to read"


def replay_file(log: Path, agreement: Agreement, party: str | None, earlier: Iterable[Agreement]) -> dict[str, Any]:
    """Replay an export, line by line; it is not verified, which ``concordat log verify`` does.

    Args:
        log: What ``concordat log export`` wrote.
        agreement: The version to decide by; its artefacts are those that are shipped.
        party: Whose view to take; None takes whatever the export holds.
        earlier: Versions before, for what ``party`` supplied under them.

    Raises:
        Malformed: ``incoherent``: the version does not fit the artefacts that are shipped.
        NotFound: ``not_a_party``: no version given names the party.
        DocumentError: ``export_malformed``.
    """
    library = Library(artefacts.load())
    found = findings(agreement, library)
    if found:
        raise Malformed(f"{found[0].column}: {found[0].detail}", code="incoherent", findings=found)
    versions = [agreement, *earlier]
    if party is not None and not any(version.party(party) for version in versions):
        raise NotFound(f"{party} is no party of the version; name an earlier one with --before", code="not_a_party")
    supplied = {name for version in versions for name, entry in version.datasets.items() if entry.supplier == party}
    made = Replay()
    hidden = 0
    with log.open("rb") as lines:
        for n, entry in entries(lines):
            if entry is None:
                hidden += 1
            elif (entry.get("agreement") or {}).get("id") == agreement.id and entry.get("kind") in KINDS:
                if party is None or _may_read(entry, party, supplied):
                    made.add(n, entry, agreement, library)
                else:
                    made.not_replayed[OTHERS] += 1
    return {"agreement": agreement.id, "version": agreement.version, **made.as_json(), "hidden": hidden}


def entries(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the entries of an export with their indices; None where it holds a leaf alone.

    Raises:
        DocumentError: ``export_malformed``.
    """
    for place, line in enumerate(lines):
        try:
            value = strict_json.loads(line)
        except DocumentError:
            value = None
        match value:
            case {"checkpoint": str()} if place == 0:
                continue
            case {"n": int(n), "entry": dict(entry)}:
                yield n, entry
            case {"n": int(n), "leaf": str()}:
                yield n, None
            case _:
                raise DocumentError("export_malformed", f"line {place + 1} is none of a log's export")


def _may_read(entry: Mapping[str, Any], party: str, supplied: Collection[str]) -> bool:
    """Whether a party may read an entry: its own, and accesses to datasets that it supplies (``SearchTerms``)."""
    request = entry.get("request") or {}
    touched = {request.get("dataset"), *(link.get("dataset") for link in request.get("linked", ()))}
    return (entry.get("caller") or {}).get("party") == party or not touched.isdisjoint(supplied)


def shown(made: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield what people read of a replay."""
    flips = made["flips"]
    yield plain(
        f"{made['agreement']} version {made['version']}: {made['replayed']} past decisions decided again, "
        f"{len(flips)} would flip, {made['same']} would not."
    )
    for part, words in (("not_replayed", "not replayed"), ("unreadable", "unreadable")):
        for why, count in made[f"{part}_because"].items():
            yield plain(f"{count} {words}: {why}", "dim")
    if not flips:
        return
    table = Table()
    for heading in ("entry", "party", "purpose", "dataset", "was", "would be", "why"):
        table.add_column(heading, overflow="fold")
    for flip in flips:
        why = f"{flip['words']} [{', '.join(flip['clauses']) or flip['code']}]"
        cells = (flip["n"], flip["party"], flip["purpose"], flip["dataset"], flip["before"], flip["after"], why)
        table.add_row(*map(plain, cells))
    yield table
