"""``concordat dev`` that kills itself with SIGKILL at the step that CRASH_AT names."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from service import app as composition
from service import dev
from service.api import app as web
from service.serving import listen, serve


def main() -> None:
    agreement, state = Path(sys.argv[1]), Path(sys.argv[2])
    crash_at = os.environ.get("CRASH_AT", "")

    def fault(step: str) -> None:
        if step == crash_at:
            os.kill(os.getpid(), signal.SIGKILL)

    listening = listen("127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    made = dev.prepare(agreement, state, base_url, datetime.now(UTC), partial(composition.build, fault=fault))
    serve(
        web.create(made.broker, composition.VERSION),
        listening,
        lambda: dev.write_clients(state, made.clients),
    )


if __name__ == "__main__":
    main()
