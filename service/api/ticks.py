"""The grid on which answers that come of data appear (guarantee, section 7)."""

from __future__ import annotations

import math
import time

import anyio


async def tick(arrived: float, step: float) -> None:
    """Sleep until a whole number of steps has passed since the request arrived.

    Args:
        arrived: When, by ``time.monotonic``.
        step: Seconds.
    """
    elapsed = time.monotonic() - arrived
    await anyio.sleep(math.ceil(elapsed / step) * step - elapsed)
