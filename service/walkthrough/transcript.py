"""The page as it grows: headings, words, commands and what they printed, with what differs from run to run masked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

WIDTH = 110
_PAGE_WIDTH = 120
_MASKS = (
    (re.compile(r"sha256:[0-9a-f]{64}"), "sha256:..."),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:8000"),
    (re.compile(r"/log\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{40,}"), "/log+..."),
    (re.compile(r"\b(extract|release|intent|approval)-[0-9a-f]{20}"), r"\1-..."),
    (re.compile(r"\beyJ[\w-]+\.\.[\w-]+"), "eyJ......"),
    (re.compile(r"\b[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"), "..."),
    (re.compile(r"T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|\+00:00)"), "T..Z"),
)
"""What no two runs share: digests, ports, ids, signatures, key thumbprints, times of day."""


class Transcript:
    """The page, and the folder that its commands run in.

    Attributes:
        lines: The page so far, as Markdown.
    """

    def __init__(self, folder: Path) -> None:
        """Begin in an empty folder."""
        self.lines: list[str] = []
        self._folder = folder
        self._command = shutil.which("concordat", path=str(Path(sys.executable).parent)) or "concordat"

    def heading(self, title: str) -> None:
        """Begin a section."""
        self.lines += [f"## {title}", ""]

    def say(self, words: str) -> None:
        """Say a paragraph."""
        self.lines += [textwrap.fill(" ".join(words.split()), _PAGE_WIDTH), ""]

    def show(self, language: str, text: str) -> None:
        """Show a file, or a part of one."""
        self.lines += [f"```{language}", masked(text.strip("\n")), "```", ""]

    def run(self, who: str, words: str, *, expect: int = 0, env: Mapping[str, str] | None = None) -> str:
        """Run ``concordat WORDS`` as somebody, and show the command and what it printed.

        Args:
            who: Whose shell it is, which stands before the prompt.
            words: The rest of the command line; no word of it holds a space.
            expect: The exit code that the story needs.
            env: Variables of that shell, such as a token; not shown.

        Returns:
            What it printed to standard output, unmasked.

        Raises:
            RuntimeError: it ended otherwise.
        """
        done = self.quiet(words, expect=expect, env=env)
        said = (done.stdout + done.stderr).rstrip("\n")
        self.lines += ["```console", masked(f"{who}$ concordat {words}"), *([masked(said)] if said else []), "```", ""]
        return done.stdout

    def quiet(
        self, words: str, *, expect: int = 0, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that the page does not show.

        Raises:
            RuntimeError: it ended with another exit code than expected.
        """
        plain = {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        done = subprocess.run(  # noqa: S603 - our own command, with words of ours
            [self._command, *words.split()],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder)} | plain | dict(env or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != expect:
            raise RuntimeError(f"concordat {words} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def page(self) -> str:
        """Return the page."""
        return "\n".join(self.lines).rstrip("\n") + "\n"


def masked(text: str) -> str:
    """Return what was printed without what differs from run to run, and without trailing spaces."""
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return "\n".join(line.rstrip() for line in text.splitlines())
