"""What a party was enrolled as, held against what a document calls it; its correction is the operator's, out of band.

The legal check reads a party's kind, so a document cannot choose it: a partnership that calls itself a police force
would pass rules that are not for it.
"""

from __future__ import annotations

from datetime import datetime

from schemas.agreement import Agreement
from schemas.clauses.parties import PartyKind
from service.agreements.keys import log_of_party
from service.agreements.ports import AgreementStore, Enrolment, Transaction
from service.audit.entry import Kind
from service.errors import Conflict, Finding, Malformed, NotFound


def check_kinds(store: AgreementStore, agreement: Agreement) -> None:
    """Check that a document gives each of its parties the kind that it was enrolled with.

    Raises:
        Malformed: ``other_party``, with the path of each kind that differs.
    """
    found = []
    for index, party in enumerate(agreement.parties):
        enrolled = store.enrolment(party.id)
        if enrolled is not None and enrolled.kind != party.kind:
            words = (
                f"{party.id} is enrolled as {enrolled.kind}: write that, or have the operator correct it by"
                f" `concordat party correct {party.id} --kind {party.kind}`"
            )
            found.append(Finding("other_party", f"parties/{index}/kind", detail=words))
    if found:
        words = "the document gives a party another kind than it is enrolled with, and the law is checked by kind"
        raise Malformed(words, code="other_party", findings=found)


def named_otherwise(store: AgreementStore, agreement: Agreement) -> list[str]:
    """Return the parties that a document calls by another name than they are enrolled with, in order.

    A name decides nothing and may change or be shortened, so it is told in the log and not refused.
    """
    enrolled = {party.id: store.enrolment(party.id) for party in agreement.parties}
    return sorted(
        party.id for party in agreement.parties if (held := enrolled[party.id]) is not None and held.name != party.name
    )


def correct(
    tx: Transaction, party: str, name: str | None, kind: PartyKind | None, broker: str, now: datetime
) -> Enrolment:
    """Correct what a party is enrolled as; agreements in force stay so, and documents must say it from now on.

    Args:
        tx: An open write transaction.
        party: The party.
        name: Its name from now on; None leaves it.
        kind: Its kind from now on; None leaves it.
        broker: The issuer.
        now: The time.

    Returns:
        What it is enrolled as from now on.

    Raises:
        NotFound: ``party_not_enrolled``.
        Conflict: ``nothing_to_correct``: it is enrolled so already.
    """
    before = tx.agreements.enrolment(party)
    if before is None:
        raise NotFound(f"{party} is not enrolled", code="party_not_enrolled")
    after = Enrolment(name or before.name, kind or before.kind)
    if after == before:
        raise Conflict(f"{party} is enrolled so already: give another --name or --kind", code="nothing_to_correct")
    tx.agreements.correct(party, after)
    told = {"kind": after.kind, "replaced": before.kind, "renamed": after.name != before.name}
    log_of_party(tx, Kind.PARTY_CORRECTED, party, told, broker, now)
    return after
