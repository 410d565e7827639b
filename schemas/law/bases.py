"""What the lawful bases of data protection law ask for: a part of the pinned table."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from schemas.clauses.parties import PartyKind
from schemas.model import Strict
from schemas.names import Text

_SCHEDULE = re.compile(r"schedule\s+1", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\d(])\d{1,2}(?!\d)")
_PARAGRAPH = r"\bpara(?:graph)?s?\b\.?"
_LIST = r"(?:\d{1,2}(?!\d)[A-Z]?|\([^)]*\)|and\b|or\b|[\s,&])*+"
_OTHER = re.compile(rf"\bsch(?:edule)?\.?\s+(?!1\b)\d+,?\s*(?:{_PARAGRAPH}){_LIST}", re.IGNORECASE)
_CITED = re.compile(
    rf"(?:{_PARAGRAPH}|\bsch(?:edule)?\.?\s+1\b)({_LIST})(?!of sch(?:edule)?\.? [2-9])", re.IGNORECASE
)  # the lists are taken whole, so that no text makes the search slow


class Article6(Strict):
    """A point of article 6(1): whether a law lays its task or duty down (article 6(3)), and whom it is closed to."""

    words: Text
    law_laid_down: bool
    closed_to: tuple[PartyKind, ...] = ()


class Article9(Strict):
    """A point of article 9(2), and the paragraphs of Schedule 1 that can carry it; none where it needs none."""

    words: Text
    schedule_1: tuple[Text, ...]


class Paragraph(Strict):
    """A paragraph of DPA 2018 Schedule 1, and whether it needs an appropriate policy document."""

    words: Text
    policy_document: bool


class Part3(Strict):
    """Who processes under DPA 2018 Part 3."""

    competent: Annotated[tuple[PartyKind, ...], Field(min_length=1)]
    words: Text


class Bases(Strict):
    """Lawful bases."""

    source: Text
    article_6: dict[Literal["a", "b", "c", "d", "e", "f"], Article6]
    article_9: dict[Literal["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], Article9]
    schedule_1: dict[Text, Paragraph]
    part_3: Part3


def paragraphs(said: str | None) -> tuple[str, ...]:
    """Return the paragraphs of Schedule 1 that a text names, such as ``6`` or ``Schedule 1 paragraphs 6 and 18``."""
    return tuple(_NUMBER.findall(_SCHEDULE.sub("", said or "")))


def paragraphs_cited(said: str | None) -> tuple[str, ...]:
    """Return the paragraphs of Schedule 1 that an authority cites among other provisions.

    ``DPA 2018 s.10(5) and Schedule 1 paragraph 6`` cites paragraph 6, and section 10 is none.
    """
    return tuple(number for cited in _CITED.findall(_OTHER.sub("", said or "")) for number in _NUMBER.findall(cited))
