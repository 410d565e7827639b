"""The broker's settings: where it keeps things, who it is, and its limits. None of them is a secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path


class PushDigest(StrEnum):
    """Whether a push itself has to name the digest of the agreement that its supplier knows."""

    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one broker. Each is documented in ``docs/settings.md``; a test holds that.

    Attributes:
        state: Folder of keys, the embedded database, records and spools; made with mode 0700.
        issuer: The broker's URL as its clients see it; audience of assertions and tokens. Empty: the one pinned when
            the broker first served.
        database_url: SQLAlchemy URL; the embedded SQLite database in ``state`` where empty.
        answer_time_step: Seconds of the grid on which answers appear.
        engine_memory: DuckDB's memory limit.
        engine_threads: DuckDB's threads.
        engine_deadline: Seconds that a question may run.
        push_memory_mb: DuckDB's memory limit in one push, or one compaction, in MB.
        compact_files: A push that leaves more files than this in a dataset has them compacted; 0 for never.
        max_push_bytes: Largest body of a push.
        max_request_bytes: Largest JSON body.
        push_digest: Whether a push without the agreement's digest is refused.
        token_life: How long an access token from ``/oauth/token`` lasts.
        assertion_life: How far ahead a client assertion's ``exp`` may lie.
        purge_every: How often a serving broker removes what is kept no longer, purges what is due, completes erasures
            that failed and questions that nobody answers any more, and removes rows that open questions had held,
            beside once at its start.
    """

    state: Path
    issuer: str
    database_url: str = ""
    answer_time_step: float = 0.05
    engine_memory: str = "1GB"
    engine_threads: int = 2
    engine_deadline: float = 60.0
    push_memory_mb: int = 208
    compact_files: int = 64
    max_push_bytes: int = 4 * 1024**3
    max_request_bytes: int = 1024 * 1024
    push_digest: PushDigest = PushDigest.REQUIRED
    token_life: timedelta = timedelta(minutes=10)
    assertion_life: timedelta = timedelta(minutes=5)
    purge_every: timedelta = timedelta(hours=1)

    @property
    def database(self) -> str:
        """The control database's URL."""
        return self.database_url or f"sqlite:///{self.state / 'concordat.db'}"

    @property
    def lake(self) -> Path:
        """The folder of the records."""
        return self.state / "lake"

    @property
    def spool(self) -> Path:
        """The folder where bodies are received."""
        return self.state / "spool"

    @property
    def keys(self) -> Path:
        """The folder of the broker's own keys."""
        return self.state / "keys"
