"""Values of a document in plain words, and what is hidden in a text made visible."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import date
from typing import Any
from urllib.parse import quote

from schemas.calendar import Duration, parse_date, parse_duration
from schemas.errors import DocumentError

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KEPT = "\n\t"
_LABELS = {
    "apd": "Appropriate policy document",
    "approval": "Approved question by question by a steward of",
    "article_10": "UK GDPR article 10",
    "article_6": "UK GDPR article 6(1), point",
    "article_6_law": "Law that lays the task down",
    "article_9": "UK GDPR article 9(2), point",
    "bounds": "Bounds on one person's contribution",
    "combine": "Fewest codes a filter combines",
    "concordat": "Form of this document",
    "dpia": "Data protection impact assessment",
    "dpo": "Data protection officer",
    "dpv": "Nearest purpose of the W3C's vocabulary",
    "every": "Every",
    "filter_by": "May filter by",
    "for": "For the purposes",
    "gateway": "Legal powers to disclose",
    "group_by": "May group by",
    "id": "Name in this document",
    "keep": "Kept for",
    "key": "Signing key (thumbprint)",
    "legal": "Lawful basis",
    "legal_of": "Lawful basis of single parties",
    "link": "May link by person with",
    "measure": "May measure",
    "most_fields": "Most columns in one question",
    "opt_out": "National data opt-out",
    "parent": "Part of the purpose",
    "part_3": "Law-enforcement processing (DPA 2018 Part 3)",
    "pins": "Artefacts and their digests",
    "purposes": "Purposes",
    "roles": "Asked by people in the roles",
    "rows": "Only rows with",
    "schedule_1": "DPA 2018 Schedule 1 paragraph",
    "siro": "Senior information risk owner",
    "to": "Recipients",
}


def label(key: str) -> str:
    """Return what people call a key of the document."""
    return _LABELS.get(key) or key.replace("_", " ").capitalize()


def anchor(path: Iterable[str | int]) -> str:
    """Return a clause's anchor: its path, with what an address cannot hold percent-encoded."""
    return "/".join(quote(str(part), safe="") for part in path)


def visible(text: str) -> str:
    """Return a text in which no character is hidden or turns the direction of what follows."""
    return "".join("\ufffd" if unicodedata.category(char) in _HIDDEN and char not in _KEPT else char for char in text)


def day(value: date) -> str:
    """Write a date for people."""
    return f"{value.day} {value:%B %Y}"


def lasting(value: Duration) -> str:
    """Write a duration for people."""
    years, months = divmod(value.months, 12)
    parts = ((years, "year"), (months, "month"), (value.days, "day"))
    return _and([f"{number} {unit}{'' if number == 1 else 's'}" for number, unit in parts if number])


def shown(value: Any, kind: dict[str, Any]) -> str:
    """Return a text, number or flag as people read it.

    Args:
        value: A JSON value that is no list or object.
        kind: Its JSON Schema, which tells a date or a duration from other texts.
    """
    if value is None:
        return "not said"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = visible(str(value))
    try:
        if kind.get("format") == "date":
            return day(parse_date(text))
        if str(kind.get("pattern", "")).startswith("^P["):
            return f"{lasting(parse_duration(text))} ({text})"
    except DocumentError:
        return text
    return text


def listed(texts: Iterable[str]) -> str:
    """Join texts as a sentence lists them."""
    return _and([visible(text) for text in texts])


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
