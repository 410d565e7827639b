"""Routes of approvals: what waits for a steward, and the steward's decision."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool

from schemas.approval import Decision, parse
from service.api import bodies, logged
from service.api.broker import Broker, of

router = APIRouter(prefix="/v1/agreements/{agreement}/approvals", tags=["approvals"])
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Decision.model_json_schema(mode="validation")}},
    }
}


@router.get("", summary="Questions that wait")
def approvals(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """What waits for the caller's party to approve or refuse, and the caller's party's own questions."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "approvals", agreement):
        return {"approvals": broker.approvals.listed(caller, agreement)}


@router.get("/{approval}", summary="One question that waits")
def approval(agreement: str, approval: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """The question after policy, its purpose, reason, cost and error, and what stewards said of it."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "approval", agreement):
        return broker.approvals.shown(caller, agreement, approval)


@router.post("/{approval}", summary="Approve or refuse", openapi_extra=_BODY)
async def decide(
    agreement: str, approval: str, request: Request, broker: Annotated[Broker, Depends(of)]
) -> dict[str, Any]:
    """Take the decision of a steward of a party that the grant names: one a party, and final."""
    caller = await run_in_threadpool(broker.caller, request)
    _, value = await bodies.read_json(request, broker.settings.max_request_bytes)

    said = parse(value)

    def work() -> dict[str, Any]:
        with logged.refusals(broker, caller, "approval", agreement):
            return broker.approvals.decide(caller, agreement, approval, said.decision, said.reason)

    return await run_in_threadpool(work)
