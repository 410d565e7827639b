"""What is decided on: a question, who asks it, in which roles, under which agreement."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.request import AggregateRequest
from schemas.table_schema import TableSchema
from service.policy.decision import Reason
from service.policy.index import index
from service.policy.slate import Candidate, Slate

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

    def granted(self, dataset: str) -> Slate:
        """Return the grants to the party for the purpose, whatever the caller's roles."""
        return index(self.agreement).slate(self.party, self.request.purpose, dataset)

    def candidates(self, dataset: str) -> Slate:
        """Return the grants that can cover a question of a dataset: to this party and role, for this purpose."""
        return index(self.agreement).part(self.party, self.request.purpose, dataset, self.roles)

    def linkable(self, dataset: str) -> Slate:
        """Return the grants of another dataset that let it be linked with the one asked of."""
        own = self.request.dataset
        return index(self.agreement).part(self.party, self.request.purpose, dataset, self.roles, own)

    def limited(self, dataset: str) -> bool:
        """Whether the dataset is supplied for other purposes than this one, whatever a grant says."""
        limit = self.agreement.datasets[dataset].purposes
        return bool(limit) and not self.agreement.covers(limit, self.request.purpose)

    def schema(self, dataset: str) -> TableSchema:
        """Return a dataset's schema with what the agreement binds to it.

        Raises:
            DocumentError: the agreement's artefacts are not at hand.
        """
        return index(self.agreement).fit(self.library).schema(self.agreement, self.library, dataset)

    def misfits(self, candidate: Candidate) -> tuple[Reason, ...]:
        """Return what of a grant its dataset's schema does not know.

        Raises:
            DocumentError: the agreement's artefacts are not at hand.
        """
        schema = self.schema(candidate.grant.dataset)
        return index(self.agreement).fit(self.library).misfits(self.agreement, candidate, schema)

    def whole(self, slate: Slate) -> bool:
        """Whether every grant of a slate fits, and all artefacts that the question may touch can be read."""
        known = self.agreement.datasets
        datasets = [slate.items[0].grant.dataset, *(link.dataset for link in self.request.linked)]
        fit = index(self.agreement).fit(self.library)
        return fit.whole(self.agreement, self.library, slate, [name for name in datasets if name in known])


def may_ask(agreement: Agreement, party: str, roles: Collection[str]) -> bool:
    """Whether people in these roles could ask anything: analysts always, others where a grant to the party says so."""
    return any(role in ANALYST or role in index(agreement).roles(party) for role in roles)
