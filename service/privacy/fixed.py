"""Fixed point: every contribution, total, sensitivity and noise scale is an integer in units of ``1/SCALE``.

One record at full weight counts ``SCALE``. A sum's unit is ``1/SCALE`` of its stored integer, which for a
column with decimals is itself a unit of ``10**-decimals``.
"""

from __future__ import annotations

SCALE = 1024
I64_MIN = -(2**63)
I64_MAX = 2**63 - 1


def weight(per_person: int, shares: int) -> int:
    """Return what each of a person's ``shares`` rows (or cells) counts, in ``1/SCALE``; guarantee 2.4.

    ``shares * weight(K, shares) <= SCALE * K`` and ``weight(K, shares) <= SCALE`` hold exactly: the division
    rounds down.

    Args:
        per_person: K, the most that one person may add; at least 1.
        shares: Over how many rows or cells the person's contribution is spread; at least 1.
    """
    return min(SCALE, SCALE * per_person // shares)
