"""``concordat agreement check``: a document against its shape, its pins and the law as data, offline."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from connectors import agreements, checking, checkshow, sarif
from connectors.commands import output
from connectors.commands.agreement import Artefacts, File
from connectors.commands.failures import MALFORMED, CommandError
from connectors.commands.groups import group
from connectors.commands.output import Json


class Format(StrEnum):
    """How findings are told."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


class FailOn(StrEnum):
    """The least severity that fails the check."""

    ERROR = "error"
    WARNING = "warning"


Today = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day to check as of; today if left out.")
]
Form = Annotated[Format, typer.Option("--format", help="For people, for machines, or SARIF 2.1.0.")]
Least = Annotated[FailOn, typer.Option(help="The least severity that ends with exit code 4.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    group(app, "agreement").command("check")(check)


def check(
    file: File,
    *,
    today: Today = None,
    form: Form = Format.TEXT,
    fail_on: Least = FailOn.ERROR,
    artefacts: Artefacts = None,
    json: Json = False,
) -> None:
    """Check an agreement: its shape, its pins, and the law as data. A check, and not legal advice.

    Ends with 0 where nothing is as grave as --fail-on, else with 4: agreement_malformed where the document cannot
    be read or does not fit what it pins, so that the law was not looked at; else agreement_fails_check.
    """
    day = datetime.now(UTC) if today is None else today
    report = checking.check(file, day.date(), agreements.known_artefacts(artefacts))
    if form is Format.SARIF:
        output.result(sarif.log(report), as_json=True)
    else:
        output.result(checkshow.as_json(report), *checkshow.shown(report), as_json=json or form is Format.JSON)
    if report.malformed:
        raise CommandError("agreement_malformed", f"{len(report.found)} findings in {file}", MALFORMED)
    if report.fails(fail_on.value):
        raise CommandError("agreement_fails_check", f"{file}: {checkshow.summary(report)}", MALFORMED)
