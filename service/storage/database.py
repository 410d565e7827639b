"""The control database: connections, and the one place that commits.

SQLite runs in WAL mode with synchronous FULL, so what was committed survives a power cut. A write begins with the
write lock (``BEGIN IMMEDIATE``; on PostgreSQL a lock on the log's head row), so that writers queue instead of failing
and no two see the same state.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

from service.errors import Conflict

_MIGRATIONS = "service.storage:migrations"
_BUSY_TIMEOUT_MS = 30_000


class Database:
    """A control database by its SQLAlchemy URL; thread-safe.

    Args:
        url: ``sqlite:////absolute/path`` or ``postgresql+psycopg://...``.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._sqlite = self._url.get_backend_name() == "sqlite"
        # every transaction below ends itself, so the pool need not roll back once more
        options: dict[str, Any] = {"pool_reset_on_return": None}
        options |= {} if self._sqlite else {"pool_size": 20, "max_overflow": 30}
        if self._sqlite:
            options["pool_size"] = 64
            options["connect_args"] = {"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000}
        self.engine: Engine = create_engine(self._url, **options)
        # Writers of this process queue here, first come first served; SQLite's own waiting is a sleep and a retry.
        self._writers = threading.Lock()
        if self._sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to the newest version, or to an older one as tests of migrations do.

        Raises:
            Conflict: ``database_newer``: a newer Concordat has written it; nothing was changed.
        """
        config = Config()
        config.set_main_option("script_location", _MIGRATIONS)
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        with self.engine.connect() as connection:
            if not known.issuperset(MigrationContext.configure(connection).get_current_heads()):
                words = "the control database was written by a newer Concordat: run that one, or restore a backup"
                raise Conflict(words, code="database_newer")
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that holds the write lock; commit at the end, roll back on any error."""
        with self._writers, self.engine.connect() as connection:
            if self._sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(text("SELECT size FROM log_head WHERE id = 1 FOR UPDATE"))
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that reads one consistent state."""
        with self.engine.connect() as connection:
            connection.begin()  # so that SQLAlchemy knows of it, whoever runs the first statement
            if self._sqlite:
                connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _configure_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, not guessed by the driver
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "wal_autocheckpoint=4000",  # pages of 4 KiB; a checkpoint costs a commit several syncs
    ):
        connection.execute(f"PRAGMA {pragma}")
