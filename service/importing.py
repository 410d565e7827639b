"""Code lists and hierarchies out of published lookups: read, made, and kept by the operator in the control database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.tables import table
from schemas import lookups
from schemas.artefacts import Artefact, artefact
from schemas.errors import DocumentError
from service.agreements.imports import keep, listed
from service.identity.caller import Caller
from service.operating import open_broker
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Lookup:
    """A published lookup, and what its artefact shall be called.

    Attributes:
        file: CSV with a header, gzipped or not.
        name: The artefact's name, with its vintage.
        title: What people call it.
        source: Who published it, when, under which licence.
        kept: Column by column, the values of the rows that count; all rows where it is empty.
    """

    file: Path
    name: str
    title: str
    source: str
    kept: Mapping[str, Sequence[str]]


def codelist(lookup: Lookup, code: str, label: str | None) -> Artefact:
    """Make a code list of one column.

    Raises:
        DocumentError: the file cannot be read, lacks a column, or holds what no code list can.
    """
    with table(lookup.file) as (header, rows):
        made = lookups.codelist_from_lookup(
            _rows(header, rows),
            _column(header, code),
            _column(header, label or code),
            lookup.name,
            lookup.title,
            lookup.source,
            keep=_kept(header, lookup),
        )
    return artefact(made)


def hierarchy(lookup: Lookup, from_: str, to: str, label: str | None) -> Artefact:
    """Make a hierarchy that turns the codes of one column into those of another.

    Raises:
        DocumentError: as `codelist`; or a code belongs to two coarser ones.
    """
    with table(lookup.file) as (header, rows):
        made = lookups.hierarchy_from_lookup(
            _rows(header, rows),
            _column(header, from_),
            _column(header, to),
            _column(header, label or to),
            lookup.name,
            lookup.title,
            lookup.source,
            keep=_kept(header, lookup),
        )
    return artefact(made)


def import_artefact(settings: Settings, made: Artefact) -> bool:
    """Keep an artefact, so that agreements may pin it; False where it is kept already.

    Raises:
        Conflict: ``artefact_name_taken``.
    """
    broker = open_broker(settings)
    try:
        with broker.store.write() as tx:
            return keep(tx, broker.registry.artefacts, made, broker.clock(), Caller.nonce())
    finally:
        broker.close()


def imported(settings: Settings) -> list[dict[str, Any]]:
    """Return name, kind, digest, size and title of what was imported."""
    broker = open_broker(settings)
    try:
        with broker.store.read() as tx:
            return listed(tx.agreements, broker.registry.artefacts)
    finally:
        broker.close()


def parse_kept(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read ``COLUMN=VALUE,VALUE`` from the command line.

    Raises:
        DocumentError: ``bad_keep``.
    """
    made = {}
    for text in given:
        column, sign, values = text.partition("=")
        if not sign or not column or not values:
            raise DocumentError("bad_keep", "write COLUMN=VALUE,VALUE: the rows that count")
        made[column] = tuple(values.split(","))
    return made


def _rows(header: Sequence[str], rows: Iterator[tuple[int, list[str]]]) -> Iterator[dict[str, str | None]]:
    for _, row in rows:
        yield dict(zip(header, row, strict=True))


def _kept(header: Sequence[str], lookup: Lookup) -> dict[str, Sequence[str]]:
    return {_column(header, name): values for name, values in lookup.kept.items()}


def _column(header: Sequence[str], name: str) -> str:
    """Return a column as the file writes it: publishers disagree on capitals."""
    alike = [column for column in header if column.lower() == name.lower()]
    return alike[0] if name not in header and len(alike) == 1 else name
