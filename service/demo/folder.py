"""The folder that a demo writes to, made anew at each start."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.demo.stage import DemoError

if sys.platform != "win32":
    import fcntl

MARK = ".made-by-concordat-demo"
_WORDS = "`concordat demo` made this folder, and removes it when it starts again.\n"


@contextmanager
def fresh(out: Path) -> Iterator[Path]:
    """Make the folder anew and keep other demos out of it meanwhile; what a demo left there before is removed.

    Raises:
        DemoError: Something else is there, or another demo is at work in it.
    """
    out = out.absolute()
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise DemoError(f"{out} is no folder; say --out FOLDER")
    if out.is_dir() and any(out.iterdir()):
        _remove(out)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    (out / MARK).write_text(_WORDS)
    with _alone(out / MARK):
        yield out


def _remove(out: Path) -> None:
    if not (out / MARK).is_file():
        raise DemoError(f"{out} was not made by a demo and is left alone; say --out FOLDER for another")
    with _alone(out / MARK):
        shutil.rmtree(out)


@contextmanager
def _alone(mark: Path) -> Iterator[None]:
    with mark.open("r+") as file:
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DemoError(f"another demo is at work in {mark.parent}; end it, or say --out FOLDER") from None
        yield
