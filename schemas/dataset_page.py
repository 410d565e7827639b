"""Write the page that tells what the datasets hold: docs/datasets.md, out of the schemas themselves.

Run as ``python -m schemas.dataset_page > docs/datasets.md``; a test holds the page equal to the schemas.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from schemas import artefacts
from schemas.artefacts import Artefact, Library
from schemas.hierarchy import CodeList, Hierarchy
from schemas.table_schema import AS_IS, Column, TableSchema

_TOP = """\
# Datasets

<!-- Written by `python -m schemas.dataset_page`: change the schemas, not this page. -->

What an extract of each dataset holds, and at which levels an agreement can grant each field. An agreement pins the
schemas, code lists and hierarchies that it uses by their digests; this page is of those that ship with Concordat.

No column takes free text. Every cell is required unless its field says that it may be empty. Every code list knows
`unknown`, for rows that do not know; at a coarser level, empty numbers become `unknown` too. `as-is` means the value
itself; the other levels are hierarchies, below. Dates have the levels `day`, `month`, `quarter` and `year`.

A field whose values are a pattern, such as `lsoa`, has no public keys: no agreement can grant grouping by it before a
version of its schema has a code list in place of the pattern. Where a source says *remembered, not read from a
standard*, hold the codes against your own system before you sign.
"""


def page(made: dict[str, Artefact]) -> str:
    """Return the page as Markdown.

    Args:
        made: Artefacts by name, such as `schemas.artefacts.load` returns.
    """
    library = Library(made)
    schemas = [library.schema(name) for name in _named(made, "concordat:schema")]
    lists = [library.codelist(name) for name in _named(made, "concordat:codelist")]
    hierarchies = [library.hierarchy(name) for name in _named(made, "concordat:hierarchy")]
    parts: list[str] = [_TOP, *_contents(schemas)]
    parts += [_dataset(schema) for schema in schemas]
    parts += ["## Code lists\n", *map(_codelist, lists)]
    parts += ["## Hierarchies\n", *map(_hierarchy, hierarchies)]
    return "\n".join(parts)


def _named(made: dict[str, Artefact], key: str) -> list[str]:
    return sorted(name for name, artefact in made.items() if key in artefact.value)


def _contents(schemas: Iterable[TableSchema]) -> Iterator[str]:
    yield _table(
        ("dataset", "schema", "protects", "period"),
        (
            (
                f"[{schema.title}](#{_anchor(schema.title)})",
                f"`{schema.name}`",
                schema.privacy_unit,
                f"`{schema.period}`",
            )
            for schema in schemas
        ),
    )


def _dataset(schema: TableSchema) -> str:
    if schema.privacy_unit == "person":
        unit = "Protects **persons**: rows of one pseudonym are one person's."
    else:
        unit = "Protects **records**: no person is told apart, and it is never linked."
    rows = ((f"`{c.name}`", c.description, _kind(c), _values(c), _levels(c)) for c in schema.fields)
    return f"""\
## {schema.title}

`{schema.name}`. {schema.description} {unit} The `from` and `to` of a push cover `{schema.period}`.

{_table(("field", "what", "kind", "values", "levels"), rows)}
Source: {schema.source}.
"""


def _kind(column: Column) -> str:
    kind = "whole number" if column.kind == "integer" else column.kind
    return kind if column.constraints.required else f"{kind}, may be empty"


def _values(column: Column) -> str:
    limits = column.constraints
    if column.codes is not None:
        return f"[{column.codes}](#{column.codes})"
    if column.kind == "pseudonym":
        return "64 hex digits"
    if limits.pattern is not None:
        return f"`{limits.pattern}`"
    if column.kind in ("integer", "decimal"):
        places = f", {column.decimals} decimals" if column.decimals else ""
        return f"{limits.minimum} to {limits.maximum}{places}"
    return "YYYY-MM-DD" if column.kind == "date" else "true, false"


def _levels(column: Column) -> str:
    if column.kind == "date":
        return ", ".join(f"`{level}`" for level in column.all_levels)
    named = (
        f"`{level}`" if level == AS_IS else f"`{level}` ([{column.levels[level]}](#{column.levels[level]}))"
        for level in column.all_levels
    )
    return ", ".join(named) or "never granted"


def _codelist(made: CodeList) -> str:
    rows = ((f"`{entry.code}`", entry.label) for entry in made.codes)
    return f"### {made.name}\n\n{made.title}.\n\n{_table(('code', 'means'), rows)}\nSource: {made.source}.\n"


def _hierarchy(made: Hierarchy) -> str:
    rows = ((f"`{key}`", made.labels.get(key, ""), _members(made, key)) for key in made.keys)
    table = _table(("key", "means", "holds"), rows)
    return f"### {made.name}\n\n{made.title}.\n\n{table}\nSource: {made.source}.\n"


def _members(made: Hierarchy, key: str) -> str:
    held = [_range(band.first, band.last) for band in made.bands if band.code == key]
    held += [f"`{code}`" for code, coarser in made.map.items() if coarser == key]
    return ", ".join(held) or "what is not known"


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _anchor(title: str) -> str:
    """Return the anchor that Markdown's readers make of a heading."""
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = tuple(heads)
    lines = [names, ["---"] * len(names), *rows]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)


def main() -> None:
    """Write the page to standard output."""
    sys.stdout.write(page(artefacts.load()))


if __name__ == "__main__":
    main()
