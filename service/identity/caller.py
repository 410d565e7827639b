"""A caller: a client bound to one party and some roles, as an access token says."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum

from service.errors import Forbidden


class Role(StrEnum):
    """What a caller may do for its party."""

    SUPPLIER = "supplier"
    ANALYST = "analyst"
    IG_LEAD = "ig-lead"
    STEWARD = "steward"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling.

    Attributes:
        client: The client's id.
        party: The party it is bound to.
        roles: The roles its token carries.
    """

    client: str
    party: str
    roles: frozenset[Role]

    def require(self, *roles: Role) -> None:
        """Refuse unless the token carries one of these roles.

        Raises:
            Forbidden: ``role_missing``.
        """
        if not self.roles & set(roles):
            raise Forbidden(f"this needs the role {' or '.join(roles)}", code="role_missing")

    @property
    def role(self) -> str:
        """The roles in one word, for the log."""
        return " ".join(sorted(self.roles))

    @staticmethod
    def nonce() -> str:
        """Return a fresh 128-bit nonce for a log entry, in hex."""
        return secrets.token_hex(16)
