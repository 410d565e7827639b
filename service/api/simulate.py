"""The route of simulation: what a version's policy would say to a party's question."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool

from schemas import strict_json
from schemas.errors import DocumentError
from service.aggregates.simulating import Simulation, parse
from service.api import bodies, logged, problems
from service.api.broker import Broker, of
from service.errors import Unsupported

router = APIRouter(prefix="/v1/agreements/{agreement}", tags=["agreements"])
_MAX_BODY = 64 * 1024
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Simulation.model_json_schema(mode="validation")}},
    }
}


@router.post("/simulate", summary="What would the policy say?", openapi_extra=_BODY)
async def simulate(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """For stewards: the decision on a party's question under any version they may see. Logged, free, reads no data.

    The policy alone: whether the version is in force and whether the budget suffices, the broker says when asked.
    """
    caller = await run_in_threadpool(broker.caller, request)
    body: bytes | None = None
    if bodies.media_type(request) == "application/json":
        body = await bodies.read(request, min(_MAX_BODY, broker.settings.max_request_bytes))

    def work() -> dict[str, Any]:
        with logged.refusals(broker, caller, "simulate", agreement):
            if body is None:
                raise Unsupported("send application/json")
            asked = _parsed(body)
            with broker.store.read() as tx:
                made = broker.simulating.simulate(tx, caller, agreement, asked)
        broker.appends.append(made.entry)
        return made.as_json(asked)

    return await run_in_threadpool(work)


def _parsed(body: bytes) -> Simulation:
    """Read a simulation; a malformed one is refused as ours, so that the refusal is logged by its code."""
    try:
        return parse(strict_json.loads(body, max_bytes=_MAX_BODY))
    except DocumentError as error:
        raise problems.malformed(error) from None
