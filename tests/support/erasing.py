"""Erases a person and kills itself with SIGKILL at a step: STATE ISSUER DATABASE PARTY PERSON STEP.

The person is erased agreement-wide where the party's name is followed by ``/steward``.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from schemas.erasure import ErasureRequest
from service.app import build
from service.identity.caller import Caller, Role
from service.settings import Settings


def main() -> None:
    state, issuer, database, who, person, crash_at = sys.argv[1:]
    party, _, role = who.partition("/")

    def fault(step: str) -> None:
        if step == crash_at:
            os.kill(os.getpid(), signal.SIGKILL)

    broker = build(Settings(state=Path(state), issuer=issuer, database_url=database), fault=fault, recover=False)
    caller = Caller(f"{party}-client", party, frozenset({Role(role or "supplier")}))
    asked = ErasureRequest(persons=(person,), reason="an objection was upheld")
    row = broker.erasures.prepare(caller, "avon-somerset-serious-violence", "erase", asked)
    broker.erasures.record(broker.erasures.remove(row))
    broker.close()


if __name__ == "__main__":
    main()
