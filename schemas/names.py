"""Names and numbers as documents write them: slugs, codes, artefact names, decimals, dates, durations."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints, WithJsonSchema

from schemas.calendar import Duration, parse_date, parse_duration

_DECIMAL = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,18})?([eE]-[0-9]{1,2})?$"

_DECIMAL_TEXT = re.compile(_DECIMAL[:-1] + r"\Z")


def _to_decimal(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise ValueError('write a decimal as a string, such as "0.02"')  # noqa: TRY004 - pydantic reports it
    if not _DECIMAL_TEXT.match(value):
        raise ValueError('not a decimal such as "0.02" or "5e-8"')
    return Decimal(value)


def _to_date(value: Any) -> date:
    if not isinstance(value, str):
        raise ValueError("write a date as a string, YYYY-MM-DD")  # noqa: TRY004 - pydantic reports it
    return parse_date(value)


def _to_duration(value: Any) -> Duration:
    if not isinstance(value, str):
        raise ValueError('write a duration as a string, such as "P3M"')  # noqa: TRY004 - pydantic reports it
    return parse_duration(value)


Slug = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
FieldName = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Level = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
Code = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9+ _.-]{0,62}$")]
ArtefactName = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9][a-z0-9-]{0,62}(/v[0-9]{1,4})?$")]
Sha256 = Annotated[str, StringConstraints(strict=True, pattern=r"^sha256:[0-9a-f]{64}$")]
Thumbprint = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{43}$")]
Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=4000, pattern=r"\S")]
ExactDecimal = Annotated[Decimal, BeforeValidator(_to_decimal), WithJsonSchema({"type": "string", "pattern": _DECIMAL})]
IsoDate = Annotated[date, BeforeValidator(_to_date), WithJsonSchema({"type": "string", "format": "date"})]
IsoDuration = Annotated[
    Duration, BeforeValidator(_to_duration), WithJsonSchema({"type": "string", "pattern": "^P[0-9YMD]+$"})
]
