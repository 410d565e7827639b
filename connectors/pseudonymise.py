"""Pseudonyms on the agency's side, in the simple mode: HMAC-SHA-256 under a key that the agencies share.

Whoever holds the key can find out who a pseudonym is by trying: keep it where the identifiers are, never at
the broker. The same person gets the same pseudonym under one agreement from every agency that uses the same
kind of identifier, and an unrelated one under any other agreement.
"""

from __future__ import annotations

import csv
import hmac
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from connectors.tables import table
from connectors.whole_file import whole_file
from schemas.errors import DocumentError
from schemas.identifiers import is_nhs_number, is_pnc_id, is_upn, judge_header

IdType = Literal["nhs-number", "upn", "pnc-id", "person-ref"]

KEY_BYTES = 32
_DOMAIN = b"concordat/pseudonym/hmac-sha-256/v1"
_MAX_IDENTIFIER = 200
_MAX_ROWS_NAMED = 1_000
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_AGREEMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_NOBODY = frozenset({"", "-", "n/a", "na", "nil", "none", "not known", "null", "unknown"})


def new_key(path: Path) -> bytes:
    """Make a key and write it as hex to a new file that its owner alone can read.

    Raises:
        FileExistsError: the file is there already; a key is never overwritten.
    """
    key = secrets.token_bytes(KEY_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def load_key(path: Path) -> bytes:
    """Read a key of at least ``KEY_BYTES`` bytes, written as hex.

    Raises:
        DocumentError: ``key_readable_by_others`` or ``bad_key``; the words never show the key.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if os.name == "posix" and mode & _OTHERS:
            raise DocumentError("key_readable_by_others", f"others may read the key; run: chmod 600 {path}")
        text = file.read(4096)
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        raise DocumentError("bad_key", "the key file does not hold hex digits") from None
    _check_key(key)
    return key


def _check_key(key: bytes) -> None:
    if len(key) < KEY_BYTES:
        raise DocumentError("bad_key", f"the key is shorter than {KEY_BYTES} bytes")


def normalise(identifier: str, id_type: IdType) -> str:
    """Return an identifier in the one form that is hashed, so that every agency writes a person alike.

    An NHS number is ten digits; a UPN thirteen capitals and digits; a PNC id two digits of the year, seven
    of the serial number and the letter; any other reference is taken by NFKC, case folded, outer and
    repeated space gone.

    Raises:
        DocumentError: ``bad_identifier``; the words never show it.
    """
    if len(identifier) > _MAX_IDENTIFIER:
        raise _bad(id_type)
    text = " ".join(unicodedata.normalize("NFKC", identifier).split())
    if id_type == "nhs-number":
        digits = re.sub(r"[ -]", "", text)
        # Ten equal digits pass the check but are what systems put where there is no number.
        if not re.fullmatch(r"[0-9]{10}", digits) or not is_nhs_number(digits) or len(set(digits)) == 1:
            raise _bad(id_type)
        return digits
    if id_type == "upn":
        upper = text.upper()
        if not is_upn(upper):
            raise _bad(id_type)
        return upper
    if id_type == "pnc-id":
        upper = text.upper()
        if not is_pnc_id(upper):
            raise _bad(id_type)
        year, _, rest = upper.partition("/")
        return f"{year[-2:]}/{rest[:-1].zfill(7)}{rest[-1]}"
    folded = unicodedata.normalize("NFKC", text.casefold())
    if folded in _NOBODY:
        raise _bad(id_type)
    return folded


def _bad(id_type: IdType) -> DocumentError:
    return DocumentError("bad_identifier", f"not a valid {id_type}")


class Pseudonymiser:
    """Turns identifiers into pseudonyms for one agreement."""

    __slots__ = ("_agreement", "_key")

    def __init__(self, key: bytes, agreement_id: str) -> None:
        """Keep the key.

        Args:
            key: At least ``KEY_BYTES`` bytes from a random source.
            agreement_id: The agreement's id; without its version, for pseudonyms outlive versions.

        Raises:
            DocumentError: ``bad_key`` or ``bad_agreement_id``.
        """
        _check_key(key)
        if not _AGREEMENT.match(agreement_id):
            raise DocumentError("bad_agreement_id", "an agreement's id is lowercase letters, digits and hyphens")
        self._key = key
        self._agreement = agreement_id.encode("ascii")

    def pseudonym(self, identifier: str, id_type: IdType) -> str:
        """Return a person's pseudonym, 64 lowercase hex digits.

        HMAC-SHA-256 over domain, agreement, kind and normalised identifier, parted by zero bytes; only the
        last part could hold one.

        Raises:
            DocumentError: ``bad_identifier``; the words never show it.
        """
        named = normalise(identifier, id_type).encode("utf-8", "surrogatepass")
        message = b"\0".join((_DOMAIN, self._agreement, id_type.encode("ascii"), named))
        return hmac.digest(self._key, message, "sha256").hex()


def one_off() -> str:
    """Return a random pseudonym for a row whose person is not known; it links to nothing."""
    return secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a file. Rows are numbered as in a spreadsheet: the header is row 1.

    Attributes:
        rows: Rows written, all that there were.
        unlinked: Rows whose person is not known, those with a bad identifier among them.
        bad: Rows whose identifier fails its check.
        bad_rows: Their numbers, the first thousand.
    """

    rows: int
    unlinked: int
    bad: int
    bad_rows: tuple[int, ...] = field(repr=False)


def pseudonymise_csv(
    source: Path,
    target: Path,
    *,
    id_column: str,
    id_type: IdType,
    pseudonymiser: Pseudonymiser,
    drop: Collection[str] = (),
) -> Report:
    """Copy a CSV file with the identifier column replaced by ``person`` and ``unlinked``.

    Memory does not grow with the file. A row without an identifier, or with one that fails its check, gets a
    random pseudonym and ``unlinked`` true. The target appears whole or not at all.

    Args:
        source: CSV (RFC 4180) in UTF-8 with a header, gzipped or not.
        target: The new file; replaced where it exists.
        id_column: The column that holds the identifier.
        id_type: What kind of identifier it is.
        pseudonymiser: Key and agreement.
        drop: Columns to leave out.

    Raises:
        DocumentError: ``bad_header``, ``unknown_column``, ``identifying_column`` where a column that stays
            is named as names, addresses and the like are, ``ragged_row``, ``not_utf8`` or ``not_csv``; no
            cell is shown.
    """
    with table(source) as (header, rows), whole_file(target) as out:
        kept = _kept(header, id_column, drop)
        where = header.index(id_column)
        write = csv.writer(out, lineterminator="\r\n").writerow
        write(["person", "unlinked", *(header[index] for index in kept)])

        def person(row: list[str]) -> str | None:
            cell = row[where]
            return None if cell.strip().casefold() in _NOBODY else pseudonymiser.pseudonym(cell, id_type)

        return _copy(rows, write, kept, person)


def _copy(
    rows: Iterable[tuple[int, list[str]]],
    write: Callable[[list[str]], object],
    kept: list[int],
    person: Callable[[list[str]], str | None],
) -> Report:
    """Write every row; ``person`` gives a row's pseudonym, None where it names nobody."""
    count = unlinked = bad = 0
    bad_rows: list[int] = []
    for number, row in rows:
        count += 1
        try:
            pseudonym = person(row)
        except DocumentError:
            pseudonym = None
            bad += 1
            if bad <= _MAX_ROWS_NAMED:
                bad_rows.append(number)
        unlinked += pseudonym is None
        mark = "true" if pseudonym is None else "false"
        write([pseudonym or one_off(), mark, *[row[index] for index in kept]])
    return Report(count, unlinked, bad, tuple(bad_rows))


def _kept(header: list[str], id_column: str, drop: Collection[str]) -> list[int]:
    for name in (id_column, *drop):
        if name not in header:
            raise DocumentError("unknown_column", "the file has no such column", name)
    kept = [index for index, name in enumerate(header) if name != id_column and name not in drop]
    for index in kept:
        if header[index] in ("person", "unlinked"):
            raise DocumentError("bad_header", "the file has this column already", header[index])
        if found := judge_header(header[index]):
            detail = f"the column looks like {found[0]}: drop it, or rename it if it is not"
            raise DocumentError("identifying_column", detail, header[index])
    return kept
