"""The page itself: view model and template made one HTML text."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from schemas import agreement as documents
from schemas.canonical import digest
from schemas.page import words
from schemas.page.clauses import sections
from schemas.page.summary import summarise

_STYLE = resources.files("schemas.page").joinpath("templates/page.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_NOTHING_BUT_STYLE = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"

CONTENT_SECURITY_POLICY = f"{_NOTHING_BUT_STYLE}; frame-ancestors 'none'; sandbox"
"""For the response's header: no script, no other origin, no frame; the page's own style alone, by its hash."""

_ENVIRONMENT = Environment(
    loader=PackageLoader("schemas.page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Signed:
    """That a party has signed: with which key, and when in the words of whoever knows."""

    party: str
    key: str
    when: str


@dataclass(frozen=True, slots=True)
class Signatory:
    """One line of the signature block."""

    name: str
    post: str
    key: str
    signed: str


def page(value: Any, *, signed: Sequence[Signed] | None = None, standing: str | None = None) -> str:
    """Return the page of an agreement as one HTML document.

    Args:
        value: The document's JSON value.
        signed: Who has signed; None where that is not known, as from a file alone.
        standing: Whether it is in force, in a word of the broker's; None where that is not known.

    Raises:
        InvalidDocument: it is no agreement.
    """
    agreement = documents.parse(value)
    return _ENVIRONMENT.get_template("page.html").render(
        agreement=agreement,
        title=words.visible(agreement.title),
        about=words.visible(agreement.summary or ""),
        digest=digest(value),
        summary=summarise(agreement),
        sections=sections(value),
        said=frozenset(value),
        signatories=_signatories(agreement, signed),
        standing=standing,
        style=_STYLE,
        policy=_NOTHING_BUT_STYLE,
    )


def _signatories(agreement: documents.Agreement, signed: Sequence[Signed] | None) -> list[Signatory]:
    when = {found.party: found for found in signed or ()}
    made = []
    for party in agreement.parties:
        found = when.get(party.id)
        told = f"{found.when}, with the key {found.key}" if found is not None else "not yet"
        post = words.visible(party.signatory.post) if party.signatory is not None else ""
        made.append(Signatory(words.visible(party.name), post, party.key, told if signed is not None else ""))
    return made
