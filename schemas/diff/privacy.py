"""The budget, when the agreement holds, and what the parties owe each other."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.agreement import Agreement
from schemas.diff import change as rules
from schemas.diff.change import Change, Effect, Rule
from schemas.diff.prose import differences, plain, without

_PUBLISH = ("forbidden", "needs-approval", "allowed")


def period(old: Agreement, new: Agreement) -> Iterator[Change]:
    """Yield what changed in when it holds."""
    was, now = old.period, new.period
    starts = "the first day on which it holds"
    yield from rules.value(starts, "period/start", was.start, now.start, rules.more_narrows)
    yield from rules.value("the last day on which it holds", "period/end", was.end, now.end, rules.more_widens)
    label = "the day by which it is reviewed"
    yield from rules.value(label, "period/review_by", was.review_by, now.review_by, rules.more_widens)


def compare(old: Agreement, new: Agreement) -> Iterator[Change]:
    """Yield what changed in the budget and who may spend it."""
    was, now = old.privacy.budget, new.privacy.budget
    known: tuple[tuple[str, str, object, object, Rule], ...] = (
        ("epsilon of a period", "budget/epsilon", was.epsilon, now.epsilon, rules.more_widens),
        (
            "delta at which rho is converted",
            "budget/delta_conversion", was.delta_conversion, now.delta_conversion, rules.more_widens,
        ),
        (
            "delta for choosing keys",
            "budget/delta_selection", was.delta_selection, now.delta_selection, rules.more_widens,
        ),
        ("how long a period is", "budget/every", was.every, now.every, rules.longer_narrows),
        ("the first day of the first period", "budget/from", was.from_, now.from_, rules.any_widens),
        (
            "epsilon over all periods together",
            "lifetime/epsilon", old.privacy.lifetime.epsilon, new.privacy.lifetime.epsilon, rules.more_widens,
        ),
        (
            "the part of its share that one request may spend",
            "per_request/share", old.privacy.per_request.share, new.privacy.per_request.share, rules.more_widens,
        ),
    )  # fmt: skip
    for label, path, before, after, rule in known:
        yield from rules.value(label, f"privacy/{path}", before, after, rule)
    yield from _lifetime_delta(old, new)
    yield from _shares(old, new)
    yield from _analysts(old, new)
    yield from differences("a value is usable", "privacy/usable", plain(old.privacy.usable), plain(new.privacy.usable))


def _shares(old: Agreement, new: Agreement) -> Iterator[Change]:
    was, now = old.privacy.shares, new.privacy.shares
    for party in sorted({*was, *now}):
        path = f"privacy/shares/{party}"
        if party not in was:
            yield Change(path, "added", f"{party} may spend {now[party]} of a period's budget", "widens")
        elif party not in now:
            words = f"{party} has no share of the budget any more; what it has spent stays spent"
            yield Change(path, "removed", words, "narrows")
        else:
            yield from rules.value(f"{party}'s share of the budget", path, was[party], now[party], rules.more_widens)


def _lifetime_delta(old: Agreement, new: Agreement) -> Iterator[Change]:
    """Yield a change of what is said; where nothing is, a period's delta holds for the lifetime too."""
    path = "privacy/lifetime/delta_selection"
    was, now = old.privacy.lifetime.delta_selection, new.privacy.lifetime.delta_selection
    before = old.privacy.budget.delta_selection if was is None else was
    after = new.privacy.budget.delta_selection if now is None else now
    effect: Effect = "neutral" if after == before else rules.more_widens(before, after)
    if was is not None and now is not None:
        yield from rules.value("delta for choosing keys over all periods", path, was, now, rules.more_widens)
    elif now is not None:
        yield Change(path, "added", f"delta for choosing keys is {now} over all periods", effect)
    elif was is not None:
        yield Change(path, "removed", "delta for choosing keys is a period's over all periods, too", effect)


def _analysts(old: Agreement, new: Agreement) -> Iterator[Change]:
    was, now = old.privacy.analysts, new.privacy.analysts
    for party in sorted({*was, *now}):
        path = f"privacy/analysts/{party}"
        if party not in was:
            words = f"a client of {party} may spend at most {now[party]} of its party's share in a period"
            yield Change(path, "added", words, "narrows")
        elif party not in now:
            words = f"a client of {party} may spend all of its party's share in a period"
            yield Change(path, "removed", words, "widens")
        else:
            label = f"the part of {party}'s share that one of its clients may spend"
            yield from rules.value(label, path, was[party], now[party], rules.more_widens)


def obligations(old: Agreement, new: Agreement) -> Iterator[Change]:
    """Yield what changed in what the parties owe each other."""
    was, now = old.obligations, new.obligations
    yield from rules.value(
        "publishing a release", "obligations/publish", was.publish, now.publish,
        lambda before, after: rules.more_widens(_PUBLISH.index(before), _PUBLISH.index(after)),
    )  # fmt: skip
    before, after = was.grace, now.grace
    if before is not None and after is not None:
        label = "how long data is kept after the end"
        yield from rules.value(label, "obligations/grace", before, after, rules.longer_widens)
    elif after is not None:
        yield Change("obligations/grace", "added", f"data is kept for {after} after the end", "widens")
    elif before is not None:
        words = f"data is no longer kept for {before} after the end"
        yield Change("obligations/grace", "removed", words, "narrows")
    own = ("publish", "grace")
    yield from differences("obligations", "obligations", without(was, *own), without(now, *own))
