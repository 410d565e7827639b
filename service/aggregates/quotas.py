"""Quotas of analysts: what a recipient's steward lets each of its clients spend, within what the agreement does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from service.aggregates.amounts import plain
from service.aggregates.ports import Store, Transaction
from service.agreements.standing import Current, visible
from service.audit.entry import AgreementRef, Decision, Entry, Kind, format_time
from service.audit.entry import Caller as EntryCaller
from service.budget.caps import Caps, caps
from service.budget.ledger import quota_of
from service.budget.ports import QuotaRow
from service.errors import Forbidden, NotFound
from service.identity.caller import Caller, Role


@dataclass(frozen=True, slots=True)
class Quotas:
    """Setting and reading quotas."""

    store: Store
    broker: str
    clock: Callable[[], datetime]

    def set(self, caller: Caller, agreement_id: str, client: str, share: Decimal) -> dict[str, Any]:
        """Set what a client of the caller's party may spend from now on; logged in the transaction that keeps it.

        Args:
            caller: A steward of a party that has a share.
            agreement_id: The agreement.
            client: One of its party's clients.
            share: Part of its party's share of a period; at most what the agreement lets each of its clients spend.

        Raises:
            NotFound: the party has no such client, or the agreement does not name the party.
            Forbidden: ``role_missing``, ``no_budget_share``, ``quota_above_agreement``, or it is not in force.
        """
        caller.require(Role.STEWARD)
        now = self.clock()
        with self.store.write() as tx:
            found = visible(tx.agreements, agreement_id, now.date(), self.broker, caller.party)
            limits = caps(found.agreement)
            _check_share(caller, limits)
            _check_client(tx, caller, client)
            _check_lower(caller.party, share, limits)
            index = tx.log.append(_entry(caller, found, client, share, now))
            row = QuotaRow(agreement_id, caller.party, client, share, index, format_time(now))
            tx.quotas.add(row)
        return _told(client, caller.party, limits, row)

    def listed(self, caller: Caller, agreement_id: str) -> list[dict[str, Any]]:
        """Return the quotas of the caller's party's clients that have one; to others than stewards only its own.

        Raises:
            NotFound: the agreement does not name the party.
            Forbidden: ``no_budget_share``, or it is not in force.
        """
        limits, held = self._read(caller, agreement_id)
        clients = sorted({caller.client, *held} if Role.STEWARD in caller.roles else {caller.client})
        return [_told(client, caller.party, limits, held.get(client)) for client in clients]

    def shown(self, caller: Caller, agreement_id: str, client: str) -> dict[str, Any]:
        """Return one client's quota.

        Raises:
            NotFound: it is no client of the party, or not the caller, who is no steward.
            Forbidden: as ``listed``.
        """
        if client != caller.client and Role.STEWARD not in caller.roles:
            raise NotFound("there is no such client of your party")
        limits, held = self._read(caller, agreement_id)
        with self.store.read() as tx:
            _check_client(tx, caller, client)
        return _told(client, caller.party, limits, held.get(client))

    def _read(self, caller: Caller, agreement_id: str) -> tuple[Caps, dict[str, QuotaRow]]:
        with self.store.read() as tx:
            found = visible(tx.agreements, agreement_id, self.clock().date(), self.broker, caller.party)
            limits = caps(found.agreement)
            _check_share(caller, limits)
            return limits, tx.quotas.of_party(agreement_id, caller.party)


def _check_share(caller: Caller, limits: Caps) -> None:
    if caller.party not in limits.shares:
        raise Forbidden(f"{caller.party} has no share of the privacy budget", code="no_budget_share")


def _check_client(tx: Transaction, caller: Caller, client: str) -> None:
    row = tx.clients.client(client)
    if row is None or row.party != caller.party:
        raise NotFound("there is no such client of your party")


def _check_lower(party: str, share: Decimal, limits: Caps) -> None:
    agreed = limits.analysts.get(party, Decimal(1))
    if share <= agreed:
        return
    words = f"the agreement lets a client of {party} spend at most {agreed} of its share; a steward may set less"
    clause = f"privacy/analysts/{party}"
    raise Forbidden(
        words,
        code="quota_above_agreement",
        decision={
            "outcome": "refused",
            "code": "quota_above_agreement",
            "clauses": [clause],
            "reasons": [{"clause": clause, "words": words}],
            "weighed": [clause],
        },
    )


def _told(client: str, party: str, limits: Caps, row: QuotaRow | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "client": client,
        "party": party,
        "quota": plain(quota_of(party, limits, row.share if row is not None else None)),
        "agreed": plain(limits.analysts.get(party, Decimal(1))),
    }
    return made | ({"set": plain(row.share), "at": row.at, "index": row.log_index} if row is not None else {})


def _entry(caller: Caller, found: Current, client: str, share: Decimal, now: datetime) -> Entry:
    return Entry(
        kind=Kind.QUOTA_SET,
        time=now,
        caller=EntryCaller(caller.client, caller.party, caller.role),
        nonce=caller.nonce(),
        agreement=AgreementRef(found.row.id, str(found.version), found.digest),
        decision=Decision("allowed", "allowed"),
        result={"quota": {"party": caller.party, "client": client, "share": str(share)}},
    )
