"""What a party may know: its agreements, their datasets, and what it may do with each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from schemas.artefacts import Library
from schemas.clauses.datasets import Dataset
from schemas.table_schema import Column
from service.agreements.ports import Transaction, VersionRow
from service.agreements.registry import Registry
from service.agreements.standing import Current, document, known_to, seen_by, visible
from service.errors import NotFound
from service.identity.caller import Caller
from service.policy.allowances import allowed
from service.policy.withdrawal import SUPPLIER_WITHDRAWN, withdrawn


class Coverage(Protocol):
    """Tells the periods that suppliers declared as covered."""

    def covered(self, agreement: str, dataset: str) -> list[tuple[str, str]]:
        """Return the periods covered, merged, as ``(from, to)``."""
        ...


class CatalogueTransaction(Transaction, Protocol):
    """A transaction that also knows coverage."""

    @property
    def answers(self) -> Coverage:
        """Coverage."""
        ...


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The catalogue as each party sees it."""

    registry: Registry

    def agreements(self, tx: Transaction, caller: Caller, now: datetime) -> list[dict[str, Any]]:
        """Return the caller's agreements with their standing, without their documents."""
        made = []
        for row in tx.agreements.agreements():
            versions = self._seen(tx, caller, row.id)
            if versions:
                status = self.registry.status(tx.agreements, row.id, self._chosen(tx, caller, row.id), now)
                made.append({name: value for name, value in status.items() if name not in ("document", "signatures")})
        return made

    def agreement(
        self, tx: Transaction, caller: Caller, agreement_id: str, version: int | None, now: datetime
    ) -> dict[str, Any]:
        """Return one version with its document; the deciding one where ``version`` is None.

        Raises:
            NotFound: there is none, or none that names the caller's party.
        """
        versions = self._seen(tx, caller, agreement_id)
        if not versions or version not in (None, *(row.version for row in versions)):
            raise NotFound("there is no such agreement")
        chosen = self._chosen(tx, caller, agreement_id) if version is None else version
        return self.registry.status(tx.agreements, agreement_id, chosen, now)

    def datasets(
        self, tx: CatalogueTransaction, caller: Caller, agreement_id: str, now: datetime
    ) -> list[dict[str, Any]]:
        """Return the datasets in short and what the caller may do with each."""
        found = visible(tx.agreements, agreement_id, now.date(), self.registry.broker, caller.party)
        return [self._dataset(tx, caller, found, name, whole=False) for name in found.agreement.datasets]

    def dataset(
        self, tx: CatalogueTransaction, caller: Caller, agreement_id: str, name: str, now: datetime
    ) -> dict[str, Any]:
        """Return one dataset with its fields and code lists.

        Raises:
            NotFound: there is none of that name.
        """
        found = visible(tx.agreements, agreement_id, now.date(), self.registry.broker, caller.party)
        if name not in found.agreement.datasets:
            raise NotFound("the agreement has no such dataset")
        return self._dataset(tx, caller, found, name, whole=True)

    def visibility(self, tx: Transaction, caller: Caller) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """Return the agreements of the caller's party, and the datasets it supplies or ever supplied under them."""
        agreements: list[str] = []
        supplied: set[tuple[str, str]] = set()
        for row in tx.agreements.agreements():
            completed = {item.version for item in tx.agreements.completions(row.id)}
            for version in self._seen(tx, caller, row.id):
                if completed and version.version not in completed:
                    continue
                agreements.append(row.id)
                if version.version in completed:
                    datasets = document(version.document).datasets
                    supplied |= {(row.id, name) for name, entry in datasets.items() if entry.supplier == caller.party}
        return tuple(dict.fromkeys(agreements)), tuple(sorted(supplied))

    def _seen(self, tx: Transaction, caller: Caller, agreement_id: str) -> tuple[VersionRow, ...]:
        return seen_by(tx.agreements, agreement_id, self.registry.broker, caller.party)

    def _chosen(self, tx: Transaction, caller: Caller, agreement_id: str) -> int | None:
        """Return the deciding version where the party may know of it, else the newest that it may."""
        version = known_to(tx.agreements, agreement_id, self.registry.broker, caller.party)
        return version.version if version is not None else None

    def _dataset(
        self,
        tx: CatalogueTransaction,
        caller: Caller,
        found: Current,
        name: str,
        *,
        whole: bool,
    ) -> dict[str, Any]:
        agreement, artefacts = found.agreement, found.library
        entry: Dataset = agreement.datasets[name]
        schema = artefacts.bound(entry)
        gone = found.row.withdrawn
        grants = allowed(agreement, caller.party, caller.roles, name)
        if withdrawn(agreement, gone, caller.party, [name]) is not None:
            grants = []
        made: dict[str, Any] = {
            "dataset": name,
            "title": schema.title,
            "description": schema.description,
            "schema": entry.schema_,
            "schema_digest": artefacts.digest(entry.schema_),
            "supplier": entry.supplier,
            "privacy_unit": entry.privacy_unit,
            "every": str(entry.every),
            "bounds": {"per_person": entry.bounds.per_person},
            "covered": [{"from": first, "to": last} for first, last in tx.answers.covered(agreement.id, name)],
            "standing": _standing(found, entry.supplier),
            "you_may": {"push": entry.supplier == caller.party and entry.supplier not in gone, "ask": grants},
        }
        if whole:
            made["period"] = schema.period
            made["fields"] = [_field(column, artefacts) for column in schema.fields]
        return made


def _standing(found: Current, supplier: str) -> str:
    """Return whether a dataset of an agreement in force is supplied, or its supplier withdrew and its records went."""
    if supplier in found.row.purges:
        return "purged"
    return SUPPLIER_WITHDRAWN if supplier in found.row.withdrawn else "in_force"


def _field(column: Column, artefacts: Library) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": column.name,
        "title": column.title,
        "description": column.description,
        "kind": column.kind,
        "required": column.constraints.required,
        "levels": list(column.all_levels),
    }
    if column.codes is not None:
        listed = artefacts.codelist(column.codes)
        made["codes"] = {"list": column.codes, "codes": [item.model_dump() for item in listed.codes]}
    elif column.constraints.pattern is not None and column.kind == "code":
        made["pattern"] = column.constraints.pattern
    if column.kind in ("integer", "decimal"):
        made |= {"minimum": column.constraints.minimum, "maximum": column.constraints.maximum}
    if column.levels:
        made["level_keys"] = {
            level: list(artefacts.hierarchy(hierarchy).keys) for level, hierarchy in column.levels.items()
        }
    return made
