"""How long records are kept, from receipt, by the ``keep`` that all parties have signed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from schemas.calendar import Duration, add
from service.agreements.grace import midnight
from service.agreements.ports import VersionRow
from service.agreements.standing import State, document

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """How long a dataset's records are kept, and the version that says so."""

    keep: Duration
    version: VersionRow


def expiry(received: datetime, keep: Duration) -> datetime:
    """Return the moment from which what was received then is kept no longer: the end of the day on which it runs out.

    Days are those of UTC. A later time of that day would tell by the data version when the extract had arrived.

    Args:
        received: When the extract's body was complete; aware.
        keep: Calendar months and days from then on.
    """
    return midnight(add(received.astimezone(UTC).date(), keep) + _DAY)


def first_kept(now: datetime, keep: Duration) -> date:
    """Return the earliest day of receipt (UTC) whose extracts are still kept at ``now``.

    ``expiry(received, keep) <= now`` holds exactly of what was received on an earlier day.
    """
    today = now.astimezone(UTC).date()
    day = add(today, keep, -1)
    while add(day, keep) < today:
        day += _DAY
    while add(day - _DAY, keep) >= today:
        day -= _DAY
    return day


def kept(held: State) -> dict[str, Kept]:
    """Return by dataset what is to be kept now: as the deciding version says, or the last signed one that had it."""
    if held.decides is None:
        return {}
    made = {}
    for row in held.versions:
        if row.version in held.completions and row.version <= held.decides.version:
            for name, dataset in document(row.document).datasets.items():
                made[name] = Kept(dataset.keep, row)
    return made
