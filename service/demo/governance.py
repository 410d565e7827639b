"""An information-governance lead searches the log, takes it away, and verifies it with code of the connectors alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from connectors import render
from connectors.client import Client
from connectors.logverify import Report, verify_export
from connectors.tlog import Checkpoint, open_checkpoint
from service.demo.cast import Cast
from service.demo.stage import DemoError, Stage

PARTY, DATASET = "as-police", "police-violence"
_TOLD = ("charged", "repeated", "refused")
_PATIENCE = 10.0
_POLL_SECONDS = 0.1

Item = Mapping[str, Any]


class Lead:
    """The police's lead, who wants to know what became of the police's records."""

    def __init__(self, stage: Stage, cast: Cast) -> None:
        """Begin."""
        self._stage = stage
        self._client: Client = cast.client(PARTY, "ig-lead")
        self._export = stage.out / "log.ndjson"
        self._checkpoint = stage.out / "checkpoint.txt"
        self._key = stage.out / "log-key.txt"

    def remember(self) -> None:
        """Keep a checkpoint before any question is asked: what is shown later must extend it."""
        found = self._client.checkpoint()
        self._checkpoint.write_text(found.note)
        self._key.write_text(self._client.keys().log + "\n")
        self._stage.step(
            "The police's information-governance lead remembers the log",
            f"""The lead keeps the log's checkpoint of {found.size} entries, a signed fingerprint of everything so far.
            A broker that dropped or changed an entry later could not hide it from anyone who remembers one.""",
        )
        self._stage.check(f"kept in {self._stage.kept(self._checkpoint)}", holds=found.size > 0)

    def audit(self) -> None:
        """Search, export, verify; then show that an edited copy fails."""
        self._search()
        self._verify()
        self._edited()

    def _search(self) -> None:
        self._stage.step(
            "The lead searches the log",
            """Who asked what of the police's records, for which purpose, at which cost, and what was refused.
            Other parties' business is not shown.""",
        )
        found = self._entries()
        self._stage.show(_entries(found))
        kinds = {item["entry"]["kind"] for item in found}
        self._stage.check("charges, repeats and refusals are all there", holds=kinds == set(_TOLD))

    def _entries(self) -> Sequence[Item]:
        """Return the entries of note, once a checkpoint covers the last refusal."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            entries = self._client.entries(dataset=DATASET)
            found = [item for item in entries if item["entry"]["kind"] in _TOLD]
            if sum(item["entry"]["kind"] == "refused" for item in found) > 1:
                return found
            time.sleep(_POLL_SECONDS)
        raise DemoError("the two refusals are not in the log")

    def _verify(self) -> None:
        self._stage.step(
            "The lead verifies it offline",
            """The whole log is exported, with fingerprints alone in place of what is not the lead's to read.
            The verifier needs no broker: it recomputes every fingerprint, compares with the checkpoint
            remembered earlier, and adds up the charges against the agreement's caps.""",
        )
        self._client.export_log(self._export)
        report = self._report(self._export)
        for failure in report.failures:
            self._stage.show(render.plain(f"{failure.code}: {failure.detail}", "red"))
        size = report.checkpoint.size if report.checkpoint else 0
        said = f"verified: {report.entries} entries, {report.hidden} as fingerprints alone, one log of {size}"
        self._stage.check(said, holds=report.ok and report.entries == size > 0)
        self._stage.check("it extends the remembered checkpoint", holds=report.anchored)
        for agreement, spent in report.spent.items():
            said = f"the charges seen for {agreement} add up to rho {_rho(spent.lifetime)}"
            self._stage.check(f"{said}, within its caps", holds=report.ok)

    def _edited(self) -> None:
        self._stage.step(
            "An edited copy does not verify",
            "In a copy of the export somebody makes one charge look smaller. Nothing else is touched.",
        )
        copy = self._export.with_name("log-edited.ndjson")
        n = _edit(self._export, copy)
        report = self._report(copy)
        for failure in report.failures:
            self._stage.show(render.plain(f"{failure.code}: {failure.detail}", "bold red"))
        found = {failure.code for failure in report.failures}
        self._stage.check(f"the change of entry {n} was found out", holds="root_mismatch" in found)

    def _report(self, export: Path) -> Report:
        vkey = self._key.read_text().strip()
        remembered: Checkpoint = open_checkpoint(self._checkpoint.read_text(), vkey)
        with export.open("rb") as lines:
            return verify_export(lines, vkey, remembered)


def _edit(export: Path, copy: Path) -> int:
    """Copy an export with the first charge made smaller, and return the number of its entry."""
    edited = None
    with export.open("rb") as lines, copy.open("wb") as out:
        for line in lines:
            item = json.loads(line)
            charge = (item.get("entry") or {}).get("charge") or {}
            if edited is None and charge.get("rho_nano"):
                charge["rho_nano"] -= 1
                edited = int(item["n"])
                out.write(json.dumps(item).encode() + b"\n")
            else:
                out.write(line)
    if edited is None:
        raise DemoError("the export shows no charge")
    return edited


def _entries(found: Iterable[Item]) -> Table:
    made = Table()
    for heading in ("entry", "time", "kind", "by", "decided by", "rho"):
        made.add_column(heading, no_wrap=True)
    made.add_column("purpose, and the reason given")
    for item in found:
        entry = item["entry"]
        charge, decision = entry.get("charge") or {}, entry.get("decision") or {}
        rho = render.rounded(_rho(charge["rho_nano"])) if "rho_nano" in charge else ""
        decided = "\n".join(decision.get("clauses") or (str(decision.get("code")),))
        why = ": ".join(filter(None, (entry["purpose"], entry.get("reason"))))
        told = (item["n"], entry["time"][11:19], entry["kind"], entry["caller"]["party"])
        made.add_row(*map(render.plain, told), Text(decided), render.plain(rho), render.plain(why))
    return made


def _rho(nano: int) -> Decimal:
    return Decimal(nano).scaleb(-9)
