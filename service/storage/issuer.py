"""The broker's issuer, pinned in the control database: under another no signature, token or checkpoint holds."""

from __future__ import annotations

from sqlalchemy import insert, select

from service.errors import Conflict
from service.storage.database import Database
from service.storage.tables import BrokerName, table

_BROKER = table(BrokerName)


def resolve(database: Database, given: str, fallback: str, *, pin: bool) -> str:
    """Return the issuer to go by.

    Args:
        database: The control database, at its newest version.
        given: What the operator said; empty where nothing.
        fallback: What to go by where nothing was said and nothing is pinned.
        pin: Whether to pin it where nothing is pinned yet: what serves does, what looks in beside it does not.

    Raises:
        Conflict: ``other_issuer``: another one is pinned than the one given.
    """
    with database.write() as connection:
        held = connection.execute(select(_BROKER.c.issuer)).scalar()
        if held is None:
            chosen = given or fallback
            if pin:
                connection.execute(insert(_BROKER), {"id": 1, "issuer": chosen})
            return chosen
    if given and given != held:
        raise Conflict(
            f"this database is of the broker {held}: leave --issuer out, or name that one", code="other_issuer"
        )
    return str(held)
