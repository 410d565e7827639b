"""Whatever a file holds, wherever it stands, no refusal repeats any of it; and what is accepted is what was sent."""

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import ConcordatError, Malformed
from service.intake.media import ARROW, CSV, MEDIA_TYPES, NDJSON, PARQUET
from tests.unit.intake.conftest import Checker
from tests.unit.intake.files import GOOD, PERSON_SCHEMA, ROWS, write, write_table

SECRET = "Xyzzy7Plugh"
NAMES = list(GOOD)


def told(body: bytes, media: str) -> str | None:
    """Everything that a refusal says, its causes included; None where the body is taken."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            Checker(Path(folder)).stage(body, media)
        except ConcordatError as error:
            found = error.findings if isinstance(error, Malformed) else ()
            chain = [repr(error.__cause__), repr(error.__context__) if not error.__suppress_context__ else ""]
            return repr((str(error), error.detail, found, chain))
    return None


cells = st.one_of(
    st.just(SECRET),
    st.text(max_size=20).map(lambda text: f"{text}{SECRET}"),
    st.text(max_size=20).map(lambda text: f"{SECRET}{text}"),
    st.sampled_from([f'"{SECRET}', f'{SECRET}"', f"{SECRET}\n", f"{SECRET},", f"\0{SECRET}", f"9434765919 {SECRET}"]),
)


@settings(max_examples=60, deadline=None)
@given(media=st.sampled_from(MEDIA_TYPES), column=st.sampled_from(NAMES), cell=cells, at=st.integers(0, 3))
def test_a_secret_in_any_cell_of_any_format_is_never_repeated(media: str, column: str, cell: str, at: int) -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in ROWS]
    rows[at][column] = cell
    if media == CSV:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerows([NAMES, *([row[name] for name in NAMES] for row in rows)])
        body = text.getvalue().encode("utf-8", errors="surrogatepass")
    elif media == NDJSON:
        good = [json.loads(line) for line in write(ROWS, NDJSON).splitlines()]
        good[at][column] = cell
        body = "".join(f"{json.dumps(row)}\n" for row in good).encode()
    else:
        body = write_table(pa.table({name: pa.array([row[name] for row in rows]) for name in NAMES}), media)
    answer = told(body, media)
    assert answer is not None
    assert SECRET not in answer


@settings(max_examples=80, deadline=None)
@given(data=st.data(), media=st.sampled_from(MEDIA_TYPES))
def test_a_secret_spliced_into_a_file_anywhere_is_never_repeated(data: st.DataObject, media: str) -> None:
    body = write(ROWS, media)
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 40)))
    body = (
        body[:start]
        + data.draw(st.sampled_from(["", '"', ",", "\n", "\0", "{"])).encode()
        + SECRET.encode()
        + body[end:]
    )
    answer = told(body, media)
    if media in (CSV, NDJSON):
        assert answer is not None
    assert SECRET not in (answer or "")


@settings(max_examples=60, deadline=None)
@given(key=st.one_of(cells, st.just(f"nhs_number_{SECRET}")), media=st.sampled_from((NDJSON, PARQUET, ARROW)))
def test_a_secret_in_a_columns_name_is_never_repeated(key: str, media: str) -> None:
    if media == NDJSON:
        row = json.loads(write(ROWS[:1], NDJSON))
        answer = told(json.dumps({**row, key: 1}).encode(), media)
    else:
        table = pa.ipc.open_stream(write(ROWS, ARROW)).read_all().append_column(key, pa.array([1] * len(ROWS)))
        answer = told(write_table(table, media), media)
    assert answer is not None
    assert SECRET not in answer


printed = st.sampled_from(
    ['"', ",", "\n", "\r", "\r\n", " ", "true", "unknown", "robbery", "E01000002", "", "0", '""', ",,"]
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_csv_that_is_taken_is_taken_as_a_strict_reader_reads_it(data: st.DataObject) -> None:
    body = write(ROWS, CSV)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 3))
        body = body[:at] + data.draw(printed).encode() + body[at + cut :]
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(Path(folder))
        try:
            stored = checker.stored(body)
        except Malformed:
            return
        rows = [row for row in csv.reader(io.StringIO(body.decode(), newline=""), strict=True) if row]
        read = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
        assert all(set(row) == {column.name for column in PERSON_SCHEMA.fields} for row in read)
        assert stored == checker.stored(write(read, NDJSON), NDJSON)
