"""The pinned table of legal gateways, read strictly, and the one way to read a verdict out of it."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from schemas.clauses.datasets import DataClass
from schemas.clauses.parties import Capacity, PartyKind
from schemas.law.bases import Bases
from schemas.model import Strict
from schemas.names import ArtefactName, Slug, Text

EVERY = "*"
KINDS: tuple[PartyKind, ...] = get_args(PartyKind)
CLASSES: tuple[DataClass, ...] = get_args(DataClass)

Side = Literal["from", "to"]


class Group(Strict):
    """Kinds of body that a statute treats alike."""

    kinds: Annotated[tuple[PartyKind, ...], Field(min_length=1)]
    words: Text
    source: Text


class Condition(Strict):
    """What an agreement has to say before a gateway opens; ``at`` are the places where it may say so."""

    words: Text
    at: Annotated[tuple[Text, ...], Field(min_length=1)]


class NeedsCapacity(Strict):
    """On which sides a gateway is for bodies that a statute names, and in which capacities.

    Another capacity that a party states is outside the gateway; a party that states none is judged by its kind.
    """

    of: Annotated[tuple[Side, ...], Field(min_length=1)]
    capacities: Annotated[tuple[Capacity, ...], Field(min_length=1)]
    subsection: Text


class Rule(Strict):
    """One row of a gateway: a verdict for some kinds of source and recipient and some classes of data."""

    sources: Annotated[tuple[Text, ...], Field(alias="from", min_length=1)]
    recipients: Annotated[tuple[Text, ...], Field(alias="to", min_length=1)]
    data: Annotated[tuple[Text, ...], Field(min_length=1)]
    verdict: Literal["allowed", "refused", "needs-condition"]
    conditions: tuple[Slug, ...] = ()
    subsection: Text
    words: Text

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.verdict == "needs-condition") != bool(self.conditions):
            raise ValueError("a rule that needs a condition names it, and no other rule does")
        unknown = set(self.data) - {EVERY, *CLASSES}
        if unknown:
            raise ValueError(f"no class of data is called {min(unknown)}")
        return self


class Gateway(Strict):
    """One power or duty to disclose."""

    title: Text
    statute: Text
    section: Text
    source: Text
    overrides_confidence: bool
    needs_capacity: NeedsCapacity | None = None
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]


class Gateways(Strict):
    """The table: an artefact that every agreement pins."""

    name: ArtefactName = Field(alias="concordat:gateways")
    title: Text
    reading: Text
    data_classes: dict[DataClass, Text]
    classes_of_persons: dict[PartyKind, tuple[DataClass, ...]]
    classes_of_records: dict[PartyKind, tuple[DataClass, ...]]
    classes_of_codes: dict[ArtefactName, DataClass]
    groups: dict[Slug, Group]
    capacities: dict[PartyKind, tuple[Capacity, ...]]
    conditions: dict[Slug, Condition]
    gateways: dict[Slug, Gateway]
    bases: Bases

    @model_validator(mode="after")
    def _closed(self) -> Self:
        """Refuse a table that says nothing of a kind or class, or names what it does not know."""
        for part, said, all_of in (
            ("data_classes", self.data_classes, CLASSES),
            ("classes_of_persons", self.classes_of_persons, KINDS),
            ("classes_of_records", self.classes_of_records, KINDS),
            ("capacities", self.capacities, KINDS),
        ):
            missing = sorted(set(all_of) - set(said))
            if missing:
                raise ValueError(f"{part} says nothing of {missing[0]}")
        if set(self.groups) & set(KINDS):
            raise ValueError("a group bears the name of a kind")
        for name, gateway in self.gateways.items():
            for rule in gateway.rules:
                unknown = {*rule.sources, *rule.recipients} - {EVERY, *KINDS, *self.groups}
                if unknown or not set(rule.conditions) <= set(self.conditions):
                    raise ValueError(f"a rule of {name} names a kind or condition that the table does not know")
        return self

    def weigh(self, gateway: str, source: PartyKind, recipient: PartyKind, data: DataClass) -> Rule | None:
        """Return the gateway's first rule that fits, None where it does not cover the disclosure.

        Args:
            gateway: A gateway of this table.
            source: What kind of body discloses.
            recipient: What kind of body receives.
            data: The class of data.

        Raises:
            KeyError: the table has no such gateway.
        """
        for rule in self.gateways[gateway].rules:
            if (
                self._holds(rule.sources, source)
                and self._holds(rule.recipients, recipient)
                and not {EVERY, data}.isdisjoint(rule.data)
            ):
                return rule
        return None

    def _holds(self, names: tuple[str, ...], kind: PartyKind) -> bool:
        return any(name in (EVERY, kind) or (name in self.groups and kind in self.groups[name].kinds) for name in names)
