"""Bodies are written to a private file, counted, hashed, verified, and always removed."""

import base64
import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from service.errors import ConcordatError, Malformed, TooLarge, Unsupported
from service.intake.spool import BLOCK, spooled, sweep

BODY = bytes(range(256)) * 10_000


async def pieces(body: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def receive(body: bytes, folder: Path, limit: int = 10 << 20, **more: Any) -> tuple[bytes, int, str]:
    """The file's contents, the bytes counted, and the digest."""

    async def run() -> tuple[bytes, int, str]:
        async with spooled(pieces(body), folder, limit=limit, **more) as found:
            assert stat.S_IMODE(found.path.stat().st_mode) == 0o600
            return found.path.read_bytes(), found.bytes, found.digest

    try:
        return anyio.run(run)
    finally:
        assert not list(folder.iterdir())


def refusal(body: bytes, folder: Path, **more: Any) -> ConcordatError:
    with pytest.raises(ConcordatError) as caught:
        receive(body, folder, **more)
    return caught.value


def digest_header(body: bytes, algorithm: str = "sha-256") -> str:
    made = hashlib.new(algorithm.replace("-", ""), body).digest()
    return f"{algorithm}=:{base64.b64encode(made).decode()}:"


@pytest.mark.parametrize("body", [b"", b"x", BODY, b"x" * BLOCK, b"x" * (BLOCK + 1)])
def test_a_body_is_spooled_as_it_is(tmp_path: Path, body: bytes) -> None:
    assert receive(body, tmp_path) == (body, len(body), f"sha256:{hashlib.sha256(body).hexdigest()}")


def test_a_body_above_the_limit_is_refused_and_removed(tmp_path: Path) -> None:
    assert receive(b"x" * 100, tmp_path, limit=100)[1] == 100
    with pytest.raises(TooLarge):
        receive(b"x" * 101, tmp_path, limit=100)


def test_a_body_that_breaks_off_is_removed(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (2 * BLOCK)
        raise ConnectionError

    async def run() -> None:
        async with spooled(broken(), tmp_path, limit=10 << 20):
            pass

    with pytest.raises(ConnectionError):
        anyio.run(run)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "header",
    [
        digest_header(BODY),
        digest_header(BODY, "sha-512"),
        f"{digest_header(BODY)}, {digest_header(BODY, 'sha-512')}",
        f"md5=:AAAA:, {digest_header(BODY)}",
    ],
)
def test_a_content_digest_that_fits_is_accepted(tmp_path: Path, header: str) -> None:
    assert receive(BODY, tmp_path, content_digest=header)[0] == BODY


@pytest.mark.parametrize(
    "header",
    [
        "",
        "sha-256",
        "sha-256=abc",
        "sha-256=:!!!:",
        "sha-256=:AAAA:",
        "md5=:AAAA:",
        f"{digest_header(BODY)},",
        f"SHA-256{digest_header(BODY)[7:]}",
        "sha-256=::",
        "sha-256=:A:",
    ],
)
def test_a_malformed_content_digest_is_refused(tmp_path: Path, header: str) -> None:
    assert refusal(BODY, tmp_path, content_digest=header).code == "bad_content_digest"


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_a_content_digest_of_another_body_is_refused(tmp_path: Path, algorithm: str) -> None:
    assert (
        refusal(BODY + b"x", tmp_path, content_digest=digest_header(BODY, algorithm)).code == "content_digest_mismatch"
    )
    both = f"{digest_header(BODY)}, {digest_header(b'other', 'sha-512')}"
    assert refusal(BODY, tmp_path, content_digest=both).code == "content_digest_mismatch"


@pytest.mark.parametrize("body", [b"", b"x", BODY, b"x" * BLOCK, b"x" * (4 * BLOCK)])
def test_gzip_is_unpacked_and_the_digest_is_of_what_was_sent(tmp_path: Path, body: bytes) -> None:
    packed = gzip.compress(body)
    found = receive(packed, tmp_path, content_encoding="gzip", content_digest=digest_header(packed))
    assert found == (body, len(packed), f"sha256:{hashlib.sha256(packed).hexdigest()}")


def test_gzip_that_unpacks_beyond_the_limit_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        receive(gzip.compress(b"x" * (10 << 20)), tmp_path, limit=5 << 20, content_encoding="gzip")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not gzip",
        gzip.compress(BODY)[:-5],
        gzip.compress(BODY) + b"x",
        gzip.compress(BODY) + gzip.compress(BODY),
        zlib.compress(BODY),
    ],
)
def test_broken_gzip_is_refused(tmp_path: Path, body: bytes) -> None:
    found = refusal(body, tmp_path, content_encoding="gzip")
    assert isinstance(found, Malformed)
    assert found.code == "bad_content_encoding"


def test_bytes_after_the_end_of_gzip_are_refused_in_a_later_block_too(tmp_path: Path) -> None:
    packed = gzip.compress(os.urandom(BLOCK))

    async def first_the_end() -> AsyncIterator[bytes]:
        yield packed
        yield b"x" * BLOCK

    async def run() -> None:
        async with spooled(first_the_end(), tmp_path, limit=10 << 20, content_encoding="gzip"):
            pass

    with pytest.raises(Malformed):
        anyio.run(run)


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_another_content_encoding_is_not_taken(tmp_path: Path, coding: str) -> None:
    with pytest.raises(Unsupported):
        receive(BODY, tmp_path, content_encoding=coding)


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "push-left").write_bytes(b"x")
    (tmp_path / "spill-left").mkdir()
    (tmp_path / "spill-left" / "duckdb_temp").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"x")
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
