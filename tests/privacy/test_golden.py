"""Prices, names and releases of the first four measures are what they were when the first releases were stored.

``golden.json`` was written before vectors came between measures and totals. A charge that moves would make old
previews wrong; a plan named anew would charge for what was released already. Noise is left out: each noisy total is
its exact one and a fixed offset.

Written anew, only where a change is meant, by ``python -m tests.privacy.test_golden > tests/privacy/golden.json``.
"""

from __future__ import annotations

import itertools
import json
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import agreements
from schemas import agreement as documents
from schemas import request as requests
from schemas.canonical import digest
from service.aggregates import release
from service.aggregates.intents import PricedSpend, ask_price
from service.budget.caps import caps
from service.errors import Malformed
from service.policy.plan import CodeFilter, CodeKeys, DateKeys, EffectivePlan, Keys, LinkPlan, Measured, NumberFilter
from service.privacy.mechanism import Mechanism
from service.privacy.pricing import EpsilonSpend, ShareSpend, WithinSpend

AGREEMENT = documents.parse(documents.load(agreements.path("avon-somerset").read_bytes()))
AREAS = CodeKeys("lad", "as-is", ("a", "b", "c"), (("a", "a"), ("b", "b"), ("c", "c")))
MONTHS = DateKeys("occurred", "month", tuple(date(2026, month, 1) for month in range(1, 13)))
LINK = LinkPlan("ed-assaults", "uhbw/ed-assaults", True, (CodeFilter("lad", ("a", "b")),))
COUNT, PERSONS = Measured("count"), Measured("persons")
SUM = Measured("sum", "gravity", -300, 1000, decimals=1)
MEAN = Measured("mean", "gravity", 1, 8)

PLANS: dict[str, tuple[tuple[Measured, ...], tuple[Keys, ...], dict[str, Any]]] = {
    "count": ((COUNT,), (), {}),
    "persons of areas": ((PERSONS,), (AREAS,), {"links": (LINK,)}),
    "sum by month": ((SUM,), (MONTHS,), {"filters": (NumberFilter("age", ((0, 17),), missing=True),)}),
    "mean": ((MEAN,), (AREAS,), {"pins": (("a/v1", "sha256:0"),)}),
    "all": ((COUNT, PERSONS, SUM, MEAN), (AREAS, MONTHS), {}),
    "records": ((COUNT, SUM), (AREAS,), {"unit": "record"}),
}
SPENDS: dict[str, PricedSpend] = {
    "little": ShareSpend(2_000_000),
    "much": ShareSpend(3 * 10**9),
    "within": WithinSpend(Decimal("12.5"), Decimal("0.9")),
    "epsilon": EpsilonSpend(Decimal("0.5")),
    "great epsilon": EpsilonSpend(Decimal(8)),
}
GOLDEN = Path(__file__).with_name("golden.json")


def plan(name: str) -> EffectivePlan:
    measures, by, parts = PLANS[name]
    made: dict[str, Any] = {"unit": "person", "filters": (), "links": (), "per_person": 3} | parts
    return EffectivePlan(dataset="police-violence", source="as-police/police", by=by, measures=measures, **made)


def noiseless(mechanism: Mechanism, values: list[int], length: int) -> list[int]:
    assert len(values) == length
    return [value + place * 977 - mechanism.scale // 3 for place, value in enumerate(values)]


def facts(name: str, spend: str) -> dict[str, Any]:
    """Return what is public of an answer, the long parts by their digests; ``Mechanism.add_noise`` is ``noiseless``."""
    asked = {"purpose": "needs-assessment", "dataset": "police-violence", "measures": [{"count": {}}]}
    request = requests.parse(asked | {"spend": {"share": "0.1"}})
    question = plan(name)
    try:
        made = ask_price(request, question, SPENDS[spend], AGREEMENT)
    except Malformed as error:
        return {"refused": error.code}
    totals = {query.name: [place * 5000 - 3000 for place in range(question.cells)] for query in made.price.queries}
    answer = release.answer(made, totals, AGREEMENT, 10**9)
    limits = caps(AGREEMENT)
    preview = release.preview(made, AGREEMENT, limits, "as-opcc", remaining=10**9, repeat=False)
    return {
        "identity": question.identity({"police-violence": "v1", "ed-assaults": "v2"}),
        "mechanism": made.price.mechanism,
        "queries": {query.name: [query.mechanism.scale, query.mechanism.rho_nano] for query in made.price.queries},
        "rho_nano": made.price.rho_nano,
        "epsilon": str(made.price.epsilon),
        "half_widths": [str(width) for width in made.price.half_widths],
        "preview": digest(preview),
        "scale": answer.guarantee["scale"],
        "words": digest([answer.guarantee, answer.question, answer.bounded, answer.unlinked]),
        "rows": digest([answer.keys, answer.columns, answer.rows]),
    }


@pytest.mark.parametrize(("name", "spend"), list(itertools.product(PLANS, SPENDS)))
def test_price_identity_preview_and_release_are_as_they_were(monkeypatch, name, spend):
    monkeypatch.setattr(Mechanism, "add_noise", noiseless)
    assert json.loads(json.dumps(facts(name, spend))) == json.loads(GOLDEN.read_text())[name][spend]


def main() -> None:
    """Print all facts as they are now."""
    setattr(Mechanism, "add_noise", noiseless)  # noqa: B010 - the class is frozen to type checkers alone
    found = {name: {spend: facts(name, spend) for spend in SPENDS} for name in PLANS}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
