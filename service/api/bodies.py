"""Reading request bodies: bounded, strict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request

from schemas import strict_json
from service.api.broker import Broker
from service.errors import Malformed, TooLarge, Unsupported

_SILENCE_SECONDS = 60


async def lively(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass a body on, giving up on a sender that falls silent.

    Raises:
        Malformed: ``body_stalled``.
    """
    while True:
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                piece = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Malformed("nothing of the body came for a minute; send it again", code="body_stalled") from None
        yield piece


async def read(request: Request, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes, stopping as soon as it is larger.

    Raises:
        TooLarge: it is larger.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in lively(request.stream()):
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def media_type(request: Request) -> str:
    """Return the content type without parameters, in lower case."""
    return request.headers.get("content-type", "").split(";", maxsplit=1)[0].strip().lower()


async def read_json(request: Request, limit: int) -> tuple[bytes, Any]:
    """Read a JSON body strictly; return its bytes and its value.

    Raises:
        Unsupported: it is not declared as JSON.
        DocumentError: it is not strict JSON.
        TooLarge: it is larger than the limit.
    """
    if media_type(request) != "application/json":
        raise Unsupported("send application/json")
    body = await read(request, limit)
    return body, strict_json.loads(body, max_bytes=limit)


def idempotency_key(request: Request, broker: Broker) -> str:
    """Return what the broker keeps of the ``Idempotency-Key`` header: not the key, which may hold anything.

    Raises:
        Malformed: it is missing, or is not 1 to 128 visible ASCII characters.
    """
    key = request.headers.get("idempotency-key", "").strip()
    if key.startswith('"') and key.endswith('"') and len(key) > 1:
        key = key[1:-1]
    if not 1 <= len(key) <= 128 or not all("!" <= char <= "~" for char in key):  # noqa: PLR2004 - as documented
        raise Malformed(
            "send an Idempotency-Key of 1 to 128 visible characters, the same again on a retry",
            code="idempotency_key_required",
        )
    return broker.conceal(key)
