"""The web application: routes, errors, headers, and the jobs that run beside them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import anyio
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from prometheus_client import Counter
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import (
    aggregates,
    agreements,
    approvals,
    audit,
    background,
    budget,
    erasures,
    extracts,
    health,
    problems,
    renderings,
    sign_in,
    simulate,
    versions,
)
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
    app.state.health = background.Health()
    problems.install(app)
    for part in (
        aggregates, approvals, budget, audit, extracts, erasures, agreements, versions, simulate, renderings, sign_in,
        health,
    ):  # fmt: skip
        app.include_router(part.router)
    if broker is not None:
        counter = Counter(
            "concordat_requests", "Requests by route and status", ["route", "status"], registry=broker.metrics
        )
        app.add_middleware(_Outermost, requests=counter)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    broker: Broker = app.state.broker
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    await run_in_threadpool(broker.log.checkpoint_now, broker.clock())
    async with anyio.create_task_group() as tasks:
        background.start(tasks, broker, app.state.health)
        yield
        tasks.cancel_scope.cancel()
    broker.close()


class _Outermost:
    """Headers, counts, and a plain answer to every unexpected error, whose words go nowhere."""

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - told by type and place; see problems.unexpected
            response = problems.unexpected(error, getattr(scope.get("route"), "path", "none"))
            if status == 0:
                await response(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._requests.labels(route, str(status)).inc()
