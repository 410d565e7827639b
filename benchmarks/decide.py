"""How long a decision takes under 10,000 grants: ours in this process, the same grants in Cedar in one of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import clauses
from benchmarks.clauses import Asked, Layout
from benchmarks.environments import CEDAR, Skipped
from benchmarks.results import Result, median, say
from schemas.agreement import Agreement
from schemas.artefacts import Library
from schemas.request import AggregateRequest
from service.policy.decide import decide
from service.policy.decision import Decision
from service.policy.nearest import explained

NAME = "decide-10k-clauses"
_TARGET = 2.0
_ROUNDS = 10
_CEDAR_ROUNDS = 1
_THOUSAND = 1000.0
_OUTCOMES = {"allowed": True, "refused": False}


def compare(cache: Path) -> Iterator[Result]:
    """Decide allowed and refused questions under each layout of grants; then have the peer decide the same.

    A refusal is timed as a caller gets it: with the nearest question that would be allowed.

    Args:
        cache: Where peers' environments are.

    Raises:
        RuntimeError: a question was not decided as it was made to be.
    """
    for layout in clauses.LAYOUTS:
        agreement, library = layout.agreement()
        asked = {outcome: layout.questions(allowed=allowed) for outcome, allowed in _OUTCOMES.items()}
        found = {name: _timed(agreement, library, asked[name], allowed=allowed) for name, allowed in _OUTCOMES.items()}
        for outcome, taken in found.items():
            yield _result(f"{NAME}-{layout.name}-{outcome}", len(agreement.grants), taken)
        yield from _beside_cedar(layout, agreement, asked, found, cache)


def _result(name: str, grants: int, taken: Sequence[float]) -> Result:
    first, later = taken[0], taken[1:]
    details = {"grants": grants, "p99": _rounded(_percentile(later, 99)), "most": _rounded(max(later))}
    details |= {"first": _rounded(first)}
    say(f"  {name}: p50 {median(later):.3f} ms, p99 {details['p99']} ms, the first of them {first:.1f} ms")
    return Result(name, median(later), _TARGET, "ms", "target", details=details)


def _beside_cedar(
    layout: Layout, agreement: Agreement, asked: dict[str, Asked], ours: dict[str, list[float]], cache: Path
) -> Iterator[Result]:
    try:
        theirs = _cedar(agreement, asked, cache)
    except Skipped as why:
        say(f"  {NAME}-{layout.name} against Cedar is skipped: {why}")
        return
    for outcome, taken in theirs.items():
        say(f"  {CEDAR.name}: {outcome} p50 {median(taken):.3f} ms")
        own, details = median(ours[outcome][1:]), {"other_p99": _rounded(_percentile(taken, 99))}
        yield Result(f"{NAME}-{layout.name}-{outcome}-cedar", own, median(taken), "ms", CEDAR.name, details=details)


def _timed(agreement: Agreement, library: Library, asked: Asked, *, allowed: bool) -> list[float]:
    """Return the milliseconds that each decision took, the first of them before the rounds."""
    taken = []
    for party, request in [*asked[:1], *(one for _ in range(_ROUNDS) for one in asked)]:
        start = time.perf_counter()
        decision = _shown(agreement, library, party, request)
        taken.append((time.perf_counter() - start) * _THOUSAND)
        if decision.allowed != allowed or (decision.nearest is None) != allowed:
            raise RuntimeError(f"a question was decided otherwise than it was made to be: {decision.reasons}")
    return taken


def _shown(agreement: Agreement, library: Library, party: str, request: AggregateRequest) -> Decision:
    return explained(decide(agreement, library, party, request), agreement, library, party, request)


def _cedar(agreement: Agreement, asked: dict[str, Asked], cache: Path) -> dict[str, list[float]]:
    """Return the milliseconds that the peer took for each question by outcome; it must decide all as ours does."""
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / "clauses.json"
    requests = [clauses.to_cedar(*one) for every in asked.values() for one in every]
    file.write_text(json.dumps({"policies": clauses.as_cedar(agreement), "requests": requests}))
    told = CEDAR.run(cache, str(file), str(_CEDAR_ROUNDS))
    if told["allowed"] != [_OUTCOMES[outcome] for outcome, every in asked.items() for _ in every]:
        raise RuntimeError("the peer does not decide as ours does, so the policies are not the same")
    seconds: list[list[float]] = told["seconds"]
    taken: dict[str, list[float]] = {}
    at = 0
    for outcome, every in asked.items():
        taken[outcome] = [one * _THOUSAND for repetition in seconds for one in repetition[at : at + len(every)]]
        at += len(every)
    return taken


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
