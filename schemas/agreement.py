"""The data-sharing agreement, version 1: what the parties sign and the broker executes."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from schemas import strict_json, strict_yaml
from schemas.calendar import Duration
from schemas.canonical import digest
from schemas.errors import DocumentError
from schemas.model import Strict, read
from schemas.names import (
    ArtefactName,
    Code,
    ExactDecimal,
    FieldName,
    IsoDate,
    IsoDuration,
    Level,
    Sha256,
    Slug,
    Text,
    Thumbprint,
)

SIGNATURE_TYPE = "concordat-agreement-signature+jws"

PartyKind = Literal[
    "police", "health", "ambulance", "local-authority", "education", "youth-justice", "probation", "fire",
    "local-policing-body", "processor", "other",
]  # fmt: skip


class Period(Strict):
    """When the agreement holds: ``start`` and ``end`` inclusive, and the last day before a review is due."""

    start: IsoDate
    end: IsoDate
    review_by: IsoDate

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.start <= self.review_by <= self.end:
            raise ValueError("start, review_by and end stand in that order")
        return self


class Party(Strict):
    """A party. ``key`` is the RFC 7638 thumbprint of the signing key pinned when the party was enrolled."""

    id: Slug
    name: Text
    kind: PartyKind
    role: Literal["controller", "joint-controller", "processor", "recipient"]
    key: Thumbprint


class PurposeLegal(Strict):
    """The lawful basis of a purpose: UK GDPR articles, DPA 2018 Schedule 1 paragraph, gateways."""

    article_6: Literal["a", "b", "c", "d", "e", "f"]
    article_9: Literal["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] | None = None
    article_10: Text | None = None
    schedule_1: Text | None = None
    part_3: bool = False
    gateway: tuple[Text, ...] = ()


class Purpose(Strict):
    """What data may be used for."""

    description: Text
    dpv: Text | None = None
    necessity: Text | None = None
    benefit: Text | None = None
    legal: PurposeLegal


class Bounds(Strict):
    """K: the most that one person may add, in records."""

    per_person: Annotated[int, Field(ge=1, le=1000)]


class Dataset(Strict):
    """What one supplier supplies. ``every`` is the cadence of its pushes; ``keep`` runs from receipt."""

    schema_: ArtefactName = Field(alias="schema")
    supplier: Slug
    every: IsoDuration
    keep: IsoDuration
    bounds: Bounds
    privacy_unit: Literal["person", "record"] = "person"
    gateway: tuple[Text, ...] = ()


class Measures(Strict):
    """What may be measured: counts of records and of persons, sums and means of the fields named."""

    count: bool = False
    persons: bool = False
    sum: tuple[FieldName, ...] = ()
    mean: tuple[FieldName, ...] = ()


class Grant(Strict):
    """What some recipients may do with one dataset for some purposes. Grants are never united.

    ``group_by`` and ``filter_by`` map a field to the levels allowed; ``rows`` is a forced scope: only rows with
    these codes are ever counted; ``link`` names the datasets that a question on this one may be linked with,
    each of which needs a grant of its own that names this one.
    """

    to: tuple[Slug, ...] = Field(min_length=1)
    for_: tuple[Slug, ...] = Field(alias="for", min_length=1)
    dataset: Slug
    group_by: dict[FieldName, tuple[Level, ...]] = Field(default_factory=dict)
    filter_by: dict[FieldName, tuple[Level, ...]] = Field(default_factory=dict)
    measure: Measures = Measures()
    rows: dict[FieldName, Annotated[tuple[Code, ...], Field(min_length=1)]] = Field(default_factory=dict)
    link: tuple[Slug, ...] = ()


class Budget(Strict):
    """The privacy budget of a period: epsilon at delta_conversion, and delta for key selection."""

    epsilon: ExactDecimal
    delta_conversion: ExactDecimal
    delta_selection: ExactDecimal
    every: IsoDuration
    from_: IsoDate = Field(alias="from")

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if not Decimal(0) < self.epsilon <= Decimal(50):
            raise ValueError("epsilon lies above 0 and at most 50")
        if not Decimal("1e-15") <= self.delta_conversion <= Decimal("1e-3"):
            raise ValueError("delta_conversion lies between 1e-15 and 1e-3")
        if not Decimal(0) <= self.delta_selection <= Decimal("1e-3"):
            raise ValueError("delta_selection lies between 0 and 1e-3")
        return self


class Lifetime(Strict):
    """The cap over all periods, at the same delta_conversion."""

    epsilon: ExactDecimal

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if not Decimal(0) < self.epsilon <= Decimal(200):
            raise ValueError("the lifetime's epsilon lies above 0 and at most 200")
        return self


class PerRequest(Strict):
    """The most that one request may spend, as a part of the caller's share."""

    share: ExactDecimal

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if not Decimal(0) < self.share <= Decimal(1):
            raise ValueError("a share lies above 0 and at most 1")
        return self


class Usable(Strict):
    """When a value is flagged usable: 95% half-width at most this part of it, and at least this value."""

    half_width: ExactDecimal
    value: Annotated[int, Field(ge=0)]


class Privacy(Strict):
    """Budgets and shares. ``shares`` gives each recipient its part of the period's cap."""

    budget: Budget
    lifetime: Lifetime
    per_request: PerRequest
    shares: dict[Slug, ExactDecimal] = Field(min_length=1)
    usable: Usable

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if any(share <= 0 for share in self.shares.values()) or sum(self.shares.values()) > 1:
            raise ValueError("shares lie above 0 and sum to at most 1")
        return self


class Obligations(Strict):
    """What the parties owe each other beside the data."""

    review_log_every: IsoDuration | None = None
    publish: Literal["allowed", "needs-approval", "forbidden"] = "needs-approval"
    breach_notice: Text | None = None
    grace: IsoDuration | None = None


class Agreement(Strict):
    """One version of an agreement: the whole document that the parties sign."""

    concordat: Literal["agreement/v1"]
    id: Slug
    version: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}$")]
    title: Text
    summary: Text | None = None
    period: Period
    parties: tuple[Party, ...] = Field(min_length=2)
    purposes: dict[Slug, Purpose] = Field(min_length=1)
    pins: dict[ArtefactName, Sha256]
    datasets: dict[Slug, Dataset] = Field(min_length=1)
    grants: tuple[Grant, ...]
    privacy: Privacy
    obligations: Obligations = Obligations()
    legal: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        parties = [party.id for party in self.parties]
        if len(set(parties)) != len(parties):
            raise ValueError("a party stands twice")
        if len({party.key for party in self.parties}) != len(parties):
            raise ValueError("two parties share one key")
        for name, dataset in self.datasets.items():
            if dataset.supplier not in parties:
                raise ValueError(f"datasets/{name}/supplier is no party")
        for index, grant in enumerate(self.grants):
            self._check_grant(f"grants/{index}", grant)
        for party in self.privacy.shares:
            if party not in parties:
                raise ValueError(f"privacy/shares/{party} is no party")
        return self

    def _check_grant(self, path: str, grant: Grant) -> None:
        parties = {party.id for party in self.parties}
        for party in grant.to:
            if party not in parties:
                raise ValueError(f"{path}/to: {party} is no party")
        for purpose in grant.for_:
            if purpose not in self.purposes:
                raise ValueError(f"{path}/for: {purpose} is no purpose")
        for dataset in (grant.dataset, *grant.link):
            if dataset not in self.datasets:
                raise ValueError(f"{path}: {dataset} is no dataset")

    def party(self, party_id: str) -> Party | None:
        """Return a party by id, None where it is none of them."""
        return next((party for party in self.parties if party.id == party_id), None)

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
