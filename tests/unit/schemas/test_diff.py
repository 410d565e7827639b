"""What changed between two agreements: nothing is missed, order does not count, and each effect follows its rule."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agreements
from schemas import agreement as documents
from schemas import artefacts
from schemas.canonical import canonical
from schemas.diff.change import Change
from schemas.diff.compare import compare, counts
from schemas.diff.pins import kinds
from schemas.errors import DocumentError

VALUE: dict[str, Any] = documents.load(agreements.path("avon-somerset").read_bytes())
Edit = Callable[[dict[str, Any]], object]
POLICE, ED, BRISTOL = 0, 1, 5
"""Grants of the worked agreement: the hub's of police violence and of ED assaults, the council's of the first."""


def value(*edits: Edit) -> dict[str, Any]:
    made = copy.deepcopy(VALUE)
    for edit in edits:
        edit(made)
    return made


def changes(new: Edit, old: Edit = lambda _: None) -> tuple[Change, ...]:
    return compare(documents.parse(value(old)), documents.parse(value(old, new)))


def put(path: str, item: Any) -> Edit:
    """Set what stands at a path; None takes it away."""

    def edit(document: dict[str, Any]) -> None:
        *way, last = path.split("/")
        at: Any = document
        for part in way:
            at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
        if item is None:
            del at[last]
        else:
            at[int(last) if isinstance(at, list) else last] = item

    return edit


GRANT = f"grants/{POLICE}"
BOTH_WAYS: list[tuple[str, str, Any, Any, str]] = [
    # a name, the path, a first text, a second one that allows more, and where it is told
    ("kept longer", "datasets/police-violence/keep", "P3Y", "P4Y", ""),
    ("kept longer by days", "datasets/police-violence/keep", "P3Y", "P3Y1D", ""),
    ("a person adds more", "datasets/police-violence/bounds/per_person", 3, 4, ""),
    ("the supplier's limit has another purpose", "datasets/police-violence/purposes", ["needs-assessment"],
     ["needs-assessment", "prevention-evaluation"], ""),
    ("the supplier's limit falls", "datasets/police-violence/purposes", ["needs-assessment"], [], ""),
    ("a recipient joins", f"{GRANT}/to", ["as-opcc"], ["as-opcc", "bristol"], ""),
    ("a purpose joins", f"{GRANT}/for", ["needs-assessment"], ["needs-assessment", "prevention-evaluation"], ""),
    ("a role joins", f"{GRANT}/roles", ["analyst"], ["analyst", "steward"], ""),
    ("a field to group by", f"{GRANT}/group_by/domestic", [], ["as-is"], ""),
    ("a level to group by", f"{GRANT}/group_by/age", ["sna-band"], ["sna-band", "under-25"], ""),
    ("a field to filter by", f"{GRANT}/filter_by/domestic", [], ["as-is"], ""),
    ("a level to filter by", f"{GRANT}/filter_by/age", ["sna-band"], ["sna-band", "under-25"], ""),
    ("records are counted", f"{GRANT}/measure/count", False, True, ""),
    ("persons are counted", f"{GRANT}/measure/persons", False, True, ""),
    ("a sum", f"{GRANT}/measure/sum", [], ["gravity"], ""),
    ("a mean", f"{GRANT}/measure/mean", [], ["gravity"], ""),
    ("more rows", f"{GRANT}/rows/lad", ["E06000022"], ["E06000022", "E06000023"], ""),
    ("all rows", f"{GRANT}/rows", {"lad": ["E06000022"]}, {}, f"{GRANT}/rows/lad"),
    ("a link", f"{GRANT}/link", ["ed-assaults"], ["ed-assaults", "youth-justice"], ""),
    ("fewer codes to combine", f"{GRANT}/combine/lad", 5, 4, ""),
    ("no codes to combine", f"{GRANT}/combine", {"lad": 5}, {}, f"{GRANT}/combine/lad"),
    ("more columns", f"{GRANT}/most_fields", 3, 4, ""),
    ("an approval less", f"{GRANT}/approval", ["as-police", "bri-ed"], ["as-police"], ""),
    ("more epsilon", "privacy/budget/epsilon", "8", "8.5", ""),
    ("more epsilon, shorter in text", "privacy/budget/epsilon", "8", "10", ""),
    ("more delta for rho", "privacy/budget/delta_conversion", "5e-8", "5e-7", ""),
    ("more delta for keys", "privacy/budget/delta_selection", "5e-8", "5e-7", ""),
    ("shorter periods", "privacy/budget/every", "P3M", "P2M", ""),
    ("more delta over the lifetime", "privacy/lifetime/delta_selection", "5e-8", "4e-7", ""),
    ("a larger part of its share for an analyst", "privacy/analysts/bristol", "0.2", "0.25", ""),
    ("more over the lifetime", "privacy/lifetime/epsilon", "24", "25", ""),
    ("more in one request", "privacy/per_request/share", "0.10", "0.2", ""),
    ("a larger share", "privacy/shares/bristol", "0.2", "0.24", ""),
    ("starts earlier", "period/start", "2026-04-01", "2026-03-01", ""),
    ("ends later", "period/end", "2028-03-31", "2028-04-01", ""),
    ("reviewed later", "period/review_by", "2027-03-31", "2027-04-01", ""),
    ("publishing needs no approval", "obligations/publish", "needs-approval", "allowed", ""),
    ("publishing is not forbidden", "obligations/publish", "forbidden", "needs-approval", ""),
    ("kept longer after the end", "obligations/grace", "P30D", "P31D", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "less", "more", "told"), [row[1:] for row in BOTH_WAYS], ids=[r[0] for r in BOTH_WAYS]
)
def test_what_allows_more_widens_and_the_way_back_narrows(path: str, less: Any, more: Any, told: str) -> None:
    there = changes(put(path, more), put(path, less))
    assert [(change.path, change.effect) for change in there] == [(told or path, "widens")]
    back = changes(put(path, less), put(path, more))
    assert [(change.path, change.effect) for change in back] == [(told or path, "narrows")]


ADDED: list[tuple[str, str, Any, str]] = [
    # a name, a path where nothing stood, what comes there, its effect; taking it away has the opposite
    ("a share", "privacy/shares/as-police", "0.04", "widens"),
    ("a quota of analysts", "privacy/analysts/bristol", "0.25", "narrows"),
    ("more delta over the lifetime than in a period", "privacy/lifetime/delta_selection", "4e-7", "widens"),
    ("less delta over the lifetime than in a period", "privacy/lifetime/delta_selection", "1e-9", "narrows"),
    ("grace", "obligations/grace", "P30D", "widens"),
    ("a purpose within another", "purposes/knives",
     {"description": "x", "parent": "needs-assessment", "legal": {"article_6": "e"}}, "widens"),
    ("a scope", f"grants/{ED}/rows/sex", ["female"], "narrows"),
    ("a limit of columns", f"{GRANT}/most_fields", 4, "narrows"),
    ("codes to combine", f"{GRANT}/combine/lad", 2, "narrows"),
    ("an approval", f"{GRANT}/approval", ["as-police"], "narrows"),
    ("a dataset", "datasets/more",
     {"schema": "ed-attendances/v1", "supplier": "bri-ed", "every": "P1M", "keep": "P1Y", "bounds": {"per_person": 3}},
     "widens"),
    ("a list of codes", "datasets/police-violence/codes/lsoa", "lsoa-2021", "widens"),
]  # fmt: skip


def without(path: str) -> Edit:
    """Take away what stands at a path, where something does."""

    def edit(document: dict[str, Any]) -> None:
        *way, last = path.split("/")
        at: Any = document
        for part in way:
            at = at[int(part)] if isinstance(at, list) else at.get(part, {})
        at.pop(last, None)

    return edit


@pytest.mark.parametrize(("path", "item", "effect"), [row[1:] for row in ADDED], ids=[row[0] for row in ADDED])
def test_what_comes_has_an_effect_and_what_goes_the_opposite(path: str, item: Any, effect: str) -> None:
    opposite = {"widens": "narrows", "narrows": "widens"}[effect]
    assert [(c.path, c.effect) for c in changes(put(path, item), without(path))] == [(path, effect)]
    assert [(c.path, c.effect) for c in changes(without(path), put(path, item))] == [(path, opposite)]


def pin(name: str, digit: str) -> Edit:
    return lambda document: document["pins"].update({name: "sha256:" + digit * 64})


WIDENS = {
    "another schema": put("datasets/police-violence/schema", "police-violence/v2"),
    "another supplier": put("datasets/police-violence/supplier", "bri-ed"),
    "records are protected, not persons": put("datasets/police-violence/privacy_unit", "record"),
    "kept for days, not months": put("datasets/police-violence/keep", "P1000D"),
    "the first day of the first period": put("privacy/budget/from", "2026-07-01"),
    "a pinned code list says something else": pin("lad-2025", "0"),
    "a pinned schema says something else": pin("police-violence/v1", "0"),
}


@pytest.mark.parametrize("name", WIDENS)
def test_what_cannot_be_told_to_allow_no_more_widens(name: str) -> None:
    assert [change.effect for change in changes(WIDENS[name])] == ["widens"]


def test_a_person_protected_in_place_of_a_record_narrows() -> None:
    told = changes(put("datasets/street-crime/privacy_unit", "person"))
    assert [change.effect for change in told] == ["narrows"]


NEUTRAL = {
    "title": put("title", "Another"),
    "summary": without("summary"),
    "a party's name": put("parties/0/name", "Another"),
    "a party's officer": put("parties/0/dpo", {"post": "Data protection officer of the force"}),
    "a purpose's words": put("purposes/needs-assessment/description", "Another"),
    "a purpose's basis": put("purposes/needs-assessment/legal/article_6", "c"),
    "a purpose of its own": put("purposes/other", {"description": "x", "legal": {"article_6": "e"}}),
    "the gateway table": pin("gateways/v1", "0"),
    "a pin more": pin("lsoa-2021", "0"),
    "a level that no grant names": put("datasets/police-violence/levels", {"lad": {"region": "lad-region"}}),
    "a dataset's gateway": put("datasets/ed-assaults/gateway", ["other"]),
    "a dataset's cadence": put("datasets/ed-assaults/every", "P2M"),
    "what usable means": put("privacy/usable/value", 20),
    "how often the log is reviewed": put("obligations/review_log_every", "P2M"),
    "notice of a breach": without("obligations/breach_notice"),
    "the DPIA": put("legal/dpia/reference", "DPIA-2"),
    "a key of the parties' own": put("legal/of_our_own", {"deep": ["x"]}),
}


@pytest.mark.parametrize("name", NEUTRAL)
def test_what_decides_nothing_is_told_and_neutral(name: str) -> None:
    told = changes(NEUTRAL[name])
    assert [change.effect for change in told] == ["neutral"]
    assert told[0].words


def test_a_party_that_joins_leaves_or_signs_with_another_key_is_told() -> None:
    def joins(document: dict[str, Any]) -> None:
        document["parties"].append(
            {"id": "bath", "name": "Bath", "kind": "local-authority", "role": "recipient", "key": "k" * 43}
        )

    (joined,) = changes(joins)
    assert (joined.path, joined.kind, "k" * 43 in joined.words) == ("parties/12", "added", True)
    (left,) = compare(documents.parse(value(joins)), documents.parse(VALUE))
    assert (left.path, left.kind, left.effect) == ("parties/12", "removed", "neutral")
    (key,) = changes(put("parties/0/key", "k" * 43))
    assert (key.path, key.effect) == ("parties/0/key", "neutral")
    assert "ANOTHER KEY" in key.words
    assert VALUE["parties"][0]["key"] in key.words


def test_a_pin_that_changed_says_what_it_pins_and_where_it_is_named() -> None:
    known = kinds(artefacts.load())
    bound = put("datasets/police-violence/codes/lsoa", "sex")
    old, new = (documents.parse(value(bound, edit)) for edit in (lambda _: None, pin("sex", "0")))
    (change,) = compare(old, new, known)
    assert change.words.startswith("the code list sex is ANOTHER TEXT")
    assert "datasets/police-violence/codes/lsoa" in change.words
    (schema,) = compare(documents.parse(VALUE), documents.parse(value(pin("ed-assaults/v1", "0"))), known)
    assert "the dataset schema ed-assaults/v1" in schema.words
    assert "datasets/ed-assaults/schema" in schema.words


def rename(old: str, new: str) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        document["datasets"][new] = document["datasets"].pop(old)
        for grant in document["grants"]:
            grant["dataset"] = new if grant["dataset"] == old else grant["dataset"]
            grant["link"] = [new if name == old else name for name in grant.get("link", [])]

    return edit


def test_a_renamed_dataset_is_one_change_and_its_grants_are_the_same() -> None:
    (change,) = changes(rename("police-violence", "violence"))
    assert (change.path, change.effect) == ("datasets/violence", "neutral")
    assert change.words.startswith("police-violence is now called violence")


def test_a_dataset_with_another_suppliers_data_is_no_renamed_one() -> None:
    def edit(document: dict[str, Any]) -> None:
        rename("street-crime", "streets")(document)
        document["datasets"]["streets"]["supplier"] = "bri-ed"

    told = {(change.path, change.kind): change.effect for change in changes(edit)}
    assert told["datasets/street-crime", "removed"] == "narrows"
    assert told["datasets/streets", "added"] == "widens"


def shuffled(item: Any, by: random.Random, path: tuple[str, ...] = ()) -> Any:
    """Put everything whose order says nothing into another order: keys, parties, grants, names in a list."""
    if isinstance(item, dict):
        names = list(item)
        by.shuffle(names)
        return {name: shuffled(item[name], by, (*path, name)) for name in names}
    if isinstance(item, list):
        made = [shuffled(part, by, path) for part in item]
        by.shuffle(made)
        return made
    return item


@given(st.randoms(use_true_random=False))
def test_a_reordered_document_has_no_difference(by: random.Random) -> None:
    other = shuffled(VALUE, by)
    assert compare(documents.parse(VALUE), documents.parse(other)) == ()


def leaves(item: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(item, dict):
        return [found for name in item for found in leaves(item[name], (*path, name))]
    if isinstance(item, list):
        return [found for index, part in enumerate(item) for found in leaves(part, (*path, index))] or [path]
    return [path]


LEAVES = leaves(VALUE)


@given(st.data())
def test_no_part_of_a_document_changes_unseen(data: st.DataObject) -> None:
    """Whatever single part is taken away or replaced, if the document still reads, the change is told, both ways."""
    path = data.draw(st.sampled_from(LEAVES))
    made = copy.deepcopy(VALUE)
    at: Any = made
    for part in path[:-1]:
        at = at[part]
    last = path[-1]
    replacements = ["other", "as-police", "bristol", "2027-01-01", "P2M", "0.05", "5e-9", 2, False, "k" * 43,
                    "month", "as-is", "sha256:" + "1" * 64, "gravity", "needs-assessment"]  # fmt: skip
    replacement = data.draw(st.none() | st.sampled_from(replacements))
    if replacement is None:
        at.pop(last)
    else:
        at[last] = replacement
    try:
        new = documents.parse(made)
    except DocumentError:
        return
    if path[0] in ("version", "concordat") or canonical(_sets(made)) == canonical(_sets(VALUE)):
        return
    old = documents.parse(VALUE)
    assert compare(old, new)
    assert compare(new, old)


def _sets(item: Any) -> Any:
    """Return a document with each list of names as a set: a name that stands twice says nothing."""
    if isinstance(item, dict):
        return {name: _sets(part) for name, part in item.items()}
    if isinstance(item, list) and all(isinstance(part, str) for part in item):
        return sorted(set(item))
    return [_sets(part) for part in item] if isinstance(item, list) else item


def test_each_effect_is_counted() -> None:
    told = changes(lambda document: (put("title", "x")(document), put("privacy/shares/bristol", "0.1")(document)))
    assert counts(told) == {"widens": 0, "narrows": 1, "neutral": 1}


def test_long_texts_are_shown_where_they_part() -> None:
    long = "word " * 300
    (change,) = changes(put("title", long + "end"), put("title", long + "and"))
    assert "…" in change.words
    assert "and”" in change.words
    assert len(change.words) < 500


def test_a_grant_keeps_its_match_when_it_moves_and_changes() -> None:
    def edit(document: dict[str, Any]) -> None:
        document["grants"].insert(0, document["grants"].pop(BRISTOL))
        document["grants"][0]["filter_by"]["sex"] = ["as-is"]

    (change,) = changes(edit)
    assert (change.path, change.effect) == ("grants/0/filter_by/sex", "widens")
    assert change.words == "bristol, asking of police-violence: may now filter by sex at as-is"


def test_a_grant_that_comes_says_all_that_it_allows() -> None:
    grant = {
        "to": ["bristol"], "for": ["needs-assessment"], "dataset": "youth-justice", "group_by": {"sex": ["as-is"]},
        "filter_by": {"lad": ["as-is"]}, "measure": {"count": True, "mean": ["gravity"]},
        "rows": {"lad": ["E06000023"]}, "combine": {"lad": 2}, "most_fields": 3, "approval": ["as-yjs"],
        "link": ["police-violence"],
    }  # fmt: skip
    (change,) = changes(lambda document: document["grants"].append(grant))
    assert (change.path, change.kind, change.effect) == ("grants/16", "added", "widens")
    for said in ("bristol", "needs-assessment", "youth-justice", "count", "mean of gravity", "sex", "E06000023",
                 "at least 2 of lad", "at most 3", "approved by as-yjs", "linked with police-violence"):  # fmt: skip
        assert said in change.words
    (gone,) = compare(documents.parse(value(lambda d: d["grants"].append(grant))), documents.parse(VALUE))
    assert (gone.kind, gone.effect) == ("removed", "narrows")


def test_a_narrower_purpose_beside_its_wider_one_changes_nothing_that_may_be_asked() -> None:
    def hierarchy(document: dict[str, Any]) -> None:
        document["purposes"]["knives"] = {
            "description": "x", "parent": "needs-assessment", "legal": {"article_6": "e"},
        }  # fmt: skip

    (change,) = changes(put(f"{GRANT}/for", ["needs-assessment", "prevention-evaluation", "knives"]), hierarchy)
    assert change.effect == "neutral"
    (moved,) = changes(put("purposes/knives/parent", "prevention-evaluation"), hierarchy)
    assert (moved.path, moved.effect) == ("purposes/knives/parent", "widens")
    (alone,) = changes(without("purposes/knives/parent"), hierarchy)
    assert alone.effect == "narrows"


def test_thousands_of_new_grants_are_told_in_seconds() -> None:
    def many(first: int) -> Edit:
        def edit(document: dict[str, Any]) -> None:
            document["grants"] = [
                {"to": ["bristol"], "for": ["needs-assessment"], "dataset": "police-violence",
                 "most_fields": 1 + n % 100, "rows": {"lad": [f"E{first + n:08d}"]}}
                for n in range(3000)
            ]  # fmt: skip

        return edit

    told = compare(documents.parse(value(many(0))), documents.parse(value(many(5000))))
    assert counts(told) == {"widens": 3000, "narrows": 3000, "neutral": 0}
