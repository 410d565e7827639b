"""Run the story and print the page."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from service.walkthrough.story import tell


def main() -> None:
    """Tell the story in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="concordat-walkthrough-") as folder:
        sys.stdout.write(tell(Path(folder), datetime.now(UTC).date()))


if __name__ == "__main__":
    main()
