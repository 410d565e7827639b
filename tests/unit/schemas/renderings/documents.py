"""Generated agreements: every clause and key of the model's JSON Schema, present, empty, null or left out."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import strategies as st

from schemas import agreement as documents
from schemas.agreement import Agreement
from schemas.model import InvalidDocument

SCHEMA = Agreement.model_json_schema(by_alias=True)
DAYS = ("2026-04-01", "2026-05-31", "2027-03-31", "2028-03-31")
EXAMPLES = {
    r"^P[0-9YMD]+$": ("P1M", "P12M", "P1Y", "P30D", "P1Y6M"),
    r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,18})?([eE]-[0-9]{1,2})?$": ("1", "0.10", "5e-8", "1E-6", "0.001"),
    r"^sha256:[0-9a-f]{64}$": ("sha256:" + "0a" * 32, "sha256:" + "ff" * 32),
}
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)


def strategy(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values of a part of the JSON Schema, what other clauses it names left to chance."""
    if "$ref" in schema:
        return strategy(SCHEMA["$defs"][schema["$ref"].rsplit("/", maxsplit=1)[-1]])
    if "anyOf" in schema:
        return st.one_of([strategy(part) for part in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    made: st.SearchStrategy[Any] = {
        "null": st.none,
        "boolean": st.booleans,
        "integer": lambda: st.integers(schema.get("minimum", 0), min(schema.get("maximum", 9), 9)),
        "string": lambda: text(schema),
        "array": lambda: st.lists(strategy(schema["items"]), min_size=schema.get("minItems", 0), max_size=2),
        "object": lambda: mapping(schema),
    }[schema["type"]]()
    return made


def text(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if schema.get("format") == "date":
        return st.sampled_from(DAYS)
    pattern = schema.get("pattern")
    if pattern in EXAMPLES:
        return st.sampled_from(EXAMPLES[pattern])
    return WORDS if pattern is None else st.from_regex(pattern, fullmatch=True, alphabet=string.printable)


def mapping(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" in schema:
        parts = {key: strategy(inner) for key, inner in schema["properties"].items()}
        required = set(schema.get("required", ()))
        known = st.fixed_dictionaries(
            {key: parts[key] for key in required}, optional={key: parts[key] for key in set(parts) - required}
        )
        if schema.get("additionalProperties") is not True:
            return known
        own = st.dictionaries(WORDS.filter(lambda key: key not in parts), VALUES, max_size=2)
        return st.builds(lambda one, other: one | other, known, own)
    pattern, inner = next(iter(schema.get("patternProperties", {None: schema.get("additionalProperties")}).items()))
    keys = WORDS if pattern is None else st.from_regex(pattern, fullmatch=True, alphabet=string.printable)
    return st.dictionaries(keys, strategy(inner), max_size=2)


def names_of(strategy_: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[list[str]]:
    slug = st.from_regex(r"^[a-z0-9][a-z0-9-]{0,8}$", fullmatch=True, alphabet=string.printable)
    return st.lists(strategy_ or slug, min_size=2, max_size=3, unique=True)


def parts(name: str) -> st.SearchStrategy[Any]:
    return strategy(SCHEMA["$defs"][name])


@st.composite
def agreements(draw: st.DrawFn) -> Any:
    """Draw a document that reads as an agreement: what one clause says of another is made to fit."""
    parties, purposes, datasets = draw(names_of()), draw(names_of()), draw(names_of())
    value = draw(strategy(SCHEMA))
    value["parties"] = [
        draw(parts("Party")) | {"id": party, "key": f"key-{index}".ljust(43, "_")}
        for index, party in enumerate(parties)
    ]
    value["purposes"] = {name: draw(purpose(index, purposes, parties)) for index, name in enumerate(purposes)}
    value["datasets"] = {name: draw(dataset(purposes, parties)) for name in datasets}
    value["grants"] = draw(st.lists(grant(parties, purposes, datasets), max_size=3))
    value["period"] |= {"start": "2026-04-01", "review_by": "2026-05-31", "end": "2028-03-31"}
    privacy = value["privacy"]
    privacy["shares"] = dict.fromkeys(draw(some(parties)), "0.25")
    privacy["budget"] |= {"epsilon": "8", "delta_conversion": "5e-8", "delta_selection": "0"}
    privacy["lifetime"] |= {"epsilon": "24.0"}
    if privacy["lifetime"].get("delta_selection") is not None:
        privacy["lifetime"]["delta_selection"] = "4e-7"
    if privacy.get("analysts"):
        privacy["analysts"] = dict.fromkeys(draw(some(list(privacy["shares"]))), "0.5")
    privacy["per_request"] |= {"share": "0.10"}
    return value


@st.composite
def purpose(draw: st.DrawFn, index: int, purposes: list[str], parties: list[str]) -> Any:
    made = draw(parts("Purpose"))
    if made.get("parent") is not None:
        made["parent"] = purposes[index - 1] if index else None
    if draw(st.booleans()):
        made["dpv"] = draw(st.sampled_from(["dpv:PublicBenefit", "dpv:Purpose", "PublicBenefit", "dpv:Odd", None]))
    if made.get("legal_of"):
        made["legal_of"] = {party: draw(parts("PurposeLegal")) for party in parties[:2]}
    return made


@st.composite
def dataset(draw: st.DrawFn, purposes: list[str], parties: list[str]) -> Any:
    made = draw(parts("Dataset")) | {"supplier": draw(one(parties))}
    if made.get("purposes"):
        made["purposes"] = draw(some(purposes))
    return made


@st.composite
def grant(draw: st.DrawFn, parties: list[str], purposes: list[str], datasets: list[str]) -> Any:
    made = draw(parts("Grant")) | {"to": draw(some(parties)), "for": draw(some(purposes))}
    made["dataset"] = draw(one(datasets))
    for key, known in (("link", datasets), ("approval", parties)):
        if made.get(key):
            made[key] = draw(some(known))
    if made.get("rows") and draw(st.booleans()):
        made["rows"]["lad"] = draw(st.sampled_from([["E06000023"], ["E06000023", "W06000015"], ["E06000023", "x"]]))
    return made


def one(known: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(known)


def some(known: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(known), min_size=1, max_size=2)


def reads(value: Any) -> bool:
    """Whether a value is an agreement."""
    try:
        documents.parse(value)
    except InvalidDocument:
        return False
    return True
