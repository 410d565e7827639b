"""Routes about versions before they are signed: what changed, and which past decisions would flip."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from schemas.diff.compare import compare, counts
from schemas.diff.pins import kinds
from service.aggregates.replay import KINDS, Replay
from service.agreements.ports import VersionRow
from service.agreements.standing import document, library, seen_by, state
from service.api import logged
from service.api.agreements import VersionNumber
from service.api.audit import TIME, visible_terms
from service.api.broker import Broker, Transaction, of
from service.errors import NotFound
from service.identity.caller import Caller, Role

router = APIRouter(prefix="/v1/agreements/{agreement}/versions/{version}", tags=["agreements"])
_BATCH = 200
"""Entries read in one transaction, so that a long replay keeps no state of the log open."""


@router.get("/diff", summary="What changed")
def diff(
    agreement: str,
    version: VersionNumber,
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    base: Annotated[int | None, Query(alias="from", ge=1, le=999_999)] = None,
) -> dict[str, Any]:
    """What changed to this version from another, clause by clause, in words; from the one in force unless said.

    Each change `widens` (more may be asked, spent or kept), `narrows`, or is `neutral`. For parties of both versions.
    """
    caller = broker.caller(request)
    with logged.read(broker, caller, "diff", agreement), broker.store.read() as tx:
        old = _version(broker, tx, caller, agreement, base)
        new = _version(broker, tx, caller, agreement, version)
        before, after = document(old.document), document(new.document)
        known = broker.registry.known(tx.agreements, before) | broker.registry.known(tx.agreements, after)
        changes = compare(before, after, kinds(known))
    return {
        "agreement": agreement,
        "from": {"version": str(old.version), "digest": old.digest},
        "to": {"version": str(new.version), "digest": new.digest},
        "effects": counts(changes),
        "changes": [change.as_json() for change in changes],
    }


@router.post("/replay", summary="Which past decisions would flip?")
def replay(
    agreement: str,
    version: VersionNumber,
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    first: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    since: Annotated[str | None, Query(pattern=TIME)] = None,
    until: Annotated[str | None, Query(pattern=TIME)] = None,
) -> dict[str, Any]:
    """Decide the log's past questions under this version: which would be allowed or refused that were not.

    Over the entries that the caller's party may read, at most `limit` at once; go on with `first` the `next` of the
    answer before, and add the answers up. It charges nothing and reads no data.
    """
    caller = broker.caller(request)
    with logged.read(broker, caller, "replay", agreement):
        caller.require(Role.STEWARD, Role.IG_LEAD)
        with broker.store.read() as tx:
            row = _version(broker, tx, caller, agreement, version)
            proposed = document(row.document)
            artefacts = library(tx.agreements, proposed)
        terms = visible_terms(
            broker, caller, agreement=agreement, kinds=tuple(map(str, KINDS)), first=first, since=since, until=until
        )
        made = Replay()
        following, left, size = first, limit, 0
        while left:
            page = broker.log.search(replace(terms, first=following, limit=min(left, _BATCH)))
            for item in page["entries"]:
                made.add(item["n"], item["entry"], proposed, artefacts)
            left -= len(page["entries"])
            following, size = page["next"], page["size"]
            if following is None:
                break
    return {
        "agreement": {"id": agreement, "version": str(row.version), "digest": row.digest},
        **made.as_json(),
        "next": following,
        "size": size,
    }


def _version(broker: Broker, tx: Transaction, caller: Caller, agreement: str, version: int | None) -> VersionRow:
    """Return a version that the caller's party may know of; the deciding one where none is named.

    Raises:
        NotFound: there is none, or none that names the caller's party.
    """
    seen = seen_by(tx.agreements, agreement, broker.registry.broker, caller.party)
    held = state(tx.agreements, agreement, broker.registry.broker)
    if not seen or held is None:
        raise NotFound("there is no such agreement")
    if version is None and held.decides is not None:
        version = held.decides.version
    found = next((row for row in seen if row.version == version), None)
    if found is None:
        raise NotFound("there is no such version that your party is a party of; name another one to compare with")
    return found
