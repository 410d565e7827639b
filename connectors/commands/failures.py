"""How a command fails: an exit code, a stable code, words, and what to do.

===  ======================================================================================
  0  done
  1  a fault in Concordat itself
  2  the command was called wrongly
  3  refused: by the agreement, the budget, the caller's role, or the state of things
  4  malformed: a file, a document or a request breaks a rule, or cannot be read
  5  cannot verify: a signature, a proof or a log does not hold; do not use what came
  6  no connection: the broker cannot be reached, failed, or is none
  7  waiting: stewards have to approve the question first; nothing was charged
===  ======================================================================================
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType

from connectors import render
from connectors.errors import (
    ClientError,
    GoneError,
    LocalError,
    ProblemError,
    UnreachableError,
    UnverifiedError,
    WaitingError,
)
from connectors.tlog import LogError
from schemas.errors import DocumentError

REFUSED, MALFORMED, UNVERIFIED, UNREACHABLE, WAITING = 3, 4, 5, 6, 7

_MALFORMED_STATUS = frozenset({400, 413, 415, 422})
_SERVER_ERROR = 500

_TITLES = {
    REFUSED: "Refused",
    MALFORMED: "Malformed",
    UNVERIFIED: "Cannot verify",
    UNREACHABLE: "No connection",
    WAITING: "Waiting for approval",
}

_EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (UnreachableError, UNREACHABLE),
    (WaitingError, WAITING),
    (GoneError, REFUSED),
    (UnverifiedError, UNVERIFIED),
    (LogError, UNVERIFIED),
    (LocalError, MALFORMED),
)

ADVICE = {
    "agreement_fails_check": "mend what is reported, or take advice and say why it stays; see docs/check-rules.md",
    "agreement_changed": "read the new version; then push with --agreement-digest of what you have read",
    "approval_refused": "ask the party that refused why; `concordat approvals show` tells its reason",
    "approval_lapsed": "the question has to be asked again, and approved again",
    "bad_signature": "do not use the answer; tell the broker's operator and your IG lead",
    "caps_malformed": "take the caps from the agreement itself",
    "charts_not_installed": "install it, or leave --chart out",
    "bad_persons": "mend the lines that are named; nothing was sent",
    "extract_gone": "to push it anew, give another --idempotency-key",
    "file_changed": "wait until the file is complete, then push again",
    "file_open_to_others": "let only its owner read it, and replace what others may have read",
    "fork": "keep the remembered checkpoint; compare it with another party's; tell every IG lead",
    "idempotency_key_reused": "leave the key out, or take another",
    "invalid_client": "check the client id, its key and the issuer; the operator knows which key is registered",
    "invalid_token": "sign in again, or take a fresh token",
    "key_not_pinned": "ask the operator, not the broker, if its keys changed before removing what is pinned",
    "log_key_differs": "ask the operator, not the broker, for the log's verifier key",
    "not_granted": "ask for what a grant covers; `concordat catalogue` shows your grants",
    "not_included": "do not use the answer; tell the broker's operator and your IG lead",
    "not_concordat": "check the address, and what stands between you and the broker",
    "other_entry": "do not use the answer; tell the broker's operator and your IG lead",
    "over_budget": "wait for the renewal, or ask with a smaller share; `concordat budget` shows what is left",
    "over_quota": "wait for the renewal, ask for a smaller share, or ask a steward of your party for more",
    "over_reservation": "ask for a smaller share, or without --reservation",
    "reservation_over": "ask without --reservation, or make another",
    "rollback": "keep the remembered checkpoint; compare it with another party's; tell every IG lead",
    "root_mismatch": "the export was changed, or the log was; fetch it again, then tell your IG lead",
    "store_damaged": "find out why; removing the file forgets what the broker has shown",
    "truncation": "keep the remembered checkpoint; compare it with another party's; tell every IG lead",
    "unreachable": "check the address and the network, then repeat; nothing happens twice",
    "url_insecure": "use https, or a tunnel that ends on this machine",
}
"""What to do, by code."""


class CommandError(ClientError):
    """A command's own finding, with the exit code it ends with."""

    def __init__(self, code: str, detail: str, exit_code: int, *, told: bool = False) -> None:
        """Keep the exit code; ``told`` where the command has shown all there is to show."""
        super().__init__(code, detail)
        self.exit_code = exit_code
        self.told = told


@dataclass(frozen=True, slots=True)
class Failure:
    """What is told of an error."""

    exit_code: int
    code: str
    title: str
    detail: str
    todo: str | None = None
    status: int | None = None
    decision: Mapping[str, Any] | None = None
    errors: Sequence[Mapping[str, Any]] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        made: dict[str, Any] = {"code": self.code, "title": self.title, "detail": self.detail}
        for name in ("todo", "status", "decision"):
            if getattr(self, name) is not None:
                made[name] = getattr(self, name)
        return {"error": made | ({"errors": list(self.errors)} if self.errors else {})}


def explain(error: Exception) -> Failure | None:
    """Return what to tell of an error; None for a fault of our own."""
    found: tuple[int, Any, Any]
    match error:
        case ProblemError():
            exit_code = _exit_code(error.status)
            todo = ADVICE.get(error.code)
            parts = (error.title, error.detail, todo, error.status, error.decision, error.errors)
            return Failure(exit_code, error.code, *parts)
        case CommandError():
            found = (error.exit_code, error.code, error.detail)
        case UnreachableError() | WaitingError() | GoneError() | UnverifiedError() | LogError() | LocalError():
            found = (next(code for kind, code in _EXIT_CODES if isinstance(error, kind)), error.code, error.detail)
        case DocumentError():
            found = (MALFORMED, error.code, str(error))
        case OSError() if error.filename is not None:
            found = (MALFORMED, "file_unreadable", f"{error.filename}: {error.strerror}")
        case _:
            # The service's errors, which cannot be named here, have a code and words as ours do.
            found = (REFUSED, getattr(error, "code", None), getattr(error, "detail", None))
    exit_code, code, detail = found
    if not isinstance(code, str) or not isinstance(detail, str):
        return None
    key = getattr(error, "idempotency_key", None)
    when = "once all have approved, " if exit_code == WAITING else ""
    todo = ADVICE.get(code) if key is None else f"{when}repeat with --idempotency-key {key}: nothing happens twice"
    return Failure(exit_code, code, _TITLES.get(exit_code, "Failed"), detail, todo)


def tell(failure: Failure, *, as_json: bool) -> None:
    """Print a failure to standard error."""
    if as_json:
        sys.stderr.write(json.dumps(failure.as_json(), ensure_ascii=False, indent=2) + "\n")
        return
    shown: list[RenderableType] = [render.plain(f"{failure.title} [{failure.code}]", "bold red")]
    if failure.detail:
        shown.append(render.plain(failure.detail))
    if failure.decision is not None:
        shown.append(render.decision_lines(failure.decision))
    if failure.errors:
        shown.append(render.findings_table(failure.errors))
    if failure.todo is not None:
        shown.append(render.plain(f"What to do: {failure.todo}"))
    console = Console(stderr=True)
    for part in shown:
        console.print(part)


def _exit_code(status: int) -> int:
    if status >= _SERVER_ERROR:
        return UNREACHABLE
    return MALFORMED if status in _MALFORMED_STATUS else REFUSED
