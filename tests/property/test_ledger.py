"""The ledger as a state machine on a real database: whatever is charged or reserved, no cap is passed.

Time moves, reservations are drawn on and run out, stewards set quotas, caps are lowered by new versions, and
transactions die before they commit. The model is written from the rules alone: it adds up lists.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.aggregates.reservations import draw, free_expired
from service.budget.caps import Caps
from service.budget.ledger import ChargeRequest, account, accounts, postings
from service.budget.ports import QuotaRow, ReservationRow
from service.errors import ConcordatError, Forbidden
from service.storage.store import Transaction
from tests.support.world import make_world

DELTAS: dict[str, Any] = {"delta_period": 50, "delta_lifetime": 90, "delta_shares": {"hub": 30, "spoke": 20}}
CAPS = {
    "first": Caps(
        period=100, lifetime=230, shares={"hub": 60, "spoke": 30}, requests={"hub": 40, "spoke": 30}, **DELTAS,
        analysts={"hub": Decimal("0.7")},
    ),
    "second": Caps(period=80, lifetime=120, shares={"hub": 80}, requests={"hub": 80}, **DELTAS),
}  # fmt: skip
LOWER = {name: replace(caps, shares={party: share // 2 for party, share in caps.shares.items()})
         for name, caps in CAPS.items()}  # fmt: skip
"""What a later version may make of them."""
SOURCES = ("police/violence", "ed/assaults", "police/street")
UNITS = ("person", "person", "record:police/street")
PURPOSE = ("profile", "any plan")


class Died(Exception):
    """A transaction that never commits."""


def die(now: bool) -> None:
    if now:
        raise Died


@dataclass
class Held:
    """A reservation as the model knows it."""

    amount: ChargeRequest
    left: int
    left_delta: int
    ends: int
    open: bool = True


agreements = st.sampled_from(sorted(CAPS))
deaths = st.sampled_from([False, False, False, False, True])
amounts = st.fixed_dictionaries({
    "agreement": agreements,
    "party": st.sampled_from(["hub", "hub", "spoke", "stranger"]),
    "client": st.sampled_from(["ann", "bob"]),
    "unit": st.sampled_from(UNITS),
    "rho": st.integers(0, 70),
    "delta": st.sampled_from([0, 0, 0, 5, 20]),
    "sources": st.sets(st.sampled_from(SOURCES), min_size=1, max_size=2),
})  # fmt: skip


def vars_of(amount: ChargeRequest) -> dict[str, object]:
    return {name: getattr(amount, name) for name in ("agreement", "party", "client", "unit", "sources")}


class Ledger(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = make_world(Path(self.folder.name))
        self.store = self.world.store
        self.charges: list[ChargeRequest] = []
        self.held: dict[str, Held] = {}
        self.quotas: dict[tuple[str, str, str], Decimal] = {}
        self.period = self.day = self.count = 0
        self.caps = dict(CAPS)

    def teardown(self) -> None:
        self.world.database.close()
        self.folder.cleanup()

    # --- time

    @precondition(lambda self: self.period < 5)
    @rule()
    def a_period_ends(self) -> None:
        self.period, self.day = self.period + 1, 0

    @precondition(lambda self: self.day < 25)
    @rule()
    def a_day_passes(self) -> None:
        self.day += 5

    @property
    def now(self) -> str:
        return self.at(self.day)

    def at(self, day: int) -> str:
        return f"2026-{self.period + 1:02d}-{day + 1:02d}T00:00:00.000Z"

    @property
    def since(self) -> str:
        return self.at(0)

    # --- what the broker does

    def request(self, asked) -> ChargeRequest:
        self.count += 1
        named = {name: asked[name] for name in ("agreement", "party", "client", "unit")}
        return ChargeRequest(
            intent=f"i{self.count}", version=1, period=self.period, sources=tuple(sorted(asked["sources"])),
            rho_nano=asked["rho"], delta_e18=asked["delta"], at=self.now, **named,
        )  # fmt: skip

    def done(self, work, dies: bool) -> bool:
        """Do something in one transaction, which may die at its end; return whether it was done."""
        try:
            with self.store.write() as tx:
                work(tx)
                die(dies)
        except (ConcordatError, Died):
            return False
        return True

    def wanted(self, tx: Transaction, charge: ChargeRequest, made=postings):
        elsewhere = tx.ledger.elsewhere(charge.agreement, charge.sources, self.since, self.now)
        quota = tx.quotas.quota(charge.agreement, charge.party, charge.client)
        return made(charge, self.caps[charge.agreement], elsewhere, quota)

    @rule(asked=amounts, dies=deaths)
    def charge(self, asked, dies) -> None:
        made = self.request(asked)
        expected = self.may_ask(made) and self.fits(made) and not dies

        def work(tx: Transaction) -> None:
            failed = tx.ledger.post(made, self.wanted(tx, made))
            if failed is not None:
                raise Forbidden(failed.words, code=failed.code)

        assert self.done(work, dies) == expected
        if expected:
            self.charges.append(made)

    @rule(asked=amounts, dies=deaths, days=st.integers(1, 20))
    def reserve(self, asked, dies, days) -> None:
        if asked["party"] not in CAPS[asked["agreement"]].shares:
            return
        made = self.request(asked)
        expected = self.fits(made) and not dies
        row = ReservationRow(
            made.intent, made.agreement, 1, made.party, made.client, made.unit, self.period, PURPOSE[0], made.sources,
            made.rho_nano, made.delta_e18, made.rho_nano, made.delta_e18, None, "open", 0, self.now,
            self.at(self.day + days),
        )  # fmt: skip

        def work(tx: Transaction) -> None:
            failed = tx.ledger.hold(made, self.wanted(tx, made, accounts))
            if failed is not None:
                raise Forbidden(failed.words, code=failed.code)
            tx.reservations.add(row)

        assert self.done(work, dies) == expected
        if expected:
            self.held[made.intent] = Held(made, made.rho_nano, made.delta_e18, self.day + days)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), rho=st.integers(0, 30), delta=st.sampled_from([0, 0, 5]), dies=deaths)
    def draw(self, data, rho, delta, dies) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        held = self.held[name]
        made = replace(
            self.request(vars_of(held.amount) | {"rho": rho, "delta": delta}), sources=held.amount.sources[:1]
        )
        expected = self.may_draw(held, made) and not dies

        def work(tx: Transaction) -> None:
            failed = draw(tx, name, made, self.wanted(tx, made), PURPOSE)
            if failed is not None:
                raise Forbidden(failed.words, code=failed.code)

        assert self.done(work, dies) == expected
        if expected:
            held.left, held.left_delta = held.left - rho, held.left_delta - delta
            held.open = held.left + held.left_delta > 0
            self.charges.append(made)

    @precondition(lambda self: self.held)
    @rule(agreement=agreements)
    def what_ran_out_goes_back(self, agreement) -> None:
        with self.store.write() as tx:
            free_expired(tx, agreement, self.now)
        for held in self.held.values():
            if held.amount.agreement == agreement and self.ran_out(held):
                held.open = False

    @rule(
        agreement=agreements,
        client=st.sampled_from(["ann", "bob"]),
        share=st.sampled_from(["0", "0.25", "0.5", "1"]),
    )
    def a_steward_sets_a_quota(self, agreement, client, share) -> None:
        self.count += 1
        with self.store.write() as tx:
            tx.quotas.add(QuotaRow(agreement, "hub", client, Decimal(share), self.count, self.now))
        self.quotas[agreement, "hub", client] = Decimal(share)

    @rule(agreement=agreements, lower=st.booleans())
    def another_version_comes_into_force(self, agreement, lower) -> None:
        self.caps[agreement] = (LOWER if lower else CAPS)[agreement]

    # --- what should be

    def ran_out(self, held: Held) -> bool:
        return held.amount.period < self.period or held.ends <= self.day

    def spent(self, field="rho_nano", **fields) -> int:
        return sum(
            getattr(charge, field)
            for charge in self.charges
            if all(getattr(charge, name) == value for name, value in fields.items())
        )

    def reserved(self, field="left", **fields) -> int:
        return sum(
            getattr(held, field)
            for held in self.held.values()
            if held.open and all(getattr(held.amount, name) == value for name, value in fields.items())
        )

    def elsewhere(self, charge: ChargeRequest, since: str, field: str, left: str) -> int:
        def taken(source: str) -> int:
            charged: list[int] = [
                getattr(other, field)
                for other in self.charges
                if other.agreement != charge.agreement and source in other.sources and other.at >= since
            ]
            held: list[int] = [
                getattr(one, left)
                for one in self.held.values()
                if one.open
                and not self.ran_out(one)
                and one.amount.agreement != charge.agreement
                and source in one.amount.sources
            ]
            return sum(charged) + sum(held)

        return max(map(taken, charge.sources))

    def tiers(self, charge: ChargeRequest) -> Iterator[tuple[dict[str, Any], int, int]]:
        """Yield what each account holds by the rules: fields that choose charges, cap in rho, cap in delta."""
        caps, party = self.caps[charge.agreement], charge.party
        own: dict[str, Any] = {"agreement": charge.agreement, "unit": charge.unit}
        ever, lately = (self.elsewhere(charge, since, "rho_nano", "left") for since in ("", self.since))
        delta_ever, delta_lately = (
            self.elsewhere(charge, since, "delta_e18", "left_delta") for since in ("", self.since)
        )
        yield own, caps.lifetime - ever, caps.delta_lifetime - delta_ever
        own = own | {"period": charge.period}
        yield own, caps.period - lately, caps.delta_period - delta_lately
        own = own | {"party": party}
        yield own, caps.shares[party], caps.delta_shares[party]
        quota = self.quotas.get((charge.agreement, party, charge.client), Decimal(1))
        part = Fraction(min(quota, caps.analysts.get(party, Decimal(1))))
        yield own | {"client": charge.client}, int(caps.shares[party] * part), int(caps.delta_shares[party] * part)

    def may_ask(self, charge: ChargeRequest) -> bool:
        caps = self.caps[charge.agreement]
        return charge.party in caps.shares and charge.rho_nano <= caps.requests[charge.party]

    def fits(self, charge: ChargeRequest) -> bool:
        return all(
            self.spent(**own) + self.reserved(**own) + charge.rho_nano <= cap
            and self.spent("delta_e18", **own) + self.reserved("left_delta", **own) + charge.delta_e18 <= delta_cap
            for own, cap, delta_cap in self.tiers(charge)
        )

    def may_draw(self, held: Held, charge: ChargeRequest) -> bool:
        return (
            self.may_ask(charge)
            and held.open
            and not self.ran_out(held)
            and charge.rho_nano <= held.left
            and charge.delta_e18 <= held.left_delta
            and all(
                self.spent(**own) + charge.rho_nano <= cap
                and self.spent("delta_e18", **own) + charge.delta_e18 <= delta_cap
                for own, cap, delta_cap in self.tiers(charge)
            )
        )

    @invariant()
    def the_accounts_agree_with_the_lists_and_with_the_widest_caps_there_were(self) -> None:
        with self.store.read() as tx:
            for agreement, caps in CAPS.items():
                for unit in set(UNITS):
                    self.check(tx, caps.lifetime, caps.delta_lifetime, agreement=agreement, unit=unit)
                    for period in range(self.period + 1):
                        own: dict[str, Any] = {"agreement": agreement, "unit": unit, "period": period}
                        self.check(tx, caps.period, caps.delta_period, **own)
                        by_party = tx.ledger.by_party(agreement, unit, period)
                        assert sum(by_party.values()) == self.spent(**own)
                        for party, share in caps.shares.items():
                            self.check(tx, share, caps.delta_shares[party], **own, party=party)
                            for client in ("ann", "bob"):
                                self.check(tx, share, caps.delta_shares[party], **own, party=party, client=client)

    def check(self, tx: Transaction, cap: int, delta_cap: int, *, agreement, unit, **own) -> None:
        (found,) = tx.ledger.balances([account(agreement, unit, **own)])
        own |= {"agreement": agreement, "unit": unit}
        assert (found.rho_nano, found.delta_e18) == (self.spent(**own), self.spent("delta_e18", **own))
        assert (found.held_nano, found.held_delta) == (self.reserved(**own), self.reserved("left_delta", **own))
        assert found.rho_nano + found.held_nano <= cap
        assert found.delta_e18 + found.held_delta <= delta_cap


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
