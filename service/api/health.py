"""Liveness, readiness and operators' metrics."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.api.background import Health
from service.api.broker import Broker, of
from service.errors import Unauthenticated

router = APIRouter(tags=["operation"])


@router.get("/healthz", summary="Liveness")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", summary="Readiness")
def readyz(request: Request, broker: Annotated[Broker, Depends(of)]) -> JSONResponse:
    """The control database answers, the log has a checkpoint, and new ones are signed."""
    broker.ready()
    health: Health = request.app.state.health
    health.check()
    return JSONResponse({"status": "ready"})


@router.get("/metrics", summary="Prometheus metrics, for operators")
def metrics(request: Request, broker: Annotated[Broker, Depends(of)]) -> Response:
    """Counts for operators, who hold the token in the state folder's ``keys/metrics-token``; never for parties."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), broker.metrics_token.encode()):
        raise Unauthenticated("metrics are for operators", code="token_required")
    return Response(generate_latest(broker.metrics), media_type=CONTENT_TYPE_LATEST)
