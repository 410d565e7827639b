"""Who joins, who leaves, whose key is another. What a party may do follows from grants, so all of it is neutral."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.agreement import Agreement
from schemas.clauses.parties import Party
from schemas.diff.change import Change
from schemas.diff.prose import differences, without


def compare(old: Agreement, new: Agreement) -> Iterator[Change]:
    """Yield what changed among the parties; their order does not count."""
    before = {party.id: (index, party) for index, party in enumerate(old.parties)}
    after = {party.id: (index, party) for index, party in enumerate(new.parties)}
    for name in sorted({*before, *after}):
        if name not in before:
            index, party = after[name]
            yield Change(f"parties/{index}", "added", _joins(party), "neutral")
        elif name not in after:
            index, party = before[name]
            words = f"{name} ({party.name}) is no longer a party; the next version still needs its signature"
            yield Change(f"parties/{index}", "removed", words, "neutral")
        else:
            yield from _party(f"parties/{after[name][0]}", before[name][1], after[name][1])


def _joins(party: Party) -> str:
    return f"{party.id} ({party.name}) joins as {party.role}; it signs with the key {party.key}"


def _party(path: str, old: Party, new: Party) -> Iterator[Change]:
    if old.key != new.key:
        words = (
            f"{new.id} signs with ANOTHER KEY: {old.key} was, {new.key} is now; compare it with the party by another "
            "channel before you sign"
        )
        yield Change(f"{path}/key", "changed", words, "neutral")
    yield from differences(new.id, path, without(old, "key"), without(new, "key"))
