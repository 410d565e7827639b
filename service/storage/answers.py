"""Rows of intents, releases, idempotency bindings and data versions."""

from __future__ import annotations

import json
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, text, update

from service.aggregates.ports import Binding, IntentRow, ReleaseRow, VersionName
from service.storage import tables
from service.storage.extracts import OVERDUE, overdue_values
from service.storage.prepared import Prepared

_BINDING = tables.table(tables.Idempotency)
_EXTRACT = tables.table(tables.Extract)
_INTENT = tables.table(tables.Intent)
_RELEASE = tables.table(tables.Release)
_VERSION = tables.table(tables.DataVersion)
_STANDING = ("committed", "replacing", "withdrawing")
_NEWEST = Prepared(
    select(_VERSION.c.name, _VERSION.c.lake_version)
    .where(_VERSION.c.agreement == bindparam("agreement"), _VERSION.c.dataset == bindparam("dataset"))
    .order_by(_VERSION.c.sequence.desc())
    .limit(1)
)
_BEST = Prepared(
    select(*(_RELEASE.c[name] for name in ReleaseRow.__dataclass_fields__))
    .where(_RELEASE.c.agreement == bindparam("agreement"), _RELEASE.c.identity == bindparam("identity"))
    .order_by(_RELEASE.c.rho_nano.desc(), _RELEASE.c.log_index)
    .limit(1)
)
_RUNNING = (
    select(_INTENT)
    .where(
        _INTENT.c.state == "open",
        *(_INTENT.c[name] == bindparam(name) for name in ("digest", "party", "role", "identity", "request")),
    )
    .order_by(_INTENT.c.charged_index)
    .limit(1)
)
_OVERDUE = select(_EXTRACT.c.id).where(*OVERDUE).limit(1)
_SCOPE = ("party", "client", "route", "agreement", "key")
_BOUND = Prepared(
    select(_BINDING.c.digest, _BINDING.c.subject).where(*(_BINDING.c[name] == bindparam(name) for name in _SCOPE))
)
_BIND = text(
    "INSERT INTO idempotency (party, client, route, agreement, key, digest, subject, at) "
    "VALUES (:party, :client, :route, :agreement, :key, :digest, :subject, :at) "
    "ON CONFLICT (party, client, route, agreement, key) DO UPDATE SET subject = excluded.subject, at = excluded.at "
    "WHERE idempotency.subject LIKE 'approval-%' AND idempotency.digest = excluded.digest"
)
"""A key that waited for an approval is bound anew; any other binding stays."""
_ADD_RELEASE = text(
    "INSERT INTO release (id, intent, agreement, party, dataset, identity, rho_nano, body, digest, log_index, "
    "released_at) VALUES (:id, :intent, :agreement, :party, :dataset, :identity, :rho_nano, :body, :digest, "
    ":log_index, :released_at) ON CONFLICT (intent) DO NOTHING"
)


class AnswerStore:
    """Reads and writes intents and releases."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def data_version(self, agreement: str, dataset: str) -> VersionName:
        """Return a dataset's data version."""
        row = _NEWEST.first(self._connection, {"agreement": agreement, "dataset": dataset})
        return VersionName(*row) if row else VersionName(f"none:{dataset}", -1)

    def overdue(self, agreement: str, dataset: str, before: date) -> bool:
        """Tell whether rows of a dataset that were received before a day have yet to leave it."""
        values = overdue_values(agreement, dataset, before)
        return self._connection.execute(_OVERDUE, values).first() is not None

    def covered(self, agreement: str, dataset: str) -> list[tuple[str, str]]:
        """Return the periods declared as covered, merged."""
        extract = _EXTRACT.c
        query = (
            select(extract.covers_from, extract.covers_to)
            .where(extract.agreement == agreement, extract.dataset == dataset, extract.state.in_(_STANDING))
            .order_by(extract.covers_from, extract.covers_to)
        )
        merged: list[tuple[str, str]] = []
        for first, last in self._connection.execute(query):
            touches = merged and date.fromisoformat(first) <= date.fromisoformat(merged[-1][1]) + timedelta(days=1)
            if touches:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return merged

    def binding(self, scope: tuple[str, str, str, str, str]) -> Binding | None:
        """Return what an idempotency key is bound to."""
        row = _BOUND.first(self._connection, dict(zip(_SCOPE, scope, strict=True)))
        return Binding(*row) if row else None

    def bind(self, scope: tuple[str, str, str, str, str], binding: Binding, at: str) -> None:
        """Bind an idempotency key.

        Raises:
            RuntimeError: it is bound to an intent or a release, which no binding takes the place of.
        """
        values = dict(zip(_SCOPE, scope, strict=True))
        values |= {"digest": binding.digest, "subject": binding.subject, "at": at}
        if self._connection.execute(_BIND, values).rowcount != 1:
            raise RuntimeError("the idempotency key is bound already")

    def add_intent(self, row: IntentRow) -> None:
        """Add an intent."""
        self._connection.execute(insert(_INTENT), {name: getattr(row, name) for name in IntentRow.__dataclass_fields__})

    def intent(self, intent: str) -> IntentRow | None:
        """Return an intent."""
        row = self._connection.execute(select(_INTENT).where(_INTENT.c.id == intent)).mappings().first()
        return IntentRow(**row) if row else None

    def running(self, digest: str, party: str, role: str, identity: str, request: str) -> IntentRow | None:
        """Return an open intent of a request word for word, at the same data versions."""
        values = {"digest": digest, "party": party, "role": role, "identity": identity, "request": request}
        row = self._connection.execute(_RUNNING, values).mappings().first()
        return IntentRow(**row) if row else None

    def open_intents(self) -> list[str]:
        """Return the ids of open intents."""
        query = select(_INTENT.c.id).where(_INTENT.c.state == "open").order_by(_INTENT.c.created_at)
        return [row[0] for row in self._connection.execute(query)]

    def oldest_pinned(self, agreement: str, dataset: str) -> int:
        """Return the oldest lake version that an open intent pins, or the dataset's own."""
        oldest = self.data_version(agreement, dataset).lake
        query = select(_INTENT.c.pinned).where(_INTENT.c.agreement == agreement, _INTENT.c.state == "open")
        for (pinned,) in self._connection.execute(query):
            held = json.loads(pinned).get(dataset)
            oldest = min(oldest, held["lake"]) if held is not None else oldest
        return oldest

    def set_intent_state(self, intent: str, state: str) -> None:
        """Move an intent on."""
        self._connection.execute(update(_INTENT).where(_INTENT.c.id == intent).values(state=state))

    def add_release(self, row: ReleaseRow) -> bool:
        """Store the release of an intent; False where it has one."""
        values = {name: getattr(row, name) for name in ReleaseRow.__dataclass_fields__}
        return self._connection.execute(_ADD_RELEASE, values).rowcount == 1

    def release_of(self, intent: str) -> ReleaseRow | None:
        """Return an intent's release."""
        return self._one(_RELEASE.c.intent == intent)

    def release(self, release: str) -> ReleaseRow | None:
        """Return a release by id."""
        return self._one(_RELEASE.c.id == release)

    def releases(self, agreement: str, party: str, limit: int, before: str | None) -> list[ReleaseRow]:
        """Return a party's releases, the newest first."""
        release = _RELEASE.c
        query = select(_RELEASE).where(release.agreement == agreement, release.party == party)
        if before is not None:
            held = self.release(before)
            query = query.where(release.log_index < (held.log_index if held else 0))
        query = query.order_by(release.log_index.desc()).limit(limit)
        return [ReleaseRow(**row) for row in self._connection.execute(query).mappings()]

    def best_release(self, agreement: str, identity: str) -> ReleaseRow | None:
        """Return the release of this question with the largest rho."""
        row = _BEST.first(self._connection, {"agreement": agreement, "identity": identity})
        return ReleaseRow(*row) if row else None

    def _one(self, condition: ColumnElement[bool]) -> ReleaseRow | None:
        row = self._connection.execute(select(_RELEASE).where(condition)).mappings().first()
        return ReleaseRow(**row) if row else None
