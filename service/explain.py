"""``concordat agreement explain``: what a document's policy says to a question, offline.

It is what the broker's policy would say, by the same code. The broker alone decides: it knows what is in force, what is
spent, and who is asking.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from connectors import render
from connectors.agreements import check
from connectors.commands.failures import MALFORMED, CommandError
from connectors.files import read_input
from schemas import artefacts, strict_json
from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.errors import DocumentError
from schemas.request import AggregateRequest, parse
from service.errors import Malformed
from service.policy.coherence import findings
from service.policy.decide import decide
from service.policy.decision import Decision
from service.policy.nearest import explained

NOTE = (
    "This is what the document says. The broker alone decides when it is asked: whether this version is in force, "
    "whether the budget suffices, and who is asking."
)
_ANY_SPEND = {"share": "0.01"}
"""No decision depends on what is spent, so a question may leave it out here."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision on a document, and which document that is."""

    agreement: Agreement
    digest: str
    party: str
    roles: tuple[str, ...]
    decision: Decision

    def as_json(self) -> dict[str, Any]:
        """Return it in the shape of a simulation's answer, with what it does not say."""
        return {
            "agreement": {"id": self.agreement.id, "version": self.agreement.version, "digest": self.digest},
            "as": self.party,
            "roles": list(self.roles),
            "decision": self.decision.as_json(),
            "note": NOTE,
        }

    def lines(self) -> list[RenderableType]:
        """Return it for people."""
        said = self.decision.as_json()
        who = f"{self.party} as {', '.join(self.roles)}, under {self.agreement.id} version {self.agreement.version}"
        return [render.plain(who), render.decision_lines(said), render.plain(NOTE, "dim")]


def explain(
    file: Path,
    request: Path,
    *,
    party: str,
    roles: tuple[str, ...],
    purpose: str | None = None,
    folder: Path | None = None,
) -> Explained:
    """Decide a question under a document as the broker's policy would.

    Args:
        file: The agreement, YAML or JSON.
        request: The question, JSON; what it spends and its purpose may be left out.
        party: Who would ask.
        roles: In which roles.
        purpose: For which purpose, in place of the question's own.
        folder: Further artefacts that the agreement pins, beside those that are shipped.

    Raises:
        CommandError: the agreement has not the right shape, or does not fit its artefacts.
        DocumentError: the question has not the right shape, or makes no sense for the dataset.
    """
    checked = check(file)
    agreement, digest = checked.agreement, checked.digest
    if agreement is None or digest is None:
        raise CommandError("agreement_malformed", f"{file} has findings; see `concordat agreement check`", MALFORMED)
    library = Library(artefacts.load() | (artefacts.load(folder) if folder is not None else {}))
    wrong = findings(agreement, library)
    if wrong:
        words = f"{file} does not fit its artefacts: {wrong[0].column}: {wrong[0].detail}"
        raise CommandError(wrong[0].rule, words, MALFORMED)
    asked = _request(request, purpose)
    try:
        decision = decide(agreement, library, party, asked, roles)
    except Malformed as error:
        raise DocumentError(error.code, error.detail) from None
    return Explained(agreement, digest, party, roles, explained(decision, agreement, library, party, asked, roles))


def _request(file: Path, purpose: str | None) -> AggregateRequest:
    value = strict_json.loads(read_input(file))
    if isinstance(value, dict):
        value = {"spend": _ANY_SPEND} | value | ({"purpose": purpose} if purpose is not None else {})
    return parse(value)
