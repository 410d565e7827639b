"""Routes of the log."""

from __future__ import annotations

import csv
import io
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from service.api import logged
from service.api.broker import Broker, of
from service.audit.ports import SearchTerms
from service.identity.caller import Caller

router = APIRouter(prefix="/v1/audit", tags=["audit"])
Index = Annotated[int, Path(ge=0, le=2**53)]
TIME = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?Z?)?$"
_COLUMNS = ("n", "time", "kind", "client", "party", "role", "agreement", "version", "purpose", "reason",
            "dataset", "outcome", "code", "rho_nano", "period", "release")  # fmt: skip


def visible_terms(broker: Broker, caller: Caller, **fields: Any) -> SearchTerms:
    """Return search terms narrowed to what the caller's party may see."""
    with broker.store.read() as tx:
        agreements, datasets = broker.catalogue.visibility(tx, caller)
    return SearchTerms(**fields, visible_to=caller.party, visible_agreements=agreements, visible_datasets=datasets)


@router.get(
    "/entries",
    summary="Search the log",
    responses={200: {"content": {"text/csv": {}, "application/x-ndjson": {}}}},
)
def entries(
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    first: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    party: Annotated[str | None, Query(max_length=64)] = None,
    agreement: Annotated[str | None, Query(max_length=64)] = None,
    dataset: Annotated[str | None, Query(pattern=r"^[a-z0-9-]{1,64}$")] = None,
    purpose: Annotated[str | None, Query(max_length=64)] = None,
    kind: Annotated[str | None, Query(max_length=32)] = None,
    outcome: Annotated[str | None, Query(max_length=64)] = None,
    since: Annotated[str | None, Query(pattern=TIME)] = None,
    until: Annotated[str | None, Query(pattern=TIME)] = None,
) -> Response:
    """Entries that the caller's party may see: its own, and accesses to the datasets it supplies.

    Filters hold together; go on with ``first`` the ``next`` of the page before. ``Accept`` text/csv or
    application/x-ndjson exports the page.
    """
    caller = broker.caller(request)
    terms = visible_terms(
        broker, caller, first=first, limit=limit, party=party, agreement=agreement, dataset=dataset, purpose=purpose,
        kind=kind, outcome=outcome, since=since, until=until,
    )  # fmt: skip
    with logged.read(broker, caller, "log"):
        page = broker.log.search(terms)
    accept = request.headers.get("accept", "")
    if "text/csv" in accept:
        return Response(_csv(page["entries"]), media_type="text/csv; charset=utf-8", headers=_next(page))
    if "ndjson" in accept:
        lines = "".join(json.dumps(item, separators=(",", ":")) + "\n" for item in page["entries"])
        return Response(lines, media_type="application/x-ndjson", headers=_next(page))
    return Response(json.dumps(page, separators=(",", ":")), media_type="application/json")


def _next(page: dict[str, Any]) -> dict[str, str]:
    return {"Concordat-Next": str(page["next"])} if page["next"] is not None else {}


@router.get("/entries/{n}", summary="One entry")
def entry(n: Index, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """One entry that the caller's party may see."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "log entry"):
        return broker.log.entry(n, visible_terms(broker, caller))


@router.get("/entries/{n}/proof", summary="Inclusion proof")
def proof(
    n: Index,
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    size: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> dict[str, Any]:
    """The leaf and its audit path (RFC 6962 section 2.1.1) in the log of ``size`` entries, the newest by default."""
    broker.caller(request)
    return broker.log.inclusion(n, size)


@router.get("/consistency", summary="Consistency proof")
def consistency(
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    old: Annotated[int, Query(alias="from", ge=0, le=2**53)],
    new: Annotated[int, Query(alias="to", ge=0, le=2**53)],
) -> dict[str, Any]:
    """The proof (RFC 6962 section 2.1.2) that the log of ``from`` entries is a prefix of that of ``to``."""
    broker.caller(request)
    return broker.log.consistency(old, new)


@router.get("/checkpoint", summary="Newest checkpoint", response_class=PlainTextResponse)
def checkpoint(broker: Annotated[Broker, Depends(of)]) -> PlainTextResponse:
    """The newest checkpoint as a C2SP signed note; public, as it tells nothing but a size and a hash."""
    return PlainTextResponse(broker.log.checkpoint())


@router.get("/export", summary="The whole log, to verify offline")
def export(request: Request, broker: Annotated[Broker, Depends(of)]) -> StreamingResponse:
    """NDJSON: the checkpoint, then each entry, or its leaf alone where it is not the caller's to read."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "log export"):
        return StreamingResponse(broker.log.export(visible_terms(broker, caller)), media_type="application/x-ndjson")


def _csv(items: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    made = csv.writer(text, lineterminator="\r\n")
    made.writerow(_COLUMNS)
    for item in items:
        entry = item["entry"]
        caller, agreement = entry["caller"], entry["agreement"] or {}
        decision, charge, result = entry["decision"] or {}, entry["charge"] or {}, entry["result"] or {}
        made.writerow(
            _safe(cell)
            for cell in (
                item["n"], entry["time"], entry["kind"], caller["client"], caller["party"], caller["role"],
                agreement.get("id"), agreement.get("version"), entry["purpose"], entry["reason"],
                (entry["request"] or {}).get("dataset"), decision.get("outcome"), decision.get("code"),
                charge.get("rho_nano"), charge.get("period"), result.get("release"),
            )
        )  # fmt: skip
    return text.getvalue()


def _safe(cell: Any) -> Any:
    """Keep a spreadsheet from taking a caller's words for a formula."""
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + cell
    return "" if cell is None else cell
