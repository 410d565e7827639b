"""The page: every clause can be linked to, hostile words stay words, and nothing is loaded from anywhere."""

from __future__ import annotations

import copy
import functools
import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings

import agreements
from schemas import agreement as documents
from schemas.canonical import digest
from schemas.model import InvalidDocument
from schemas.page import words
from schemas.page.render import CONTENT_SECURITY_POLICY, Signed, page
from tests.unit.schemas.renderings.browser import CHROMIUM, Read, chromium
from tests.unit.schemas.renderings.documents import agreements as generated
from tests.unit.schemas.renderings.documents import reads

HOSTILE = (
    '"><script>document.title="pwned"</script><img src=x onerror="document.title=\'pwned\'">'
    "</style></title></td></table><svg/onload=document.title='pwned'><a href='javascript:x'>"
    "{{7*7}}{% raw %}&amp;\u202e\x00"
)
ALLOWED = {
    "a", "body", "caption", "code", "dd", "div", "dl", "dt", "footer", "h1", "h2", "h3", "head", "header", "html",
    "li", "main", "meta", "nav", "ol", "p", "section", "span", "strong", "style", "table", "tbody", "td", "th",
    "thead", "title", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "aria-labelledby", "charset", "class", "colspan", "content", "dir", "href", "http-equiv", "id", "lang", "name",
    "scope",
}  # fmt: skip


def loaded(name: str = "avon-somerset") -> Any:
    return documents.load(agreements.path(name).read_bytes())


def leaves(value: Any) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every text that is no artefact's digest."""
    for path in paths(value):
        inner = value
        for step in path:
            inner = inner[step]
        if isinstance(inner, str) and path[0] != "pins":
            yield path


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every clause."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*path, key)
        yield from paths(part, (*path, key))


def put(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    made = copy.deepcopy(value)
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return made


@functools.cache
def hostile() -> Any:
    """Return an agreement with hostile words in every place that takes words, keys of the parties' own too."""
    value = loaded()
    value["legal"]["conditions"][HOSTILE] = HOSTILE
    value["legal"][HOSTILE] = {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}
    value["parties"][0] |= {name: {"post": "p", "name": "n"} for name in ("dpo", "siro", "signatory")}
    for path in list(leaves(value)):
        changed = put(value, path, HOSTILE)
        if reads(changed):
            value = changed
    return value


@pytest.mark.parametrize("name", agreements.names())
def test_every_clause_bears_its_path_as_its_anchor(name):
    value = loaded(name)
    found = Read(page(value)).all("id")
    assert {words.anchor(path) for path in paths(value)} <= set(found)
    assert "grants/0/to/0" in found
    assert "grants/0/group_by/age" in found or "group_by" not in value["grants"][0]


@settings(max_examples=30)
@given(generated())
def test_every_page_is_sound(value):
    """Tags close in order, anchors are unique and hold no space, links lead to anchors, every clause has one."""
    read = Read(page(value))
    ids = read.all("id")
    assert len(set(ids)) == len(ids)
    assert not any(re.search(r"\s", name) or not name for name in ids)
    assert {words.anchor(path) for path in paths(value)} <= set(ids)
    assert {link.removeprefix("#") for link in read.all("href")} <= set(ids)
    assert set(read.all("aria-labelledby")) <= set(ids)
    assert set(read.tags) <= ALLOWED


def test_hostile_words_stay_words():
    value = hostile()
    read = Read(page(value, signed=[Signed("as-police", HOSTILE, HOSTILE)], standing=HOSTILE))
    assert sum(str(part).count("pwned") for part in [value]) > 40, "hostile words stand in few places"
    assert set(read.tags) <= ALLOWED
    assert {name for name, _ in read.attributes} <= ATTRIBUTES
    assert read.tags.count("style") == read.tags.count("title") == 1
    assert all(link.startswith("#") for link in read.all("href"))
    assert any("49" not in text and "{{7*7}}" in text for text in read.texts)


def test_nothing_hidden_stays_hidden():
    text = page(hostile())
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "\ufffd" in text


@pytest.mark.parametrize("name", agreements.names())
def test_a_page_loads_nothing(name):
    text = page(loaded(name))
    read = Read(text)
    assert not read.all("src")
    assert "@import" not in text
    assert "url(" not in text
    policy = read.all("content")[read.all("http-equiv").index("Content-Security-Policy")]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'; sandbox" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_a_page_is_for_everybody():
    """A language, one main heading, no heading level passed over, and headers on every table."""
    read = Read(page(loaded()))
    assert read.all("lang") == ["en-GB"]
    levels = [int(tag[1]) for tag in read.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert read.tags.count("caption") == read.tags.count("table")
    assert read.tags.count("th") == len(read.all("scope"))


def test_the_summary_says_who_learns_what_about_whom_for_what_and_how_much():
    text = " ".join(" ".join(Read(page(loaded())).texts).split())
    start, end = text.index("In short"), text.index("Signatures")
    short = text[start:end]
    for said in (
        "Avon and Somerset Police",
        "Bristol City Council may spend 20%",
        "Within 3 months all answers together tell of one person at most what ε = 8 allows",
        "and over all time ε = 24 (of one record, for street-crime)",
        "people in ed-assaults , from Bristol Royal Infirmary emergency department",
        "single records of street-crime",
        "From 1 April 2026 to 31 March 2028",
        "reviewed by 31 March 2027",
        "how many different people",
        "the mean of gravity",
        "only records with lad E06000023",
        "may be linked by person with ed-assaults, ambulance-calls, school-exclusions and youth-justice",
        "publishes what it was answered only once that is approved",
    ):
        assert said in short, said


def test_the_summary_says_what_each_client_of_a_recipient_may_spend():
    value = loaded()
    value["privacy"]["analysts"] = {"bristol": "0.25"}
    short = " ".join(" ".join(Read(page(value)).texts).split())
    assert "Bristol City Council may spend 20%, each of its clients at most 25% of that" in short
    assert short.count("each of its clients") == 1


def test_without_grants_nobody_learns_anything():
    assert "Nobody: there is no grant." in page(loaded() | {"grants": []})


def test_limits_of_a_grant_are_told():
    value = loaded()
    value["grants"][0] |= {"combine": {"lad": 2}, "most_fields": 4, "approval": ["as-police"], "measure": {}}
    text = page(value)
    assert "a filter on lad combines 2 codes or more" in text
    assert "at most 4 columns in one question" in text
    assert "each question approved by Avon and Somerset Police" in text
    assert "<li>nothing</li>" in text


def test_the_signature_block_names_the_digest_and_each_partys_key():
    value = loaded()
    value["parties"][0]["signatory"] = {"post": "Assistant Chief Constable"}
    text = page(value)
    assert text.count(digest(value)) == 2
    assert all(text.count(party["key"]) == 2 for party in value["parties"])
    assert '<td dir="auto">Assistant Chief Constable</td>' in text
    assert "not yet" not in text
    told = page(value, signed=[Signed("as-police", "a-key", "2026-03-01")], standing="not signed")
    assert "2026-03-01, with the key a-key" in told
    assert told.count("not yet") == len(value["parties"]) - 1
    assert "<strong>not signed</strong>" in told


def test_only_an_agreement_becomes_a_page():
    with pytest.raises(InvalidDocument):
        page(loaded() | {"period": {}})


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


@needs_chromium
def test_a_browser_runs_nothing_of_what_hostile_words_say(tmp_path):
    file = tmp_path / "page.html"
    file.write_text(page(hostile()), encoding="utf-8")
    seen = chromium(tmp_path, "--dump-dom", file.as_uri())
    assert "<title>pwned</title>" not in seen
    assert seen.count("<script") == seen.count("<img") == 0
    file.write_text(f"<title>safe</title><p>{HOSTILE}", encoding="utf-8")
    assert "<title>pwned</title>" in chromium(tmp_path, "--dump-dom", file.as_uri()), "the words are not hostile"


@needs_chromium
def test_a_browser_shows_and_prints_the_page(tmp_path):
    file, shot, print_ = (tmp_path / name for name in ("page.html", "page.png", "page.pdf"))
    file.write_text(page(loaded()), encoding="utf-8")
    chromium(tmp_path, f"--screenshot={shot}", "--window-size=1200,3000", file.as_uri())
    chromium(tmp_path, f"--print-to-pdf={print_}", file.as_uri())
    assert shot.read_bytes().startswith(b"\x89PNG")
    assert shot.stat().st_size > 100_000, "the page is blank"
    assert print_.read_bytes().startswith(b"%PDF")
    assert print_.read_bytes().count(b"/Type /Page\n") > 5
