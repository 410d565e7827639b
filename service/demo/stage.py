"""Where the story is told: headings, words, tables, and checks that end it when something is not as it should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.rule import Rule
from rich.text import Text

from connectors.errors import ProblemError
from connectors.render import plain

WIDTH = 100

T = TypeVar("T")


class DemoError(Exception):
    """A step did not do what it should; the demo ends here."""


class Stage:
    """The console, and how many steps were told."""

    def __init__(self, out: Path) -> None:
        """Begin.

        Args:
            out: The folder that the demo writes to.
        """
        self.out = out
        console = Console(highlight=False)
        width = min(console.width, WIDTH) if console.is_terminal else WIDTH
        self._console = Console(highlight=False, width=width)
        self._step = 0
        self._spaced = False

    def step(self, title: str, words: str) -> None:
        """Begin a step: a heading, then what happens and why it matters."""
        self._step += 1
        self._space()
        self._console.print(Rule(Text(f"{self._step}  {title}", "bold"), align="left", style="cyan"))
        self.say(words)

    def say(self, words: str) -> None:
        """Say one paragraph."""
        self._spaced = False
        self._console.print(plain(" ".join(words.split())))
        self._space()

    def show(self, *parts: RenderableType) -> None:
        """Show tables and the like."""
        self._spaced = False
        for part in parts:
            self._console.print(part)
        self._space()

    def check(self, words: str, *, holds: bool) -> None:
        """Say what was checked.

        Raises:
            DemoError: It does not hold.
        """
        if not holds:
            raise DemoError(f"this should hold and does not: {words}")
        self._console.print(Text.assemble(("✓ ", "green"), plain(words)))
        self._spaced = False

    def _space(self) -> None:
        """Leave one empty line, not two."""
        if not self._spaced:
            self._console.print()
        self._spaced = True

    def kept(self, path: Path) -> str:
        """Return how a file is named to people: from where they stand, if it lies below."""
        here = Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)


def refused(act: Callable[[], object], what: str) -> ProblemError:
    """Return the problem with which the broker refuses.

    Raises:
        DemoError: It did not refuse.
    """
    try:
        act()
    except ProblemError as problem:
        return problem
    raise DemoError(f"the broker took what it must refuse: {what}")
