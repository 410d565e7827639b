"""The pages say what the code does: every error code, every setting, every file that a page links to."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(
    r"""(?:code="|\bcode\s=\s"|DocumentError\(\s*"|Standing\("|Decision\("refused",\s"|^\s{8}\([^"]*,\s")([a-z]+(?:_[a-z0-9]+)+)"""
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def raised() -> set[str]:
    found: set[str] = set()
    for folder in ("service", "schemas"):
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(CODE.findall(path.read_text())) - {"in_force"}
    return found


def test_every_error_code_is_on_its_page():
    page = (ROOT / "docs" / "errors.md").read_text()
    missing = {code for code in raised() if f"`{code}`" not in page}
    assert not missing
    assert len(raised()) > 60


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Settings)])
def test_every_setting_is_documented(field):
    assert f"`{field}`" in (ROOT / "docs" / "settings.md").read_text()
    assert f"{field}:" in (Settings.__doc__ or "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
