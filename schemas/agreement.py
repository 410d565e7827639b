"""The data-sharing agreement, version 1: what the parties sign and the broker executes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import model_validator

from schemas import strict_json, strict_yaml
from schemas.calendar import Duration
from schemas.canonical import digest
from schemas.clauses.datasets import Dataset
from schemas.clauses.governance import Legal, Obligations
from schemas.clauses.grants import Grant
from schemas.clauses.parties import Party
from schemas.clauses.period import Period
from schemas.clauses.privacy import Privacy
from schemas.clauses.purposes import Purpose
from schemas.clauses.said import said
from schemas.errors import DocumentError
from schemas.model import Strict, read
from schemas.names import ArtefactName, Sha256, Slug, Text

SIGNATURE_TYPE = "concordat-agreement-signature+jws"


class Agreement(Strict):
    """One version of an agreement: the whole document that the parties sign."""

    concordat: Annotated[Literal["agreement/v1"], said("The form of this document.", "agreement/v1")]
    id: Annotated[Slug, said("The agreement's name over all its versions.", "avon-somerset-serious-violence")]
    version: Annotated[
        str,
        said("Its number. A version never changes; the next one takes its place.", "2", pattern=r"^[1-9][0-9]{0,5}$"),
    ]
    title: Annotated[Text, said("What people call it.", "Serious violence needs assessment")]
    summary: Annotated[Text | None, said("What it is about, in a paragraph.", "Five agencies supply records.")] = None
    period: Annotated[
        Period,
        said("When it holds.", {"start": "2026-04-01", "end": "2028-03-31", "review_by": "2027-03-31"}),
    ]
    parties: Annotated[
        tuple[Party, ...],
        said(
            "Everyone who signs.",
            [
                {
                    "id": "as-police", "name": "Avon and Somerset Police", "kind": "police", "role": "controller",
                    "key": "BKl0RWHMu3bKVBWe4Dn6YpZNtzNxF-MzXYcJZZjz9Ew",
                },
                {
                    "id": "as-opcc", "name": "Office of the Police and Crime Commissioner",
                    "kind": "local-policing-body", "role": "recipient",
                    "key": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
                },
            ],
            min_length=2,
        ),
    ]  # fmt: skip
    purposes: Annotated[
        dict[Slug, Purpose],
        said(
            "What data may be used for.",
            {"needs-assessment": {"description": "To prepare the strategy.", "legal": {"article_6": "e"}}},
            min_length=1,
        ),
    ]
    pins: Annotated[
        dict[ArtefactName, Sha256],
        said(
            "SHA-256 of each schema, code list, hierarchy and gateway table it uses, so that what they say is signed.",
            {"sex": "sha256:23ad19c32b1408d93e5f4184664bcfac639363b33d06991815f99dec987ebcae"},
        ),
    ]
    datasets: Annotated[
        dict[Slug, Dataset],
        said(
            "What is supplied, by whom.",
            {
                "police-violence": {
                    "schema": "police-violence/v1", "supplier": "as-police", "every": "P1M", "keep": "P3Y",
                    "bounds": {"per_person": 3},
                }
            },
            min_length=1,
        ),
    ]  # fmt: skip
    grants: Annotated[
        tuple[Grant, ...],
        said(
            "Who may ask what. What no grant names is refused.",
            [
                {
                    "to": ["as-opcc"], "for": ["needs-assessment"], "dataset": "police-violence",
                    "group_by": {"occurred": ["month"]}, "measure": {"count": True},
                }
            ],
        ),
    ]  # fmt: skip
    privacy: Annotated[
        Privacy,
        said(
            "The privacy budget and who may spend it.",
            {
                "budget": {
                    "epsilon": "8", "delta_conversion": "5e-8", "delta_selection": "5e-8", "every": "P3M",
                    "from": "2026-04-01",
                },
                "lifetime": {"epsilon": "24"},
                "per_request": {"share": "0.10"},
                "shares": {"as-opcc": "0.6"},
                "usable": {"half_width": "0.30", "value": 10},
            },
        ),
    ]  # fmt: skip
    obligations: Annotated[
        Obligations, said("What the parties owe each other.", {"publish": "needs-approval", "grace": "P30D"})
    ] = Obligations()
    legal: Annotated[
        Legal, said("What the law and the ICO's code want said.", {"transparency": "Each controller's privacy notice."})
    ] = Legal()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        parties = [party.id for party in self.parties]
        if len(set(parties)) != len(parties):
            raise ValueError("a party stands twice")
        if len({party.key for party in self.parties}) != len(parties):
            raise ValueError("two parties share one key")
        for path, name, known, what in self._references():
            if name not in known:
                raise ValueError(f"{path}: {name} is no {what}")
        looped = self._looped()
        if looped is not None:
            raise ValueError(f"purposes/{looped}/parent: a purpose is no part of itself")
        return self

    def _looped(self) -> str | None:
        """Return a purpose that is a part of itself; each is walked over once, however long the chains."""
        sound: set[str] = set()
        for name in self.purposes:
            walked: dict[str, None] = {}
            at: str | None = name
            while at is not None and at not in sound:
                if at in walked:
                    return at
                walked[at] = None
                at = self.purposes[at].parent
            sound |= walked.keys()
        return None

    def _references(self) -> Iterator[tuple[str, str, Any, str]]:
        """Yield each place where one clause names another: its path, the name, what is known, and what that is."""
        parties = {party.id for party in self.parties}
        for name, purpose in self.purposes.items():
            if purpose.parent is not None:
                yield f"purposes/{name}/parent", purpose.parent, self.purposes, "purpose"
            for party in purpose.legal_of:
                yield f"purposes/{name}/legal_of", party, parties, "party"
        for name, dataset in self.datasets.items():
            yield f"datasets/{name}/supplier", dataset.supplier, parties, "party"
            for purpose_name in dataset.purposes:
                yield f"datasets/{name}/purposes", purpose_name, self.purposes, "purpose"
        for index, grant in enumerate(self.grants):
            for part, names, known, what in (
                ("to", grant.to, parties, "party"),
                ("for", grant.for_, self.purposes, "purpose"),
                ("dataset", (grant.dataset,), self.datasets, "dataset"),
                ("link", grant.link, self.datasets, "dataset"),
                ("approval", grant.approval, parties, "party"),
            ):
                for named in names:
                    yield f"grants/{index}/{part}", named, known, what
        for party in self.privacy.shares:  # analysts' quotas are of parties with a share
            yield "privacy/shares", party, parties, "party"

    def party(self, party_id: str) -> Party | None:
        """Return a party by id, None where it is none of them."""
        return next((party for party in self.parties if party.id == party_id), None)

    def wider(self, purpose: str) -> tuple[str, ...]:
        """Return a purpose and the wider ones that it is a part of, the narrowest first.

        The walk ends where a purpose would come again, which no agreement that was read has.
        """
        found: dict[str, None] = {}
        at: str | None = purpose
        while at is not None and at in self.purposes and at not in found:
            found[at] = None
            at = self.purposes[at].parent
        return tuple(found)

    def covers(self, granted: Iterable[str], purpose: str) -> bool:
        """Whether one of the purposes granted is ``purpose`` or a wider one that it is a part of."""
        return not set(granted).isdisjoint(self.wider(purpose))

    @property
    def artefacts(self) -> frozenset[str]:
        """Names of the artefacts that its clauses name themselves; what schemas use comes on top."""
        used: set[str] = set()
        for dataset in self.datasets.values():
            used |= {dataset.schema_, *dataset.codes.values()}
            used.update(name for levels in dataset.levels.values() for name in levels.values())
        return frozenset(used)

    @property
    def budget_every(self) -> Duration:
        """How long a budget period is."""
        return self.privacy.budget.every


def load(text: bytes, media_type: str = "application/yaml") -> Any:
    """Read an agreement's bytes into a JSON value, as YAML or, for ``application/json``, as JSON.

    Raises:
        DocumentError: malformed.
    """
    return strict_json.loads(text) if media_type == "application/json" else strict_yaml.loads(text)


def parse(value: Any) -> Agreement:
    """Read an agreement from its JSON value.

    Raises:
        InvalidDocument: with every finding.
    """
    return read(Agreement, value)


def signature_payload(value: Any, broker: str) -> dict[str, str]:
    """Return what a party signs: the type, the broker, and the agreement by id, version and digest.

    Args:
        value: The agreement's JSON value, as loaded; its canonical form is what the digest covers.
        broker: The issuer of the broker that shall execute it.
    """
    if not isinstance(value, dict):
        raise DocumentError("invalid_document", "an agreement is an object")
    return {
        "type": "concordat/agreement-signature/v1",
        "broker": broker,
        "agreement": str(value.get("id")),
        "version": str(value.get("version")),
        "digest": digest(value),
    }
