"""Why a key is revoked; apart from the use cases, so that naming it imports nothing else."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a key was revoked."""

    COMPROMISED = "compromised"
    SUPERSEDED = "superseded"
