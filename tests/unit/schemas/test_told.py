"""What an error says back of a document's keys."""

from __future__ import annotations

import pytest

from schemas import strict_json, strict_yaml
from schemas.errors import DocumentError
from schemas.identifiers import MAX_TEXT
from schemas.model import InvalidDocument
from schemas.request import parse
from schemas.told import WITHHELD, told_path

SECRET = "MC4CAQAwBQYDK2VwBCIEIBd3/qK+9hT0aPz/w0Yx"
"""The body of a private key whose slashes part it into what looks like names."""


@pytest.mark.parametrize(
    "read",
    [
        lambda: strict_json.loads(f'{{"{SECRET}": 1, "{SECRET}": 2}}'.encode()),
        lambda: strict_yaml.loads(f"a:\n  {SECRET}: 1\n  {SECRET}: 2\n".encode()),
        lambda: strict_yaml.loads(f"a:\n  {SECRET}:\n    b: 1\n    b: 2\n".encode()),
        lambda: parse({SECRET: 1}),
    ],
    ids=["json", "yaml", "yaml above", "model"],
)
def test_a_key_with_slashes_is_not_said_back_as_names(read):
    with pytest.raises(DocumentError) as caught:
        read()
    said = [str(caught.value), caught.value.path, *getattr(caught.value, "findings", [])]
    assert not any(part in str(item) for item in said for part in SECRET.split("/"))
    assert WITHHELD in str(said)


def test_the_name_of_an_artefact_is_said_though_it_has_a_slash():
    with pytest.raises(DocumentError) as caught:
        strict_yaml.loads(b"pins:\n  police-violence/v1: a\n  police-violence/v1: b\n")
    assert caught.value.path == "pins/police-violence/v1"


def test_what_a_long_path_is_cut_to_is_not_said():
    path = "a/" * (MAX_TEXT // 2 - 2) + "secret"
    assert len(path) > MAX_TEXT
    assert told_path(path).split("/")[-1] == WITHHELD


def test_every_finding_of_a_shape_is_withheld_alike():
    with pytest.raises(InvalidDocument) as caught:
        parse({SECRET: 1, "dataset": "x"})
    assert all(SECRET.split("/", maxsplit=1)[0] not in path for path, _ in caught.value.findings)
