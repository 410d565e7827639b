"""The client of a Concordat broker, for agencies that push and analysts that ask.

It signs in by itself, repeats what may be repeated, pins the broker's keys when it first meets them, follows
the broker's log, and hands out nothing that it could not verify.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from connectors.answers import (
    Answer,
    Receipt,
    check_erasure_receipt,
    check_expiry,
    check_purge_receipt,
    check_receipt,
    check_release,
    check_signature_receipt,
    check_withdrawal,
    waiting,
)
from connectors.checkpoints import CheckpointStore
from connectors.errors import GoneError, LocalError, UnreachableError, UnverifiedError
from connectors.files import private_file
from connectors.follow import LogFollower, Proof
from connectors.known import KnownAgreements
from connectors.sign_in import Credential, sign_in
from connectors.tlog import Checkpoint
from connectors.transport import Call, Retry, Transport, check_url
from connectors.trust import BrokerKeys, TrustStore
from connectors.upload import Extract, Progress, no_progress, push_key, read_upload
from schemas.canonical import canonical, digest
from schemas.erasure import Reach
from schemas.reservation import HEADER

_ACCEPTED = 202
_GONE = frozenset({"replaced", "withdrawing", "withdrawn", "expiring", "expired", "purging", "purged"})

PUSH_PATIENCE = 900.0
"""Seconds to wait for a receipt: the broker reads a whole extract before it answers."""


class Client:
    """A client of one broker. Not for several threads at once."""

    def __init__(
        self,
        base_url: str,
        credential: Credential,
        state: Path,
        *,
        issuer: str | None = None,
        log_key: str | None = None,
        http: httpx.Client | None = None,
        retry: Retry | None = None,
    ) -> None:
        """Begin; nothing is sent yet.

        Args:
            base_url: The broker's address, ``https://`` unless it is this machine.
            credential: A client's key, or an access token.
            state: Folder in which the broker's keys, its newest checkpoint and the agreements known are
                remembered. Keep it: what was remembered is what a broker cannot take back.
            issuer: The broker's issuer, where it differs from its address.
            log_key: Verifier key of the broker's log, obtained out of band; else the first shown is pinned.
            http: What carries the calls, instead of a client of its own; then plain HTTP is the caller's affair.
            retry: How to repeat.

        Raises:
            LocalError: ``url_malformed`` or ``url_insecure``.
        """
        check_url(base_url, plain=http is not None)
        self.issuer = issuer if issuer is not None else base_url.rstrip("/")
        self._owned = httpx.Client() if http is None else None
        self._transport = Transport(
            http if http is not None else self._owned or httpx.Client(),
            base_url,
            sign_in(credential, self.issuer),
            retry or Retry(),
        )
        self._state = state
        self._trust = TrustStore(state, self.issuer, log_key)
        self._known = KnownAgreements(state, self.issuer)
        self._keys: BrokerKeys | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that this client opened."""
        if self._owned is not None:
            self._owned.close()

    # --- who is who

    def me(self) -> dict[str, Any]:
        """Return who the broker takes the caller for: client, party, roles, agreements."""
        return _object(self._transport.get("/v1/me"))

    def keys(self) -> BrokerKeys:
        """Return the broker's pinned keys, pinning them at the first meeting.

        Raises:
            UnverifiedError: They are none, or not those known out of band.
        """
        if self._keys is None:
            self._keys = self._trust.keys(lambda: self._transport.get("/v1/keys"))
        return self._keys

    # --- agreements

    def agreement(self, agreement: str, version: str | None = None) -> dict[str, Any]:
        """Return a version of an agreement, the deciding one where none is named, and who has signed it.

        Raises:
            UnverifiedError: ``agreement_digest_differs``: the digest is not that of the document; or a receipt
                that goes with a signature is not the broker's, or not for it.
        """
        path = f"/v1/agreements/{_part(agreement)}"
        found = _object(self._transport.get(path if version is None else f"{path}/versions/{_part(version)}"))
        if digest(found.get("document")) != found.get("digest"):
            raise UnverifiedError("agreement_digest_differs", "the digest is not that of the document shown")
        self._check_receipts(found)
        return found

    def _check_receipts(self, found: Mapping[str, Any]) -> None:
        """Check the receipts of an agreement's signatures, where they are shown."""
        for item in found.get("signatures") or ():
            receipt = item.get("receipt") if isinstance(item, dict) else None
            if isinstance(receipt, dict):
                sent = {"agreement": found.get("id"), "version": found.get("version"), "digest": found.get("digest")}
                check_signature_receipt(receipt, sent | {"signature": item.get("signature")}, self.keys())

    def register(self, document: bytes, media_type: str = "application/yaml") -> dict[str, Any]:
        """Register a version of an agreement."""
        return self._post("/v1/agreements", document, {"Content-Type": media_type})

    def sign(self, agreement: str, version: str, signature: str, *, digest: str | None = None) -> dict[str, Any]:
        """Hand in the caller's party's detached JWS over a version (``connectors.agreements``).

        Args:
            agreement: The agreement's id.
            version: The version.
            signature: The JWS.
            digest: The digest that was signed, where it is at hand.

        Returns:
            The broker's signed receipt, which says who has yet to sign. Keep it.

        Raises:
            UnverifiedError: It is not for this signature, or not signed by the broker.
        """
        keys = self.keys()
        path = f"/v1/agreements/{_part(agreement)}/versions/{_part(version)}/signatures"
        receipt = self._post_json(path, {"signature": signature})
        sent = {"agreement": agreement, "version": version, "signature": signature}
        check_signature_receipt(receipt, sent if digest is None else sent | {"digest": digest}, keys)
        return receipt

    def suspend(self, agreement: str) -> dict[str, Any]:
        """Stop an agreement at once; for IG leads of suppliers."""
        return self._act(agreement, "suspension", "POST")

    def resume(self, agreement: str) -> dict[str, Any]:
        """Lift the suspension by the caller's own party."""
        return self._act(agreement, "suspension", "DELETE")

    def terminate(self, agreement: str, confirmation: str) -> dict[str, Any]:
        """End an agreement for good, on the caller's party's signed confirmation (``schemas.confirmations``)."""
        path = f"/v1/agreements/{_part(agreement)}/termination"
        return self._post_json(path, {"confirmation": confirmation})

    def leave(self, agreement: str, confirmation: str) -> dict[str, Any]:
        """Withdraw the caller's party with what it supplies, on its signed confirmation."""
        path = f"/v1/agreements/{_part(agreement)}/withdrawal"
        return self._post_json(path, {"confirmation": confirmation})

    def rejoin(self, agreement: str) -> dict[str, Any]:
        """Rescind the withdrawal of the caller's party, before the grace is over."""
        return self._act(agreement, "withdrawal", "DELETE")

    def purge_receipt(self, agreement: str, left_out_by: str | None = None) -> dict[str, Any]:
        """Return the broker's signed receipt of the purge of what the caller's party supplied.

        Args:
            agreement: The agreement's id.
            left_out_by: The version that left datasets of the party out; the newest receipt where none is named.

        Raises:
            UnverifiedError: It is not of this agreement, or not signed by the broker.
        """
        keys = self.keys()
        params = {"left_out_by": left_out_by}
        receipt = _object(self._transport.get(f"/v1/agreements/{_part(agreement)}/purge", **params))
        check_purge_receipt(receipt, agreement, keys)
        return receipt

    def diff(self, agreement: str, version: str, base: str | None = None) -> dict[str, Any]:
        """Return what changed to a version, clause by clause, in words.

        Args:
            agreement: The agreement's id.
            version: The version, usually one that is proposed.
            base: From which one; from the one in force where none is named.
        """
        return _object(self._transport.get(f"{_version(agreement, version)}/diff", **{"from": base}))

    def replay(
        self, agreement: str, version: str, *, since: str | None = None, until: str | None = None, page: int = 1000
    ) -> dict[str, Any]:
        """Return which past decisions a version would turn, over the entries that the caller's party may read.

        Args:
            agreement: The agreement's id.
            version: The version, usually one that is proposed.
            since: Only entries at or after this time, RFC 3339 or a day.
            until: Only entries before this time.
            page: How many entries to decide again in one call, at most 5000.
        """
        terms = {name: time for name, time in (("since", since), ("until", until)) if time is not None}
        made: dict[str, Any] = {}
        following: int | None = 0
        while following is not None:
            params: dict[str, str | int] = {"first": following, "limit": page, **terms}
            call = Call("POST", f"{_version(agreement, version)}/replay", params, repeatable=True)
            shown = _object(self._transport.send(call).json())
            after = shown.get("next")
            if not (after is None or (type(after) is int and after > following)):
                raise UnreachableError("not_concordat", "the answer is no replay")
            made = _added(made, shown) if made else shown
            following = after
        return made

    def catalogue(self, agreement: str, dataset: str | None = None) -> dict[str, Any]:
        """Return the datasets and what the caller may do with each; one in full where it is named."""
        path = f"/v1/agreements/{_part(agreement)}/datasets"
        return _object(self._transport.get(path if dataset is None else f"{path}/{_part(dataset)}"))

    def budget(self, agreement: str) -> dict[str, Any]:
        """Return caps, shares, what is spent and left, by whom, and when it renews."""
        return _object(self._transport.get(f"/v1/agreements/{_part(agreement)}/budget"))

    def statement(self, agreement: str, month: str) -> dict[str, Any]:
        """Return what was charged in a month, as ``YYYY-MM``: by client, purpose and dataset, as far as one may see."""
        return _object(self._transport.get(f"/v1/agreements/{_part(agreement)}/budget/statements", month=month))

    def quotas(self, agreement: str) -> list[dict[str, Any]]:
        """Return what each client of the caller's party may spend; to others than its stewards only its own."""
        return self._list(f"/v1/agreements/{_part(agreement)}/quotas", "quotas")

    def set_quota(self, agreement: str, client: str, share: str) -> dict[str, Any]:
        """Set the part of its party's share, a decimal, that a client may spend in a period; stewards may."""
        path = f"/v1/agreements/{_part(agreement)}/quotas/{_part(client)}"
        call = replace(_json_call(path, {"share": share}, {}, repeatable=True), method="PUT")
        return _object(self._transport.send(call).json())

    def reservations(self, agreement: str) -> list[dict[str, Any]]:
        """Return the caller's open reservations; to a steward those of all its party's clients."""
        return self._list(_reservations(agreement), "reservations")

    def reserve(
        self, agreement: str, wanted: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Set an amount aside for questions that will name it; ``wanted`` as ``schemas.reservation`` reads it."""
        key = idempotency_key or "reserve-" + secrets.token_hex(16)
        call = _json_call(_reservations(agreement), wanted, {"Idempotency-Key": key}, repeatable=True)
        return _object(self._transport.send(call).json())

    def give_up(self, agreement: str, reservation: str) -> dict[str, Any]:
        """Give back what is left of a reservation."""
        call = Call("DELETE", f"{_reservations(agreement)}/{_part(reservation)}")
        return _object(self._transport.send(call).json())

    # --- supplying

    def push(
        self,
        agreement: str,
        extract: Extract,
        *,
        agreement_digest: str | None = None,
        idempotency_key: str | None = None,
        progress: Progress = no_progress,
    ) -> Receipt:
        """Push an extract, all or nothing; memory does not grow with the file.

        Pushing the same file for the same days again gives the same receipt and takes nothing twice: a push
        whose answer was lost is simply repeated. After a withdrawal, the same file needs another key: with the
        same one the broker gives the first receipt and takes nothing.

        Args:
            agreement: The agreement's id.
            extract: The file, and what it is.
            agreement_digest: Digest of the version that the supplier knows: by default that of its last push,
                at the first push that of the one in force.
            idempotency_key: By default made from the file, the dataset and the days.
            progress: Told of each piece.

        Raises:
            GoneError: It was pushed before, and withdrawn or replaced since; nothing was taken now.
            ProblemError: The broker refused the file (its ``errors`` say which rules it breaks) or the push.
            LocalError: The file cannot be read, or changed meanwhile.
            UnverifiedError: The receipt is not for what was sent, or not signed by the broker.
        """
        upload = read_upload(extract, progress)
        known = agreement_digest or self._known.digest(agreement) or self._digest_in_force(agreement)
        key = idempotency_key or push_key(upload, agreement, extract)
        keys = self.keys()
        call = Call(
            "POST",
            _extracts(agreement, extract.dataset),
            extract.params,
            {"Idempotency-Key": key, "Concordat-Agreement-Digest": known, **upload.headers},
            lambda: upload.body(progress),
            repeatable=True,
            patience=PUSH_PATIENCE,
        )
        receipt = self._transport.send(call).json()
        covers = {name: extract.params[name] for name in ("from", "to")}
        sent = {
            "agreement": agreement,
            "dataset": extract.dataset,
            "digest": upload.digest,
            "covers": covers,
        }
        check_receipt(receipt, sent, keys)
        self._known.remember(agreement, known)
        made = Receipt(receipt, key)
        self._check_standing(agreement, extract.dataset, made)
        return made

    def extracts(
        self, agreement: str, dataset: str, *, limit: int = 50, before: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the caller's party's extracts with their states, the newest first.

        Args:
            agreement: The agreement's id.
            dataset: The dataset's name in it.
            limit: At most 200.
            before: Id of an extract: only older ones.
        """
        return self._list(_extracts(agreement, dataset), "extracts", limit=limit, before=before)

    def extract(self, agreement: str, dataset: str, extract: str) -> dict[str, Any]:
        """Return one of the caller's party's extracts: its state, and its receipts."""
        return _object(self._transport.get(f"{_extracts(agreement, dataset)}/{_part(extract)}"))

    def withdraw(self, agreement: str, dataset: str, extract: str) -> dict[str, Any]:
        """Withdraw an extract of the caller's own; doing it again changes nothing.

        Returns:
            The broker's signed receipt.

        Raises:
            UnverifiedError: It is not for this extract, or not signed by the broker.
        """
        keys = self.keys()
        path = f"{_extracts(agreement, dataset)}/{_part(extract)}"
        receipt = _object(self._transport.send(Call("DELETE", path, repeatable=True)).json())
        check_withdrawal(receipt, dataset, extract, keys)
        return receipt

    def erase(
        self,
        agreement: str,
        persons: Sequence[str],
        reason: str,
        *,
        reach: Reach = Reach.OWN,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Erase persons for good from the datasets of the caller's party, or, as a steward, from all.

        Nobody is kept from coming back: a push that names an erased person brings its rows in again.

        Args:
            agreement: The agreement's id.
            persons: Pseudonyms, each once, at most ``schemas.erasure.MAX_PERSONS``.
            reason: Why, naming nobody; it is kept in the log.
            reach: Whose datasets.
            idempotency_key: To repeat an erasure whose answer was lost; fresh by default.

        Returns:
            The broker's signed receipt. A supplier's counts the rows that each of its own datasets lost.

        Raises:
            ProblemError: The broker refused.
            UnreachableError: No answer came; repeating with its ``idempotency_key`` erases nothing twice.
            UnverifiedError: The receipt is not for what was sent, or not signed by the broker.
        """
        keys = self.keys()
        key = idempotency_key or "erase-" + secrets.token_hex(16)
        path = f"/v1/agreements/{_part(agreement)}/erasures"
        asked = {"persons": list(persons), "reason": reason, "reach": reach.value}
        call = replace(_json_call(path, asked, {"Idempotency-Key": key}, repeatable=True), patience=PUSH_PATIENCE)
        receipt = _object(self._transport.send(call).json())
        check_erasure_receipt(
            receipt, {"agreement": agreement, "reach": reach.value, "persons": len(asked["persons"])}, keys
        )
        return receipt

    def expiry_receipt(self, agreement: str, dataset: str, extract: str) -> dict[str, Any] | None:
        """Return the broker's signed receipt that an extract of the caller's own was removed, its time being over.

        Returns:
            The receipt; None where that has not happened.

        Raises:
            UnverifiedError: It is not for this extract, or not signed by the broker.
        """
        keys = self.keys()
        found = self.extract(agreement, dataset, extract)
        if "expiry" not in found:
            return None
        receipt = _object(found["expiry"])
        check_expiry(receipt, dataset, extract, keys)
        return receipt

    # --- asking

    def preview(self, agreement: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return decision, cost, expected error and what would remain; free, and reads no data."""
        path = f"/v1/agreements/{_part(agreement)}/aggregates/preview"
        return self._post_json(path, request, repeatable=True)

    def ask(
        self,
        agreement: str,
        request: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        reservation: str | None = None,
    ) -> Answer:
        """Ask a question, and verify its answer before handing it out.

        Args:
            agreement: The agreement's id.
            request: The question, as ``schemas.request`` reads it.
            idempotency_key: To ask again what was asked with it before; fresh by default.
            reservation: The caller's reservation that the charge is taken from.

        Raises:
            ProblemError: The broker refused; ``decision`` says by which clauses.
            WaitingError: Stewards have to approve first; nothing was charged.
            UnreachableError: No answer came; asking with its ``idempotency_key`` cannot charge twice.
            UnverifiedError: The release is not signed by the broker, or not shown to be in its log.
        """
        keys, log = self.keys(), self._log()
        key = idempotency_key or "ask-" + secrets.token_hex(16)
        path = f"/v1/agreements/{_part(agreement)}/aggregates"
        headers = {"Idempotency-Key": key, "Accept": "application/json"}
        if reservation is not None:
            headers[HEADER] = reservation
        call = _json_call(path, request, headers, repeatable=True)
        answer = self._transport.send(call)
        if answer.status == _ACCEPTED:
            raise waiting(answer.json(), key)
        release = answer.json()
        return Answer(release, check_release(release, agreement, keys, log), key)

    # --- approving

    def approvals(self, agreement: str) -> list[dict[str, Any]]:
        """Return the questions that wait for the caller's party to decide, and its own."""
        return self._list(_approvals(agreement), "approvals")

    def approval(self, agreement: str, approval: str) -> dict[str, Any]:
        """Return one: the question after policy, its purpose, reason and cost, and what stewards said of it."""
        return _object(self._transport.get(f"{_approvals(agreement)}/{_part(approval)}"))

    def decide(self, agreement: str, approval: str, decision: str, reason: str = "") -> dict[str, Any]:
        """Say ``approve`` or ``refuse`` for the caller's party, once and for good; return the approval as it stands."""
        path = f"{_approvals(agreement)}/{_part(approval)}"
        return self._post_json(path, {"decision": decision, "reason": reason})

    def releases(self, agreement: str, *, limit: int = 50, before: str | None = None) -> list[dict[str, Any]]:
        """Return the caller's party's releases without their rows, the newest first.

        Args:
            agreement: The agreement's id.
            limit: At most 200.
            before: Id of a release: only older ones.
        """
        path = f"/v1/agreements/{_part(agreement)}/releases"
        return self._list(path, "releases", limit=limit, before=before)

    def release(self, agreement: str, release: str) -> Answer:
        """Return a release that was given before, verified like a new one.

        Raises:
            UnverifiedError: It is not signed by the broker, or not shown to be in its log.
        """
        keys, log = self.keys(), self._log()
        path = f"/v1/agreements/{_part(agreement)}/releases/{_part(release)}"
        found = self._transport.send(Call("GET", path, headers={"Accept": "application/json"}, repeatable=True)).json()
        return Answer(found, check_release(found, agreement, keys, log))

    # --- the log

    def entries(self, *, first: int = 0, page: int = 200, **terms: str | None) -> Iterator[dict[str, Any]]:
        """Yield the entries that the caller may see and that fit, ``{"n", "entry"}``, in order.

        Args:
            first: The least index.
            page: How many to fetch at once.
            terms: ``party``, ``agreement``, ``dataset``, ``purpose``, ``kind``, ``outcome``, ``since``,
                ``until``.
        """
        following: int | None = first
        while following is not None:
            shown = _object(self._transport.get("/v1/audit/entries", first=following, limit=page, **terms))
            found, after = shown.get("entries"), shown.get("next")
            if not isinstance(found, list) or not (after is None or (type(after) is int and after > following)):
                raise UnreachableError("not_concordat", "the answer lists no entries")
            yield from map(_object, found)
            following = after

    def checkpoint(self) -> Checkpoint:
        """Return the log's newest checkpoint, which is remembered once it is shown to extend the last one.

        Raises:
            UnverifiedError: ``fork``, ``rollback``, or the note is no checkpoint of the log's.
        """
        return self._log().checkpoint()

    def proof(self, n: int) -> Proof:
        """Return entry ``n``, shown to be in the log.

        Raises:
            UnverifiedError: It is not.
        """
        return self._log().prove(n)

    def export_log(self, target: Path, *, progress: Progress = no_progress) -> Checkpoint:
        """Write the whole log as NDJSON, to be verified offline; entries not the caller's as leaves alone.

        Args:
            target: The new file; it appears whole or not at all.
            progress: Told of each piece; how many bytes there will be is not known.

        Returns:
            The checkpoint that is remembered now, which the export must reach at least.
        """
        checkpoint = self.checkpoint()
        call = Call("GET", "/v1/audit/export", repeatable=True, patience=PUSH_PATIENCE)
        done = 0
        with self._transport.stream(call) as pieces, private_file(target, replace=True) as out:
            for piece in pieces:
                out.write(piece)
                done += len(piece)
                progress("receive", done, 0)
        return checkpoint

    # --- parts

    def _digest_in_force(self, agreement: str) -> str:
        found = self.agreement(agreement).get("digest")
        if not isinstance(found, str):
            raise UnreachableError("not_concordat", "the answer holds no agreement")
        return found

    def _check_standing(self, agreement: str, dataset: str, made: Receipt) -> None:
        """A push made before is answered with its first receipt, whatever became of the extract since."""
        state = self.extract(agreement, dataset, made.extract).get("state")
        if state in _GONE:
            said = f"this push was made before as {made.extract}, which is {state}; nothing was taken now"
            raise GoneError("extract_gone", said)

    def _act(self, agreement: str, what: str, method: str) -> dict[str, Any]:
        path = f"/v1/agreements/{_part(agreement)}/{what}"
        return _object(self._transport.send(Call(method, path)).json())

    def _list(self, path: str, name: str, **params: str | int | None) -> list[dict[str, Any]]:
        found = _object(self._transport.get(path, **params)).get(name)
        if not isinstance(found, list):
            raise UnreachableError("not_concordat", f"the answer lists no {name}")
        return [_object(item) for item in found]

    def _log(self) -> LogFollower:
        vkey = self.keys().log
        return LogFollower(self._transport, CheckpointStore(self._state, vkey), vkey)

    def _post(self, path: str, content: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        given = {"Content-Length": str(len(content)), **headers}
        return _object(self._transport.send(Call("POST", path, {}, given, lambda: iter((content,)))).json())

    def _post_json(self, path: str, value: Any, *, repeatable: bool = False) -> dict[str, Any]:
        return _object(self._transport.send(_json_call(path, value, {}, repeatable=repeatable)).json())


def _json_call(path: str, value: Any, headers: Mapping[str, str], *, repeatable: bool) -> Call:
    body = canonical(value)
    given = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    return Call("POST", path, {}, given, lambda: iter((body,)), repeatable=repeatable)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnreachableError("not_concordat", "the answer is not what a Concordat broker gives")
    return value


def _version(agreement: str, version: str) -> str:
    return f"/v1/agreements/{_part(agreement)}/versions/{_part(version)}"


def _added(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sum of two pages of a replay: numbers and lists add up, whatever else the later one says."""
    made = dict(after)
    for name, item in before.items():
        match item, after.get(name):
            case dict(), dict() if name.endswith("_because"):
                other = after[name]
                made[name] = {why: item.get(why, 0) + other.get(why, 0) for why in sorted({*item, *other})}
            case (list(), list()):
                made[name] = [*item, *after[name]]
            case (int(), int()) if name != "size":
                made[name] = item + after[name]
    return made


def _reservations(agreement: str) -> str:
    return f"/v1/agreements/{_part(agreement)}/reservations"


def _approvals(agreement: str) -> str:
    return f"/v1/agreements/{_part(agreement)}/approvals"


def _extracts(agreement: str, dataset: str) -> str:
    return f"/v1/agreements/{_part(agreement)}/datasets/{_part(dataset)}/extracts"


def _part(text: str) -> str:
    """Return a part of a path that cannot become more than one."""
    if not text or text in (".", ".."):
        raise LocalError("id_malformed", "an id is missing")
    return quote(text, safe="")
