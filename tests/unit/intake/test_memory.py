"""A million rows of CSV are checked and staged in at most 500 MB."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb

MOST_MB = 500

# In a process of its own: what is measured is a push's peak, imports included. The kernel's own mark counts from
# the program's start; elsewhere the process's resource usage is the nearest there is.
PUSH = """
import resource, sys
from datetime import date
from pathlib import Path
from schemas import identifiers
from service.intake.check import Extract, check_and_stage
from service.intake.engine import Limits
from service.intake.media import CSV
from tests.unit.intake.files import COVERS, TEN_COLUMNS_SCHEMA
body, target = map(Path, sys.argv[1:])
staged = check_and_stage(Extract(body, CSV, TEN_COLUMNS_SCHEMA, COVERS), target, identifiers, Limits())
try:
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))
except OSError:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = used // (1024 * 1024 if sys.platform == "darwin" else 1024)
print(staged.rows, staged.persons, peak)
"""


def test_a_million_rows_fit_into_five_hundred_megabytes(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "lake").mkdir()
    body = tmp_path / "spool" / "body"
    with duckdb.connect() as connection:
        connection.sql(
            "SELECT sha256(CAST(i % 400000 AS VARCHAR)) AS person, 'false' AS unlinked, "
            "DATE '2026-04-01' + CAST(i % 91 AS INTEGER) AS occurred, 'violence' AS \"group\", "
            "format('E01{:06d}', i % 5000) AS lsoa, i % 100 AS age, i % 11 - 5 AS change, "
            'CAST(i % 800 AS DECIMAL(9, 2)) / 100 AS gravity, i % 10 = 0 AS knife, i % 2 = 0 AS "primary" '
            "FROM range(1000000) AS t(i)"
        ).write_csv(str(body), header=True)
    command = [sys.executable, "-c", PUSH, str(body), str(tmp_path / "lake" / "x.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    rows, persons, peak = map(int, done.stdout.split())
    assert (rows, persons) == (1_000_000, 400_000)
    assert peak <= MOST_MB
