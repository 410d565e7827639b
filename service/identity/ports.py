"""What sign-in needs of its storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from service.audit.ports import Transaction as LogTransaction


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A client; ``roles`` are words apart by spaces, ``jwk`` its public key's JSON or None for a person."""

    id: str
    party: str
    roles: str
    jwk: str | None
    created_at: str
    disabled_at: str | None


class ClientStore(Protocol):
    """Clients and the assertions they used."""

    def client(self, client_id: str) -> ClientRow | None:
        """Return a client."""
        ...

    def add(self, row: ClientRow) -> None:
        """Add a client."""
        ...

    def has_key(self, jwk: str) -> bool:
        """Tell whether a key, as canonical JSON, is or was any client's."""
        ...

    def disable(self, client_id: str, at: str) -> None:
        """Disable a client; its tokens stop at once."""
        ...

    def use_assertion(self, client_id: str, jti: str, expires_at: int, now: int) -> bool:
        """Remember a ``jti``; False where it was used before. Forgets expired ones."""
        ...


class Transaction(LogTransaction, Protocol):
    """A transaction that can reach clients and the log."""

    @property
    def clients(self) -> ClientStore:
        """The clients."""
        ...
