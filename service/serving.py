"""Serving an app over HTTP with uvicorn."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from service.errors import ConcordatError, Conflict

_BACKLOG = 1024
_KEEP_ALIVE_SECONDS = 30
_GRACE_SECONDS = 20


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; with port 0 the system chooses one.

    Raises:
        Conflict: ``port_taken``: somebody listens there already.
        ConcordatError: ``cannot_listen``: the address is none of this machine's, or the system forbids it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            words = f"port {port} of {host} is in use: stop what listens there, or give another --port"
            raise Conflict(words, code="port_taken") from None
        words = f"cannot listen on port {port} of {host}: {error.strerror}; give another --host or --port"
        raise ConcordatError(words, code="cannot_listen") from None
    return made


def serve(app: FastAPI, listening: socket.socket, started: Callable[[], None] = lambda: None) -> None:
    """Serve until interrupted; ``started`` is called once requests are answered."""
    config = uvicorn.Config(
        app,
        access_log=False,
        server_header=False,
        date_header=True,
        log_level="warning",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = _Server(config, started)
    server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that tells when it has started."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started:
            self._tell()
