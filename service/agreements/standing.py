"""Whether an agreement is in force: checked at each request, from what is stored at that moment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from schemas.agreement import SIGNATURE_TYPE, Agreement, parse, signature_payload
from schemas.artefacts import Artefact, Library
from schemas.canonical import digest
from schemas.errors import DocumentError
from schemas.jws import public_key, thumbprint, verify
from service.agreements.confirming import made_before
from service.agreements.ports import (
    EVERYBODY,
    AgreementRow,
    AgreementStore,
    CompletionRow,
    PinnedKey,
    SignatureRow,
    VersionRow,
)
from service.errors import Forbidden, NotFound
from service.policy.withdrawal import withdrawn


@dataclass(frozen=True, slots=True)
class Current:
    """The version of an agreement that decides now."""

    row: AgreementRow
    version: int
    digest: str
    agreement: Agreement
    library: Library

    def reference(self) -> dict[str, str]:
        """Return the reference that releases and receipts carry."""
        return {"id": self.row.id, "version": str(self.version), "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Standing:
    """Why a version is in force, or the stable code and words of why not."""

    code: str
    words: str

    @property
    def in_force(self) -> bool:
        """Whether it is in force."""
        return self.code == "in_force"


IN_FORCE = Standing("in_force", "signed by all, within its period and its review")


@lru_cache(maxsize=512)
def document(text: str) -> Agreement:
    """Read a stored document; cached, as it never changes."""
    return parse(json.loads(text))


@lru_cache(maxsize=8192)
def signature_holds(jws: str, jwk: str, text: str, broker: str) -> bool:
    """Whether a signature fits a stored document and a key; cached, as none of the arguments can change."""
    try:
        verify(signature_payload(json.loads(text), broker), jws, public_key(json.loads(jwk)), typ=SIGNATURE_TYPE)
    except DocumentError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class State:
    """An agreement as it was stored at one moment.

    Attributes:
        row: The agreement over all its versions.
        versions: Its versions, the oldest first.
        completions: For each version that every required party has signed, who they were.
        decides: The version that decides: the newest of those, while all its signatures hold; None where there is none.
    """

    row: AgreementRow
    versions: tuple[VersionRow, ...]
    completions: Mapping[int, tuple[str, ...]]
    decides: VersionRow | None


def state(store: AgreementStore, agreement_id: str, broker: str) -> State | None:
    """Return an agreement's state as it is stored now, None where there is no such agreement.

    The store's revision is read each time and names everything that the state was made of, so what is remembered
    under it is what would be read again.
    """
    key = (store.revision(), agreement_id, broker)
    held = STATES.get(key)
    if held is None:
        held = _read_state(store, agreement_id, broker)
        if held is not None:
            if len(STATES) >= _MAX_STATES:
                STATES.clear()
            STATES[key] = held
    return held


STATES: dict[tuple[str, str, str], State] = {}
"""States that were read, by the store's revision, the agreement and the broker."""
_MAX_STATES = 512


def _read_state(store: AgreementStore, agreement_id: str, broker: str) -> State | None:
    row = store.agreement(agreement_id)
    if row is None:
        return None
    versions = tuple(store.versions(agreement_id))
    completions = store.completions(agreement_id)
    return State(
        row,
        versions,
        {item.version: item.signers for item in completions},
        _deciding(store, versions, completions, broker),
    )


def _deciding(
    store: AgreementStore,
    versions: Sequence[VersionRow],
    completions: Sequence[CompletionRow],
    broker: str,
) -> VersionRow | None:
    """Return the newest version that every required party has signed.

    Which parties were required was fixed when the last of them signed; their signatures are checked again here.
    """
    by_number = {row.version: row for row in versions}
    for completion in reversed(completions):
        version = by_number.get(completion.version)
        if version is None:
            continue
        # a signature that no longer holds puts no older version back into force
        return version if signed_at(store, version, completion.signers, broker) is not None else None
    return None


def signed_at(store: AgreementStore, version: VersionRow, signers: Iterable[str], broker: str) -> str | None:
    """Return when the last of its signers signed a version; None where the signature of one does not hold."""
    held = {row.party: (row, key) for row, key in store.signed(version.agreement, version.version)}
    times = []
    for party in signers:
        if party not in held or not _holds(*held[party], version, broker):
            return None
        times.append(held[party][0].signed_at)
    return max(times, default=None)


def required_signers(version: VersionRow, before: VersionRow | None) -> set[str]:
    """Return who must sign a version: every party of it and of the version in force before it."""
    needed = {party.id for party in document(version.document).parties}
    if before is not None:
        needed |= {party.id for party in document(before.document).parties}
    return needed


def _holds(row: SignatureRow, key: PinnedKey | None, version: VersionRow, broker: str) -> bool:
    if key is None or key.party != row.party or _thumbprint(key.jwk) != row.thumbprint:
        return False
    if not made_before(row.signed_at, key):
        return False
    return _digest(version.document) == version.digest and signature_holds(row.jws, key.jwk, version.document, broker)


@lru_cache(maxsize=512)
def _digest(text: str) -> str:
    return digest(json.loads(text))


@lru_cache(maxsize=4096)
def _thumbprint(jwk: str) -> str:
    return thumbprint(json.loads(jwk))


def library(store: AgreementStore, agreement: Agreement) -> Library:
    """Return the artefacts an agreement pins, each checked against its pin.

    Raises:
        Forbidden: ``artefact_changed``: a pinned artefact is not what was signed.
    """
    pins = tuple(sorted(agreement.pins.items()))
    held = LIBRARIES.get(pins)
    if held is None:
        found = {name: _artefact(store.artefact(pin), name, pin) for name, pin in pins}
        if len(LIBRARIES) >= _MAX_LIBRARIES:
            LIBRARIES.clear()
        held = LIBRARIES[pins] = Library(found)
    return held


LIBRARIES: dict[tuple[tuple[str, str], ...], Library] = {}
"""Artefacts that were checked against their pins, by the pins: what a digest names never changes."""
_MAX_LIBRARIES = 256


def _artefact(body: str | None, name: str, pin: str) -> Artefact:
    value: Any = json.loads(body) if body is not None else None
    if body is None or digest(value) != pin:
        raise Forbidden(f"the artefact {name} is not the one that was signed", code="artefact_changed")
    return Artefact(name, value, pin)


def suspending(row: AgreementRow, agreement: Agreement) -> tuple[str, ...]:
    """Return who suspends a version: who has suspended the agreement, supplies under this version, and has not left.

    A supplier that a later version leaves out, or that has withdrawn, holds nobody up: it can lift nothing any more.
    """
    suppliers = {dataset.supplier for dataset in agreement.datasets.values()} - set(row.withdrawn)
    return tuple(party for party in row.suspended_by if party in suppliers)


def standing(row: AgreementRow, agreement: Agreement, today: date, *, signed: bool) -> Standing:
    """Return whether a version is in force today, by its document and the agreement's state. Pure."""
    period = agreement.period
    checks = (
        (EVERYBODY in row.purges, "agreement_purged", "the agreement has ended, and its records were purged"),
        (row.terminated_at is not None, "agreement_terminated", "the agreement has ended"),
        (bool(suspending(row, agreement)), "agreement_suspended", "the agreement is suspended"),
        (not signed, "agreement_not_signed", "not every party has signed this version"),
        (today < period.start, "agreement_not_started", f"the agreement starts on {period.start}"),
        (today > period.end, "agreement_expired", f"the agreement ended on {period.end}"),
        (today > period.review_by, "agreement_review_overdue", f"it was to be reviewed by {period.review_by}"),
    )
    return next((Standing(code, words) for failed, code, words in checks if failed), IN_FORCE)


def current(store: AgreementStore, agreement_id: str, today: date, broker: str) -> Current:
    """Return the version that decides: the newest that every required party has signed.

    Raises:
        NotFound: there is no such agreement.
        Forbidden: with the code of why none is in force.
    """
    held = state(store, agreement_id, broker)
    if held is None:
        raise NotFound("there is no such agreement")
    return _in_force(store, held, today)


def _in_force(store: AgreementStore, held: State, today: date) -> Current:
    chosen = held.decides or held.versions[-1]
    agreement = document(chosen.document)
    found = standing(held.row, agreement, today, signed=held.decides is not None)
    if not found.in_force:
        raise out_of_force(found)
    return Current(held.row, chosen.version, chosen.digest, agreement, library(store, agreement))


def out_of_force(found: Standing) -> Forbidden:
    """Return the refusal of an agreement that is not in force, with its decision."""
    return Forbidden(
        found.words,
        code=found.code,
        decision={
            "outcome": "refused",
            "code": found.code,
            "clauses": ["period"],
            "reasons": [{"clause": "period", "words": found.words}],
            "weighed": [],
        },
    )


def visible(store: AgreementStore, agreement_id: str, today: date, broker: str, party: str) -> Current:
    """Return the version that decides, to a party of it; to strangers the agreement does not exist.

    Raises:
        NotFound: there is no such agreement, or the party is none of its parties.
        Forbidden: with the code of why none is in force.
    """
    held = state(store, agreement_id, broker)
    if held is None or not _is_party(held, party):
        raise NotFound("there is no such agreement")
    return _in_force(store, held, today)


def _is_party(held: State, party: str) -> bool:
    """Whether a party is one of the deciding version's, or of any draft where none decides."""
    decides = (held.decides,) if held.decides is not None else held.versions
    return any(document(row.document).party(party) for row in decides)


def seen_by(store: AgreementStore, agreement_id: str, broker: str, party: str) -> tuple[VersionRow, ...]:
    """Return the versions that a party may know of: those that name it among their parties.

    Once a version is in force, drafts before it, and drafts by others than its parties, are nobody's.
    """
    held = state(store, agreement_id, broker)
    return _seen(held, party) if held is not None else ()


def _seen(held: State, party: str) -> tuple[VersionRow, ...]:
    versions = held.versions
    if held.decides is not None and document(held.decides.document).party(party) is None:
        newest = held.decides.version
        versions = tuple(row for row in versions if row.version in held.completions or row.version > newest)
    return tuple(row for row in versions if document(row.document).party(party) is not None)


def known_to(store: AgreementStore, agreement_id: str, broker: str, party: str) -> VersionRow | None:
    """Return the version that decides for a party, or the newest that it may know of; None where there is none."""
    held = state(store, agreement_id, broker)
    if held is None:
        return None
    seen = _seen(held, party)
    return held.decides if held.decides in seen else next(iter(reversed(seen)), None)


def stopped(store: AgreementStore, agreement_id: str, broker: str, party: str) -> Forbidden | None:
    """Return why a party may not read what was released to it: the agreement was stopped, or the party has left."""
    held = state(store, agreement_id, broker)
    if held is None or held.row.terminated_at is not None:
        return out_of_force(Standing("agreement_terminated", "the agreement has ended"))
    agreement = document((held.decides or held.versions[-1]).document)
    if suspending(held.row, agreement):
        return out_of_force(Standing("agreement_suspended", "the agreement is suspended"))
    return _withdrawn(held, agreement, party, ())


def halted(
    store: AgreementStore, agreement_id: str, today: date, broker: str, asked: tuple[int, str, Iterable[str]]
) -> Forbidden | None:
    """Return the refusal of a charged question that may not be answered any more, None where it may.

    Args:
        store: The agreements, as they are now.
        agreement_id: The agreement.
        today: The day by the clock.
        broker: The issuer.
        asked: The version under which it was charged, who asked, and the datasets it reads.

    Returns:
        Why, if the agreement is out of force by now, or if the asker or a dataset's supplier has withdrawn.
    """
    held = state(store, agreement_id, broker)
    if held is None:
        raise RuntimeError("a charged question has an agreement")
    try:
        _in_force(store, held, today)
    except Forbidden as error:
        return error
    version, party, datasets = asked
    charged = next(row for row in held.versions if row.version == version)
    return _withdrawn(held, document(charged.document), party, datasets)


def _withdrawn(held: State, agreement: Agreement, party: str, datasets: Iterable[str]) -> Forbidden | None:
    """Return the refusal where a party, or who supplies one of these datasets, has withdrawn."""
    refusal = withdrawn(agreement, held.row.withdrawn, party, datasets)
    if refusal is None:
        return None
    return Forbidden(refusal.reasons[0].words, code=refusal.code, decision=refusal.as_json())
