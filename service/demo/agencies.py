"""Five agencies push made-up extracts; one forgets to pseudonymise, and one pushes the same file twice."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.table import Table

from connectors import render
from connectors.answers import Receipt
from connectors.synth import World, write_csv
from connectors.upload import Extract
from schemas import artefacts, table_schema
from schemas.table_schema import TableSchema
from service.demo.cast import Cast
from service.demo.stage import Stage, refused

Period = tuple[date, date]

_UNPROCESSABLE = 422
_FORGOTTEN = 200
_RULE = "identifier:NHS number"
_WEIGHTS = range(10, 1, -1)


@dataclass(frozen=True, slots=True)
class Feed:
    """What one agency supplies."""

    party: str
    dataset: str
    rows: int


FEEDS = (
    Feed("as-police", "police-violence", 60_000),
    Feed("bri-ed", "ed-assaults", 9_000),
    Feed("swasft", "ambulance-calls", 6_000),
    Feed("bristol-education", "school-exclusions", 5_000),
    Feed("as-yjs", "youth-justice", 2_500),
)


def supply(stage: Stage, cast: Cast, period: Period) -> None:
    """Tell how data comes in, what is refused, and what a repeated push does."""
    extracts = _make(stage.out / "extracts", period)
    _push(stage, cast, extracts)
    _refuse(stage, cast, extracts["ed-assaults"])
    _replay(stage, cast, extracts["police-violence"])


def _make(folder: Path, period: Period) -> dict[str, Extract]:
    """Make each agency's extract from one population, so that agencies know the same persons."""
    folder.mkdir()
    world, made = World(), {}
    for feed in FEEDS:
        path = folder / f"{feed.dataset}.csv"
        write_csv(path, _schema(feed.dataset), feed.rows, world=world, period=period)
        made[feed.dataset] = Extract(feed.dataset, path, period)
    return made


def _schema(dataset: str) -> TableSchema:
    return table_schema.parse(artefacts.load()[f"{dataset}/v1"].value)


def _push(stage: Stage, cast: Cast, extracts: dict[str, Extract]) -> None:
    first, last = next(iter(extracts.values())).covers
    stage.step(
        "Five agencies push",
        f"""Each agency makes an extract of {first} to {last} and streams it to the broker, which checks
        every cell against the agreement's schema and takes all or nothing. The records are made up, from one
        population, so that the agencies know some of the same persons, by pseudonyms alone. For what it took the
        broker signs a receipt, which the connector verifies.""",
    )
    made = Table(title="Receipts", title_justify="left")
    for heading in ("agency", "dataset", "rows", "persons", "receipt for", "entry"):
        made.add_column(heading, justify="right" if heading in ("rows", "persons", "entry") else "left", no_wrap=True)
    for feed in FEEDS:
        receipt = cast.client(feed.party, "supplier").push(cast.agreement, extracts[feed.dataset])
        _keep(stage.out / "receipts", feed.dataset, receipt)
        told = (f"{receipt.rows:,}", f"{receipt.persons:,}", receipt.extract, receipt.receipt["audit"]["index"])
        made.add_row(*map(render.plain, (feed.party, feed.dataset, *told)))
        if receipt.rows != feed.rows:
            stage.check(f"all rows of {feed.dataset} were taken", holds=False)
    stage.show(made)


def _keep(folder: Path, name: str, receipt: Receipt) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(receipt.receipt, indent=2) + "\n")


def _refuse(stage: Stage, cast: Cast, good: Extract) -> None:
    stage.step(
        "An identifier is refused",
        """The emergency department sends a file in which somebody forgot the pseudonyms: the column holds
        (made-up) NHS numbers. The broker keeps nothing of it, and says which rule broke, where and how often, but
        never a value.""",
    )
    numbers = list(itertools.islice(nhs_numbers(), _FORGOTTEN))
    bad = Extract(good.dataset, _forget(good.path, numbers), good.covers)
    problem = refused(lambda: cast.client("bri-ed", "supplier").push(cast.agreement, bad), "NHS numbers")
    stage.show(
        render.plain(f"Refused with {problem.status} {problem.code}: {problem.detail}", "bold red"),
        render.findings_table(problem.errors),
    )
    told = json.dumps([problem.detail, *map(dict, problem.errors)])
    rules = {str(error.get("rule")) for error in problem.errors}
    stage.check("the file with NHS numbers was refused", holds=problem.status == _UNPROCESSABLE)
    stage.check(
        "the identifier was recognised as one", holds=any("nhs" in rule or "identifier" in rule for rule in rules)
    )
    stage.check("no value stands in the error", holds=not any(number in told for number in numbers))


def nhs_numbers() -> Iterator[str]:
    """Yield made-up NHS numbers, of the range that is kept for tests: ten digits, the last a check digit."""
    for serial in itertools.count():
        digits = f"999{serial:06d}"
        check = 11 - sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True)) % 11
        if check != 10:  # noqa: PLR2004 - no digit: such a number is not given out
            yield f"{digits}{check % 11}"


def _forget(good: Path, numbers: list[str]) -> Path:
    """Write the first rows of an extract with NHS numbers for pseudonyms."""
    bad = good.with_name("ed-assaults-not-pseudonymised.csv")
    with good.open(newline="") as source, bad.open("w", newline="") as target:
        rows = csv.DictReader(source)
        out = csv.DictWriter(target, rows.fieldnames or ())
        out.writeheader()
        out.writerows(row | {"person": number} for row, number in zip(rows, numbers, strict=False))
    return bad


def _replay(stage: Stage, cast: Cast, extract: Extract) -> None:
    stage.step(
        "A push is repeated",
        """The police's machine lost the answer and sends the same file again. It gets the receipt that it
        had: nothing is counted twice, and a retry is always safe.""",
    )
    first = json.loads((stage.out / "receipts" / f"{extract.dataset}.json").read_text())
    again = cast.client("as-police", "supplier").push(cast.agreement, extract)
    stage.check(f"the same receipt again, for {again.extract}", holds=again.receipt == first)
