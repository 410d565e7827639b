"""What the embedded engine cannot do: read elsewhere, tell values, run on for ever, or confuse two questions."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.aggregates.compiling import bounded_totals, compile_totals
from service.aggregates.engine import Table
from service.errors import EngineFailed
from service.policy.plan import DateKeys, FlagFilter, LinkPlan, Measured
from service.storage.duckdb_engine import DuckDBEngine
from tests.spec.harness import AREAS, MONTHS, SCHEMAS, Lake, question

ROW = {"unlinked": False, "occurred": date(2026, 4, 1), "area": "north", "age": 30, "harm": None, "knife": False}


@pytest.fixture
def own(tmp_path):
    (tmp_path / "lake").mkdir()
    engine = DuckDBEngine(tmp_path / "lake", "500MB", 2, tmp_path / "spill")
    yield engine, Lake(tmp_path / "lake")
    engine.close()


def failing(engine, table):
    with pytest.raises(EngineFailed) as failed:
        engine.totals(question(["count", Measured("sum", "age", 0, 120)], AREAS), {"police": table})
    return failed.value


def test_a_file_outside_the_lake_is_not_read(own, tmp_path):
    engine, _ = own
    elsewhere = Lake(tmp_path).table("police", [ROW | {"person": "ann"}])
    failing(engine, elsewhere)
    failing(engine, Table(elsewhere.schema, (f"{tmp_path}/lake/../0.parquet",)))


def test_an_error_tells_no_value_and_carries_no_text_of_the_database(own):
    engine, lake = own
    columns = pq.read_table(lake.table("police", [ROW | {"person": "ann"}]).files[0]).to_pydict()
    path = lake.root / "wrong.parquet"
    pq.write_table(pa.table(columns | {"age": ["marker-7f3a"]}), path)
    error = failing(engine, Table(SCHEMAS["police"], (str(path),)))
    assert error.code == "engine_failed"
    assert "marker" not in repr(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_missing_or_damaged_file_is_an_engine_failure(own):
    engine, lake = own
    (lake.root / "torn.parquet").write_bytes(b"PAR1 torn")
    for name in ("torn.parquet", "missing.parquet"):
        failing(engine, Table(SCHEMAS["police"], (str(lake.root / name),)))


def test_a_path_with_wildcards_is_a_mistake_of_ours(own):
    engine, lake = own
    with pytest.raises(RuntimeError, match="wildcards"):
        engine.totals(question("count"), {"police": Table(SCHEMAS["police"], (f"{lake.root}/*.parquet",))})


def test_a_path_is_quoted(tmp_path):
    root = tmp_path / "o'lake"
    root.mkdir()
    engine = DuckDBEngine(root, "500MB", 1, tmp_path / "spill")
    table = Lake(root).table("police", [ROW | {"person": "ann"}])
    assert engine.totals(question("count"), {"police": table}) == {"count.count": [1024]}
    engine.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SET enable_external_access = TRUE",
        "SET memory_limit = '99GB'",
        "SET lock_configuration = FALSE",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "ATTACH '/tmp/other.db'",
        "INSTALL httpfs",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
    ],
)
def test_the_database_is_locked_down_for_good(own, statement):
    engine, _ = own
    with pytest.raises(duckdb.Error):
        engine._database.cursor().execute(statement)


def test_a_question_past_its_deadline_is_stopped(tmp_path):
    (tmp_path / "lake").mkdir()
    engine = DuckDBEngine(tmp_path / "lake", "1GB", 1, tmp_path / "spill", deadline_seconds=0.05)
    lake = Lake(tmp_path / "lake")
    part = lake.table("police", [ROW | {"person": (n, n * 7, n, n)} for n in range(20_000)]).files
    table = Table(SCHEMAS["police"], part * 200)
    began = time.monotonic()
    with pytest.raises(EngineFailed, match="limits"):
        engine.totals(question(["count", "persons"], AREAS), {"police": table})
    assert time.monotonic() - began < 10
    assert engine.totals(question("count"), {"police": Table(SCHEMAS["police"], ())}) == {"count.count": [0]}
    engine.close()


def test_a_question_too_large_for_memory_fails_and_the_next_is_answered(tmp_path):
    (tmp_path / "lake").mkdir()
    engine = DuckDBEngine(tmp_path / "lake", "4MB", 2, tmp_path / "spill")
    lake = Lake(tmp_path / "lake")
    many = [[ROW | {"person": (n, part, 0, 0)} for n in range(30_000)] for part in range(8)]
    with pytest.raises(EngineFailed):
        engine.totals(question(["count", "persons"], AREAS), {"police": lake.table("police", *many)})
    small = lake.table("police", [ROW | {"person": "ann"}])
    assert engine.totals(question("count"), {"police": small}) == {"count.count": [1024]}
    engine.close()


def test_when_all_places_are_taken_a_question_waits_no_longer_than_its_deadline(tmp_path):
    (tmp_path / "lake").mkdir()
    engine = DuckDBEngine(tmp_path / "lake", "500MB", 1, tmp_path / "spill", deadline_seconds=0.01, concurrent=1)
    with engine._places, pytest.raises(EngineFailed, match="busy"):
        engine.totals(question("count"), {"police": Table(SCHEMAS["police"], ())})
    engine.close()


def test_40_questions_at_once_each_get_their_own_answer(own):
    engine, lake = own
    tables = [
        lake.table("police", [ROW | {"person": f"{number} {n}", "knife": True} for n in range(number)])
        for number in range(1, 11)
    ]
    link = LinkPlan("police", "supplier/police", True, (FlagFilter("knife", True),))
    plans = [
        question("count"),
        question("count", MONTHS),
        question("count", links=(link,)),
        question("persons", DateKeys("occurred", "year", (date(2026, 1, 1),))),
    ]

    def ask(case):
        plan, table = case
        return next(iter(engine.totals(plan, {"police": table}).values()))[0]

    cases = [(plan, table) for plan in plans for table in tables]
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(ask, cases * 3))
    assert found == [number * 1024 for number in range(1, 11)] * 4 * 3


def test_spill_files_are_encrypted(own):
    engine, _ = own
    (on,) = engine._database.cursor().execute("SELECT current_setting('temp_file_encryption')").fetchone()
    assert on is True


def test_the_expression_is_what_is_compiled():
    plan = question(["count", "persons"], AREAS)
    made = str(ibis.to_sql(bounded_totals(plan, SCHEMAS), dialect="duckdb", pretty=False))
    assert compile_totals(plan, SCHEMAS) == made
