"""Clients' rows."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from service.identity.ports import ClientRow
from service.storage.prepared import Prepared
from service.storage.tables import Client, SeenAssertion, table

_CLIENT = table(Client)
_SEEN = table(SeenAssertion)
_BY_ID = Prepared(
    select(*(_CLIENT.c[name] for name in ClientRow.__dataclass_fields__)).where(_CLIENT.c.id == bindparam("id"))
)
_USE = text(
    "INSERT INTO seen_assertion (client, jti, expires_at) VALUES (:client, :jti, :expires) "
    "ON CONFLICT (client, jti) DO NOTHING"
)


class ClientStore:
    """Reads and writes clients."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def client(self, client_id: str) -> ClientRow | None:
        """Return a client."""
        row = _BY_ID.first(self._connection, {"id": client_id})
        return ClientRow(*row) if row else None

    def add(self, row: ClientRow) -> None:
        """Add a client."""
        self._connection.execute(
            insert(_CLIENT),
            {
                "id": row.id, "party": row.party, "roles": row.roles, "jwk": row.jwk,
                "created_at": row.created_at, "disabled_at": row.disabled_at,
            },
        )  # fmt: skip

    def has_key(self, jwk: str) -> bool:
        """Tell whether a key, as canonical JSON, is or was any client's."""
        return self._connection.execute(select(_CLIENT.c.id).where(_CLIENT.c.jwk == jwk)).first() is not None

    def disable(self, client_id: str, at: str) -> None:
        """Disable a client."""
        self._connection.execute(update(_CLIENT).where(_CLIENT.c.id == client_id).values(disabled_at=at))

    def use_assertion(self, client_id: str, jti: str, expires_at: int, now: int) -> bool:
        """Remember a ``jti``; False where it was used before."""
        self._connection.execute(delete(_SEEN).where(_SEEN.c.expires_at < now))
        values = {"client": client_id, "jti": jti, "expires": expires_at}
        return self._connection.execute(_USE, values).rowcount == 1
