"""Simulation: what the policy of a version would say to somebody's question. Charges nothing and reads no data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.model import Strict, read
from schemas.names import Slug
from schemas.request import AggregateRequest
from service.aggregates.intents import UNKNOWN, log_clauses, log_request
from service.agreements.ports import Transaction, VersionRow
from service.agreements.standing import document, known_to, library, seen_by
from service.audit.entry import AgreementRef, Entry, Kind
from service.audit.entry import Caller as EntryCaller
from service.audit.entry import Decision as EntryDecision
from service.errors import NotFound
from service.identity.caller import Caller, Role
from service.policy.decide import decide
from service.policy.decision import Decision
from service.policy.nearest import explained

SimulatedRole = Literal["supplier", "analyst", "ig-lead", "steward"]


class Simulation(Strict):
    """Whose question is tried, in which roles, under which version: the deciding one where none is named."""

    as_: Annotated[Slug, Field(alias="as", description="The party that would ask.")]
    roles: Annotated[tuple[SimulatedRole, ...], Field(min_length=1, max_length=4)] = ("analyst",)
    request: AggregateRequest
    version: Annotated[str | None, Field(pattern=r"^[1-9][0-9]{0,5}$")] = None


def parse(value: Any) -> Simulation:
    """Read a simulation from its JSON value.

    Raises:
        InvalidDocument: with every finding.
    """
    return read(Simulation, value)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of a simulation: the version, the decision as it is shown, and the entry that the log keeps."""

    version: VersionRow
    decision: Decision
    entry: Entry

    def as_json(self, asked: Simulation) -> dict[str, Any]:
        """Return it in the shape of the API."""
        reference = {
            "id": self.version.agreement, "version": str(self.version.version), "digest": self.version.digest
        }  # fmt: skip
        roles = sorted(set(asked.roles))
        return {"agreement": reference, "as": asked.as_, "roles": roles, "decision": self.decision.as_json()}


@dataclass(frozen=True, slots=True)
class Simulating:
    """Decides questions of others under any version that the caller's party may see.

    Attributes:
        broker: The issuer.
        clock: The time, in UTC.
    """

    broker: str
    clock: Callable[[], datetime]

    def simulate(self, tx: Transaction, caller: Caller, agreement_id: str, asked: Simulation) -> Simulated:
        """Decide a question as if a party had asked it: policy alone, whatever stands, was spent, or is in the data.

        Raises:
            Forbidden: ``role_missing``, or an artefact is not the one that the version pins.
            NotFound: there is no such version, or none that names the caller's party.
            Malformed: the question makes no sense for the dataset's schema.
        """
        caller.require(Role.STEWARD)
        row = self._version(tx, caller, agreement_id, asked.version)
        agreement = document(row.document)
        artefacts = library(tx.agreements, agreement)
        arguments = (agreement, artefacts, asked.as_, asked.request, frozenset(asked.roles))
        decision = explained(decide(*arguments), *arguments)
        return Simulated(row, decision, self._entry(caller, row, (agreement, artefacts), asked, decision))

    def _version(self, tx: Transaction, caller: Caller, agreement_id: str, version: str | None) -> VersionRow:
        if version is None:
            found = known_to(tx.agreements, agreement_id, self.broker, caller.party)
        else:
            seen = seen_by(tx.agreements, agreement_id, self.broker, caller.party)
            found = next((row for row in seen if str(row.version) == version), None)
        if found is None:
            raise NotFound("there is no such agreement")
        return found

    def _entry(
        self,
        caller: Caller,
        row: VersionRow,
        under: tuple[Agreement, Library],
        asked: Simulation,
        decision: Decision,
    ) -> Entry:
        """Return a read-like entry that names what was simulated, in words that the version knows."""
        agreement, artefacts = under
        words = artefacts.words
        known = agreement.party(asked.as_) is not None
        purpose = asked.request.purpose
        simulated = {
            "as": asked.as_ if known else UNKNOWN,
            "roles": sorted(set(asked.roles)),
            "purpose": purpose if purpose in agreement.purposes else UNKNOWN,
            "request": log_request(asked.request, agreement, words),
            "outcome": "allowed" if decision.allowed else "refused",
            "code": decision.code,
            "clauses": list(log_clauses(decision.clauses, agreement, words)),
        }
        return Entry(
            kind=Kind.READ,
            time=self.clock(),
            caller=EntryCaller(caller.client, caller.party, caller.role),
            nonce=caller.nonce(),
            agreement=AgreementRef(row.agreement, str(row.version), row.digest),
            request={"what": "simulate", "simulated": simulated},
            decision=EntryDecision("allowed", "allowed"),
        )
