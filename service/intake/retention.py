"""Retention: an extract is removed for good once the ``keep`` of its dataset, from its receipt, is over.

Three steps, each of which anyone may repeat at any time with the same outcome:

1. *Intent* (one transaction): the extract is EXPIRING, with the version and the ``keep`` that it goes by. No later
   version brings it back.
2. *Delta commit*: its rows leave the table, as those of a withdrawal do.
3. *Record* (one transaction): EXPIRED, the log entry, its supplier's signed receipt, a new data version.

Then files go that no open question was charged for. What decides is the newest version that all have signed, whether
the agreement is suspended or over or not, and the clock. Who asks a question of a dataset settles it first
(``settle``), so that nobody depends on how often ``run`` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.table_schema import TableSchema
from service.agreements.keeping import Kept, expiry, first_kept, kept
from service.agreements.standing import state
from service.audit.entry import format_time
from service.errors import ConcordatError
from service.intake.means import no_fault
from service.intake.ports import PENDING, ExtractRow, State
from service.intake.push import Pushes
from service.intake.service import Store, Transaction

_STANDS = (State.COMMITTED, State.REPLACING)
"""Where an extract has to be to expire; a replacement that is under way stays one of an extract that is gone."""


@dataclass(frozen=True, slots=True)
class Expired:
    """An extract that was removed."""

    agreement: str
    dataset: str
    extract: str


@dataclass(frozen=True, slots=True)
class Retention:
    """The use cases.

    Attributes:
        store: Opens transactions.
        pushes: Completes what is under way with extracts, and expires them.
        schema_of: Returns the schema with which an extract was pushed.
        vacuum: Removes the files of a dataset that no open question may need.
        broker: The issuer.
        clock: The time, in UTC.
        fault: Called with the name of each step that a crash could follow.
    """

    store: Store
    pushes: Pushes
    schema_of: Callable[[ExtractRow], TableSchema]
    vacuum: Callable[[str, str], None]
    broker: str
    clock: Callable[[], datetime]
    fault: Callable[[str], None] = no_fault

    def run(self) -> list[Expired]:
        """Remove every extract whose time is over, and files that open questions held; return what this call removed.

        Raises:
            ConcordatError: ``retention_incomplete``: some failed, told by dataset and the error's type; the others
                were done, and calling again completes the rest.
        """
        with self.store.read() as tx:
            rows = tx.extracts.newest_of_each_dataset()
        now, done, failed = self.clock(), [], []
        for agreement, dataset in sorted({(row.agreement.id, row.dataset) for row in rows}):
            try:
                done += self._settle(agreement, dataset, now)
                self.vacuum(agreement, dataset)
            except Exception as error:  # noqa: BLE001 - one must not keep the others from being done
                failed.append(f"{dataset} in {agreement} ({type(error).__name__})")
        if failed:
            raise ConcordatError(f"not completed: {', '.join(failed)}; run it again", code="retention_incomplete")
        return done

    def settle(self, agreement: str, datasets: Iterable[str], now: datetime) -> None:
        """Remove the extracts of some datasets whose time is over at ``now``; does nothing where there are none.

        Raises:
            Conflict: ``in_progress``: the dataset is being changed by others.
            EngineFailed: stored rows could not be rewritten; calling again completes it.
        """
        for dataset in datasets:
            if self._settle(agreement, dataset, now):
                self.vacuum(agreement, dataset)

    def _settle(self, agreement: str, dataset: str, now: datetime) -> list[Expired]:
        with self.store.read() as tx:
            rows = self._overdue(tx, agreement, dataset, now)
        begun = [made for row in rows if (made := self._intend(row, now)) is not None]
        along = [row.id for row in begun]  # a file that holds many of them is written anew once
        return [Expired(agreement, dataset, row.id) for row in begun if self.pushes.expire(row, along)]

    def _intend(self, row: ExtractRow, now: datetime) -> ExtractRow | None:
        if row.state in PENDING:  # a crash interrupted it so long ago that its rows have to go by now
            self.pushes.finish(row, self.schema_of)
        begun = self._begin(row, now)
        if begun is not None:
            self.fault("expiry-intended")
        return begun

    def _begin(self, row: ExtractRow, now: datetime) -> ExtractRow | None:
        """Step 1; None where the extract is not to go, or has gone."""
        agreement, dataset = row.agreement.id, row.dataset
        with self.store.write() as tx:
            known = tx.extracts.get(agreement, dataset, row.id)
            held = self._kept(tx, agreement).get(dataset)
            if known is None or known.state is State.EXPIRING:
                return known
            over = held is not None and expiry(known.received, held.keep) <= now
            if held is None or not over or known.state not in _STANDS:
                return None
            tx.extracts.move(known.id, known.state, State.EXPIRING, expiry=_by(known, held))
            return tx.extracts.get(agreement, dataset, known.id)

    def _overdue(self, tx: Transaction, agreement: str, dataset: str, now: datetime) -> list[ExtractRow]:
        held = self._kept(tx, agreement).get(dataset)
        return tx.extracts.overdue(agreement, dataset, first_kept(now, held.keep)) if held is not None else []

    def _kept(self, tx: Transaction, agreement: str) -> dict[str, Kept]:
        held = state(tx.agreements, agreement, self.broker)
        return kept(held) if held is not None else {}


def _by(row: ExtractRow, held: Kept) -> dict[str, Any]:
    """Return by what an extract goes: the version that decides, its ``keep``, and the moment that follows."""
    version = held.version
    return {
        "agreement": {"id": version.agreement, "version": str(version.version), "digest": version.digest},
        "keep": str(held.keep),
        "kept_until": format_time(expiry(row.received, held.keep)),
    }
