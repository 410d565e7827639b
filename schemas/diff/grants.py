"""Grants, matched by what they say and not by where they stand: a reordered document has no difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.agreement import Agreement
from schemas.canonical import canonical
from schemas.clauses.grants import Grant
from schemas.clauses.measures import FIELDS, FLAGS
from schemas.diff import change as rules
from schemas.diff.change import Change, Effect, listed
from schemas.diff.prose import differences, plain

_MOST_PAIRS = 100_000
"""Above so many pairs of grants over one dataset none is taken for another's new text: each is removed or added."""
_ALIKE = 0.6
"""The part of what two grants say that they must say alike to be the same one with other recipients or purposes."""
_EMPTY: dict[str, Any] = {"group_by": {}, "filter_by": {}, "rows": {}, "combine": {}, "link": [], "approval": []}


@dataclass(frozen=True, slots=True)
class _Held:
    """One grant: its path, what it says with the new names of datasets, and each part of that."""

    path: str
    says: dict[str, Any]
    text: bytes
    parts: frozenset[str]


def compare(old: Agreement, new: Agreement, names: Mapping[str, str]) -> Iterator[Change]:
    """Yield what changed among the grants.

    Args:
        old: The one agreement.
        new: The other.
        names: The new names of renamed datasets.
    """
    before, after = _held(old.grants, names), _held(new.grants, {})
    gone = [item for text, item in before.items() if text not in after]
    come = [item for text, item in after.items() if text not in before]
    pairs = _pairs(gone, come)
    for was, now in pairs:
        yield from _grant(new, was, now)
    paired = {item.path for pair in pairs for item in pair[1:]}
    for item in come:
        if item.path not in paired:
            yield Change(item.path, "added", f"{_who(item)} may ask {_what(item)}", "widens")
    paired = {item.path for pair in pairs for item in pair[:1]}
    for item in gone:
        if item.path not in paired:
            yield Change(item.path, "removed", f"{_who(item)} may no longer ask {_what(item)}", "narrows")


def _held(grants: Iterable[Grant], names: Mapping[str, str]) -> dict[bytes, _Held]:
    """Return each grant by the text of what it says; of two that say the same, one."""
    made: dict[bytes, _Held] = {}
    for index, grant in enumerate(grants):
        says = _EMPTY | _unique(plain(grant))
        says["dataset"] = names.get(grant.dataset, grant.dataset)
        says["link"] = sorted({names.get(name, name) for name in says["link"]})
        text = canonical(says)
        made.setdefault(text, _Held(f"grants/{index}", says, text, frozenset(_parts(says, ""))))
    return made


def _unique(value: Any) -> Any:
    """Return what a grant says with each name once: its lists are sets."""
    if isinstance(value, dict):
        return {name: _unique(item) for name, item in value.items()}
    return sorted(set(value)) if isinstance(value, list) else value


def _parts(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _parts(item, f"{path}/{name}")
    elif isinstance(value, list):
        yield from (f"{path}={item}" for item in value)
    else:
        yield f"{path}={value}"


def _pairs(gone: list[_Held], come: list[_Held]) -> list[tuple[_Held, _Held]]:
    """Return the grants that are each other's old and new text, the most alike first; each grant once."""
    by_dataset: dict[str, list[_Held]] = defaultdict(list)
    for item in come:
        by_dataset[item.says["dataset"]].append(item)
    olds: dict[str, list[_Held]] = defaultdict(list)
    for item in gone:
        olds[item.says["dataset"]].append(item)
    scored = []
    for dataset, held in olds.items():
        if len(held) * len(by_dataset[dataset]) > _MOST_PAIRS:
            continue
        for was in held:
            for now in by_dataset[dataset]:
                score = len(was.parts & now.parts) / len(was.parts | now.parts)
                if score >= _ALIKE or (_share(was, now, "to") and _share(was, now, "for")):
                    scored.append((-score, was.text, now.text, was, now))
    scored.sort(key=lambda item: item[:3])
    made, used = [], set()
    for _, old_text, new_text, was, now in scored:
        if ("old", old_text) not in used and ("new", new_text) not in used:
            used |= {("old", old_text), ("new", new_text)}
            made.append((was, now))
    return sorted(made, key=lambda pair: int(pair[1].path.partition("/")[2]))


def _share(was: _Held, now: _Held, part: str) -> bool:
    return not set(was.says[part]).isdisjoint(now.says[part])


def _who(item: _Held) -> str:
    return f"{listed(item.says['to'])} (for {listed(item.says['for'])}, as {listed(item.says['roles'])})"


def _what(item: _Held) -> str:
    """Return what a grant allows, in a sentence's rest."""
    says = item.says
    measure = says["measure"]
    measures = [name for name in FLAGS if measure[name]]
    measures += [f"the {kind} of {name}" for kind in FIELDS for name in measure[kind]]
    said = [f"of {says['dataset']}: {listed(measures)}"]
    for part, words in (("group_by", "grouped by"), ("filter_by", "filtered by")):
        if says[part]:
            said.append(f"{words} {listed(f'{name} ({listed(levels)})' for name, levels in says[part].items())}")
    said += [f"only rows whose {name} is {listed(codes)}" for name, codes in sorted(says["rows"].items())]
    if says["link"]:
        said.append(f"linked with {listed(says['link'])}")
    said += [f"filters combine at least {n} of {name}" for name, n in sorted(says["combine"].items())]
    if says.get("most_fields") is not None:
        said.append(f"at most {says['most_fields']} columns in a question")
    if says["approval"]:
        said.append(f"each question approved by {listed(says['approval'])}")
    return "; ".join(said)


# --- one grant that changed


def _grant(agreement: Agreement, was: _Held, now: _Held) -> Iterator[Change]:
    old, new, path = was.says, now.says, now.path
    whose = f"{listed(new['to'])}, asking of {new['dataset']}"
    yield from rules.members(
        f"{path}/to", old["to"], new["to"],
        f"{{}} may now ask of {new['dataset']} {_rest(new)}",
        f"{{}} may no longer ask of {new['dataset']} {_rest(old)}",
        rules.more_widens,
    )  # fmt: skip
    yield from _purposes(agreement, f"{path}/for", whose, old["for"], new["for"])
    yield from rules.members(
        f"{path}/roles", old["roles"], new["roles"],
        f"{whose}: people may also ask as {{}}", f"{whose}: people may no longer ask as {{}}", rules.more_widens,
    )  # fmt: skip
    for part, words in (("group_by", "group by"), ("filter_by", "filter by")):
        yield from _fields(
            f"{path}/{part}", f"{whose}: may now {words}", f"{whose}: may no longer {words}", old[part], new[part]
        )
    yield from _measures(f"{path}/measure", whose, old["measure"], new["measure"])
    yield from _rows(f"{path}/rows", whose, old["rows"], new["rows"])
    yield from rules.members(
        f"{path}/link", old["link"], new["link"],
        f"{whose}: questions may now be linked with {{}}", f"{whose}: questions may no longer be linked with {{}}",
        rules.more_widens,
    )  # fmt: skip
    yield from _limits(path, whose, old, new)
    yield from rules.members(
        f"{path}/approval", old["approval"], new["approval"],
        f"{whose}: each question now has to be approved by {{}}",
        f"{whose}: questions need no approval by {{}} any more",
        rules.more_narrows,
    )  # fmt: skip
    for part in sorted({*old, *new} - _KNOWN):
        label, where = f"{whose}, {part}", f"{path}/{part}"
        yield from differences(label, where, old.get(part), new.get(part), rules.any_widens)


_KNOWN = {
    "to", "for", "roles", "dataset", "group_by", "filter_by", "measure", "rows", "link", "combine", "most_fields",
    "approval",
}  # fmt: skip
"""What ``_grant`` has a rule for; whatever else a grant comes to say widens."""


def _rest(says: dict[str, Any]) -> str:
    return f"for {listed(says['for'])}"


def _purposes(agreement: Agreement, path: str, whose: str, old: list[str], new: list[str]) -> Iterator[Change]:
    """Yield purposes that joined or left; one that a purpose beside it covers anyway changes nothing."""
    for purpose in sorted(set(new) - set(old)):
        effect: Effect = "neutral" if agreement.covers(old, purpose) else "widens"
        yield Change(path, "added", f"{whose}: now also for {purpose}", effect)
    for purpose in sorted(set(old) - set(new)):
        effect = "neutral" if agreement.covers(new, purpose) else "narrows"
        yield Change(path, "removed", f"{whose}: no longer for {purpose}", effect)


def _fields(path: str, gains: str, loses: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        yield from rules.members(
            f"{path}/{name}", old.get(name, ()), new.get(name, ()),
            f"{gains} {name} at {{}}", f"{loses} {name} at {{}}", rules.more_widens,
        )  # fmt: skip


def _measures(path: str, whose: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for name, (what, _) in FLAGS.items():
        if old[name] != new[name]:
            words = f"{whose}: {what} may {'now' if new[name] else 'no longer'} be counted"
            yield Change(f"{path}/{name}", "changed", words, "widens" if new[name] else "narrows")
    for name in FIELDS:
        yield from rules.members(
            f"{path}/{name}", old[name], new[name],
            f"{whose}: the {name} of {{}} may now be asked", f"{whose}: the {name} of {{}} may no longer be asked",
            rules.more_widens,
        )  # fmt: skip


def _rows(path: str, whose: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Yield changes of the forced scope: none at all is wider than any."""
    for name in sorted({*old, *new}):
        where = f"{path}/{name}"
        if name not in old:
            words = f"{whose}: only rows whose {name} is {listed(new[name])} are counted now"
            yield Change(where, "added", words, "narrows")
        elif name not in new:
            words = f"{whose}: rows of every {name} are counted now, not only {listed(old[name])}"
            yield Change(where, "removed", words, "widens")
        else:
            yield from rules.members(
                where, old[name], new[name],
                f"{whose}: rows whose {name} is {{}} are counted now",
                f"{whose}: rows whose {name} is {{}} are no longer counted",
                rules.more_widens,
            )  # fmt: skip


def _limits(path: str, whose: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Yield changes of limits on a question's form: fewer codes to combine and more columns allow more."""
    for name in sorted({*old["combine"], *new["combine"]}):
        before, after = old["combine"].get(name, 1), new["combine"].get(name, 1)
        label = f"{whose}: the fewest codes of {name} that a filter combines"
        yield from rules.value(label, f"{path}/combine/{name}", before, after, rules.more_narrows)
    before, after = old.get("most_fields"), new.get("most_fields")
    if before != after:
        shown = (
            f"at most {limit} columns" if limit is not None else "any number of columns" for limit in (before, after)
        )
        words = "{}: a question had {}, has now {}".format(whose, *shown)
        yield Change(f"{path}/most_fields", "changed", words, rules.limit(before, after))
