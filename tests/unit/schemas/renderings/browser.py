"""A page as a browser reads it: tags, anchors, links; and Chromium itself, where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "img", "input", "hr"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Read(HTMLParser):
    """What stands in a page; raises where its tags are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, name: str) -> list[str]:
        """Return every value of an attribute."""
        return [value or "" for key, value in self.attributes if key == name]


def chromium(folder: Path, *words: str) -> str:
    """Run Chromium without a window, a network or a profile of anybody's; return what it prints."""
    assert CHROMIUM is not None
    command = (
        CHROMIUM, "--headless", "--disable-gpu", "--disable-background-networking",
        *(("--no-sandbox",) if os.geteuid() == 0 else ()),  # its sandbox refuses root, as whom containers build
        f"--user-data-dir={folder / 'profile'}", *words,
    )  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
