"""Formats of identifiers of persons and places, so that they can be refused wherever they turn up.

Every pattern is bounded by characters that are neither letters nor digits and repeats a bounded number of
times, so that matching is linear. ``Format.re2`` is the same pattern for RE2 (DuckDB), which has no
lookaround: it finds the cells that are worth judging here.

The check letters and digits follow what the keepers of the NHS number, UPN and PNC id publish. The shapes of
National Insurance number, driving licence number, telephone number and UPRN are remembered, not read.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

MAX_TEXT = 100_000
MAX_CELL = 1_000

_UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_PNC_LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
_PNC_LETTER = "[A-HJ-NP-RT-Z]"
_NHS_DIGITS = 10
_NO_CHECK_DIGIT = 10
_NINO_NOT = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})
_NOT_DIGIT = re.compile(r"[^0-9]")
_ORDINAL = re.compile(r"(?:1st|2nd|3rd|[0-9]th)\Z")
_DAY_FIRST = re.compile(r"[0-3][0-9]-[01][0-9]-[0-9]{4}")
_SEPARATED_NHS = re.compile(r"[0-9]{3}([ -])[0-9]{3}\1[0-9]{4}\Z")
_DASHES = dict.fromkeys(range(0x2010, 0x2016), "-")


def is_nhs_number(text: str) -> bool:
    """Check an NHS number's ten digits: weights 10 to 2, check digit 11 less the sum modulo 11."""
    digits = _NOT_DIGIT.sub("", text)
    if len(digits) != _NHS_DIGITS:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False))
    check = (11 - total % 11) % 11
    return check != _NO_CHECK_DIGIT and check == int(digits[-1])


def is_upn(text: str) -> bool:
    """Check a unique pupil number's letter: weights 2 to 13, modulo 23; a last letter counts by its place."""
    upper = text.upper()
    if not re.fullmatch(r"[A-HJ-NP-RT-Z][0-9]{11}[0-9A-HJ-NP-RT-Z]", upper):
        return False
    last = upper[-1]
    values = [int(digit) for digit in upper[1:12]] + [
        int(last) if last.isdigit() else _UPN_LETTERS.index(last),
    ]
    return upper[0] == _UPN_LETTERS[sum(v * w for v, w in zip(values, range(2, 14), strict=True)) % 23]


def is_pnc_id(text: str) -> bool:
    """Check a PNC id's letter: two digits of the year and seven of the serial number, modulo 23."""
    found = re.fullmatch(rf"(?:19|20)?([0-9]{{2}})/([0-9]{{1,7}})({_PNC_LETTER})", text.upper())
    if found is None:
        return False
    year, serial, letter = found.groups()
    return letter == _PNC_LETTERS[int(year + serial.zfill(7)) % 23]


def _is_nino(text: str) -> bool:
    return text[:2].upper() not in _NINO_NOT


def _is_postcode(text: str) -> bool:
    """In capitals always; otherwise unless it may be words, as in ``Q1 2nd``."""
    return text.isupper() or not _ORDINAL.search(text.lower())


def _is_telephone(text: str) -> bool:
    """Unless it is a day and an hour, or written as an NHS number is."""
    return not _DAY_FIRST.match(text) and not _SEPARATED_NHS.match(text)


def _always(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of identifier.

    Attributes:
        name: What people call it.
        pattern: Finds it in text.
        re2: The same for RE2, which also takes the characters around it.
        check: Whether a match passes the format's own check.
        in_text: Whether one match in a sentence is enough; false where ordinary numbers have the shape.
        share: The part of a column's filled cells that must match before the column counts.
        chance: How likely an accident of this shape passes ``check``; 0 where a pass is proof enough.
    """

    name: str
    check: Callable[[str], bool]
    body: str = field(repr=False)
    in_text: bool = True
    share: float = 0.0
    chance: float = 0.0
    pattern: re.Pattern[str] = field(init=False)
    re2: str = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.compile(rf"(?<![0-9A-Za-z])(?:{self.body})(?![0-9A-Za-z])")
        object.__setattr__(self, "pattern", pattern)
        object.__setattr__(self, "re2", rf"(^|[^0-9A-Za-z])(?:{self.body})([^0-9A-Za-z]|$)")


FORMATS: tuple[Format, ...] = (
    Format("NHS number", is_nhs_number, "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", chance=1 / 11),
    Format("UPN", is_upn, "(?i:[A-HJ-NP-RT-Z][0-9]{11}[0-9A-HJ-NP-RT-Z])"),
    Format("PNC id", is_pnc_id, rf"(?i:(?:19|20)?[0-9]{{2}}/[0-9]{{1,7}}{_PNC_LETTER})"),
    Format(
        "National Insurance number",
        _is_nino,
        "(?i:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D])",
    ),
    Format("postcode", _is_postcode, "(?i:[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2})"),
    Format("prison number", _always, "[A-Z][0-9]{4}[A-Z]{2}"),
    Format("CRN", _always, "[A-Z][0-9]{6}"),
    Format(
        "e-mail address",
        _always,
        r"[0-9A-Za-z._%+'-]{1,64}@[0-9A-Za-z-]{1,63}(?:\.[0-9A-Za-z-]{1,63}){1,4}",
    ),
    Format(
        "telephone number",
        _is_telephone,
        r"(?:(?:\+|00)44[ ()0-]{0,4}|\(?0)[1-35789][ ()-]{0,2}(?:[0-9][ ()-]{0,2}){7,8}[0-9]",
    ),
    Format(
        "driving licence number",
        _always,
        "(?i:[A-Z][A-Z9]{4}[0-9](?:[05][1-9]|[16][0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9][A-Z9]{2}[A-Z0-9][A-Z]{2})",
    ),
    Format("UPRN", _always, "1[0-9]{10,11}|2[0-9]{11}", in_text=False, share=0.5),
)

# Every identifier has a digit, but for an e-mail address.
_HINT = re.compile(r"[0-9@]")
_ANY = re.compile("|".join(known.pattern.pattern for known in FORMATS))


def find_in_text(text: str) -> tuple[str, ...]:
    """Return the names of the identifiers that stand in a text, in the order of ``FORMATS``.

    Args:
        text: A reason, a title or one cell; what lies beyond ``MAX_TEXT`` characters is not read, so limit
            the length first.
    """
    plain = _plain(text, MAX_TEXT)
    if not _HINT.search(plain):
        return ()
    return tuple(
        known.name
        for known in FORMATS
        if known.in_text and any(known.check(found.group()) for found in known.pattern.finditer(plain))
    )


def judge_column(values: Iterable[str | None], *, filled: int | None = None) -> tuple[str, ...]:
    """Return the names of the identifiers that a column holds.

    One cell is enough for most formats. Two are judged over the column, because ordinary numbers have their
    shape:

    - *NHS number*: ten random digits pass the check one time in eleven. The column counts when all values of
      the shape pass; or when the passing share lies so far above 1/11 that by chance it would happen less
      than once in a thousand (Chernoff's bound on the binomial tail); or when half of the filled cells are
      written 3-3-4 with spaces or hyphens, whether or not they pass.
    - *UPRN*: half of the filled cells have the shape.

    Args:
        values: The cells; empty and missing ones are not counted. Of each, ``MAX_CELL`` characters are read.
        filled: How many cells of the whole column are filled, where ``values`` are only those that a pattern
            of ``Format.re2`` picked.
    """
    count = 0
    shaped = dict.fromkeys(FORMATS, 0)
    valid = dict.fromkeys(FORMATS, 0)
    separated = 0
    for value in values:
        if not value:
            continue
        count += 1
        if not _HINT.search(value):
            continue
        plain = _plain(value, MAX_CELL)
        if not _ANY.search(plain):
            continue
        for known in FORMATS:
            matches = [found.group() for found in known.pattern.finditer(plain)]
            shaped[known] += bool(matches)
            valid[known] += any(known.check(match) for match in matches)
        separated += bool(_SEPARATED_NHS.match(plain.strip()))
    total = max(count, filled or 0)
    return tuple(
        known.name
        for known in FORMATS
        if _counts(known, total, shaped[known], valid[known])
        or (known.check is is_nhs_number and separated and separated * 2 >= total)
    )


def _counts(known: Format, total: int, shaped: int, valid: int) -> bool:
    if valid == 0 or valid < known.share * total:
        return False
    return known.chance == 0 or valid == shaped or _improbable(valid, shaped, known.chance)


def _improbable(valid: int, shaped: int, chance: float) -> bool:
    """Whether so many of so many would pass by chance less than once in a thousand, by Chernoff's bound."""
    share = valid / shaped
    if share <= chance:
        return False
    divergence = share * math.log(share / chance) + (1 - share) * math.log((1 - share) / (1 - chance))
    return shaped * divergence > math.log(1000)


def _plain(text: str, limit: int) -> str:
    """Cut to the limit; wide digits, no-break spaces and typographic dashes become their plain forms."""
    cut = text[:limit]
    return cut if cut.isascii() else unicodedata.normalize("NFKC", cut).translate(_DASHES)


_PERSON_WORDS = (
    "alias|birth|called|caller|carer|casualty|child|christian|client|complainant|contact|family|first|fore|former"
    "|full|given|guardian|known|last|legal|maiden|middle|mother|father|nick|offender|officer|parent|patient|person"
    "|preferred|previous|pupil|second|staff|student|suspect|sur|user|victim|witness"
)
_NUMBER = "number|no|num|id|identifier|ref|reference|code"
_HEADERS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(rf"(?:^| )(?:{words})(?: |$)"))
    for name, words in (
        ("name", rf"forenames?|surnames?|initials|alias|aliases|(?:{_PERSON_WORDS}) ?names?"),
        ("name", "^names?$"),
        (
            "address",
            "address(?:es)?|addr|address ?line ?[0-9]?|house ?(?:number|no|name)|street ?(?:name|number|no)",
        ),
        ("date of birth", "dob|d o b|birth ?da(?:te|y)|date ?of ?birth|birth ?dt"),
        (
            "NHS number",
            rf"nhs(?: ?(?:{_NUMBER}))*$|nhs ?(?:{_NUMBER})|health ?service ?(?:{_NUMBER})",
        ),
        (
            "patient number",
            "mrn|chi ?(?:number|no)|hospital ?(?:number|no)|patient ?(?:number|no|num|id|identifier)",
        ),
        (
            "postcode",
            "post ?codes?(?! ?(?:district|sector|area|outward))|postal ?codes?|zip(?: ?code)?|pcds?",
        ),
        ("UPRN", "uprn|unique ?property ?reference(?: ?number)?"),
        ("UPN", "upn|unique ?pupil ?(?:number|no|id)"),
        ("PNC id", rf"pnc(?: ?(?:{_NUMBER}))?|pncid"),
        ("National Insurance number", rf"nino|ni ?(?:number|no)|national ?insurance(?: ?(?:{_NUMBER}))?"),
        ("prison number", "noms|nomis|prison ?(?:number|no|id)|prisoner ?(?:number|no|id)"),
        ("CRN", "crn|case ?reference ?number"),
        ("e-mail address", "e ?mails?|mail"),
        ("telephone number", "(?:tele)?phones?|tel|mobile|fax|msisdn"),
        ("driving licence number", "(?:driving|driver s|drivers|driver) ?licen[cs]e(?: ?(?:number|no))?"),
        ("passport number", "passport(?: ?(?:number|no))?"),
    )
)


def judge_header(name: str) -> tuple[str, ...]:
    """Return what a column's name says it holds that identifies somebody.

    Reads ``NHSNumber``, ``nhs_number`` and ``NHS number`` alike. The name of a place, such as ``LSOA name``,
    and a part of a postcode, such as ``postcode district``, are not taken for identifiers.
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", _plain(name, MAX_CELL))
    plain = re.sub(r"[^0-9a-z]+", " ", spaced.lower()).strip()
    return tuple(dict.fromkeys(label for label, words in _HEADERS if words.search(plain)))
