"""Routes of money: the budget, statements, quotas of analysts, and reservations."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from schemas import quota as quotas_sent
from schemas import reservation as reservations_sent
from service.api import bodies, logged
from service.api.broker import Broker, of

router = APIRouter(prefix="/v1/agreements/{agreement}", tags=["budget"])
ClientId = Annotated[str, Path(max_length=200)]
ReservationId = Annotated[str, Path(max_length=80)]


def _body(model: Any) -> dict[str, Any]:
    schema = model.model_json_schema(mode="validation")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_KEY = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "maxLength": 128},
        }
    ]
}


@router.get("/budget", summary="The privacy budget")
def budget(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """Caps, shares, what is spent, reserved and left, by whom, when it renews, and when it would run out."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "budget", agreement):
        return broker.budgets.budget(caller, agreement)


@router.get("/budget/statements", summary="What was charged in a month")
def statements(
    agreement: str,
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    month: Annotated[str, Query(max_length=7, description="YYYY-MM, in UTC")],
) -> dict[str, Any]:
    """By client, purpose and dataset: a client's own, a steward's party's clients, an IG lead's by party."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "statement", agreement):
        return broker.budgets.statement(caller, agreement, month)


@router.get("/quotas", summary="What each client may spend")
def quotas(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """The quotas of the caller's party's clients; to others than its stewards only the caller's own."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "quotas", agreement):
        return {"quotas": broker.quotas.listed(caller, agreement)}


@router.get("/quotas/{client}", summary="What one client may spend")
def quota(agreement: str, client: ClientId, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """One client's quota: what the agreement lets it spend, and what a steward has set."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "quota", agreement):
        return broker.quotas.shown(caller, agreement, client)


@router.put("/quotas/{client}", summary="Set what one client may spend", openapi_extra=_body(quotas_sent.Quota))
async def set_quota(
    agreement: str, client: ClientId, request: Request, broker: Annotated[Broker, Depends(of)]
) -> dict[str, Any]:
    """Set the part of its party's share that a client may spend in a period; within what the agreement lets it."""
    caller = await run_in_threadpool(broker.caller, request)
    _, value = await bodies.read_json(request, broker.settings.max_request_bytes)
    said = quotas_sent.parse(value)

    def work() -> dict[str, Any]:
        with logged.refusals(broker, caller, "quota", agreement):
            return broker.quotas.set(caller, agreement, client, said.share)

    return await run_in_threadpool(work)


@router.get("/reservations", summary="Amounts set aside")
def reservations(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """The caller's open reservations; to a steward those of all its party's clients."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "reservations", agreement):
        return {"reservations": broker.reservations.listed(caller, agreement)}


@router.post(
    "/reservations",
    status_code=201,
    summary="Set an amount aside",
    openapi_extra=_body(reservations_sent.Reserve) | _KEY,
)
async def reserve(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> JSONResponse:
    """Set an amount aside for questions for one purpose of some datasets; they name it in a header."""
    caller = await run_in_threadpool(broker.caller, request)
    _, value = await bodies.read_json(request, broker.settings.max_request_bytes)
    asked = reservations_sent.parse(value)

    def work() -> dict[str, Any]:
        with logged.refusals(broker, caller, "reserve", agreement):
            key = bodies.idempotency_key(request, broker)
            return broker.reservations.reserve(caller, agreement, key, asked)

    return JSONResponse(await run_in_threadpool(work), 201)


@router.get("/reservations/{reservation}", summary="One reservation")
def reservation(
    agreement: str, reservation: ReservationId, request: Request, broker: Annotated[Broker, Depends(of)]
) -> dict[str, Any]:
    """What it was for, what is left of it, and until when."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "reservation", agreement):
        return broker.reservations.shown(caller, agreement, reservation)


@router.delete("/reservations/{reservation}", summary="Give a reservation up")
def give_up(
    agreement: str, reservation: ReservationId, request: Request, broker: Annotated[Broker, Depends(of)]
) -> dict[str, Any]:
    """Give back what is left of a reservation."""
    caller = broker.caller(request)
    with logged.refusals(broker, caller, "reservation", agreement):
        return broker.reservations.give_up(caller, agreement, reservation)
