"""Errors in documents that people or machines hand to Concordat."""

from __future__ import annotations

from schemas.told import told_path


class DocumentError(ValueError):
    """A document that is refused before it means anything.

    Attributes:
        code: Stable, documented code such as ``duplicate_key``.
        path: Where in the document, as ``datasets/police-violence/bounds``; empty for the whole. A part that is no
            plain name is withheld: a key may hold anything.
        line: The line of the text, from 1 on, where the reader knows it; what has a path stands where that does.
        detail: What is wrong and what to do; never a value from a data cell.
    """

    def __init__(self, code: str, detail: str, path: str = "", line: int | None = None) -> None:
        """Keep the code, the words and the place apart."""
        path = told_path(path)
        super().__init__(f"{path}: {detail}" if path else detail)
        self.code = code
        self.detail = detail
        self.path = path
        self.line = line
