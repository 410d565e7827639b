"""What is decided on: a question, who asks it, in which roles, under which agreement."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.request import AggregateRequest
from service.policy.index import Candidate, index

ANALYST = frozenset({"analyst"})
"""The role of a caller of whom no other is said."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a party's people in their roles, with all that decides on it."""

    agreement: Agreement
    library: Library
    party: str
    request: AggregateRequest
    roles: Collection[str] = ANALYST

    def granted(self, dataset: str) -> tuple[Candidate, ...]:
        """Return the grants to the party for the purpose, whatever the caller's roles."""
        return index(self.agreement).candidates(self.party, self.request.purpose, dataset)

    def candidates(self, dataset: str) -> tuple[Candidate, ...]:
        """Return the grants that can cover a question of a dataset: to this party and role, for this purpose."""
        found = self.granted(dataset)
        shared = index(self.agreement).shared_roles(self.party, self.request.purpose, dataset)
        if any(role in shared for role in self.roles):
            return found
        return tuple(item for item in found if self._may(item))

    def linkable(self, dataset: str) -> Iterator[Candidate]:
        """Yield the grants of another dataset that let it be linked with the one asked of."""
        return (item for item in self.candidates(dataset) if self.request.dataset in item.grant.link)

    def limited(self, dataset: str) -> bool:
        """Whether the dataset is supplied for other purposes than this one, whatever a grant says."""
        limit = self.agreement.datasets[dataset].purposes
        return bool(limit) and not self.agreement.covers(limit, self.request.purpose)

    def _may(self, candidate: Candidate) -> bool:
        return any(role in candidate.grant.roles for role in self.roles)


def may_ask(agreement: Agreement, party: str, roles: Collection[str]) -> bool:
    """Whether people in these roles could ask anything: analysts always, others where a grant to the party says so."""
    return any(role in ANALYST or role in index(agreement).roles(party) for role in roles)
