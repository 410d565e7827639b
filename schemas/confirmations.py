"""What a party signs to stop an agreement for everyone, or to take itself out of it."""

from __future__ import annotations

TERMINATION_TYPE = "concordat-agreement-termination+jws"
WITHDRAWAL_TYPE = "concordat-party-withdrawal+jws"


def termination_payload(agreement: str, digest: str, broker: str) -> dict[str, str]:
    """Return what a supplier signs to end an agreement.

    Args:
        agreement: The agreement's id.
        digest: The digest of the version that decides.
        broker: The issuer of the broker that executes it.
    """
    return _payload("concordat/agreement-termination/v1", agreement, digest, broker)


def withdrawal_payload(agreement: str, digest: str, broker: str) -> dict[str, str]:
    """Return what a party signs to withdraw itself and what it supplies; arguments as above."""
    return _payload("concordat/party-withdrawal/v1", agreement, digest, broker)


def _payload(kind: str, agreement: str, digest: str, broker: str) -> dict[str, str]:
    return {"type": kind, "broker": broker, "agreement": agreement, "digest": digest}
