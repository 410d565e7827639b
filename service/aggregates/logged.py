"""The inverse of ``intents.log_request``: the question that an entry of the log tells of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.errors import DocumentError
from schemas.request import AggregateRequest, parse
from service.aggregates.intents import UNKNOWN

NO_QUESTION = "no question"
UNKNOWN_WORD = "a word that was not known when it was asked, which the log does not keep"
OTHER_FORM = "another form than this broker writes"

_MOST_PLACES = 18
"""Decimal places of a decimal as documents write them (``schemas.names``), before any exponent."""


class Unreadable(ValueError):
    """An entry that no question can be read from. ``why`` is one of the reasons above."""

    def __init__(self, why: str) -> None:
        """Say why."""
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked what, as an entry tells it.

    Attributes:
        party: The caller's party.
        roles: The roles that the caller's token carried.
        request: The question; its reason is kept only where the entry has one, which refusals have not.
    """

    party: str
    roles: frozenset[str]
    request: AggregateRequest


def is_question(entry: Mapping[str, Any]) -> bool:
    """Whether an entry tells of a question; other accesses name what was read or sent, or nothing."""
    request = entry.get("request")
    return isinstance(request, Mapping) and "measures" in request


def asked(entry: Mapping[str, Any]) -> Asked:
    """Return the question that an entry tells of, exactly as it was asked.

    Args:
        entry: An entry's JSON value, of any kind.

    Raises:
        Unreadable: it is no question, or names something that was not known when it was asked.
    """
    if not is_question(entry):
        raise Unreadable(NO_QUESTION)
    if _unknown(entry["request"]) or entry.get("purpose") is None:
        raise Unreadable(UNKNOWN_WORD)
    try:
        party, role = entry["caller"]["party"], entry["caller"]["role"] or ""
        request = parse(_value(entry["request"]) | {"purpose": entry["purpose"], "reason": entry.get("reason") or ""})
    except (DocumentError, InvalidOperation, KeyError, TypeError, AttributeError, ValueError):
        raise Unreadable(OTHER_FORM) from None
    if not isinstance(party, str):
        raise Unreadable(OTHER_FORM)
    return Asked(party, frozenset(role.split()), request)


def _unknown(value: Any) -> bool:
    """Whether a word anywhere in a logged request was replaced."""
    if isinstance(value, Mapping):
        return any(map(_unknown, value.values()))
    if isinstance(value, list):
        return any(map(_unknown, value))
    return isinstance(value, str) and (value == UNKNOWN or value.endswith(f"_{UNKNOWN}"))


def _value(logged: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's JSON value from its logged form: measures were names, decimals were in any form.

    ``shapes`` holds the parameters of measures whose names do not tell all, by these names.
    """
    made = {name: item for name, item in logged.items() if name != "shapes"}
    shapes = logged.get("shapes", {})
    made["measures"] = [shapes[name] if name in shapes else _measure(name) for name in logged["measures"]]
    made["by"] = [{name: item for name, item in part.items() if item is not None} for part in logged["by"]]
    made["spend"] = {name: _decimal(text) for name, text in logged["spend"].items()}
    return made


def _measure(name: str) -> dict[str, Any]:
    """Return a measure from its name: ``count``, ``mean_gravity``."""
    kind, _, field = name.partition("_")
    return {kind: {"field": field} if field else {}}


def _decimal(text: str) -> str:
    """Return a decimal in the form that documents write, which Python's own text of it need not have.

    A document has at most 12 digits before the point, 18 after it, and an exponent down to -99; taking as many
    places as may be leaves the smallest exponent, so what was read from a document always fits again.
    """
    _, digits, exponent = Decimal(text).as_tuple()
    if not isinstance(exponent, int) or exponent > 0:
        raise Unreadable(OTHER_FORM)
    places = min(_MOST_PLACES, -exponent)
    whole = "".join(map(str, digits)).zfill(places + 1)
    shown = whole if places == 0 else f"{whole[:-places]}.{whole[-places:]}"
    return shown if places == -exponent else f"{shown}e{exponent + places}"
