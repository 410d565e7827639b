"""The grants of an agreement by who may ask what for which purpose, so that thousands of clauses decide at once.

An index belongs to one agreement object, is made when it is first asked, and goes when the agreement goes.
"""

from __future__ import annotations

import json
import weakref
from collections import defaultdict
from collections.abc import Collection, Hashable
from typing import Any

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.clauses.grants import Grant
from schemas.clauses.measures import Measures
from service.policy.fit import Fit
from service.policy.slate import Candidate, Slate

NOBODY = Slate(())


class Index:
    """The grants of one agreement by party, purpose and dataset, wider purposes included."""

    def __init__(self, agreement: Agreement) -> None:
        """Sort the grants in once; which purposes are wider is followed when first asked."""
        self._purposes = {name: purpose.parent for name, purpose in agreement.purposes.items()}
        self._named: dict[tuple[str, str, str], list[Candidate]] = defaultdict(list)
        self._slates: dict[tuple[str, str, str], Slate] = {}
        self._parts: dict[tuple[str, str, str, frozenset[str], str | None], Slate] = {}
        self._roles: dict[str, set[str]] = defaultdict(set)
        self._fits: weakref.WeakKeyDictionary[Library, Fit] = weakref.WeakKeyDictionary()
        self._written: dict[Hashable, str] = {}
        for place, grant in enumerate(agreement.grants):
            candidate = Candidate(f"grants/{place}", grant)
            for party in dict.fromkeys(grant.to):
                self._roles[party].update(grant.roles)
                for purpose in dict.fromkeys(grant.for_):
                    self._named[party, purpose, grant.dataset].append(candidate)

    def slate(self, party: str, purpose: str, dataset: str) -> Slate:
        """Return the grants to a party for a purpose, or a wider one, of a dataset.

        Their order is free of the document's own. The least narrowed comes first, so that where two grants cover a
        question the wider scope answers it; among equals, the one that the fewest parties have to approve.
        """
        key = (party, purpose, dataset)
        held = self._slates.get(key)
        if held is None:
            found = tuple(self._look_up(party, purpose, dataset))
            if not found:
                return NOBODY  # and nothing is kept, as names that nothing stands under have no end
            held = self._slates[key] = Slate(found)
        return held

    def part(self, party: str, purpose: str, dataset: str, roles: Collection[str], linked: str | None = None) -> Slate:
        """Return those of a slate's grants that speak to some roles, and name ``linked`` as a dataset to link with."""
        whole = self.slate(party, purpose, dataset)
        named = self._roles[party].intersection(roles) if whole.items else frozenset()
        key = (party, purpose, dataset, frozenset(named), linked)
        held = self._parts.get(key)
        if held is None:
            found = tuple(
                item
                for item in whole.items
                if not named.isdisjoint(item.grant.roles) and (linked is None or linked in item.grant.link)
            )
            if not found:
                return NOBODY
            held = self._parts[key] = whole if len(found) == len(whole.items) else Slate(found)
        return held

    def roles(self, party: str) -> frozenset[str]:
        """Return the roles that any grant to a party names."""
        return frozenset(self._roles.get(party, ()))

    def fit(self, library: Library) -> Fit:
        """Return how the agreement fits some artefacts, made once for each library."""
        held = self._fits.get(library)
        if held is None:
            held = self._fits[library] = Fit()
        return held

    def _look_up(self, party: str, purpose: str, dataset: str) -> list[Candidate]:
        met: dict[str, Candidate] = {}
        seen: set[str] = set()
        at: str | None = purpose
        while at is not None and at not in seen:
            seen.add(at)
            met |= {held.path: held for held in self._named.get((party, at, dataset), ())}
            at = self._purposes.get(at)
        return sorted(met.values(), key=self._rank) if len(met) > 1 else list(met.values())

    def _rank(self, candidate: Candidate) -> tuple[int, int, str]:
        grant = candidate.grant
        said = ", ".join([self._text(getattr(grant, name)) for name in _SAID])
        return len(grant.rows), len(grant.approval), said

    def _text(self, value: Any) -> str:
        """Write a part of a grant sorted: in which order parties or levels stand says nothing.

        The same few lists stand in thousands of grants, so each is written once.
        """
        if isinstance(value, Measures):
            value = value.__dict__
        if isinstance(value, tuple):
            key: Hashable = value
        elif isinstance(value, dict):
            key = (dict, *value.items())  # an empty one is no empty list
        else:
            return str(value)
        held = self._written.get(key)
        if held is None:
            held = self._written[key] = json.dumps(_unordered(value), sort_keys=True)
        return held


def _unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unordered(item) for name, item in value.items()}
    return sorted(value) if isinstance(value, tuple) else value


_SAID = sorted(Grant.model_fields)
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
