"""Signed answers of a broker, and what must be true of them before anyone uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.errors import UnreachableError, UnverifiedError, WaitingError
from connectors.follow import LogFollower, Proof
from connectors.trust import BrokerKeys
from schemas.canonical import digest_of
from schemas.erasure import ERASURE_RECEIPT_TYPE

RELEASE_TYPE = "concordat-release+jws"
RECEIPT_TYPE = "concordat-receipt+jws"
SIGNATURE_RECEIPT_TYPE = "concordat-signature-receipt+jws"
PURGE_RECEIPT_TYPE = "concordat-purge-receipt+jws"


@dataclass(frozen=True, slots=True)
class Answer:
    """A release that was verified.

    Attributes:
        release: The release, as signed.
        proof: Its entry in the log.
        idempotency_key: With this key the same question gives the same answer again; None for a release that
            was read later.
    """

    release: Mapping[str, Any]
    proof: Proof
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt that was verified.

    Attributes:
        receipt: The receipt, as signed.
        idempotency_key: With this key the same push gives the same receipt again.
    """

    receipt: Mapping[str, Any]
    idempotency_key: str

    @property
    def extract(self) -> str:
        """The id by which the extract can be withdrawn or replaced."""
        return str(self.receipt.get("extract"))

    @property
    def rows(self) -> int:
        """How many rows were taken."""
        return int(self.receipt.get("rows", 0))

    @property
    def persons(self) -> int:
        """How many pseudonyms they hold."""
        return int(self.receipt.get("persons", 0))


def check_release(release: Any, agreement: str, keys: BrokerKeys, log: LogFollower) -> Proof:
    """Check a release: its signature, that it is of this agreement, and that the log tells of it.

    1. A pinned key has signed it, as a release.
    2. It is of the agreement that was asked.
    3. The log includes the entry it names, under a checkpoint that extends the remembered one.
    4. That entry is the charge of this release's question, or the repeat of this release: same agreement,
       purpose, dataset and measures, and the charge is the rho that the release states.

    Raises:
        UnverifiedError: A step failed; the release must not be used.
    """
    if not isinstance(release, dict):
        raise UnverifiedError("release_malformed", "the answer is no release")
    keys.verify(release, RELEASE_TYPE)
    of = release.get("agreement")
    if not isinstance(of, dict) or of.get("id") != agreement:
        raise UnverifiedError("other_agreement", f"the release is not of {agreement}")
    index = _at(release, "audit", "index")
    if type(index) is not int or index < 0:
        raise UnverifiedError("not_included", "the release names no entry of the log")
    proof = log.prove(index)
    _check_entry(proof.entry, release)
    return proof


def check_receipt(receipt: Any, expected: Mapping[str, Any], keys: BrokerKeys) -> None:
    """Check a receipt: its signature, and that it is for what was sent.

    Args:
        receipt: The broker's answer.
        expected: ``agreement`` (its id), ``dataset``, ``digest`` and ``covers``, as they were sent.
        keys: The broker's pinned keys.

    Raises:
        UnverifiedError: ``receipt_malformed``, ``receipt_differs``, or why the signature is none.
    """
    if not isinstance(receipt, dict):
        raise UnverifiedError("receipt_malformed", "the answer is no receipt")
    keys.verify(receipt, RECEIPT_TYPE)
    told = {name: receipt.get(name) for name in expected}
    told["agreement"] = _at(receipt, "agreement", "id")
    for name, sent in expected.items():
        if told[name] != sent:
            raise UnverifiedError("receipt_differs", f"the receipt's {name} is not that of what was sent")
    for what, name in (("withdrawn", "a withdrawal"), ("expired", "an expiry")):
        if what in receipt:
            raise UnverifiedError("receipt_differs", f"the receipt is that of {name}")


def check_withdrawal(receipt: Any, dataset: str, extract: str, keys: BrokerKeys) -> None:
    """Check a receipt of a withdrawal: its signature, and that it is for this extract.

    Raises:
        UnverifiedError: ``receipt_malformed``, ``receipt_differs``, or why the signature is none.
    """
    _check_removal(receipt, "withdrawn", "withdrawal", dataset, extract, keys)


def check_expiry(receipt: Any, dataset: str, extract: str, keys: BrokerKeys) -> None:
    """Check a receipt of an expiry: its signature, and that it is for this extract.

    Raises:
        UnverifiedError: ``receipt_malformed``, ``receipt_differs``, or why the signature is none.
    """
    _check_removal(receipt, "expired", "expiry", dataset, extract, keys)


def _check_removal(receipt: Any, member: str, what: str, dataset: str, extract: str, keys: BrokerKeys) -> None:
    if not isinstance(receipt, dict):
        raise UnverifiedError("receipt_malformed", "the answer is no receipt")
    keys.verify(receipt, RECEIPT_TYPE)
    told = (receipt.get("dataset"), receipt.get("extract"), type(receipt.get(member)))
    if told != (dataset, extract, str):
        raise UnverifiedError("receipt_differs", f"the receipt is not of the {what} of this extract")


def check_signature_receipt(receipt: Any, sent: Mapping[str, Any], keys: BrokerKeys) -> None:
    """Check the receipt of a party's signature: the broker's signature, and that it is for what was sent.

    Args:
        receipt: The broker's answer.
        sent: ``agreement`` (its id), ``version``, ``signature`` (the JWS), and ``digest`` where it is known.
        keys: The broker's pinned keys.

    Raises:
        UnverifiedError: ``receipt_malformed``, ``receipt_differs``, or why the signature is none.
    """
    if not isinstance(receipt, dict):
        raise UnverifiedError("receipt_malformed", "the answer is no receipt")
    keys.verify(receipt, SIGNATURE_RECEIPT_TYPE)
    told = {
        "agreement": _at(receipt, "agreement", "id"),
        "version": _at(receipt, "agreement", "version"),
        "digest": _at(receipt, "agreement", "digest"),
        "signature": receipt.get("signature_digest"),
    }
    expected = dict(sent) | {"signature": digest_of(str(sent["signature"]).encode())}
    for name, value in expected.items():
        if told[name] != value:
            raise UnverifiedError("receipt_differs", f"the receipt's {name} is not that of what was sent")


def check_purge_receipt(receipt: Any, agreement: str, keys: BrokerKeys) -> None:
    """Check the receipt of a purge: the broker's signature, and that it is of this agreement.

    Raises:
        UnverifiedError: ``receipt_malformed``, ``receipt_differs``, or why the signature is none.
    """
    if not isinstance(receipt, dict):
        raise UnverifiedError("receipt_malformed", "the answer is no receipt")
    keys.verify(receipt, PURGE_RECEIPT_TYPE)
    if _at(receipt, "agreement", "id") != agreement:
        raise UnverifiedError("receipt_differs", f"the receipt is not of {agreement}")


def check_erasure_receipt(receipt: Any, sent: Mapping[str, Any], keys: BrokerKeys) -> None:
    """Check the receipt of an erasure: the broker's signature, and that it is for what was sent.

    Args:
        receipt: The broker's answer.
        sent: ``agreement`` (its id), ``reach``, and ``persons``, how many.
        keys: The broker's pinned keys.

    Raises:
        UnverifiedError: ``receipt_malformed``, ``receipt_differs``, or why the signature is none.
    """
    if not isinstance(receipt, dict):
        raise UnverifiedError("receipt_malformed", "the answer is no receipt")
    keys.verify(receipt, ERASURE_RECEIPT_TYPE)
    told = {name: receipt.get(name) for name in sent} | {"agreement": _at(receipt, "agreement", "id")}
    for name, value in sent.items():
        if told[name] != value:
            raise UnverifiedError("receipt_differs", f"the receipt's {name} is not that of what was sent")


def _check_entry(entry: Mapping[str, Any], release: Mapping[str, Any]) -> None:
    """Step 4: whatever entry and release both say, they say alike."""
    entry_says = {
        "agreement": entry.get("agreement"),
        "purpose": entry.get("purpose"),
        "dataset": _at(entry, "request", "dataset"),
        "measures": _names(_at(entry, "request", "measures")),
    }
    release_says = {
        "agreement": {name: _at(release, "agreement", name) for name in ("id", "version", "digest")},
        "purpose": _at(release, "question", "purpose"),
        "dataset": _at(release, "question", "dataset"),
        "measures": _names(_at(release, "question", "measures")),
    }
    match entry.get("kind"):
        case "charged":
            entry_says["rho"] = _from_nano(_at(entry, "charge", "rho_nano"))
            release_says["rho"] = _decimal(_at(release, "guarantee", "rho"))
            if "intent" in release:
                entry_says["intent"], release_says["intent"] = (
                    _at(entry, "charge", "intent"),
                    release["intent"],
                )
        case "repeated":
            entry_says["release"], release_says["release"] = (
                _at(entry, "result", "release"),
                release.get("id"),
            )
        case _:
            raise UnverifiedError("other_entry", "the log's entry is neither a charge nor a repeat")
    for name, said in entry_says.items():
        if said is None or said != release_says[name]:
            raise UnverifiedError("other_entry", f"the log's entry and the release differ in their {name}")


def _names(value: Any) -> list[str] | None:
    return sorted(map(str, value)) if isinstance(value, list) else None


def _from_nano(value: Any) -> Decimal | None:
    return Decimal(value).scaleb(-9) if type(value) is int else None


def _decimal(value: Any) -> Decimal | None:
    try:
        return Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def waiting(told: Any, key: str) -> WaitingError:
    """Return what to raise of a question that waits for approval, as the broker tells it.

    Raises:
        UnreachableError: ``not_concordat``: it tells nothing of the kind.
    """
    match told:
        case {"standing": "waiting", "approval": str(approval), "needs": list(needs), "has": list(has)}:
            return WaitingError(approval, list(map(str, needs)), list(map(str, has)), key)
    raise UnreachableError("not_concordat", "the answer is neither a release nor a question that waits")
