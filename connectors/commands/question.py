"""A question, from a file or from options."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.errors import LocalError
from connectors.files import read_input
from schemas import strict_json
from schemas.measures import DERIVED
from schemas.request import parse

_PANEL = "Question"
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
_WHOLE = re.compile(r"-?[0-9]{1,15}\Z")


def _option(*names: str, text: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=_PANEL, show_default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The question as given."""

    file: Annotated[
        Path | None, typer.Argument(metavar="[REQUEST.json]", help="The question, instead of the options below.")
    ] = None
    dataset: Annotated[str | None, _option("--dataset", text="Of which dataset.")] = None
    purpose: Annotated[str | None, _option("--purpose", text="For which of the agreement's purposes.")] = None
    measures: Annotated[
        list[str] | None,
        _option(
            "--measure",
            text="count (if none is given), persons, repeat, sum:FIELD, mean:FIELD, variance:FIELD, "
            "histogram:FIELD=LEVEL or =CUT,CUT, or quantile:FIELD=0.5,0.9@POINT,POINT; and of another one asked, as "
            "count or sum_FIELD: share:OF, rolling:OF=PERIODS, change:OF=PERIODS; repeatable.",
        ),
    ] = None
    by: Annotated[
        list[str] | None, _option("--by", text="Group by FIELD or FIELD:LEVEL; repeatable.", metavar="FIELD")
    ] = None
    where: Annotated[
        list[str] | None,
        _option(
            "--where",
            text="FIELD=CODE,CODE or FIELD:LEVEL=CODE or FIELD=true or FIELD=FROM..TO; repeatable, all hold.",
            metavar="CONDITION",
        ),
    ] = None
    share: Annotated[str | None, _option("--share", text="Spend this part of your period's share.")] = None
    within: Annotated[str | None, _option("--within", text="Spend what keeps the error within this half-width.")] = None
    confidence: Annotated[str | None, _option("--confidence", text="With --within; 0.95 if not given.")] = None
    epsilon: Annotated[str | None, _option("--epsilon", text="Spend this epsilon.")] = None
    per_person: Annotated[
        int | None, _option("--per-person", text="Bound each person lower than the agreement does.")
    ] = None
    reason: Annotated[
        str | None, _option("--reason", text="Why you ask, for the log; name nobody. At most 200 characters.")
    ] = None

    def request(self) -> dict[str, Any]:
        """Return the question as the API takes it.

        Raises:
            LocalError: ``question_incomplete``, ``question_twice`` or ``condition_malformed``.
            DocumentError: The file is not strict JSON, or the parts make no sense together.
        """
        if self.file is not None:
            if any(getattr(self, field.name) is not None for field in fields(self) if field.name != "file"):
                raise LocalError("question_twice", "give the question in a file or in options, not in both")
            value = strict_json.loads(read_input(self.file))
            parse(value)
            return dict(value)
        if self.dataset is None or self.purpose is None:
            raise LocalError("question_incomplete", "give a file, or at least --dataset and --purpose")
        made: dict[str, Any] = {
            "purpose": self.purpose,
            "dataset": self.dataset,
            "measures": [_measure(text) for text in self.measures or ("count",)],
            "spend": self._spend(),
        }
        if self.by:
            made["by"] = [_grouping(text) for text in self.by]
        if self.where:
            made["where"] = [_condition(text) for text in self.where]
        if self.per_person is not None:
            made["bounds"] = {"per_person": self.per_person}
        if self.reason is not None:
            made["reason"] = self.reason
        parse(made)
        return made

    def _spend(self) -> dict[str, str]:
        given = {
            name: str(value)
            for name in ("share", "within", "confidence", "epsilon")
            if (value := getattr(self, name)) is not None
        }
        if not given:
            raise LocalError("question_incomplete", "say what to spend: --share, --within or --epsilon")
        return given | {"confidence": "0.95"} if set(given) == {"within"} else given


def _measure(text: str) -> dict[str, Any]:
    """Return a measure written as ``KIND`` or ``KIND:FIELD``, with ``=LEVEL``, ``=CUT,CUT`` or ``=Q,Q@POINT,POINT``.

    One that is worked out from another is written ``KIND:OF`` or ``KIND:OF=PERIODS``.
    """
    kind, separator, rest = text.partition(":")
    of, binned, bins = rest.partition("=")
    if kind in DERIVED:
        return {kind: {"of": of} | ({"periods": _end(bins)} if binned else {})}
    made: dict[str, Any] = {"field": of} if separator else {}
    parts, gridded, points = bins.partition("@")
    if gridded:
        made |= {"q": parts.split(","), "grid": points.split(",")}
    elif binned:
        cuts = bins.split(",")
        made |= {"cuts": cuts} if all(map(_NUMBER.match, cuts)) else {"level": bins}
    return {kind: made}


def _grouping(text: str) -> dict[str, str]:
    field, separator, level = text.partition(":")
    return {"field": field, "level": level} if separator else {"field": field}


def _condition(text: str) -> dict[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not value:
        raise LocalError("condition_malformed", f"write FIELD=CODE,CODE or FIELD=FROM..TO, not {text}")
    made: dict[str, Any] = dict(_grouping(name))
    if value in ("true", "false"):
        return made | {"is": value == "true"}
    first, dots, last = value.partition("..")
    if dots:
        return made | {side: _end(end) for side, end in (("from", first), ("to", last)) if end}
    return made | {"in": value.split(",")}


def _end(text: str) -> str | int:
    return int(text) if _WHOLE.match(text) else text
