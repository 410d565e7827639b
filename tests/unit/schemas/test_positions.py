"""Every part of a document has the line where it stands."""

from __future__ import annotations

import json

import pytest

import agreements
from schemas import strict_yaml
from schemas.positions import line_of, lines

TEXT = b"""# a comment
id: a
period: {start: "2026-04-01",
  end: "2028-03-31"}
parties:
  - id: one

  - id: two
    dpo:
      post: Officer
pins:
  gateways/v1: "sha256:0"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("id", 2),
        ("period", 3),
        ("period/start", 3),
        ("period/end", 4),
        ("parties", 5),
        ("parties/0", 6),
        ("parties/0/id", 6),
        ("parties/1", 8),
        ("parties/1/dpo", 9),
        ("parties/1/dpo/post", 10),
        ("pins/gateways/v1", 12),
        ("parties/1/siro", 8),
        ("parties/7/siro", 5),
        ("legal/dpia", 1),
        ("", 1),
    ],
)
def test_a_path_has_its_line_or_that_of_what_is_around_it(path: str, line: int) -> None:
    assert line_of(path, lines(TEXT)) == line


@pytest.mark.parametrize("name", agreements.names())
def test_every_part_of_a_worked_agreement_stands_where_its_last_step_does(name: str) -> None:
    text = agreements.path(name).read_bytes()
    read = text.decode().splitlines()
    found = lines(text)
    value = strict_yaml.loads(text)
    for path, line in found.items():
        step = path.rpartition("/")[2] if not path.startswith("pins/") else path.removeprefix("pins/")
        if step and not step.isdigit():
            assert f"{step}:" in read[line - 1] or f'"{step}"' in read[line - 1], path
    assert {f"parties/{index}/key" for index, _ in enumerate(value["parties"])} <= set(found)


def test_json_has_lines_too() -> None:
    text = json.dumps({"id": "a", "grants": [{"to": ["b"]}]}, indent=2).encode()
    assert line_of("grants/0/to", lines(text)) == 5


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [(b"a: 1\nb: [", "b", 2), (b"\xff", "a", 1), (b"? [x]\n: 1\nc: 2\n", "c", 3), (b"", "a", 1)],
)
def test_what_cannot_be_read_has_the_lines_before_it(text: bytes, path: str, line: int) -> None:
    assert line_of(path, lines(text)) == line
