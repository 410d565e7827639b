"""Amounts of money as the API writes them: decimals as texts."""

from __future__ import annotations

from decimal import Decimal

from service.privacy.conversion import epsilon_of

_NANO = Decimal("1e-9")
_E18 = Decimal("1e-18")


def plain(value: Decimal) -> str:
    """Write a decimal without trailing zeros; small ones as ``5e-8``."""
    return f"{value.normalize():f}" if value >= Decimal("1e-4") or value == 0 else f"{value.normalize():e}"


def rho(nano: int) -> str:
    """Write nano-rho as rho."""
    return plain(nano * _NANO)


def delta(e18: int) -> str:
    """Write units of 1e-18 as delta."""
    return plain(e18 * _E18)


def share(rho_nano: int, share_rho: int) -> str:
    """Write an amount as a part of a share, to six places."""
    return plain((Decimal(rho_nano) / Decimal(share_rho)).quantize(Decimal("1e-6"))) if share_rho else "0"


def amount(rho_nano: int, delta_conversion: Decimal) -> dict[str, str]:
    """Write an amount as rho, and as epsilon at a delta."""
    return {"rho": rho(rho_nano), "epsilon": plain(epsilon_of(rho_nano, delta_conversion)) if rho_nano else "0"}
