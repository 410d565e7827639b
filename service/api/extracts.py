"""Routes of suppliers: push, list, withdraw."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask

from service.api import bodies, logged
from service.api.broker import Broker, of
from service.intake.media import MEDIA_TYPES
from service.intake.service import Delivery

router = APIRouter(prefix="/v1/agreements/{agreement}/datasets/{dataset}/extracts", tags=["extracts"])
_BODY = {
    "requestBody": {
        "required": True,
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES},
    }
}


@router.post("", status_code=201, summary="Push an extract", openapi_extra=_BODY)
async def push(
    agreement: str,
    dataset: str,
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    first: Annotated[str | None, Query(alias="from", max_length=32, description="first day covered")] = None,
    last: Annotated[str | None, Query(alias="to", max_length=32, description="last day covered")] = None,
    replaces: Annotated[str | None, Query(max_length=80, description="the extract this one corrects")] = None,
    content_digest: Annotated[str | None, Header(max_length=512, description="RFC 9530")] = None,
    concordat_agreement_digest: Annotated[
        str | None,
        Header(
            max_length=80,
            description="digest of the agreement version that the supplier knows; a broker may require it",
        ),
    ] = None,
    idempotency_key: Annotated[str | None, Header(max_length=130, description="required")] = None,
) -> JSONResponse:
    """Take an extract, streamed, all or nothing: a signed receipt for its supplier alone."""
    del idempotency_key  # described here, read below with its rules
    caller = await run_in_threadpool(broker.caller, request)
    delivery = Delivery(
        agreement=agreement,
        dataset=dataset,
        first=first,
        last=last,
        key=bodies.idempotency_key(request, broker),
        content_type=request.headers.get("content-type", ""),
        replaces=replaces,
        content_digest=content_digest,
        content_encoding=request.headers.get("content-encoding"),
        agreement_digest=concordat_agreement_digest,
    )
    receipt = await broker.intake.push(caller, delivery, bodies.lively(request.stream()))
    # After the receipt was sent: the supplier does not wait for it, and its failure is none of the push.
    compaction = BackgroundTask(broker.compaction.after_push, agreement, dataset)
    return JSONResponse(receipt, 201, background=compaction)


@router.get("", summary="My extracts")
def extracts(
    agreement: str,
    dataset: str,
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(max_length=80)] = None,
) -> dict[str, Any]:
    """The caller's party's extracts, the newest first; go on with ``before`` the last id."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "extracts", agreement):
        return {"extracts": broker.intake.listed(caller, agreement, dataset, limit, before)}


@router.get("/{extract}", summary="One of my extracts")
def extract(
    agreement: str, dataset: str, extract: str, request: Request, broker: Annotated[Broker, Depends(of)]
) -> dict[str, Any]:
    """One extract of the caller's party, with its receipt."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "extract", agreement):
        return broker.intake.one(caller, agreement, dataset, extract)


@router.delete("/{extract}", summary="Withdraw")
def withdraw(
    agreement: str, dataset: str, extract: str, request: Request, broker: Annotated[Broker, Depends(of)]
) -> dict[str, Any]:
    """Take an extract of the caller's own out of the dataset: a signed receipt."""
    caller = broker.caller(request)
    with logged.refusals(broker, caller, "withdraw", agreement):
        return broker.intake.withdraw(caller, agreement, dataset, extract)
