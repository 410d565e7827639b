"""The grants of an agreement by who may ask what for which purpose, so that thousands of clauses decide at once.

An index belongs to one agreement object, is made when it is first asked, and goes when the agreement goes.
"""

from __future__ import annotations

import json
import weakref
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas.agreement import Agreement
from schemas.clauses.grants import Grant


@dataclass(frozen=True, slots=True)
class Candidate:
    """A grant and its place in the document, as ``grants/3``."""

    path: str
    grant: Grant


class Index:
    """The grants of one agreement by party, purpose and dataset, wider purposes included."""

    def __init__(self, agreement: Agreement) -> None:
        """Sort the grants in once; which purposes are wider is followed when first asked."""
        self._purposes = {name: purpose.parent for name, purpose in agreement.purposes.items()}
        self._named: dict[tuple[str, str, str], list[Candidate]] = defaultdict(list)
        self._found: dict[tuple[str, str, str], tuple[Candidate, ...]] = {}
        self._shared: dict[tuple[str, str, str], frozenset[str]] = {}
        self._offers: dict[str, frozenset[tuple[str, ...]]] = {}
        self._roles: dict[str, set[str]] = defaultdict(set)
        for place, grant in enumerate(agreement.grants):
            candidate = Candidate(f"grants/{place}", grant)
            for party in dict.fromkeys(grant.to):
                self._roles[party].update(grant.roles)
                for purpose in dict.fromkeys(grant.for_):
                    self._named[party, purpose, grant.dataset].append(candidate)

    def candidates(self, party: str, purpose: str, dataset: str) -> tuple[Candidate, ...]:
        """Return the grants to a party for a purpose, or a wider one, of a dataset.

        Their order is free of the document's own. The least narrowed comes first, so that where two grants cover a
        question the wider scope answers it; among equals, the one that the fewest parties have to approve.
        """
        key = (party, purpose, dataset)
        found = self._found.get(key)
        if found is None:
            found = tuple(self._look_up(party, purpose, dataset))
            if found:
                self._shared[key] = frozenset.intersection(*(frozenset(held.grant.roles) for held in found))
                self._found[key] = found
        return found

    def shared_roles(self, party: str, purpose: str, dataset: str) -> frozenset[str]:
        """Return the roles that all candidates name."""
        return self._shared.get((party, purpose, dataset), frozenset())

    def offers(
        self, candidate: Candidate, read: Callable[[Grant], frozenset[tuple[str, ...]]]
    ) -> frozenset[tuple[str, ...]]:
        """Return what ``read`` finds that a grant offers, found once."""
        held = self._offers.get(candidate.path)
        if held is None:
            held = self._offers[candidate.path] = read(candidate.grant)
        return held

    def roles(self, party: str) -> frozenset[str]:
        """Return the roles that any grant to a party names."""
        return frozenset(self._roles.get(party, ()))

    def _look_up(self, party: str, purpose: str, dataset: str) -> list[Candidate]:
        met: dict[str, Candidate] = {}
        seen: set[str] = set()
        at: str | None = purpose
        while at is not None and at not in seen:
            seen.add(at)
            met |= {held.path: held for held in self._named.get((party, at, dataset), ())}
            at = self._purposes.get(at)
        return sorted(met.values(), key=lambda held: _rank(held.grant)) if len(met) > 1 else list(met.values())


def _rank(grant: Grant) -> tuple[int, int, str]:
    value = grant.model_dump(by_alias=True, mode="json")
    return len(grant.rows), len(grant.approval), json.dumps(_unordered(value), sort_keys=True)


def _unordered(value: Any) -> Any:
    """Return a grant's value with its lists sorted: in which order parties or levels stand says nothing."""
    if isinstance(value, dict):
        return {name: _unordered(item) for name, item in value.items()}
    return sorted(value) if isinstance(value, list) else value


_INDEXES: dict[int, tuple[weakref.ref[Agreement], Index]] = {}


def index(agreement: Agreement) -> Index:
    """Return the index of an agreement, made once for each agreement object."""
    key = id(agreement)
    held = _INDEXES.get(key)
    if held is not None and held[0]() is agreement:
        return held[1]
    made = Index(agreement)
    _INDEXES[key] = (weakref.ref(agreement, lambda _: _INDEXES.pop(key, None)), made)
    return made
