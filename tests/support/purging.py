"""Purges or expires what is due under a state folder and kills itself at a step: STATE ISSUER NOW STEP WHAT."""

from __future__ import annotations

import os
import signal
import sys
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
    {"purges": broker.purges, "retention": broker.retention}[what].run()
    broker.close()


if __name__ == "__main__":
    main()
