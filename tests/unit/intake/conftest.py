from pathlib import Path
from typing import Any

import duckdb
import pytest

from schemas import identifiers
from schemas.table_schema import TableSchema
from service.errors import ConcordatError, Finding, Malformed
from service.intake.check import Extract, Staged, check_and_stage
from service.intake.engine import Limits
from service.intake.media import CSV
from tests.unit.intake.files import COVERS, PERSON_SCHEMA


class Checker:
    """Spools a body and checks it."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self.lake = folder / "lake"
        self.spool.mkdir()
        self.lake.mkdir()

    def stage(
        self,
        body: bytes,
        media: str = CSV,
        schema: TableSchema = PERSON_SCHEMA,
        limits: Limits | None = None,
        existing_rows: int = 0,
    ) -> Staged:
        path = self.spool / "body"
        path.write_bytes(body)
        extract = Extract(path, media, schema, COVERS, existing_rows)
        try:
            return check_and_stage(extract, self.lake / "x.parquet", identifiers, limits or Limits(memory_mb=64))
        finally:
            path.unlink()

    def stored(self, body: bytes, media: str = CSV, schema: TableSchema = PERSON_SCHEMA) -> list[tuple[Any, ...]]:
        """The stored rows of a good body, sorted."""
        staged = self.stage(body, media, schema)
        with duckdb.connect() as connection:
            return sorted(connection.execute(f"FROM read_parquet('{staged.path}')").fetchall(), key=repr)

    def refusal(self, body: bytes, media: str = CSV, schema: TableSchema = PERSON_SCHEMA, **more: Any) -> Malformed:
        """How a bad body is refused; nothing is left behind."""
        with pytest.raises(Malformed) as caught:
            self.stage(body, media, schema, **more)
        assert caught.value.code == "extract_refused"
        assert not list(self.lake.iterdir())
        assert not list(self.spool.iterdir())
        return caught.value

    def findings(
        self, body: bytes, media: str = CSV, schema: TableSchema = PERSON_SCHEMA, **more: Any
    ) -> list[Finding]:
        return list(self.refusal(body, media, schema, **more).findings)

    def rules(
        self, body: bytes, media: str = CSV, schema: TableSchema = PERSON_SCHEMA, **more: Any
    ) -> set[tuple[str, str]]:
        return {(finding.rule, finding.column) for finding in self.findings(body, media, schema, **more)}

    def outcome(self, body: bytes, media: str, limits: Limits) -> str:
        """The code of whatever error a body meets."""
        with pytest.raises(ConcordatError) as caught:
            self.stage(body, media, limits=limits)
        assert not list(self.lake.iterdir())
        return caught.value.code


@pytest.fixture
def checker(tmp_path: Path) -> Checker:
    return Checker(tmp_path)
