"""Which datasets an erasure reaches: by the versions that were ever signed by all, the caller's party and its roles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.erasure import Reach
from service.agreements.ports import EVERYBODY, AgreementStore, VersionRow
from service.agreements.standing import document, library
from service.audit.entry import AgreementRef
from service.errors import Conflict, Forbidden, NotFound
from service.identity.caller import Caller, Role
from service.policy.withdrawal import PARTY_WITHDRAWN

_ROLES: dict[Reach | None, tuple[Role, ...]] = {
    None: (Role.SUPPLIER, Role.STEWARD),
    Reach.OWN: (Role.SUPPLIER,),
    Reach.AGREEMENT: (Role.STEWARD,),
}
"""The roles that each reach needs."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What an erasure of a caller's reaches.

    Attributes:
        reach: Whose datasets.
        agreement: The newest version that tells so.
        datasets: Those with pseudonyms, sorted.
        records: Those without, which are not reached; of a supplier's own alone, sorted.
        purged: Those that a version left out and whose purge was begun, which are not reached either; sorted.
    """

    reach: Reach
    agreement: AgreementRef
    datasets: tuple[str, ...]
    records: tuple[str, ...]
    purged: tuple[str, ...] = ()


def reached(store: AgreementStore, agreement: str, caller: Caller, wanted: Reach | None) -> Reached:
    """Return what a caller's erasure reaches, whether or not the agreement is in force.

    A supplier reaches what its party supplies or ever supplied; a steward of a party of the newest signed version
    reaches everything. Who is both, and does not say which, has the narrower reach.

    Raises:
        Forbidden: ``role_missing``, ``not_a_supplier``, ``not_a_party`` or ``party_withdrawn``.
        NotFound: there is no such agreement for the caller's party.
    """
    caller.require(*_ROLES[wanted])
    versions = _signed(store, agreement)
    if not any(document(row.document).party(caller.party) for row in versions):
        raise NotFound("there is no such agreement")
    newest = _newest(versions)
    own = {name: row for name, row in newest.items() if _supplier(row, name) == caller.party}
    if wanted is not Reach.AGREEMENT and Role.SUPPLIER in caller.roles and own:
        last = max(own.values(), key=lambda row: row.version)
        return _reached(store, Reach.OWN, last, own)
    if wanted is Reach.OWN or Role.STEWARD not in caller.roles:
        raise Forbidden("your party supplies nothing under this agreement", code="not_a_supplier")
    if document(versions[-1].document).party(caller.party) is None:
        raise Forbidden("your party is none of the newest version's", code="not_a_party")
    held = store.agreement(agreement)
    if held is not None and caller.party in held.withdrawn:
        raise Forbidden("your party has withdrawn from the agreement", code=PARTY_WITHDRAWN)
    return _reached(store, Reach.AGREEMENT, versions[-1], newest)


def check_held(store: AgreementStore, found: Reached, caller: Caller) -> None:
    """Check that there is anything to erase from, by the agreement and what became of it alone.

    Raises:
        Conflict: ``records_purged``, or ``no_person_dataset``.
    """
    row = store.agreement(found.agreement.id)
    purges = row.purges if row is not None else ()
    own = found.reach is Reach.OWN and caller.party in purges
    if EVERYBODY in purges or own or (found.purged and not found.datasets):
        raise Conflict("the records were purged, or are just being: nobody is in them any more", code="records_purged")
    if not found.datasets:
        raise Conflict(
            "none of the datasets holds pseudonyms, so nobody can be erased by one: withdraw extracts instead",
            code="no_person_dataset",
        )


def _signed(store: AgreementStore, agreement: str) -> list[VersionRow]:
    completed = {row.version for row in store.completions(agreement)}
    return [row for row in store.versions(agreement) if row.version in completed]


def _newest(versions: Iterable[VersionRow]) -> dict[str, VersionRow]:
    """Return by dataset the newest version that names it."""
    return {name: row for row in versions for name in document(row.document).datasets}


def _supplier(row: VersionRow, dataset: str) -> str:
    return document(row.document).datasets[dataset].supplier


def _reached(store: AgreementStore, reach: Reach, last: VersionRow, datasets: dict[str, VersionRow]) -> Reached:
    gone = store.purged_datasets(last.agreement)
    persons: list[str] = []
    records: list[str] = []
    purged: list[str] = []
    for name, row in sorted(datasets.items()):
        agreement = document(row.document)
        schema = library(store, agreement).schema(agreement.datasets[name].schema_)
        (purged if name in gone else records if schema.pseudonym is None else persons).append(name)
    told = records if reach is Reach.OWN else []
    reference = AgreementRef(last.agreement, str(last.version), last.digest)
    return Reached(reach, reference, tuple(persons), tuple(told), tuple(purged))
