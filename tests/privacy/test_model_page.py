"""docs/privacy-model.md restates every section of the guarantee and claims nothing without a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "privacy-model.md").read_text()
CLAIMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
SECTION = re.compile(r"^## (\d+)\. (.+)\n((?:(?!## ).*\n)*)", re.MULTILINE)
SECTIONS = {int(number): text for number, _, text in SECTION.findall(PAGE)}
GUARANTEE = {
    1: "one pseudonym",
    2: "One answer",
    3: "Money",
    4: "Who may change what",
    5: "log",
    6: "public",
    7: "Time",
}
"""The guarantee's numbered sections, each by words of its title that the page's heading must hold."""


def test_the_page_names_tests():
    assert len(CLAIMED) > 100


@pytest.mark.parametrize(("path", "name"), CLAIMED)
def test_each_claim_names_a_test_that_exists(path, name):
    assert name.startswith(("test_", "Test"))
    assert re.search(rf"^(?:def {name}\(|class {name}\b|{name} = )", (ROOT / path).read_text(), re.MULTILINE)


def test_everything_that_looks_like_a_test_is_checked():
    assert PAGE.count(".py::") == len(re.findall(r"`tests/[\w/]+\.py::\w+`", PAGE))


def test_the_sections_are_those_of_the_guarantee_in_its_order():
    headings = [(int(number), title) for number, title, _ in SECTION.findall(PAGE)]
    assert [number for number, _ in headings] == list(GUARANTEE)
    for number, title in headings:
        assert GUARANTEE[number] in title


@pytest.mark.parametrize("number", GUARANTEE)
def test_each_section_of_the_guarantee_names_tests(number):
    assert "`tests/" in SECTIONS[number]
