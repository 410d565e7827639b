"""Which version of an agreement a supplier knows: a push names it, so that no new version goes unread."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from connectors.errors import LocalError
from connectors.files import replace_private

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class KnownAgreements:
    """The digests of the agreements that a supplier has read, one small file each."""

    def __init__(self, folder: Path, issuer: str) -> None:
        """Open the store; nothing is read or written yet."""
        self._folder = folder
        self._issuer = issuer

    def digest(self, agreement: str) -> str | None:
        """Return the digest that was known at the last push, None before the first."""
        try:
            text = self._path(agreement).read_text().strip()
        except FileNotFoundError:
            return None
        if not _DIGEST.match(text):
            raise LocalError("store_damaged", f"{self._path(agreement)} holds no digest; remove it")
        return text

    def remember(self, agreement: str, digest: str) -> None:
        """Know this version from now on."""
        if self.digest(agreement) != digest:
            replace_private(self._path(agreement), f"{digest}\n".encode())

    def _path(self, agreement: str) -> Path:
        name = sha256(f"{self._issuer}\n{agreement}".encode()).hexdigest()[:16]
        return self._folder / f"agreement-{name}.digest"
