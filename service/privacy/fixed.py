"""Fixed point: every contribution, total, sensitivity and noise scale is an integer in units of ``1/SCALE``.

One record at full weight counts ``SCALE``. A sum's unit is ``1/SCALE`` of its stored integer, which for a
column with decimals is itself a unit of ``10**-decimals``.
"""

from __future__ import annotations

SCALE = 1024
I64_MIN = -(2**63)
I64_MAX = 2**63 - 1
