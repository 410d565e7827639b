"""Values as people write them on a command line."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from schemas.calendar import parse_date


def day(text: str) -> date:
    """Read a day, ``YYYY-MM-DD``."""
    try:
        return parse_date(text)
    except ValueError as error:
        raise typer.BadParameter("write a day as YYYY-MM-DD") from error


def last_month() -> tuple[date, date]:
    """Return the first and the last day of the month before this one, in UTC."""
    last = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


From = Annotated[date, typer.Option("--from", parser=day, metavar="DAY", help="First day covered.")]
To = Annotated[date, typer.Option("--to", parser=day, metavar="DAY", help="Last day covered.")]
