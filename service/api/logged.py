"""Accesses that have no use case of their own to log them: reads, and refusals of other calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.agreements.standing import known_to
from service.api.broker import Broker, Transaction
from service.audit.entry import AgreementRef, Decision, Entry, Kind
from service.audit.entry import Caller as EntryCaller
from service.errors import ConcordatError
from service.identity.caller import Caller


@contextmanager
def read(broker: Broker, caller: Caller, what: str, agreement: str | None = None) -> Iterator[None]:
    """Log a read once it succeeded, or its refusal.

    Args:
        broker: The broker.
        caller: Who reads.
        what: What is read, a word of ours such as ``budget``.
        agreement: Of which agreement; told only where the caller's party may know of it.
    """
    with refusals(broker, caller, what, agreement):
        yield
    _append(broker, caller, Kind.READ, what, agreement, Decision("allowed", "allowed"))


@contextmanager
def refusals(broker: Broker, caller: Caller, what: str, agreement: str | None = None) -> Iterator[None]:
    """Log the refusal, or the failure, of a call that logs its own success."""
    try:
        yield
    except ConcordatError as error:
        _append(broker, caller, Kind.REFUSED, what, agreement, Decision("refused", error.code))
        raise
    except Exception:
        _append(broker, caller, Kind.FAILED, what, agreement, Decision("failed", "internal_error"))
        raise


def _append(broker: Broker, caller: Caller, kind: Kind, what: str, agreement: str | None, decision: Decision) -> None:
    with broker.store.read() as tx:
        reference = _reference(broker, tx, caller, agreement) if agreement is not None else None
    broker.appends.append(
        Entry(
            kind=kind,
            time=broker.clock(),
            caller=EntryCaller(caller.client, caller.party, caller.role),
            nonce=caller.nonce(),
            agreement=reference,
            request={"what": what},
            decision=decision,
        )
    )


def _reference(broker: Broker, tx: Transaction, caller: Caller, agreement: str) -> AgreementRef | None:
    version = known_to(tx.agreements, agreement, broker.settings.issuer, caller.party)
    return AgreementRef(agreement, str(version.version), version.digest) if version is not None else None
