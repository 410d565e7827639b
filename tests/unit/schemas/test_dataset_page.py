"""The page of the datasets is written out of the schemas, and says what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from schemas import artefacts
from schemas.dataset_page import page

LIBRARY = artefacts.load()
KNOWN = artefacts.Library(LIBRARY)
ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
SCHEMAS = [name for name, made in LIBRARY.items() if "concordat:schema" in made.value]


def section(heading: str) -> str:
    """What stands below a heading, up to the next of its kind."""
    return re.split(r"^##+ ", PAGE.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_page_is_current() -> None:
    done = subprocess.run([sys.executable, "-m", "schemas.dataset_page"], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode() == PAGE, "run python -m schemas.dataset_page > docs/datasets.md"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_is_told_with_its_levels_and_its_bounds(name: str) -> None:
    schema = KNOWN.schema(name)
    told = section(schema.title)
    assert f"`{schema.name}`" in told
    assert f"cover `{schema.period}`" in told
    assert schema.source in told
    assert f"**{schema.privacy_unit}s**" in told
    for column in schema.fields:
        (line,) = [line for line in told.splitlines() if line.startswith(f"| `{column.name}` |")]
        assert column.description in line
        assert all(f"`{level}`" in line for level in column.all_levels)
        assert ("may be empty" in line) == (not column.constraints.required)
        if column.kind in ("integer", "decimal"):
            assert f"| {column.constraints.minimum} to {column.constraints.maximum}" in line


def test_every_code_and_key_is_told_with_its_label_and_source() -> None:
    for name, made in LIBRARY.items():
        if "concordat:codelist" in made.value:
            entries = {entry.code: entry.label for entry in KNOWN.codelist(name).codes}
        elif "concordat:hierarchy" in made.value:
            entries = KNOWN.hierarchy(name).labels
        else:
            continue
        told = section(name)
        assert made.value["source"] in told
        assert all(f"| `{code}` | {label} |" in told for code, label in entries.items())


def test_a_changed_schema_changes_the_page() -> None:
    """So that the page being current says something."""
    changed = dict(LIBRARY)
    value = dict(LIBRARY["sex"].value)
    value["codes"] = [*value["codes"], {"code": "x", "label": "New | odd"}]
    changed["sex"] = artefacts.artefact(value)
    assert r"| `x` | New \| odd |" in page(changed)
    assert page(changed) != PAGE


def test_every_link_within_the_page_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))
        for heading in re.findall(r"^#+ (.+)$", PAGE, flags=re.MULTILINE)
    }
    links = set(re.findall(r"\]\(#([^)]+)\)", PAGE))
    assert len(links) > 40
    assert links <= headings


def test_rows_of_a_table_have_as_many_cells_as_its_head() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
