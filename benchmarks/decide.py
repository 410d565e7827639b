"""How long a decision takes under 10,000 grants: ours in this process, the same grants in Cedar in one of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import clauses
from benchmarks.environments import CEDAR, Skipped
from benchmarks.results import Result, median, say
from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.request import AggregateRequest
from service.policy.decide import decide
from service.policy.nearest import explained

NAME = "decide-10k-clauses"
_TARGET = 2.0
_ROUNDS = 5
_CEDAR_ROUNDS = 1
_THOUSAND = 1000.0

Asked = Sequence[tuple[str, AggregateRequest]]


def compare(cache: Path) -> Iterator[Result]:
    """Decide allowed and refused questions; then have the peer decide the same.

    Args:
        cache: Where peers' environments are.

    Raises:
        RuntimeError: a question was not decided as it was made to be.
    """
    agreement, library = clauses.agreement()
    asked, refused = clauses.questions(allowed=True), clauses.questions(allowed=False)
    first = _decide(agreement, library, asked[:1], allowed=True)[0]
    ours = [one for _ in range(_ROUNDS) for one in _decide(agreement, library, asked, allowed=True)]
    others = [one for _ in range(_ROUNDS) for one in _decide(agreement, library, refused, allowed=False)]
    shown = [one for _ in range(_ROUNDS) for one in _explain(agreement, library, refused)]
    details: dict[str, Any] = {
        "grants": len(agreement.grants),
        "p95": _rounded(_percentile(ours, 95)),
        "most": _rounded(max(ours)),
        "first": _rounded(first),
        "refused": _rounded(median(others)),
        "refused_with_nearest": _rounded(median(shown)),
    }
    say(f"  p50 {median(ours):.3f} ms, p95 {details['p95']} ms, the first of all {first:.0f} ms")
    yield Result(NAME, median(ours), _TARGET, "ms", "target", details=details)
    try:
        theirs = _cedar(agreement, [*asked, *refused], len(asked), cache)
    except Skipped as why:
        say(f"  {NAME} against Cedar is skipped: {why}")
        return
    say(f"  {CEDAR.name}: p50 {median(theirs):.3f} ms")
    yield Result(f"{NAME}-cedar", median(ours), median(theirs), "ms", CEDAR.name)


def _decide(agreement: Agreement, library: Library, asked: Asked, *, allowed: bool) -> list[float]:
    """Return the milliseconds that each decision took."""
    taken = []
    for party, request in asked:
        start = time.perf_counter()
        decision = decide(agreement, library, party, request)
        taken.append((time.perf_counter() - start) * _THOUSAND)
        if decision.allowed != allowed:
            raise RuntimeError(f"a question was decided otherwise than it was made to be: {decision.reasons}")
    return taken


def _explain(agreement: Agreement, library: Library, asked: Asked) -> list[float]:
    """Return the milliseconds that each refusal took with the nearest request that would be allowed."""
    taken = []
    for party, request in asked:
        start = time.perf_counter()
        shown = explained(decide(agreement, library, party, request), agreement, library, party, request)
        taken.append((time.perf_counter() - start) * _THOUSAND)
        if shown.nearest is None:
            raise RuntimeError("every question here has a nearest one that would be allowed")
    return taken


def _cedar(agreement: Agreement, asked: Asked, allowed: int, cache: Path) -> list[float]:
    """Return the milliseconds that the peer took for each allowed question; it must decide all as ours does."""
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / "clauses.json"
    requests = [clauses.to_cedar(party, request) for party, request in asked]
    file.write_text(json.dumps({"policies": clauses.as_cedar(agreement), "requests": requests}))
    told = CEDAR.run(cache, str(file), str(_CEDAR_ROUNDS))
    if told["allowed"] != [place < allowed for place in range(len(asked))]:
        raise RuntimeError("the peer does not decide as ours does, so the policies are not the same")
    seconds: list[list[float]] = told["seconds"]
    return [one * _THOUSAND for repetition in seconds for one in repetition[:allowed]]


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
