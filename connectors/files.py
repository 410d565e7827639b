"""Small files that only their owner reads."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from connectors.errors import LocalError

_OTHERS = stat.S_IWGRP | stat.S_IRWXO


@contextmanager
def private_file(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """Open a new file with mode 0600 that appears at ``path``, whole, when the block ends well.

    Args:
        path: Where it shall be; missing folders are made for their owner alone.
        replace: Whether it takes the place of a file that is there.

    Raises:
        FileExistsError: There is one, and it shall stay.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)  # unlike a rename, it fails where a file is
    finally:
        temporary.unlink(missing_ok=True)


def create_private(path: Path, data: bytes) -> None:
    """Write a new file with mode 0600.

    Raises:
        FileExistsError: There is one; it is left as it is.
    """
    with private_file(path, replace=False) as file:
        file.write(data)


def replace_private(path: Path, data: bytes) -> None:
    """Write a file with mode 0600 in the place of any other."""
    with private_file(path, replace=True) as file:
        file.write(data)


def read_secret(path: Path, *, max_bytes: int = 16_384) -> bytes:
    """Read a key or a token.

    Raises:
        LocalError: ``file_unreadable``, ``file_too_large``, or ``file_open_to_others`` where others than its
            owner and group could read it, or its group could change it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise LocalError("file_unreadable", f"{path}: {error.strerror}") from error
    if os.name == "posix" and mode & _OTHERS:
        raise LocalError("file_open_to_others", f"{path} is open to others: chmod 600, and replace the key")
    if len(data) > max_bytes:
        raise LocalError("file_too_large", f"{path} is larger than a key or token can be")
    return data


def read_input(path: Path, *, max_bytes: int = 1024 * 1024) -> bytes:
    """Read a document that a person names.

    Raises:
        LocalError: ``file_unreadable`` or ``file_too_large``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise LocalError("file_unreadable", f"{path}: {error.strerror}") from error
    if len(data) > max_bytes:
        raise LocalError("file_too_large", f"{path} is larger than {max_bytes} bytes")
    return data
