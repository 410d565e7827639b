"""Write the reference of the agreement for people, from the JSON Schema that the model exports.

Run as ``python -m schemas.reference > docs/agreement-reference.md``; a test holds the page equal to the model.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from schemas.agreement import Agreement

_HEAD = """# The agreement, field by field

One YAML (1.2) or JSON file a version. Everything that decides is exact: decimals and dates are texts in quotes. An
object refuses keys that are not listed here, but for those that say "further keys are the parties' own".
`schemas/agreement.v1.schema.json` says the same for tools; both are generated from `schemas/clauses/`.
"""
_PATTERNS = {
    "^[a-z0-9][a-z0-9-]{0,62}$": "name",
    "^[a-z][a-z0-9_]{0,62}$": "column",
    "^[a-z0-9][a-z0-9-]{0,30}$": "level",
    "^[A-Za-z0-9][A-Za-z0-9+ _.-]{0,62}$": "code",
    "^[a-z0-9][a-z0-9-]{0,62}(/v[0-9]{1,4})?$": "artefact",
    "^sha256:[0-9a-f]{64}$": "digest",
    "^[A-Za-z0-9_-]{43}$": "key thumbprint",
    "^(0|[1-9][0-9]{0,11})(\\.[0-9]{1,18})?([eE]-[0-9]{1,2})?$": "decimal",
    "^P[0-9YMD]+$": "duration",
    "^[1-9][0-9]{0,5}$": "number as a text",
    "\\S": "text",
}
"""What people call the texts that a pattern describes."""


def page() -> str:
    """Return the page as Markdown: a section an object, in the order of the document."""
    schema = Agreement.model_json_schema(by_alias=True)
    models = schema["$defs"]
    sections = [_section("Agreement", schema)]
    sections += [_section(name, models[name]) for name in _ordered(schema, models)]
    return "\n".join([_HEAD, *sections])


def _ordered(schema: dict[str, Any], models: dict[str, Any]) -> list[str]:
    """Return the objects' names in the order in which a reader of the document meets them."""
    found: list[str] = []
    for name in _named(schema.get("properties", {})):
        for inner in (name, *_ordered(models[name], models)):
            if inner not in found:
                found.append(inner)
    return found


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield str(value["$ref"]).rsplit("/", maxsplit=1)[-1]
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)


def _section(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        f"| `{field}` | {_type(told)} | {'yes' if field in required else 'no'} | {_cell(told['description'])} "
        f"| `{_cell(_example(told['examples'][0]))}` |"
        for field, told in schema["properties"].items()
    ]
    head = ["| field | is | required | says | example |", "|---|---|---|---|---|"]
    return "\n".join([f"## {name}", "", str(schema["description"]), "", *head, *rows, ""])


def _type(told: dict[str, Any]) -> str:
    """Return what a field holds, in plain words, with links to the objects it holds."""
    if "anyOf" in told:
        return " or ".join(_type(part) for part in told["anyOf"] if part.get("type") != "null")
    if told.get("type") == "array":
        return f"list of {_type(told['items'])}"
    if told.get("type") == "object":
        return _map(told)
    return _closed(told) or _scalar(told)


def _closed(told: dict[str, Any]) -> str:
    """Return the object that a field holds, or its one value, or its closed list of values; empty where it is none."""
    if "$ref" in told:
        name = str(told["$ref"]).rsplit("/", maxsplit=1)[-1]
        return f"[{name}](#{name.lower()})"
    if "const" in told:
        return f"`{told['const']}`"
    return "one of " + ", ".join(f"`{value}`" for value in told["enum"]) if "enum" in told else ""


def _map(told: dict[str, Any]) -> str:
    if "patternProperties" in told:
        pattern, inner = next(iter(told["patternProperties"].items()))
        return f"{_PATTERNS[pattern]} to {_type(inner)}"
    return f"text to {_type(told['additionalProperties'])}"


def _scalar(told: dict[str, Any]) -> str:
    if "pattern" in told:
        return _PATTERNS[told["pattern"]]
    if told.get("format") == "date":
        return "date"
    words = {"string": "text", "boolean": "true or false", "integer": "whole number"}[told["type"]]
    limits = [
        f"{word} {told[name]}" for name, word in (("minimum", "at least"), ("maximum", "at most")) if name in told
    ]
    return " ".join([words, *limits])


def _example(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
