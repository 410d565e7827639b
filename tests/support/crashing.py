"""``concordat dev`` that stops at a step: it kills itself at ``CRASH_AT``, or waits at ``HOLD_AT`` until let go.

Called with an agreement, a state folder, which several processes may share, and a folder of this process alone, where
it tells its clients once it answers. ``DATABASE`` names a control database other than the embedded one; it compacts
datasets above ``COMPACT_FILES`` files.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from service import app as composition
from service import dev
from service.api import app as web
from service.api.broker import Broker
from service.serving import listen, serve
from service.settings import Settings

REACHED, GO = "reached", "go"
"""Files in the process's own folder: it is at the step; it may go on."""


def main() -> None:
    agreement, state, own = (Path(word) for word in sys.argv[1:4])
    crash_at, hold_at, database = (os.environ.get(name, "") for name in ("CRASH_AT", "HOLD_AT", "DATABASE"))

    def fault(step: str) -> None:
        if step == crash_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if step == hold_at:
            (own / REACHED).touch()
            while not (own / GO).exists():
                time.sleep(0.01)

    most_files = int(os.environ.get("COMPACT_FILES", "64"))

    def build(settings: Settings) -> Broker:
        return composition.build(replace(settings, database_url=database, compact_files=most_files), fault=fault)

    listening = listen("127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    made = dev.prepare(agreement, state, base_url, datetime.now(UTC), build)
    serve(web.create(made.broker, composition.VERSION), listening, lambda: dev.write_clients(own, made.clients))


if __name__ == "__main__":
    main()
