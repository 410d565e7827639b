"""An agreement as the rules look at it: who discloses what to whom, and on which basis."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.clauses.datasets import DataClass, Dataset
from schemas.clauses.parties import Party
from schemas.clauses.purposes import Purpose, PurposeLegal
from schemas.law.gateways import Gateways
from schemas.law.statements import says

HEALTH_CLASS: DataClass = "patient-information"
SPECIAL: frozenset[DataClass] = frozenset({"special-category", "patient-information"})


def names_class(named: Collection[DataClass], shown: DataClass) -> bool:
    """Whether classes of data name what a column shows: patient information is of a special category too."""
    return not SPECIAL.isdisjoint(named) if shown == "special-category" else shown in named


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One dataset that goes from its supplier to one recipient for one purpose, as some grant has it."""

    dataset: str
    supplier: Party
    recipient: Party
    purpose: str


@dataclass(frozen=True, slots=True)
class Use:
    """A party that supplies or receives a dataset, and the lawful basis that it relies on for it.

    Attributes:
        path: Where the basis stands.
    """

    path: str
    basis: PurposeLegal
    dataset: str
    party: str


@dataclass(frozen=True)
class Case:
    """What the rules are about.

    Attributes:
        agreement: The agreement, which fits its artefacts.
        library: The artefacts that it pins.
        today: The day on which it is checked.
    """

    agreement: Agreement
    library: Library
    today: date

    @cached_property
    def table(self) -> Gateways:
        """The table of gateways."""
        return self.library.gateways()

    @cached_property
    def value(self) -> Any:
        """The agreement as JSON, to look places up in."""
        return self.agreement.model_dump(mode="json", by_alias=True, exclude_none=True)

    @cached_property
    def disclosures(self) -> tuple[Disclosure, ...]:
        """Every disclosure that the grants make, once.

        What a party supplied itself is not disclosed to it, nor anything to a party in the role of a processor. A
        company whose trade is processing, and that receives for itself, is a recipient like any other.
        """
        found: dict[tuple[str, str, str], Disclosure] = {}
        for grant in self.agreement.grants:
            dataset = self.agreement.datasets[grant.dataset]
            supplier = self.party(dataset.supplier)
            for purpose in self.covered(grant.for_, dataset):
                for to in grant.to:
                    recipient = self.party(to)
                    if to != supplier.id and recipient.role != "processor":
                        found[grant.dataset, to, purpose] = Disclosure(grant.dataset, supplier, recipient, purpose)
        return tuple(found[key] for key in sorted(found))

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Every basis that a supplier or a recipient relies on, as the grants have it, once."""
        found: dict[tuple[str, str, str], Use] = {}
        for grant in self.agreement.grants:
            dataset = self.agreement.datasets[grant.dataset]
            for purpose in self.covered(grant.for_, dataset):
                for party in (dataset.supplier, *grant.to):
                    if (purpose, grant.dataset, party) not in found:
                        use = Use(*self.basis(purpose, party), grant.dataset, party)
                        found[purpose, grant.dataset, party] = use
        return tuple(found[key] for key in sorted(found))

    def covered(self, granted: tuple[str, ...], dataset: Dataset) -> tuple[str, ...]:
        """Return the purposes that a grant reaches: those it names and their narrower ones, within the supplier's."""
        return tuple(
            name
            for name in self.agreement.purposes
            if self.agreement.covers(granted, name)
            and (not dataset.purposes or self.agreement.covers(dataset.purposes, name))
        )

    def party(self, party: str) -> Party:
        """Return a party that the agreement is known to name."""
        found = self.agreement.party(party)
        if found is None:
            raise RuntimeError("an agreement that was read names only its parties")
        return found

    def party_path(self, party: str) -> str:
        """Return where a party stands."""
        return f"parties/{[held.id for held in self.agreement.parties].index(party)}"

    def basis(self, purpose: str, party: str) -> tuple[str, PurposeLegal]:
        """Return the lawful basis that a party relies on for a purpose, and where it stands."""
        held = self.agreement.purposes[purpose]
        own = f"purposes/{purpose}/legal_of/{party}" if party in held.legal_of else f"purposes/{purpose}/legal"
        return own, held.basis_of(party)

    def purposes_of(self, purpose: str) -> Iterator[Purpose]:
        """Yield a purpose and the wider ones that it is a part of."""
        for name in self.agreement.wider(purpose):
            yield self.agreement.purposes[name]

    def classes(self, name: str) -> tuple[DataClass, ...]:
        """Return the classes of data in a dataset: those declared or taken for it, and those its columns show."""
        shown = self.shown(name).values()
        classes = self.agreement.datasets[name].data_classes or self._taken(name)
        return tuple(dict.fromkeys((*classes, *(held for held in shown if not names_class(classes, held)))))

    def _taken(self, name: str) -> tuple[DataClass, ...]:
        """Return the classes that are taken for a dataset that declares none.

        Rows without a pseudonym are still about people where a column shows it: an attendance is a patient's.
        """
        dataset = self.agreement.datasets[name]
        kind = self.party(dataset.supplier).kind
        if dataset.privacy_unit == "person":
            return self.table.classes_of_persons[kind]
        taken = self.table.classes_of_records[kind]
        return ("personal",) if self.shown(name) and "personal" not in taken else taken

    def shown(self, name: str) -> dict[str, DataClass]:
        """Return the columns of a dataset, of persons or of records, that show a class of data by their code list."""
        dataset = self.agreement.datasets[name]
        classes = self.table.classes_of_codes
        return {
            column.name: classes[column.codes]
            for column in self.library.bound(dataset).fields
            if column.codes in classes
        }  # fmt: skip

    def holds(self, path: str) -> bool:
        """Whether the document says something at a place, such as ``legal/information_governance/security``."""
        at = self.value
        for step in path.split("/"):
            if not isinstance(at, dict) or step not in at:
                return False
            at = at[step]
        return says(at)
