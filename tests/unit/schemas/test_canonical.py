"""Canonical JSON: the short way and the library's give the same bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.canonical import canonical, canonical_object, digest
from schemas.errors import DocumentError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
WHOLE = st.none() | st.booleans() | TEXT | st.integers(-(2**53) + 1, 2**53 - 1)
NAMES = st.text(
    st.characters(codec="ascii", min_codepoint=0x23, max_codepoint=0x7E, exclude_characters="\\"), min_size=1
)


def nested(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda parts: st.lists(parts, max_size=4) | st.dictionaries(TEXT, parts, max_size=4),
        max_leaves=20,
    )


VALUES = nested(WHOLE | st.floats(allow_nan=False, allow_infinity=False))


@given(VALUES)
@example({"\U0001f600": 1, "￿": 2})  # by UTF-16 units the first sorts before the second, by code points after it
@example(['\x00\x08\t\n\x0b\x0c\r\x1b\x7f\x80 "\\/'])
@example({"é": 1, "e": 2, "Z": 3})
@example([-0.0, 1e21, 1e-7, 333333333.33333329])
def test_every_value_has_the_form_that_rfc_8785_gives_it(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(nested(WHOLE))
def test_what_is_canonical_is_read_back_as_it_was(value):
    assert json.loads(canonical(value)) == value


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), [2**53], {"a": {"b": 2**60}}, float("nan"), [float("inf")], "\ud800", ["\udfff"], {"\ud800": 1},
     {1: "a"}, {None: 1}, {"a": {True: 1}}, b"bytes", {"a": object()}, {"a": {1, 2}}],
    ids=repr,
)  # fmt: skip
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(DocumentError) as caught:
        canonical(value)
    assert caught.value.code == "not_canonical"


def test_a_value_that_holds_itself_is_refused():
    value: list[object] = []
    value.append(value)
    with pytest.raises(DocumentError) as caught:
        canonical(value)
    assert caught.value.code == "not_canonical"


@given(st.dictionaries(NAMES, VALUES))
def test_an_object_joined_from_its_members_is_the_object(members):
    assert canonical_object({name: canonical(value) for name, value in members.items()}) == canonical(members)


def test_a_digest_names_its_algorithm():
    assert digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
