"""The demo from beginning to end."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.table import Table

import agreements
from connectors.errors import ClientError
from connectors.render import plain
from connectors.tlog import LogError
from schemas.calendar import Duration, add, floor
from service.demo import agencies
from service.demo.analysts import Analysts
from service.demo.cast import Cast
from service.demo.folder import fresh
from service.demo.governance import Lead
from service.demo.process import Broker, Terminated, ending_on_sigterm, serving
from service.demo.questions import Questions
from service.demo.stage import DemoError, Stage

_WORKED_EXAMPLE = "avon-somerset"
_LEFT = {
    "extracts": "what the agencies pushed, made up",
    "receipts": "signed receipts",
    "questions": "what was asked; `concordat ask` takes these files",
    "releases": "signed answers as JSON, and as CSV for a spreadsheet",
    "charts": "charts with error bars, SVG",
    "log.ndjson": "the exported log",
    "checkpoint.txt": "the checkpoint remembered before the questions",
    "log-key.txt": "the log's verifier key",
    "state": "the broker's own, with everybody's keys: which is why this is for trying things out",
}
_HALF_A_YEAR = Duration(-6, 0)
_FAILED, _INTERRUPTED, _TERMINATED = 1, 130, 143


def run(out: Path, *, once: bool) -> int:
    """Tell the story: agencies push, analysts ask, noise and budget at work, the log verified.

    Args:
        out: Folder for everything made; what an earlier demo left there is removed.
        once: Stop at the end instead of serving on.

    Returns:
        The exit code: 0, or 1 when a step did not do what it should.
    """
    try:
        with ending_on_sigterm(), fresh(out) as folder:
            return _tell(Stage(folder), once=once)
    except DemoError as error:
        return _fail(str(error))
    except (ClientError, LogError) as error:
        return _fail(f"{error.code}: {error.detail}")
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Terminated:
        return _TERMINATED


def _tell(stage: Stage, *, once: bool) -> int:
    today = datetime.now(UTC).date()
    period = two_quarters(today)
    with ExitStack() as closing:
        stage.step(
            "A broker starts",
            """It executes the worked agreement of Avon and Somerset: the parties, what each supplies, who may ask
            what for which purpose, and how much all answers together may tell of any one person. Keys are made for
            every party, and each signs.""",
        )
        broker = closing.enter_context(serving(agreements.path(_WORKED_EXAMPLE), stage.out))
        cast = Cast(broker.clients, stage.out, closing)
        _in_force(stage, cast)
        lead = Lead(stage, cast)
        agencies.supply(stage, cast, period)
        lead.remember()
        Analysts(stage, cast, Questions(period)).assess()
        lead.audit()
        _files(stage)
        if not once:
            _serve_on(stage, cast, broker)
    return 0


def two_quarters(today: date) -> agencies.Period:
    """Return the first and the last day of the last two whole quarters: six complete months."""
    start = floor(today, "quarter")
    return add(start, _HALF_A_YEAR), start - timedelta(days=1)


def _in_force(stage: Stage, cast: Cast) -> None:
    found = cast.client("as-opcc", "analyst").agreement(cast.agreement)
    made = Table()
    for heading in ("party", "name", "role"):
        made.add_column(heading)
    parties = found["document"]["parties"]
    for party in parties:
        made.add_row(*(plain(party[name]) for name in ("id", "name", "role")))
    stage.show(made)
    said = f"{cast.agreement} is in force, signed by all {len(parties)} parties"
    stage.check(said, holds=found["in_force"] is True and not found["unsigned"])


def _files(stage: Stage) -> None:
    stage.step("What is left to look at", "All of it is in one folder, which the next demo removes.")
    made = Table(box=None, show_header=False, pad_edge=False)
    for name, words in _LEFT.items():
        path = stage.out / name
        if not path.exists():
            raise DemoError(f"{path} was not written")
        made.add_row(plain(stage.kept(path) + ("/" if path.is_dir() else "")), plain(words, "dim"))
    kept = stage.kept(stage.out)
    stage.show(
        made,
        "",
        plain("Verify the log yourself:", "bold"),
        plain(f"concordat log verify {kept}/log.ndjson \\"),
        plain(f'    --checkpoint {kept}/checkpoint.txt --key "$(cat {kept}/log-key.txt)"'),
    )


def _serve_on(stage: Stage, cast: Cast, broker: Broker) -> None:
    clients = stage.kept(stage.out / "state" / "clients.json")
    stage.show(
        plain(f"Serving the API at {cast.address} until Ctrl-C.", "bold"),
        plain("In another terminal, with .venv/bin/activate sourced:"),
        plain(f"concordat budget --clients {clients} --as as-opcc"),
    )
    try:
        code = broker.wait()
    except KeyboardInterrupt:
        return
    raise DemoError(f"the broker ended by itself with {code}; {stage.kept(stage.out / 'broker.log')} tells why")


def _fail(words: str) -> int:
    sys.stderr.write(f"The demo failed: {words}\n")
    return _FAILED
