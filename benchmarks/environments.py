"""Environments of peers: one each, from a hashed lock, in the cache folder; a peer that cannot install is skipped."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import say

PEERS = Path(__file__).parent / "peers"
_INSTALL_SECONDS = 900
_RUN_SECONDS = 900


class Skipped(Exception):
    """A benchmark cannot run here; says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A library to compare with.

    Attributes:
        name: How results name it.
        script: Its script in ``peers/``, which tells on standard output what it measured.
        locks: Its locks in ``peers/``, installed in this order.
    """

    name: str
    script: str
    locks: tuple[str, ...]

    def run(self, cache: Path, *arguments: str) -> dict[str, Any]:
        """Run its script in its environment and return what it tells.

        Raises:
            Skipped: it cannot be installed or run here.
        """
        python = self._environment(cache)
        command = [str(python), str(PEERS / self.script), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_RUN_SECONDS, check=False)  # noqa: S603 - our own script
        except subprocess.TimeoutExpired:
            raise Skipped(f"{self.name} took more than {_RUN_SECONDS} s") from None
        if done.returncode != 0:
            raise Skipped(f"{self.name} failed: {_last_line(done.stderr)}")
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def _environment(self, cache: Path) -> Path:
        """Return the Python of its environment, made where there is none for these locks."""
        locked = hashlib.sha256(b"".join((PEERS / lock).read_bytes() for lock in self.locks)).hexdigest()
        folder = cache / "peers" / f"{Path(self.script).stem}-{locked[:12]}"
        python, stamp = folder / "bin" / "python", folder / "installed"
        if stamp.exists():
            return python
        say(f"  installing {self.name}")
        shutil.rmtree(folder, ignore_errors=True)
        _call(self.name, sys.executable, "-m", "venv", "--without-pip", str(folder))
        for lock in self.locks:
            # What one lock holds builds what the next one holds; nothing comes without a hash.
            _call(
                self.name, sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet",
                "--require-hashes", "--no-deps", "--no-build-isolation", "--disable-pip-version-check",
                "--requirement", str(PEERS / lock),
            )  # fmt: skip
        stamp.touch()
        return python


SMARTNOISE = Peer("smartnoise-sql 1.0.10", "smartnoise_sql.py", ("build.txt", "smartnoise.txt"))
OPENDP = Peer("OpenDP 0.16.0 Polars", "opendp_polars.py", ("opendp.txt",))
CEDAR = Peer("cedarpy 4.12.2", "cedar.py", ("cedar.txt",))


def _call(name: str, *command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)  # noqa: S603 - our own command
    except subprocess.TimeoutExpired:
        raise Skipped(f"{name} did not install within {_INSTALL_SECONDS} s") from None
    if done.returncode != 0:
        raise Skipped(f"{name} cannot be installed here: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
