"""The walkthrough runs, and the page is what it printed, but for noise and the year."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from service.walkthrough.story import tell

PAGE = Path(__file__).resolve().parents[2] / "docs" / "walkthrough-agreement.md"


def skeleton(page: str) -> list[str]:
    """Return headings and commands, without years."""
    return [re.sub(r"20\d\d", "20YY", line) for line in page.splitlines() if re.match(r"## |[a-z-]+\$ ", line)]


def test_the_page_is_what_running_the_story_prints(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = tell(tmp_path, datetime.now(UTC).date())
    assert skeleton(told) == skeleton(page)
    assert len(skeleton(page)) > 30
    for text in (told, page):
        for proof in (
            "16(4)(a)", "No errors, no warnings.", "yet to sign: nobody", "in_force", "2 narrow",
            "2 would flip", "agreement_terminated", "6000 rows in 1 extracts", "agreement_purged", "The log holds.",
        ):  # fmt: skip
            assert proof in text, proof
        assert "127.0.0.1:8000" in text
        assert not re.search(r"eyJ[\w-]{10}", text)
