"""The ledger as a state machine on a real database: whatever is charged, in whatever order, no cap is passed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.budget.caps import Caps
from service.budget.ledger import ChargeRequest, account, postings
from service.errors import Forbidden
from tests.support.world import make_world

CAPS = {
    "first": Caps(period=100, lifetime=230, shares={"hub": 60, "spoke": 30}, requests={"hub": 40, "spoke": 30}),
    "second": Caps(period=80, lifetime=120, shares={"hub": 80}, requests={"hub": 80}),
}
SOURCES = ("police/violence", "ed/assaults", "police/street")


class Ledger(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = make_world(Path(self.folder.name))
        self.store = self.world.store
        self.model: list[ChargeRequest] = []
        self.period = 0
        self.count = 0

    def teardown(self) -> None:
        self.world.database.close()
        self.folder.cleanup()

    @precondition(lambda self: self.period < 5)
    @rule()
    def a_period_ends(self) -> None:
        self.period += 1

    @rule(
        agreement=st.sampled_from(sorted(CAPS)),
        party=st.sampled_from(["hub", "spoke", "stranger"]),
        unit=st.sampled_from(["person", "person", "record:police/street"]),
        rho=st.integers(0, 70),
        sources=st.sets(st.sampled_from(SOURCES), min_size=1, max_size=2),
    )
    def charge(self, agreement: str, party: str, unit: str, rho: int, sources: set[str]) -> None:
        self.count += 1
        charge = ChargeRequest(
            f"intent-{self.count}", agreement, 1, party, unit, self.period, tuple(sorted(sources)), rho, 0,
            f"2026-{self.period + 1:02d}-15T00:00:00.000Z",
        )  # fmt: skip
        since = f"2026-{self.period + 1:02d}-01T00:00:00.000Z"
        expected = self._fits(charge, since)
        taken = False
        try:
            with self.store.write() as tx:
                elsewhere = tx.ledger.elsewhere(agreement, charge.sources, since)
                failed = tx.ledger.post(charge, postings(charge, CAPS[agreement], elsewhere))
                if failed is not None:
                    raise Forbidden(failed.words, code=failed.code)  # noqa: TRY301 - it rolls the charge back
            taken = True
        except Forbidden:
            taken = False
        assert taken == expected
        if taken:
            self.model.append(charge)

    def _spent(self, **fields) -> int:
        return sum(
            held.rho_nano for held in self.model if all(getattr(held, name) == value for name, value in fields.items())
        )

    def _elsewhere(self, charge: ChargeRequest, since: str) -> int:
        return max(
            sum(
                h.rho_nano
                for h in self.model
                if h.agreement != charge.agreement and source in h.sources and h.at >= since
            )
            for source in charge.sources
        )

    def _fits(self, charge: ChargeRequest, since: str) -> bool:
        caps = CAPS[charge.agreement]
        if charge.party not in caps.shares or charge.rho_nano > caps.requests[charge.party]:
            return False
        own = {"agreement": charge.agreement, "unit": charge.unit}
        lifetime = self._spent(**own) + self._elsewhere(charge, "")
        period = self._spent(**own, period=charge.period) + self._elsewhere(charge, since)
        party = self._spent(**own, period=charge.period, party=charge.party)
        return (
            lifetime + charge.rho_nano <= caps.lifetime
            and period + charge.rho_nano <= caps.period
            and party + charge.rho_nano <= caps.shares[charge.party]
        )

    @invariant()
    def nothing_is_overspent_and_the_sums_agree(self) -> None:
        with self.store.read() as tx:
            for agreement, caps in CAPS.items():
                for unit in ("person", "record:police/street"):
                    lifetime = tx.ledger.spent([account(agreement, unit)])[0]
                    assert lifetime == self._spent(agreement=agreement, unit=unit) <= caps.lifetime
                    for period in range(self.period + 1):
                        spent = tx.ledger.spent([account(agreement, unit, period=period)])[0]
                        by_party = tx.ledger.by_party(agreement, unit, period)
                        assert spent == sum(by_party.values()) <= caps.period
                        assert all(rho <= caps.shares[party] for party, rho in by_party.items())


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
