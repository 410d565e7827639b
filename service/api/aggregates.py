"""Routes of questions and answers."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from schemas import strict_json
from schemas.errors import DocumentError
from schemas.request import AggregateRequest, parse
from schemas.reservation import HEADER
from schemas.told import told
from service.aggregates.approvals import Waiting
from service.aggregates.asking import Pending, Ready
from service.api import bodies, logged, problems, tables
from service.api.broker import Broker, of
from service.api.ticks import tick
from service.errors import ConcordatError, Malformed, Unsupported
from service.identity.caller import Caller

router = APIRouter(prefix="/v1/agreements/{agreement}", tags=["aggregates"])
_MAX_QUESTION = 64 * 1024
"""A question, and so its entry in the log, is small."""
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": AggregateRequest.model_json_schema(mode="validation")}},
    }
}
_RESERVATION = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "A reservation of the caller's, which the charge is taken from",
    "schema": {"type": "string", "maxLength": 80},
}
_KEY = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "maxLength": 128},
        },
        _RESERVATION,
    ]
}


async def _body(request: Request, broker: Broker) -> bytes | ConcordatError:
    """Read the body; what is wrong with it is told once it is known who sent it."""
    try:
        if bodies.media_type(request) != "application/json":
            raise Unsupported("send application/json")
        return await bodies.read(request, min(_MAX_QUESTION, broker.settings.max_request_bytes))
    except ConcordatError as error:
        return error


def _parsed(body: bytes | ConcordatError, broker: Broker, caller: Caller, agreement: str) -> AggregateRequest:
    """Read the question; a malformed one is logged before it is refused."""
    try:
        if isinstance(body, ConcordatError):
            raise body
        return parse(strict_json.loads(body, max_bytes=_MAX_QUESTION))
    except (DocumentError, ConcordatError) as error:
        ours = problems.malformed(error) if isinstance(error, DocumentError) else error
        broker.asking.refused(caller, agreement, ours)
        raise ours from None


@router.post(
    "/aggregates/preview",
    summary="What would it cost, and how wrong may it be?",
    openapi_extra=_BODY | {"parameters": [_RESERVATION]},
)
async def preview(agreement: str, request: Request) -> JSONResponse:
    """Free: the decision, the cost, the expected error, what remains after. Reads no data."""
    broker = await of(request)
    body = await _body(request, broker)

    def work() -> JSONResponse:
        caller = broker.caller(request)
        asked = _parsed(body, broker, caller, agreement)
        made = broker.asking.preview(caller, agreement, asked, request.headers.get(HEADER))
        return JSONResponse(made | {"decision": told(made["decision"])})

    return await run_in_threadpool(work)


@router.post(
    "/aggregates",
    summary="Ask",
    openapi_extra=_BODY | _KEY,
    responses={
        200: {"content": {tables.CSV: {}, tables.ARROW: {}}},
        202: {"description": "A grant wants approval first: nothing was charged; ask again with the same key"},
    },
)
async def ask(agreement: str, request: Request) -> Response:
    """Ask a question: a signed release, as JSON, CSV or Arrow by ``Accept``; appears on the tick."""
    broker = await of(request)
    arrived = time.monotonic()
    sent = await _body(request, broker)
    accept = tables.accepted(request.headers.get("accept"))

    def prepare() -> Ready | Pending | Waiting:
        caller = broker.caller(request)
        if accept is None:
            with logged.refusals(broker, caller, "ask", agreement):
                raise Unsupported("accept application/json, text/csv or application/vnd.apache.arrow.stream")
        asked = _parsed(sent, broker, caller, agreement)
        try:
            key = bodies.idempotency_key(request, broker)
        except Malformed as error:
            broker.asking.refused(caller, agreement, error, asked)
            raise
        return broker.asking.prepare(caller, agreement, key, asked, request.headers.get(HEADER))

    made = await run_in_threadpool(prepare)
    if isinstance(made, Waiting):
        return JSONResponse(made.as_json(), 202)
    answered = accept or tables.JSON
    if isinstance(made, Ready):
        return tables.response(made.text, answered)
    computed = await run_in_threadpool(broker.completion.compute, made.intent)
    await tick(arrived, broker.settings.answer_time_step)
    return tables.response(await run_in_threadpool(broker.completion.complete, computed), answered)


@router.get("/releases", summary="Released answers")
def releases(
    agreement: str,
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(max_length=80)] = None,
) -> dict[str, Any]:
    """The caller's party's releases, the newest first; go on with ``before`` the last id."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "releases", agreement):
        return {"releases": broker.reading.releases(caller, agreement, limit, before)}


@router.get("/releases/{release}", summary="One released answer")
def release(agreement: str, release: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> Response:
    """A release as it was stored, signature and all; as JSON, CSV or Arrow by ``Accept``."""
    caller = broker.caller(request)
    accept = tables.accepted(request.headers.get("accept"))
    if accept is None:
        raise Unsupported("accept application/json, text/csv or application/vnd.apache.arrow.stream")
    with logged.refusals(broker, caller, "release", agreement):
        body = broker.reading.release(caller, agreement, release)
    return tables.response(body, accept)
