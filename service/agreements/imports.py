"""Code lists and hierarchies that the operator imports, beside those that ship: geographies change, agreements do not.

A name belongs to one content for good, so that what an agreement pins by name and digest is never two things. An
import changes no agreement: only a new version, signed by all, can pin what was imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.artefacts import IMPORTABLE, Artefact, importable
from schemas.canonical import canonical
from service.agreements.ports import AgreementStore, Transaction
from service.audit.entry import Caller, Decision, Entry, Kind
from service.errors import Conflict


def keep(tx: Transaction, shipped: Mapping[str, Artefact], artefact: Artefact, now: datetime, nonce: str) -> bool:
    """Keep an artefact, and log it as the operator's act; False where this very artefact is kept or ships already.

    Args:
        tx: An open write transaction.
        shipped: The artefacts that ship with the broker.
        artefact: A code list or hierarchy.
        now: The time.
        nonce: Fresh, for the log entry.

    Raises:
        Conflict: ``artefact_name_taken``: the name belongs to another content.
        DocumentError: it is no code list or hierarchy.
    """
    kind = importable(artefact)
    held = {digest for digest, _ in tx.agreements.artefacts_named(artefact.name)}
    if artefact.name in shipped:
        held.add(shipped[artefact.name].digest)
    if held == {artefact.digest}:
        return False
    if held:
        words = f"{artefact.name} names another content here, for good; take a new name, such as one with its year"
        raise Conflict(words, code="artefact_name_taken")
    tx.agreements.add_artefact(artefact.digest, artefact.name, canonical(artefact.value).decode())
    tx.log.append(
        Entry(
            kind=Kind.ARTEFACT_IMPORTED,
            time=now,
            caller=Caller("operator", None, None),
            nonce=nonce,
            decision=Decision("allowed", "allowed"),
            result={"artefact": artefact.name, "kind": kind, "digest": artefact.digest, "size": size(artefact.value)},
        )
    )
    return True


def size(value: Any) -> int:
    """Return how many codes a list has, or how many codes or bands a hierarchy maps."""
    return len(value.get("codes") or value.get("map") or value.get("bands") or ())


def imported(store: AgreementStore, name: str, digest: str | None) -> Artefact | None:
    """Return the artefact kept under a name, that of a digest where there are several; None where there is none."""
    held = store.artefacts_named(name)
    chosen = next((item for item in held if item[0] == digest), held[-1] if held else None)
    return Artefact(name, json.loads(chosen[1]), chosen[0]) if chosen is not None else None


def listed(store: AgreementStore, shipped: Mapping[str, Artefact]) -> list[dict[str, Any]]:
    """Return name, kind, digest and size of every code list and hierarchy that was imported."""
    made = []
    for name in store.artefact_names():
        if name in shipped:
            continue
        for digest, body in store.artefacts_named(name):
            value = json.loads(body)
            kind = next((key.removeprefix("concordat:") for key in IMPORTABLE if key in value), None)
            if kind is not None:
                made.append(
                    {"name": name, "kind": kind, "digest": digest, "size": size(value), "title": value["title"]}
                )
    return made
