"""What measures over bands of numbers share."""

from __future__ import annotations

from service.policy.plan import Binned, Measured, NumberKeys
from service.privacy.postprocess import Part


def bins(measured: Measured) -> NumberKeys:
    """Return the bands of a measure.

    Raises:
        RuntimeError: it has none.
    """
    if not isinstance(measured.detail, Binned):
        raise RuntimeError(f"a {measured.kind} has bins")  # noqa: TRY004 - a plan that no request makes
    return measured.detail.keys


def parts(measured: Measured) -> tuple[Part, ...]:
    """Return each band with its ends, both included, in the measure's own units; None for an end that is open."""
    ends = {key: (first, last) for key, first, last in bins(measured).bands}
    return tuple(
        Part(key, {name: _shown(end, measured.decimals) for name, end in zip(("from", "to"), pair, strict=True)})
        for key in bins(measured).keys
        for pair in [ends.get(key, (Binned.LOWEST, Binned.HIGHEST))]
    )


def _shown(end: int, decimals: int) -> int | float | None:
    if end in (Binned.LOWEST, Binned.HIGHEST):
        return None
    return end / 10**decimals if decimals else end
