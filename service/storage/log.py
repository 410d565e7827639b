"""The log's rows. Appending runs inside the transaction of what it records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, text

from service.audit import merkle
from service.audit.entry import Entry
from service.audit.ports import LIFECYCLE, SearchTerms, StoredEntry
from service.storage.prepared import Prepared
from service.storage.tables import LogCheckpoint, LogContent, LogNode, table

_CHECKPOINT = table(LogCheckpoint)
_CONTENT = table(LogContent)
_NODES = table(LogNode)
_SIZE = Prepared(text("SELECT size FROM log_head WHERE id = 1"))
_ADD_NODES = Prepared(insert(_NODES))
_ADD_CONTENT = Prepared(insert(_CONTENT))
_NODE = Prepared(text("SELECT hash FROM log_node WHERE level = :level AND position = :position"))
_GROW = Prepared(text("UPDATE log_head SET size = size + :more WHERE id = 1 RETURNING size"))


class LogStore:
    """Appends entries and reads leaves, nodes, contents and checkpoints."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def size(self) -> int:
        """Return the number of entries."""
        return int(_SIZE.scalar(self._connection))

    def append(self, entry: Entry) -> int:
        """Append an entry and return its index."""
        return self.append_all([entry])

    def append_all(self, entries: Sequence[Entry]) -> int:
        """Append entries in order and return the index of the first.

        The head row is moved first: whoever else would append waits for this transaction's end, or loses its own.
        """
        first = int(_GROW.scalar(self._connection, {"more": len(entries)})) - len(entries)
        nodes = merkle.append_all(first, self.node, [entry.leaf() for entry in entries])
        rows = [{"level": level, "position": index, "hash": found} for level, index, found in nodes]
        _ADD_NODES.many(self._connection, rows)
        _ADD_CONTENT.many(self._connection, [_content(first + place, entry) for place, entry in enumerate(entries)])
        return first

    def node(self, level: int, index: int) -> bytes:
        """Return a complete subtree's hash."""
        return bytes(_NODE.scalar(self._connection, {"level": level, "position": index}))

    def entry(self, n: int) -> StoredEntry | None:
        """Return one entry's contents; None where they were expunged or never were."""
        row = self._connection.execute(select(_CONTENT).where(_CONTENT.c.n == n)).mappings().first()
        return _stored(row) if row else None

    def search(self, terms: SearchTerms, before_size: int) -> list[StoredEntry]:
        """Return the entries below ``before_size`` that fit the terms, in order."""
        query = select(_CONTENT).where(_CONTENT.c.n < before_size, _CONTENT.c.n >= terms.first)
        for column, value in (
            (_CONTENT.c.party, terms.party),
            (_CONTENT.c.agreement, terms.agreement),
            (_CONTENT.c.purpose, terms.purpose),
            (_CONTENT.c.kind, terms.kind),
            (_CONTENT.c.outcome, terms.outcome),
        ):
            if value is not None:
                query = query.where(column == value)
        if terms.kinds:
            query = query.where(_CONTENT.c.kind.in_(terms.kinds))
        if terms.dataset is not None:
            query = query.where(_touches(terms.dataset))
        if terms.since is not None:
            query = query.where(_CONTENT.c.at >= terms.since)
        if terms.until is not None:
            query = query.where(_CONTENT.c.at < terms.until)
        if terms.visible_to is not None:
            query = query.where(_visible(terms))
        query = query.order_by(_CONTENT.c.n).limit(terms.limit)
        return [_stored(row) for row in self._connection.execute(query).mappings()]

    def add_checkpoint(self, size: int, note: str, at: str) -> None:
        """Store a signed checkpoint."""
        self._connection.execute(insert(_CHECKPOINT), {"size": size, "note": note, "at": at})

    def latest_checkpoint(self) -> tuple[int, str] | None:
        """Return the newest checkpoint's size and note."""
        query = select(_CHECKPOINT.c.size, _CHECKPOINT.c.note).order_by(_CHECKPOINT.c.size.desc()).limit(1)
        row = self._connection.execute(query).first()
        return (int(row[0]), str(row[1])) if row else None


def _content(n: int, entry: Entry) -> dict[str, Any]:
    """Return an entry's row: its canonical JSON, and what it is searched by."""
    fields = entry.as_dict()
    return {
        "n": n,
        "at": fields["time"],
        "kind": fields["kind"],
        "party": fields["caller"]["party"],
        "agreement": fields["agreement"]["id"] if fields["agreement"] else None,
        "datasets": _datasets(fields["request"] or {}),
        "purpose": fields["purpose"],
        "outcome": fields["decision"]["code"] if fields["decision"] else None,
        "entry": entry.data().decode(),
    }


def _datasets(request: dict[str, Any]) -> str | None:
    """Return the datasets an access touches as ``|a|b|``, the main one first."""
    linked = (link.get("dataset") for link in request.get("linked", ()))
    names = [request.get("dataset"), *linked, *request.get("datasets", ())]
    named = [name for name in names if name is not None]
    return f"|{'|'.join(named)}|" if named else None


def _touches(dataset: str) -> Any:
    return _CONTENT.c.datasets.like(f"%|{dataset}|%")


def _visible(terms: SearchTerms) -> Any:
    seen: Any = _CONTENT.c.party == terms.visible_to
    shared = _CONTENT.c.agreement.in_(terms.visible_agreements)
    seen = seen | (shared & _CONTENT.c.kind.in_(LIFECYCLE))
    for agreement, dataset in terms.visible_datasets:
        seen = seen | ((_CONTENT.c.agreement == agreement) & _touches(dataset))
    return seen


def _stored(row: Any) -> StoredEntry:
    return StoredEntry(int(row["n"]), str(row["entry"]))
