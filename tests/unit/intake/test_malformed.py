"""Bodies that are broken, oversized or made to unpack without end: refused with a rule, in bounded memory."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.errors import Finding, Unsupported
from service.intake.engine import Limits
from service.intake.media import ARROW, CSV, NDJSON, PARQUET, media_type
from tests.unit.intake.conftest import Checker
from tests.unit.intake.files import GOOD, ROWS, write, write_csv, write_table

ROW = ",".join(GOOD.values()).encode()
HEAD = ",".join(GOOD).encode()
SMALL = Limits(memory_mb=64, line_bytes=4096, block_bytes=1 << 20)


def rows_of(found: list[Finding], rule: str) -> list[tuple[int, ...]]:
    return [one.rows for one in found if one.rule == rule]


@pytest.mark.parametrize(
    "body",
    [
        b"\n".join([HEAD, ROW, ROW]),
        b"\r\n".join([HEAD, ROW, ROW, b""]),
        b"\n".join([HEAD, ROW, b"", ROW, b"", b""]),
        b"\n".join([HEAD, b'"' + ROW.replace(b",", b'","') + b'"', ROW]),
    ],
)
def test_csv_by_rfc_4180_is_read(checker: Checker, body: bytes) -> None:
    assert checker.stage(body).rows == 2


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(ROW.rpartition(b",")[0], id="a cell too few"),
        pytest.param(ROW + b",x", id="a cell too many"),
        pytest.param(ROW + b",", id="an empty cell too many"),
        pytest.param(ROW.replace(b"violence", b'"violence'), id="a quote that never closes"),
        pytest.param(ROW.replace(b"violence", b'"violence"x'), id="text after a closing quote"),
        pytest.param(ROW.replace(b"violence", b' "violence"'), id="a space before a quote"),
        pytest.param(ROW.replace(b"violence", b'"violence" '), id="a space after a quote"),
        pytest.param(ROW.replace(b"violence", b"viol\xffnce"), id="not UTF-8"),
        pytest.param(ROW.replace(b"violence", b"viol\x00nce"), id="a NUL"),
        pytest.param(ROW.replace(b"violence", b"x" * 5000), id="a line too long"),
        pytest.param(ROW.replace(b"violence", b"x" * 50_000), id="a line much too long"),
        pytest.param(ROW.replace(b"violence", b'"' + b"x\n" * 3000 + b'"'), id="a record of many lines"),
        pytest.param(ROW.replace(b"violence", b"viol\rence"), id="a bare carriage return"),
    ],
)
def test_a_malformed_csv_row_is_refused_with_its_number(checker: Checker, bad: bytes) -> None:
    found = checker.findings(b"\n".join([HEAD, ROW, ROW, bad, b""]), limits=SMALL)
    broken = rows_of(found, "malformed_csv") + rows_of(found, "code")
    assert broken
    assert broken[0][0] == 3


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\n\n", id="empty lines"),
        pytest.param(b"\n" + HEAD + b"\n" + ROW + b"\n", id="an empty line before the header"),
        pytest.param(b"\r".join([HEAD, ROW, b""]), id="the line ends of old"),
        pytest.param(HEAD + b"\r\n" + ROW + b"\n" + ROW + b"\r\n", id="mixed line ends"),
        pytest.param(HEAD.decode().encode("utf-16") + b"\n", id="UTF-16"),
        pytest.param(b"\x1f\x8b\x08\x00" + b"\x00" * 100, id="gzip without saying so"),
        pytest.param(b"x" * 10_000, id="a header too long"),
        pytest.param(b"\x00" * 10_000, id="zeros"),
    ],
)
def test_a_file_that_is_no_csv_is_refused(checker: Checker, body: bytes) -> None:
    rules = {rule for rule, _ in checker.rules(body, limits=SMALL)}
    assert rules & {"malformed_csv", "missing_column"}


def test_every_broken_row_of_a_large_file_is_counted(checker: Checker) -> None:
    body = b"\n".join([HEAD, *[ROW, ROW + b",x"] * 70_000, b""])
    found = checker.findings(body)
    assert [(one.rule, one.count, one.rows) for one in found] == [("malformed_csv", 70_000, (2, 4, 6, 8, 10))]
    bad = ROW.replace(b"violence", b"arson")
    found = checker.findings(b"\n".join([HEAD, *[ROW, bad] * 70_000, b""]))
    assert [(one.rule, one.count, one.rows) for one in found] == [("code", 70_000, (2, 4, 6, 8, 10))]


def test_many_unknown_keys_are_counted_and_named_by_place(checker: Checker) -> None:
    good = json.loads(write([GOOD], NDJSON))
    body = "".join(f"{json.dumps({**good, f'key-{number}': [number, [[]]]})}\n" for number in range(120))
    found = checker.findings(body.encode(), NDJSON)
    assert {one.rule for one in found} == {"unknown_column"}
    assert sum(one.count for one in found) == 120
    assert len(found) == 101


def test_a_json_file_of_many_lines_is_read_in_parts(checker: Checker) -> None:
    line = write([GOOD], NDJSON)
    assert checker.stage(line * 40_000, NDJSON).rows == 40_000
    (found,) = checker.findings(line * 40_000 + line.replace(b"violence", b"arson"), NDJSON)
    assert (found.rule, found.rows) == ("code", (40_001,))


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"{", id="not closed"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'[["person", "x"]]', id="an array of pairs"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{} {}", id="two on a line"),
        pytest.param(b'{"age": NaN}', id="NaN"),
        pytest.param(b'{"age": Infinity}', id="Infinity"),
        pytest.param(b'{"age": 01}', id="a leading zero"),
        pytest.param(b'{"group": "\xff"}', id="not UTF-8"),
        pytest.param(b'{"group": "' + b"x" * 5000 + b'"}', id="a line too long"),
        pytest.param(b"[" * 4000, id="nested deep"),
        pytest.param(b'{"a":' * 800, id="objects nested deep"),
        pytest.param(b"'person'", id="Python"),
    ],
)
def test_a_malformed_json_line_is_refused_with_its_number(checker: Checker, bad: bytes) -> None:
    good = write([GOOD], NDJSON)
    found = checker.findings(good + b"\n" + good + bad + b"\n", NDJSON, limits=SMALL)
    assert rows_of(found, "malformed_ndjson") == [(3,)]


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        (b'"age": 17', b'"age": "17"', "age"),
        (b'"age": 17', b'"age": true', "age"),
        (b'"age": 17', b'"age": [17]', "age"),
        (b'"knife": true', b'"knife": "true"', "knife"),
        (b'"knife": true', b'"knife": 1', "knife"),
        (b'"violence"', b"1", "group"),
        (b'"violence"', b'{"a": 1}', "group"),
        (b'"violence"', b'"\\ud800"', "group"),
        (b'"2026-04-01"', b"20260401", "occurred"),
    ],
)
def test_a_json_value_of_the_wrong_type_is_refused(checker: Checker, old: bytes, new: bytes, column: str) -> None:
    body = write([GOOD], NDJSON)
    assert old in body
    assert ("wrong_type", column) in checker.rules(body + body.replace(old, new), NDJSON)


@pytest.mark.parametrize(
    ("number", "rule"),
    [(b"17.0", "integer"), (b"1.7e1", "integer"), (b"1e999", "integer"), (b"-0", "integer")],
)
def test_json_numbers_are_judged_as_they_are_written(checker: Checker, number: bytes, rule: str) -> None:
    body = write([GOOD], NDJSON).replace(b'"age": 17', b'"age": ' + number)
    assert checker.rules(body, NDJSON) == {(rule, "age")}


def test_a_json_key_that_is_missing_is_refused(checker: Checker) -> None:
    body = write([GOOD], NDJSON).replace(b'"age": 17, ', b"")
    assert checker.rules(body, NDJSON) == {("missing_column", "age")}


@pytest.mark.parametrize("media", [PARQUET, ARROW])
@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("age", pa.array([17.0])),
        ("age", pa.array([True])),
        ("gravity", pa.array([7.25])),
        ("occurred", pa.array([1], pa.timestamp("us"))),
        ("occurred", pa.array([20260401])),
        ("group", pa.array([["violence"]])),
        ("group", pa.array([b"violence"])),
        ("group", pa.array([1])),
        ("group", pa.array([{"a": "violence"}])),
        ("person", pa.array([b"1" * 32], pa.binary(32))),
        ("knife", pa.array([1])),
    ],
)
def test_a_typed_column_of_the_wrong_type_is_refused(
    checker: Checker, media: str, column: str, values: pa.Array
) -> None:
    table = pa.ipc.open_stream(write([GOOD], ARROW)).read_all()
    changed = table.set_column(table.column_names.index(column), column, values)
    assert ("wrong_type", column) in checker.rules(write_table(changed, media), media)


@pytest.mark.parametrize("media", [PARQUET, ARROW])
def test_dictionaries_and_plain_text_are_read_as_text(checker: Checker, media: str) -> None:
    text = pa.table({name: pa.array([cell]) for name, cell in GOOD.items()})
    assert checker.stored(write_table(text, media), media) == checker.stored(write_csv([GOOD]))
    coded = pa.table({name: pa.array([cell]).dictionary_encode() for name, cell in GOOD.items()})
    assert checker.stored(write_table(coded, media), media) == checker.stored(write_csv([GOOD]))


@pytest.mark.parametrize("media", [PARQUET, ARROW])
def test_a_cut_or_damaged_file_is_refused(checker: Checker, media: str) -> None:
    body = write(ROWS, media)
    for bad in (b"", b"PAR1", body[: len(body) // 2], body[:-20], b"\x00" * 1000, b"\xff" * 1000):
        rules = {rule for rule, _ in checker.rules(bad, media)}
        assert rules & {f"malformed_{'parquet' if media == PARQUET else 'arrow'}", "missing_column"}


def text_column(texts: pa.Array) -> pa.Table:
    table = pa.ipc.open_stream(write([GOOD], ARROW)).read_all()
    rows = table.take(pa.array([0] * len(texts)))
    return rows.set_column(table.column_names.index("group"), "group", texts)


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_compressed_arrow_body_is_refused_unread(checker: Checker, compression: str) -> None:
    sink = io.BytesIO()
    table = text_column(pa.array(["violence"] * 1000))
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    assert checker.rules(sink.getvalue(), ARROW) == {("malformed_arrow", "")}


def test_a_compressed_arrow_dictionary_is_refused_unread(checker: Checker) -> None:
    sink = io.BytesIO()
    table = text_column(pa.array(["violence" * 100]).dictionary_encode())
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    assert checker.rules(sink.getvalue(), ARROW) == {("malformed_arrow", "")}


@pytest.mark.parametrize("media", [PARQUET, ARROW])
def test_a_block_above_the_limit_is_refused(checker: Checker, media: str) -> None:
    body = write_table(text_column(pa.array(["x" * 2_000_000])), media)
    assert ("block_too_large", "") in checker.rules(body, media, limits=SMALL)


def test_a_parquet_page_that_unpacks_beyond_memory_is_not_unpacked(checker: Checker) -> None:
    sink = io.BytesIO()
    table = text_column(pa.array(["x" * 100_000_000]))
    pq.write_table(table, sink, compression="zstd", use_dictionary=False)
    body = sink.getvalue()
    assert len(body) < 100_000
    assert ("block_too_large", "") in checker.rules(body, PARQUET, limits=SMALL)
    lying = Limits(memory_mb=64, block_bytes=1 << 40)  # as if the file had lied about its size
    assert checker.outcome(body, PARQUET, lying) == "engine_failed"


def test_a_dictionary_that_repeats_a_long_text_is_cut_short(checker: Checker) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int8()), pa.array(["x" * 500_000]))
    for media in (ARROW, PARQUET):
        assert checker.rules(write_table(text_column(texts), media), media) == {("code", "group")}


def test_invalid_utf8_in_an_arrow_text_is_refused(checker: Checker) -> None:
    bad = pa.array([b"viol\xffnce"]).view(pa.string())
    assert checker.rules(write_table(text_column(bad), ARROW), ARROW) == {("malformed_arrow", "")}


def test_an_unknown_typed_column_of_an_unreadable_type_is_only_named(checker: Checker) -> None:
    table = text_column(pa.array(["violence"])).append_column("place", pa.array([[1.5, 2.5]]))
    for media in (ARROW, PARQUET):
        assert checker.rules(write_table(table, media), media) == {("unknown_column", "#10")}


@pytest.mark.parametrize(
    ("header", "media"),
    [
        ("text/csv", CSV),
        ("text/csv; charset=utf-8", CSV),
        ('Text/CSV; charset="UTF-8"; header=present', CSV),
        ("application/x-ndjson", NDJSON),
        ("application/ndjson", NDJSON),
        ("application/vnd.apache.parquet", PARQUET),
        ("application/vnd.apache.arrow.stream", ARROW),
    ],
)
def test_a_media_type_is_known(header: str, media: str) -> None:
    assert media_type(header) == media


@pytest.mark.parametrize(
    "header", ["", "application/json", "text/plain", "text/csv; charset=latin-1", "text/csv; header=absent"]
)
def test_another_media_type_is_not_taken(header: str) -> None:
    with pytest.raises(Unsupported):
        media_type(header)


def test_json_lines_that_only_look_different_are_the_same(checker: Checker) -> None:
    line = json.dumps(json.loads(write([GOOD], NDJSON)), sort_keys=True, indent=None, separators=(",", ":"))
    assert checker.stored(f"  {line}\t\r\n".encode(), NDJSON) == checker.stored(write_csv([GOOD]))
