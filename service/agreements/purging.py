"""Purging: what an agreement has no more use for, once the grace is over.

That is everything of one that has ended, all of a supplier that has left, and the datasets that a version left out.

Three steps, each of which anyone may repeat at any time with the same outcome:

1. *Begin* (one transaction): the purge is decided from what is stored and the clock, and noted. From here on the
   agreement can get no version any more, the withdrawal cannot be rescinded, and no version takes the datasets back;
   the extracts are ``purging``, in no answer and in no recovery.
2. *Remove*: the tables' folders leave the lake.
3. *Record* (one transaction): the log entry, each supplier's signed receipt, extracts and data versions.

A purge follows a supplier's signed confirmation of the end, a party's signed withdrawal of itself, the end of the
period that every party signed, or a version that its supplier signed and that has its datasets no more; each is
verified again here, and nothing is purged on a mark in the database alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from schemas.canonical import canonical
from schemas.confirmations import TERMINATION_TYPE, WITHDRAWAL_TYPE, termination_payload, withdrawal_payload
from service.agreements.confirming import holds
from service.agreements.grace import ended, over
from service.agreements.leftout import left_out
from service.agreements.ports import (
    EVERYBODY,
    LEFT_OUT,
    Confirmation,
    PurgeRow,
    PurgeTransaction,
    Transaction,
    VersionRow,
)
from service.agreements.receipts import Sign, of_purge
from service.agreements.standing import State, document, seen_by, state
from service.audit.entry import AgreementRef, Decision, Entry, Kind, format_time
from service.audit.entry import Caller as EntryCaller
from service.errors import ConcordatError, NotFound
from service.identity.caller import Caller, Role

PURGE_STEPS = ("purge-begun", "lake-before-purge", "lake-put-aside", "purge-removed", "purge-recorded")
"""The steps of a purge that a crash could follow, in order."""


class Store(Protocol):
    """Opens transactions."""

    def write(self) -> AbstractContextManager[PurgeTransaction]:
        """Open a transaction that commits at its end."""
        ...

    def read(self) -> AbstractContextManager[PurgeTransaction]:
        """Open a transaction that reads one state."""
        ...


class Lake(Protocol):
    """The records' tables; each call is safe to repeat, also by several at once."""

    def purge(self, agreement: str) -> None:
        """Remove everything of an agreement."""
        ...

    def purge_dataset(self, agreement: str, dataset: str) -> None:
        """Remove everything of one dataset."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """A purge that is to be, or was just done.

    Attributes:
        party: Whose records; ``EVERYBODY`` for all of them.
        reason: ``terminated``, ``expired``, ``withdrawn`` or ``left-out``.
        due: When the grace is over; None where there is no signed confirmation that holds.
        version: The version that left datasets out; None for the one that decides.
        datasets: The datasets that it left out; empty where all of the party's go.
    """

    agreement: str
    party: str
    reason: str
    due: datetime | None
    version: VersionRow | None = None
    datasets: tuple[str, ...] = ()

    @property
    def whose(self) -> str:
        """Whose records, in words."""
        named = f" {', '.join(self.datasets)}" if self.datasets else ""
        return f"{self.party or 'everything'}{named}"

    @property
    def what(self) -> tuple[str, int | None]:
        """Whose records, and from which version on they were left out: a purge is begun once."""
        return self.party, self.version.version if self.version is not None else None


@dataclass(frozen=True, slots=True)
class Purges:
    """The use cases.

    Attributes:
        store: Opens transactions.
        lake: The records' tables.
        broker: The issuer.
        sign: Signs receipts with the broker's release key.
        clock: The time, in UTC.
        fault: Called with the name of each step that a crash could follow.
    """

    store: Store
    lake: Lake
    broker: str
    sign: Sign
    clock: Callable[[], datetime]
    fault: Callable[[str], None] = field(default=lambda _: None)

    def run(self) -> list[Plan]:
        """Complete what was begun and do what is due; return the purges that this call completed.

        Raises:
            ConcordatError: ``purge_incomplete``: some failed, told by agreement and the error's type; the others
                were done, and calling again completes the rest.
        """
        done: list[Plan] = []
        failed = []
        for agreement in self._agreements():
            try:
                done += self._run(agreement)
            except Exception as error:  # noqa: BLE001 - one must not keep the others from being done
                failed.append(f"{agreement} ({type(error).__name__})")
        if failed:
            raise ConcordatError(f"not completed: {', '.join(failed)}; run it again", code="purge_incomplete")
        return done

    def planned(self) -> list[Plan]:
        """Return the purges that are neither due nor done, those without a confirmation that holds among them.

        The end of a period that lies ahead is in every agreement and not listed.
        """
        now, made = self.clock(), []
        for agreement in self._agreements():
            with self.store.read() as tx:
                made += self._open(tx, agreement, now)
        return made

    def receipt(self, tx: PurgeTransaction, caller: Caller, agreement_id: str, left_out_by: int | None = None) -> str:
        """Return the caller's party's own receipt, as canonical JSON.

        Args:
            tx: An open transaction.
            caller: A supplier, or an IG lead.
            agreement_id: The agreement.
            left_out_by: The version that left datasets out; without it the receipt of the newest purge.

        Raises:
            NotFound: nothing of the party was purged.
        """
        caller.require(Role.SUPPLIER, Role.IG_LEAD)
        known = seen_by(tx.agreements, agreement_id, self.broker, caller.party)
        body = self._receipt(tx, agreement_id, caller.party, left_out_by) if known else None
        if body is None:
            raise NotFound("nothing that your party supplied was purged")
        return body

    def _receipt(self, tx: PurgeTransaction, agreement: str, party: str, left_out_by: int | None) -> str | None:
        if left_out_by is not None:
            return tx.purges.receipt(agreement, party, left_out_by)
        whole = tx.purges.receipt(agreement, party)
        versions = [row.version for row in tx.purges.purges(agreement) if row.datasets and row.party == party]
        parts = (tx.purges.receipt(agreement, party, version) for version in reversed(versions))
        return whole or next((body for body in parts if body is not None), None)

    # --- what is due

    def _agreements(self) -> list[str]:
        with self.store.read() as tx:
            return [row.id for row in tx.agreements.agreements()]

    def _plans(self, tx: Transaction, agreement_id: str, now: datetime) -> list[Plan]:
        """Return an agreement's purges to come, that of everything first."""
        held = state(tx.agreements, agreement_id, self.broker)
        if held is None or held.decides is None:
            return []
        decides, suppliers = document(held.decides.document), _supplied(tx, agreement_id)
        plans = []
        if held.row.terminated_at is not None:
            end = tx.agreements.termination(agreement_id)
            by_supplier = end is not None and end.party in suppliers
            due = self._due(tx, held, end, termination_payload, TERMINATION_TYPE) if end and by_supplier else None
            plans.append(Plan(agreement_id, EVERYBODY, "terminated", due))
        if now >= ended(decides):
            plans.append(Plan(agreement_id, EVERYBODY, "expired", over(decides, ended(decides))))
        for row in tx.agreements.withdrawals(agreement_id):
            if row.party not in suppliers:
                continue  # it has nothing here
            due = self._due(tx, held, row, withdrawal_payload, WITHDRAWAL_TYPE)
            plans.append(Plan(agreement_id, row.party, "withdrawn", due))
        return plans + self._left_out(tx, held, {plan.party: plan.due for plan in plans if plan.due is not None})

    def _left_out(self, tx: Transaction, held: State, leave: Mapping[str, datetime]) -> list[Plan]:
        """Return the purges of what versions left out, but of parties that leave sooner with everything."""
        return [
            Plan(held.row.id, found.party, LEFT_OUT, found.due, found.version, found.datasets)
            for found in left_out(tx.agreements, held, self.broker)
            if found.party not in leave or (found.due is not None and found.due < leave[found.party])
        ]

    def _open(self, tx: PurgeTransaction, agreement: str, now: datetime) -> list[Plan]:
        """Return an agreement's purges that were not begun; none where that of everything was."""
        begun = {_what(row) for row in tx.purges.purges(agreement)}
        if (EVERYBODY, None) in begun:
            return []
        return [
            plan
            for plan in self._plans(tx, agreement, now)
            if plan.what not in begun and (plan.party, None) not in begun
        ]

    def _due(
        self,
        tx: Transaction,
        held: State,
        confirmation: Confirmation,
        payload: Callable[[str, str, str], dict[str, str]],
        typ: str,
    ) -> datetime | None:
        """Return when the grace after a confirmation is over, None where the confirmation does not hold.

        It is the grace of the version that the confirmation names: whoever signed it need not sign later ones.
        """
        signed = next((row for row in held.versions if row.version == confirmation.version), None)
        if held.decides is None or signed is None or signed.digest != confirmation.digest:
            return None
        if not holds(tx.agreements, confirmation, payload(held.row.id, signed.digest, self.broker), typ):
            return None
        return over(document(signed.document), datetime.fromisoformat(confirmation.at))

    # --- doing it

    def _run(self, agreement: str) -> Iterator[Plan]:
        self._begin(agreement)
        with self.store.read() as tx:
            rows = tx.purges.purges(agreement)
        for row in rows:
            self._remove(row)  # again where it is done: what another process may have put there since goes too
            if row.done_at is None:
                self.fault("purge-removed")
                if self._record(row):
                    self.fault("purge-recorded")
                    yield Plan(agreement, row.party, row.reason, None, datasets=row.datasets)

    def _begin(self, agreement: str) -> None:
        """Step 1: note every purge that is due now."""
        now = self.clock()
        with self.store.read() as tx:
            due = self._newly_due(tx, agreement, now)
        if not due:
            return
        with self.store.write() as tx:
            for plan in self._newly_due(tx, agreement, now):
                version = plan.version or self._decides(tx, agreement)
                at, by = format_time(now), (version.version, version.digest)
                tx.purges.begin(PurgeRow(agreement, plan.party, plan.reason, *by, at, datasets=plan.datasets))
        self.fault("purge-begun")

    def _newly_due(self, tx: PurgeTransaction, agreement: str, now: datetime) -> list[Plan]:
        due: dict[tuple[str, int | None], Plan] = {}
        for plan in self._open(tx, agreement, now):
            if plan.due is not None and now >= plan.due:
                due.setdefault(plan.what, plan)
        everything = due.get((EVERYBODY, None))
        return list(due.values()) if everything is None else [everything]

    def _remove(self, row: PurgeRow) -> None:
        """Step 2: take the tables out of the lake."""
        if row.party == EVERYBODY:
            self.lake.purge(row.agreement)
            return
        with self.store.read() as tx:
            supplied = _supplied(tx, row.agreement)
        for dataset in row.datasets or supplied.get(row.party, ()):
            self.lake.purge_dataset(row.agreement, dataset)

    def _record(self, row: PurgeRow) -> bool:
        """Step 3: log it and sign the receipts; False where another process has."""
        now = self.clock()
        at = format_time(now)
        with self.store.write() as tx:
            held = tx.purges.purges(row.agreement)
            if any(_what(other) == _what(row) and other.done_at for other in held):
                return False
            index = tx.log.append(_entry(row, now))
            for party in self._told(tx, row):
                body = of_purge(row, party, tx.purges.taken(row, party), at, index, self.sign)
                tx.purges.add_receipt(row, party, canonical(body).decode())
            tx.purges.finish(row, at)
        return True

    def _told(self, tx: PurgeTransaction, row: PurgeRow) -> list[str]:
        """Return who gets a receipt of a purge: whoever left before, and has nothing here since, has its own."""
        if row.party != EVERYBODY:
            return [row.party]
        return [
            party
            for party in sorted(_supplied(tx, row.agreement))
            if tx.purges.taken(row, party) or self._receipt(tx, row.agreement, party, None) is None
        ]

    def _decides(self, tx: Transaction, agreement: str) -> VersionRow:
        held = state(tx.agreements, agreement, self.broker)
        if held is None or held.decides is None:
            raise RuntimeError("what is purged was in force")
        return held.decides


def _what(row: PurgeRow) -> tuple[str, int | None]:
    return row.party, row.version if row.datasets else None


def _supplied(tx: Transaction, agreement: str) -> dict[str, list[str]]:
    """Return by supplier the datasets that it ever supplied under an agreement; a dataset keeps its supplier."""
    completed = {row.version for row in tx.agreements.completions(agreement)}
    made: dict[str, set[str]] = {}
    for version in tx.agreements.versions(agreement):
        if version.version in completed:
            for name, dataset in document(version.document).datasets.items():
                made.setdefault(dataset.supplier, set()).add(name)
    return {party: sorted(datasets) for party, datasets in made.items()}


def _entry(row: PurgeRow, now: datetime) -> Entry:
    result: dict[str, Any] = {"reason": row.reason}
    if row.party != EVERYBODY:
        result["party"] = row.party
    if row.datasets:
        result["datasets"] = list(row.datasets)
    return Entry(
        kind=Kind.PURGED,
        time=now,
        caller=EntryCaller(None, row.party or None, None),
        nonce=Caller.nonce(),
        agreement=AgreementRef(row.agreement, str(row.version), row.digest),
        decision=Decision("allowed", "allowed"),
        result=result,
    )
