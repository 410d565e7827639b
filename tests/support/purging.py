"""Purges or expires what is due under a state folder and kills itself at a step: STATE ISSUER NOW STEP WHAT."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from service.app import build
from service.settings import Settings


def main() -> None:
    state, issuer, now, crash_at, what = sys.argv[1:]

    def fault(step: str) -> None:
        if step == crash_at:
            os.kill(os.getpid(), signal.SIGKILL)

    broker = build(
        Settings(state=Path(state), issuer=issuer),
        clock=lambda: datetime.fromisoformat(now),
        fault=fault,
        recover=False,
    )
    run: dict[str, Callable[[], object]] = {"purges": broker.purges.run, "retention": broker.retention.run}
    run[what]()
    broker.close()


if __name__ == "__main__":
    main()
