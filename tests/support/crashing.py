"""``concordat dev`` that kills itself with SIGKILL at the step CRASH_AT, and compacts above COMPACT_FILES files."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from service import app as composition
from service import dev
from service.api import app as web
from service.api.broker import Broker
from service.serving import listen, serve
from service.settings import Settings


def main() -> None:
    agreement, state = Path(sys.argv[1]), Path(sys.argv[2])
    crash_at = os.environ.get("CRASH_AT", "")

    def fault(step: str) -> None:
        if step == crash_at:
            os.kill(os.getpid(), signal.SIGKILL)

    listening = listen("127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    most_files = int(os.environ.get("COMPACT_FILES", "64"))

    def build(settings: Settings) -> Broker:
        return composition.build(replace(settings, compact_files=most_files), fault=fault)

    made = dev.prepare(agreement, state, base_url, datetime.now(UTC), build)
    serve(
        web.create(made.broker, composition.VERSION),
        listening,
        lambda: dev.write_clients(state, made.clients),
    )


if __name__ == "__main__":
    main()
