"""One entry of the log: what an access was, without any value or pseudonym of the data.

A leaf's data is the canonical JSON (RFC 8785) of the whole entry. The entry carries a 128-bit nonce, so that
nobody can find out what an expunged entry held by guessing contents and comparing leaves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NewType

from schemas.canonical import canonical
from schemas.errors import DocumentError
from service.audit.merkle import leaf_hash

MAX_REASON = 200
MAX_INTEGER = 2**53 - 1
"""The largest integer that canonical JSON keeps exact."""

CheckedReason = NewType("CheckedReason", str)
"""A reason that ``check_reason`` let through."""

Screen = Callable[[str], Sequence[str]]
"""Names the kinds of identifier that a text seems to hold, as ``schemas.identifiers.find_in_text`` does."""

_NONCE = re.compile(r"[0-9a-f]{32}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_PSEUDONYM = re.compile(r"(?<!sha256:)(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_LONG_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_FEW_OF_A_KIND = 6
"""Of 32 random hexadecimal digits, 20 are digits on average and 12 letters; fewer of either come once in 200."""
_BETWEEN = re.compile(r"[\W_]+")
_LOOKALIKES = {
    0x0430: "a", 0x0410: "A", 0x0441: "c", 0x0421: "C", 0x0435: "e", 0x0415: "E", 0x0412: "B",
    0x03B1: "a", 0x0391: "A", 0x0395: "E", 0x0392: "B",
}  # fmt: skip
"""Cyrillic and Greek letters that are read as hexadecimal digits."""
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Kind(StrEnum):
    """What happened. An answer has two entries: ``charged``, then ``released`` or ``failed``."""

    ASKED = "asked"
    CHARGED = "charged"
    RELEASED = "released"
    REPEATED = "repeated"
    """A stored release was given again, uncharged."""
    FAILED = "failed"
    REFUSED = "refused"
    PREVIEWED = "previewed"
    PUSHED = "pushed"
    PUSH_REFUSED = "push-refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    """An extract was removed, as the time for which it was to be kept is over."""
    ERASED = "erased"
    PURGED = "purged"
    SIGNED_IN = "signed-in"
    SIGN_IN_REFUSED = "sign-in-refused"
    READ = "read"
    REVIEWED = "reviewed"
    APPROVAL_REQUESTED = "approval-requested"
    """A question was asked that waits for the approval that its ``result`` names; nothing was charged."""
    APPROVAL_DECIDED = "approval-decided"
    """A steward approved or refused it, as its ``result`` says."""
    QUOTA_SET = "quota-set"
    """A steward set what a client of its party may spend; its ``result`` says which ``quota``, which charges are
    checked against."""
    RESERVED = "reserved"
    """A client set an amount aside for questions that it plans; nothing was charged."""
    RESERVATION_ENDED = "reservation-ended"
    """What was left of it was given back."""
    ARTEFACT_IMPORTED = "artefact-imported"
    """The operator keeps a code list or hierarchy, which agreements may pin from now on."""
    ENROLLED = "enrolled"
    REGISTERED = "registered"
    """A version of an agreement; its ``result`` records the ``caps`` that charges are checked against."""
    SIGNED = "signed"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    TERMINATED = "terminated"
    PARTY_WITHDRAWN = "party-withdrawn"
    """A party took itself, and what it supplies, out of an agreement."""
    WITHDRAWAL_RESCINDED = "withdrawal-rescinded"
    KEY_ROTATED = "key-rotated"
    KEY_REVOKED = "key-revoked"
    PARTY_CORRECTED = "party-corrected"
    """The operator corrected the name or kind that a party is enrolled with."""
    EXPUNGED = "expunged"
    """The contents of earlier entries were removed; their leaves stay."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who did it; all None before a caller is known."""

    client: str | None = None
    party: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class AgreementRef:
    """The version of an agreement that decided; ``digest`` is ``sha256:`` and 64 hex digits."""

    id: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, its stable code, and the clause paths that determined it."""

    outcome: str
    code: str
    clauses: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Charge:
    """What an intent was charged: rho in units of 1e-9, selection delta in units of 1e-18.

    ``unit`` names the ledger: ``person``, or ``record:<source>`` as each record dataset has one of its own.
    """

    intent: str
    period: int
    rho_nano: int
    delta_e18: int
    unit: str = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry, checked when made.

    Attributes:
        kind: What happened.
        time: When; aware, kept in UTC to the millisecond.
        caller: Who.
        nonce: 32 lowercase hex digits, fresh from a secure source for every entry.
        agreement: Under which version of which agreement.
        purpose: For which of its purposes.
        reason: In the caller's words.
        request: The normalised request, codes and bounds only.
        decision: What was decided and by which clauses.
        charge: On entries of kind ``charged``.
        result: What came of it: ``{"release", "intent", "digest"}`` on ``released``, ``{"caps"}`` on
            ``registered``, an extract's or receipt's id and digest; digests begin with ``sha256:``.

    Raises:
        DocumentError: ``entry_malformed``, ``pseudonym_in_entry`` or ``not_canonical``; it tells no value.
    """

    kind: Kind
    time: datetime
    caller: Caller
    nonce: str
    agreement: AgreementRef | None = None
    purpose: str | None = None
    reason: CheckedReason | None = None
    request: Mapping[str, Any] | None = None
    decision: Decision | None = None
    charge: Charge | None = None
    result: Mapping[str, Any] | None = None
    _data: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what could not be verified, or should never be written."""
        if self.time.utcoffset() is None:
            raise DocumentError("entry_malformed", "the time has no zone", "time")
        if not _NONCE.match(self.nonce):
            raise DocumentError("entry_malformed", "the nonce is not 32 lowercase hex digits", "nonce")
        if self.agreement is not None and not _DIGEST.match(self.agreement.digest):
            raise DocumentError("entry_malformed", "not sha256: and 64 hex digits", "agreement/digest")
        if self.charge is not None:
            _check_charge(self.charge)
        object.__setattr__(self, "_data", canonical(self.as_dict()))
        if _PSEUDONYM.search(self._data.decode()):
            raise DocumentError("pseudonym_in_entry", "the entry holds what has the form of a pseudonym")

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as JSON values; every key is always there, null where it does not apply."""
        return {
            "kind": self.kind.value,
            "time": format_time(self.time),
            "caller": _plain(self.caller),
            "agreement": None if self.agreement is None else _plain(self.agreement),
            "purpose": self.purpose,
            "reason": self.reason,
            "request": None if self.request is None else dict(self.request),
            "decision": None if self.decision is None else _plain(self.decision),
            "charge": None if self.charge is None else _plain(self.charge),
            "result": None if self.result is None else dict(self.result),
            "nonce": self.nonce,
        }

    def data(self) -> bytes:
        """Return the leaf's data: the canonical JSON of the entry, its nonce included."""
        return self._data

    def leaf(self) -> bytes:
        """Return the entry's leaf hash."""
        return leaf_hash(self.data())


def _plain(part: Caller | AgreementRef | Decision | Charge) -> dict[str, Any]:
    """Return a part as JSON values; faster than ``dataclasses.asdict``, which copies deeply."""
    made = {name: getattr(part, name) for name in part.__dataclass_fields__}
    return made | {"clauses": list(part.clauses)} if isinstance(part, Decision) else made


def check_reason(text: str, screen: Screen) -> CheckedReason:
    """Let a caller's reason into the log.

    Args:
        text: What the caller wrote.
        screen: Names the kinds of identifier it finds in a text.

    Raises:
        DocumentError: ``reason_too_long`` above 200 characters; ``reason_characters`` for control and
            invisible characters; ``reason_identifier`` where the screen finds something. It repeats no text.
    """
    if len(text) > MAX_REASON:
        raise DocumentError("reason_too_long", f"a reason has at most {MAX_REASON} characters", "reason")
    if any(unicodedata.category(char) in _REFUSED_CATEGORIES for char in text):
        raise DocumentError("reason_characters", "a reason has no control or invisible characters", "reason")
    # Full-width digits and the like would pass for other characters than the ones a reader sees.
    plain = unicodedata.normalize("NFKC", text)
    if _is_pseudonym(plain):
        raise DocumentError("reason_identifier", "a reason holds no pseudonym and no digest", "reason")
    if screen(plain):
        raise DocumentError(
            "reason_identifier",
            "the reason seems to hold an identifier of a person; say why you ask without naming anyone",
            "reason",
        )
    return CheckedReason(text)


def _is_pseudonym(text: str) -> bool:
    """Whether a text holds half a pseudonym or more, be it in groups or with letters that look like its own.

    Put together, dates and words may give a long run too, but of digits or of letters with hardly any of the others.
    """
    joined = _BETWEEN.sub("", text.translate(_LOOKALIKES))
    runs = _LONG_HEX.findall(joined)
    mixed = any(min(digits := sum(map(str.isdigit, run)), len(run) - digits) >= _FEW_OF_A_KIND for run in runs)
    return mixed or _LONG_HEX.search(text) is not None


def format_time(time: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC with milliseconds, such as ``2026-04-01T09:30:00.000Z``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _check_charge(charge: Charge) -> None:
    for name in ("period", "rho_nano", "delta_e18"):
        value = getattr(charge, name)
        if type(value) is not int or not 0 <= value <= MAX_INTEGER:
            raise DocumentError("entry_malformed", "not a whole number from 0 to 2**53 - 1", f"charge/{name}")
