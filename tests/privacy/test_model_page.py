"""docs/privacy-model.md claims nothing without a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLAIMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "docs" / "privacy-model.md").read_text())


def test_the_page_names_tests():
    assert len(CLAIMED) > 30


@pytest.mark.parametrize(("path", "name"), CLAIMED)
def test_each_claim_names_a_test_that_exists(path, name):
    assert f"def {name}(" in (ROOT / path).read_text()
