"""What is supplied: new and dropped datasets, renamed ones, and each clause of those that stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from schemas.agreement import Agreement
from schemas.clauses.datasets import Dataset
from schemas.diff import change as rules
from schemas.diff.change import Change, Effect, Rule
from schemas.diff.prose import differences, plain

_RULES: dict[str, Rule] = {
    "schema": rules.any_widens,  # another schema may have other columns
    "supplier": rules.any_widens,  # it is other data
    "every": rules.neutral,
    "gateway": rules.neutral,
    "data_classes": rules.neutral,
    "quality": rules.neutral,
}
"""The effect of clauses that have no words of their own below; what is not named widens."""


def renamed(old: Agreement, new: Agreement) -> dict[str, str]:
    """Return the new name of each dataset that is only called otherwise: the one of its supplier and kind of data."""
    gone, come = _by_data(old, new), _by_data(new, old)
    return {names[0]: come[data][0] for data, names in gone.items() if len(names) == len(come.get(data, ())) == 1}


def _by_data(agreement: Agreement, other: Agreement) -> dict[tuple[str, str], list[str]]:
    """Return the names of datasets that another agreement has not, by what data they are."""
    made: dict[tuple[str, str], list[str]] = {}
    for name, dataset in agreement.datasets.items():
        if name not in other.datasets:
            made.setdefault(_data(dataset), []).append(name)
    return made


def _data(dataset: Dataset) -> tuple[str, str]:
    return dataset.supplier, dataset.schema_.partition("/")[0]


def compare(old: Agreement, new: Agreement, names: Mapping[str, str]) -> Iterator[Change]:
    """Yield what changed among the datasets.

    Args:
        old: The one agreement.
        new: The other.
        names: The new names of renamed datasets.
    """
    for name in sorted(old.datasets):
        now = names.get(name, name)
        if now not in new.datasets:
            yield Change(f"datasets/{name}", "removed", f"{name} is no longer supplied", "narrows")
            continue
        if now != name:
            words = f"{name} is now called {now}; what was spent on it stays spent"
            yield Change(f"datasets/{now}", "changed", words, "neutral")
        yield from _dataset(now, (old, old.datasets[name]), (new, new.datasets[now]))
    for name in sorted({*new.datasets} - {*old.datasets} - {*names.values()}):
        entry = new.datasets[name]
        words = f"{entry.supplier} supplies {name} ({entry.schema_}), kept for {entry.keep}"
        yield Change(f"datasets/{name}", "added", words, "widens")


def _dataset(name: str, before: tuple[Agreement, Dataset], after: tuple[Agreement, Dataset]) -> Iterator[Change]:
    old, new = before[1], after[1]
    path = f"datasets/{name}"
    yield from rules.value(f"how long {name} is kept", f"{path}/keep", old.keep, new.keep, rules.longer_widens)
    yield from rules.value(
        f"the most records that one person adds to an answer of {name}",
        f"{path}/bounds/per_person", old.bounds.per_person, new.bounds.per_person, rules.more_widens,
    )  # fmt: skip
    yield from rules.value(
        f"who is protected in {name}",
        f"{path}/privacy_unit", old.privacy_unit, new.privacy_unit, lambda _, unit: _unit(unit),
    )  # fmt: skip
    yield from _purposes(name, path, before, after)
    yield from _codes(name, path, old, new)
    yield from _levels(name, path, old, new)
    own = {"keep", "bounds", "privacy_unit", "purposes", "codes", "levels"}
    was, now = plain(old), plain(new)
    for part in sorted({*was, *now} - own):
        rule = _RULES.get(part, rules.any_widens)
        yield from differences(
            f"{name}, {part.replace('_', ' ')}", f"{path}/{part}", was.get(part), now.get(part), rule
        )


def _unit(unit: str) -> Effect:
    """A record is less than a person: whoever has several is protected less."""
    return "widens" if unit == "record" else "narrows"


def _purposes(
    name: str, path: str, before: tuple[Agreement, Dataset], after: tuple[Agreement, Dataset]
) -> Iterator[Change]:
    """Yield a change of the supplier's limit: by the purposes that it covers, as no purpose named means all."""
    was, now = set(before[1].purposes), set(after[1].purposes)
    if was == now:
        return
    shown = (rules.listed(names) if names else "every purpose" for names in (was, now))
    words = "{} was supplied for {}, is now for {}".format(name, *shown)
    effect: Effect = "neutral"
    if now and (not was or _covered(before) - _covered(after)):
        effect = "narrows"
    if was and (not now or _covered(after) - _covered(before)):
        effect = "widens"
    yield Change(f"{path}/purposes", "changed", words, effect)


def _covered(of: tuple[Agreement, Dataset]) -> set[str]:
    agreement, dataset = of
    return {purpose for purpose in agreement.purposes if agreement.covers(dataset.purposes, purpose)}


def _codes(name: str, path: str, old: Dataset, new: Dataset) -> Iterator[Change]:
    """Yield changes of code lists: a list opens a column to questions, another list counts other codes."""
    for column in sorted({*old.codes, *new.codes}):
        where = f"{path}/codes/{column}"
        if column not in new.codes:
            words = f"{column} of {name} has no list of codes any more, so nobody can ask by it"
            yield Change(where, "removed", words, "narrows")
        elif column not in old.codes:
            words = f"{column} of {name} has the codes of {new.codes[column]}, so grants can let it be asked by"
            yield Change(where, "added", words, "widens")
        else:
            label = f"the list of codes of {column} in {name}"
            yield from rules.value(label, where, old.codes[column], new.codes[column], rules.any_widens)


def _levels(name: str, path: str, old: Dataset, new: Dataset) -> Iterator[Change]:
    """Yield changes of levels: one is used only where a grant names it, but another hierarchy may be finer."""
    was = {(column, level): item for column, levels in old.levels.items() for level, item in levels.items()}
    now = {(column, level): item for column, levels in new.levels.items() for level, item in levels.items()}
    for column, level in sorted({*was, *now}):
        where = f"{path}/levels/{column}/{level}"
        before, after = was.get((column, level)), now.get((column, level))
        if after is None:
            yield Change(where, "removed", f"{column} of {name} has no level {level} any more", "neutral")
        elif before is None:
            yield Change(where, "added", f"{column} of {name} has the level {level}, by {after}", "neutral")
        else:
            label = f"the hierarchy of {column} at {level} in {name}"
            yield from rules.value(label, where, before, after, rules.any_widens)
