"""The route of erasures."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from schemas.erasure import ErasureRequest, parse
from schemas.errors import DocumentError
from service.api import bodies, logged, problems
from service.api.broker import Broker, of
from service.api.ticks import tick
from service.errors import ConcordatError
from service.identity.caller import Caller
from service.intake.erasing import Removed

router = APIRouter(prefix="/v1/agreements/{agreement}/erasures", tags=["erasures"])
_MOST = 1024 * 1024
"""More than the largest erasure takes."""
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": ErasureRequest.model_json_schema(mode="validation")}},
    }
}


@router.post("", status_code=201, summary="Erase persons by pseudonym", openapi_extra=_BODY)
async def erase(
    agreement: str,
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    idempotency_key: Annotated[str | None, Header(max_length=130, description="required")] = None,
) -> JSONResponse:
    """Take persons out for good: a supplier from its own datasets, a steward from all; a signed receipt, on the tick.

    In force or not, until the records are purged. A steward's receipt is the same whether or not anyone was there.
    """
    del idempotency_key  # described here, read below with its rules
    arrived = time.monotonic()
    caller = await run_in_threadpool(broker.caller, request)
    asked = await _asked(request, broker)

    def remove() -> Removed:
        with logged.refusals(broker, caller, "erase", agreement):
            if isinstance(asked, ConcordatError):
                raise asked
            key = bodies.idempotency_key(request, broker)
            return broker.erasures.remove(broker.erasures.prepare(caller, agreement, key, asked))

    removed = await run_in_threadpool(remove)
    await tick(arrived, broker.settings.answer_time_step)
    return JSONResponse(await run_in_threadpool(_record, broker, caller, agreement, removed), 201)


async def _asked(request: Request, broker: Broker) -> ErasureRequest | ConcordatError:
    """Read the body; what is wrong with it is logged before it is refused."""
    try:
        return parse((await bodies.read_json(request, min(_MOST, broker.settings.max_request_bytes)))[1])
    except DocumentError as error:
        return problems.malformed(error)
    except ConcordatError as error:
        return error


def _record(broker: Broker, caller: Caller, agreement: str, removed: Removed) -> dict[str, object]:
    with logged.refusals(broker, caller, "erase", agreement):
        return broker.erasures.record(removed)
