"""The story's broker: the one that ``concordat serve`` starts, but for a clock that the story moves on.

Run as ``python -m service.walkthrough.broker STATE PORT DAYS``: serves on loopback, DAYS ahead of time. Run as
``... token STATE PORT DAYS USER PARTY ROLE``: prints a person's token of that time, as ``concordat user token`` does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.api import app as web
from service.app import VERSION, build
from service.identity.caller import Role
from service.serving import listen, serve
from service.settings import Settings

_TOKEN_LIFE = timedelta(hours=1)


def settings(state: str, port: str) -> Settings:
    """Return the settings of the broker at a port of loopback."""
    return Settings(state=Path(state), issuer=f"http://127.0.0.1:{port}")


def clock(days: str) -> Callable[[], datetime]:
    """Return a clock that is some days ahead."""
    ahead = timedelta(days=int(days))
    return lambda: datetime.now(UTC) + ahead


def main(words: Sequence[str]) -> None:
    """Serve, or print a token."""
    if words[0] == "token":
        state, port, days, user, party, role = words[1:]
        broker = build(settings(state, port), clock=clock(days), recover=False)
        with broker.store.write() as tx:
            row = tx.clients.client(user)
            if row is None or row.party != party:
                raise RuntimeError("the story's people have accounts")
            made = broker.sign_in.issue(tx, row, frozenset({Role(role)}), broker.clock(), _TOKEN_LIFE)
        broker.close()
        sys.stdout.write(made)
        return
    state, port, days = words
    broker = build(settings(state, port), clock=clock(days))
    serve(web.create(broker, VERSION), listen("127.0.0.1", int(port)))


if __name__ == "__main__":
    main(sys.argv[1:])
