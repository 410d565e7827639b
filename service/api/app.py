"""The web application: routes, errors, headers, and the checkpoint that follows the log on the tick."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from prometheus_client import Counter

from service.api import aggregates, agreements, audit, extracts, health, problems, sign_in
from service.api.broker import Broker

_THREADS = 64
_DESCRIPTION = """A broker through which partner agencies answer each other's questions without handing over records.

Every error is an RFC 9457 problem with a stable `code`. Everything the broker signs is a detached JWS (EdDSA) over
the canonical JSON (RFC 8785) of the object without its `signature`."""


def create(broker: Broker | None, version: str) -> FastAPI:
    """Make the application.

    Args:
        broker: The use cases; None where only the description of the API is wanted.
        version: The distribution's version.
    """
    app = FastAPI(
        title="Concordat",
        version=version,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.broker = broker
    problems.install(app)
    for part in (sign_in, agreements, extracts, aggregates, audit, health):
        app.include_router(part.router)
    if broker is not None:
        _count(app, broker)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    broker: Broker = app.state.broker
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    await run_in_threadpool(broker.log.checkpoint_now, broker.clock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_checkpoints, broker)
        yield
        tasks.cancel_scope.cancel()
    broker.close()


async def _checkpoints(broker: Broker) -> None:
    """Sign a checkpoint on every tick on which the log has grown."""
    while True:
        await anyio.sleep(broker.settings.answer_time_step)
        await run_in_threadpool(broker.log.checkpoint_now, broker.clock())


def _count(app: FastAPI, broker: Broker) -> None:
    requests = Counter(
        "concordat_requests", "Requests by route and status", ["route", "status"], registry=broker.metrics
    )

    @app.middleware("http")
    async def _headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        route = getattr(request.scope.get("route"), "path", "none")
        requests.labels(route, str(response.status_code)).inc()
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response
