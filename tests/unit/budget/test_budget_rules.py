"""The rules of money alone: caps in whole units, which account limits, when it runs out, what may be set aside."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agreements
from schemas import agreement as documents
from service.budget.caps import Caps, caps
from service.budget.forecast import WINDOW, forecast
from service.budget.ledger import Balance, ChargeRequest, accounts, left, postings, quota_of
from service.budget.ports import ReservationRow
from service.budget.reservations import expires, most, refusal
from service.errors import Forbidden

CHARGE = ChargeRequest("i", "a", 1, "hub", "ann", "person", 2, ("s/d",), 10, 3, "2026-11-22T00:00:00.000Z")
CAPS = Caps(
    period=100, lifetime=300, shares={"hub": 60, "spoke": 40}, requests={"hub": 30, "spoke": 10},
    delta_period=50, delta_lifetime=90, delta_shares={"hub": 30, "spoke": 20}, analysts={"hub": Decimal("0.25")},
)  # fmt: skip


def worked(**privacy: Any) -> Caps:
    value = documents.load(agreements.path("avon-somerset").read_bytes())
    value["privacy"] = value["privacy"] | privacy
    return caps(documents.parse(value))


# --- caps


def test_a_cap_on_delta_is_counted_in_whole_units_of_1e_18_and_parts_of_it_are_rounded_down():
    made = worked(shares={"as-opcc": "0.3333333", "bristol": "0.2"})
    assert made.delta_period == made.delta_lifetime == 50_000_000_000
    assert made.delta_shares["as-opcc"] == 16_666_665_000
    assert sum(made.delta_shares.values()) <= made.delta_period


def test_the_lifetimes_delta_is_a_periods_unless_the_agreement_says_another():
    assert worked(lifetime={"epsilon": "24", "delta_selection": "4e-7"}).delta_lifetime == 400_000_000_000
    assert worked(lifetime={"epsilon": "24", "delta_selection": "0"}).delta_lifetime == 0


def test_an_agreement_that_says_nothing_of_analysts_logs_no_quotas_and_one_that_does_logs_its_words():
    assert "analysts" not in worked().as_json()
    assert worked(analysts={"as-opcc": "0.25"}).as_json()["analysts"] == {"as-opcc": "0.25"}


@pytest.mark.parametrize("spoiled", [{"as-opcc": "0"}, {"as-opcc": "1.01"}, {"as-police": "0.5"}, {"nobody": "0.5"}])
def test_a_quota_is_above_0_at_most_1_and_of_a_party_with_a_share(spoiled):
    with pytest.raises(Exception, match=r"quota|share"):
        worked(analysts=spoiled)


# --- postings


def test_a_charge_is_posted_to_four_accounts_always_in_one_order():
    made = postings(CHARGE, CAPS, {})
    assert [posting.tier for posting in made] == ["lifetime", "period", "share", "quota"]
    assert [posting.account for posting in made] == ["a|person", "a|person|2", "a|person|2|hub", "a|person|2|hub|ann"]
    assert [posting.cap for posting in made] == [300, 100, 60, 15]
    assert [posting.delta_cap for posting in made] == [90, 50, 30, 7]


def test_what_other_agreements_spend_on_the_source_narrows_rho_and_delta():
    elsewhere = {"lifetime": 40, "period": 30, "lifetime_delta": 20, "period_delta": 10}
    made = postings(CHARGE, CAPS, elsewhere)
    assert [(posting.cap, posting.delta_cap) for posting in made[:2]] == [(260, 70), (70, 40)]


def test_the_lower_of_the_agreements_and_the_stewards_quota_holds():
    assert quota_of("hub", CAPS, None) == Decimal("0.25")
    assert quota_of("hub", CAPS, Decimal("0.1")) == Decimal("0.1")
    assert quota_of("hub", CAPS, Decimal("0.9")) == Decimal("0.25")
    assert quota_of("spoke", CAPS, None) == 1


def test_a_spent_quota_names_whose_word_it_was():
    agreed, by_steward = (postings(CHARGE, CAPS, {}, quota)[-1] for quota in (None, Decimal("0.1")))
    assert (agreed.code, agreed.clause) == (by_steward.code, "privacy/analysts/hub") == ("over_quota", agreed.clause)
    assert by_steward.clause == "privacy/shares/hub"
    assert "steward" in by_steward.words
    assert "steward" not in agreed.words


def test_no_requests_cap_limits_what_is_set_aside():
    large = replace(CHARGE, rho_nano=31)
    with pytest.raises(Forbidden, match="one request"):
        postings(large, CAPS, {})
    assert accounts(large, CAPS, {}) == postings(CHARGE, CAPS, {})


@pytest.mark.parametrize(
    ("balances", "rho", "delta", "tier"),
    [
        ((0, 0, 0, 0), 15, 7, "quota"),
        ((0, 0, 50, 0), 10, 7, "share"),
        ((0, 97, 0, 0), 3, 7, "period"),
        ((300, 100, 60, 15), 0, 7, "lifetime"),
        ((0, 0, 70, 0), 0, 7, "share"),
    ],
)
def test_what_is_left_is_the_least_that_any_tier_leaves_and_that_tier_is_named(balances, rho, delta, tier):
    found = left(accounts(CHARGE, CAPS, {}), [Balance(rho_nano=spent) for spent in balances])
    assert (found.rho_nano, found.delta_e18, found.tightest.tier) == (rho, delta, tier)


def test_what_is_reserved_is_not_left():
    held = [Balance(), Balance(), Balance(), Balance(rho_nano=5, held_nano=4, delta_e18=1, held_delta=2)]
    found = left(accounts(CHARGE, CAPS, {}), held)
    assert (found.rho_nano, found.delta_e18) == (6, 4)


# --- forecast

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("remaining", "lately", "runs_out"),
    [
        (280, 0, None),
        (280, 280, date(2026, 12, 20)),
        (279, 280, date(2026, 12, 19)),
        (300, 280, date(2026, 12, 22)),
        (390, 280, date(2026, 12, 31)),
        (400, 280, None),
        (5, 280, TODAY),
        (0, 280, TODAY),
        (0, 0, TODAY),
        (-3, 0, TODAY),
    ],
)
def test_a_budget_runs_out_on_a_straight_line_from_the_last_four_weeks(remaining, lately, runs_out):
    assert forecast(remaining, lately, TODAY, date(2027, 1, 1)).runs_out == runs_out


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 400))
def test_a_forecast_lies_before_the_renewal_and_what_is_left_lasts_until_its_day(remaining, lately, days):
    until = TODAY + timedelta(days=days)
    made = forecast(remaining, lately, TODAY, until)
    if made.runs_out is None:
        assert remaining * WINDOW.days >= lately * days
    else:
        passed = (made.runs_out - TODAY).days
        assert passed <= max(days - 1, 0) or remaining == 0
        assert passed * lately <= remaining * WINDOW.days
        assert remaining == 0 or (passed + 1) * lately > remaining * WINDOW.days


# --- reservations

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ROW = ReservationRow(
    "r", "a", 1, "hub", "ann", "person", 2, "profile", ("s/d", "s/e"), 20, 5, 12, 4, None, "open", 0,
    "2026-11-20T00:00:00.000Z", "2026-11-30T00:00:00.000Z",
)  # fmt: skip


@pytest.mark.parametrize(
    ("until", "renews", "ends"),
    [
        (None, date(2027, 1, 1), datetime(2026, 12, 22, 12, tzinfo=UTC)),
        (date(2026, 11, 25), date(2027, 1, 1), datetime(2026, 11, 26, tzinfo=UTC)),
        (date(2027, 6, 1), date(2026, 12, 1), datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_a_reservation_ends_after_30_days_after_its_last_day_or_with_the_period(until, renews, ends):
    assert expires(NOW, until, renews) == ends


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_all_reservations_of_a_client_hold_at_most_half_of_what_it_could_spend(remaining, held, delta):
    tightest = accounts(CHARGE, CAPS, {})[0]
    found = left(accounts(CHARGE, CAPS, {}), [Balance()] * 4)
    found = replace(found, rho_nano=remaining, delta_e18=delta, tightest=tightest)
    rho, of_delta = most(found, Balance(held_nano=held))
    assert rho + held <= max((remaining + held) // 2, held)
    assert 2 * (rho + 1 + held) > remaining + held
    assert of_delta == delta // 2


def drawn(row: ReservationRow = ROW, purpose: str = "profile", plan: str = "p", **charge: Any) -> str | None:
    error = refusal(row, replace(CHARGE, **charge), purpose, plan)
    return error.code if error is not None else None


def test_a_question_draws_on_a_reservation_that_is_for_it():
    assert drawn() is drawn(rho_nano=12, delta_e18=4) is drawn(replace(ROW, plan="p")) is None


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        ({"rho_nano": 13}, "over_reservation"),
        ({"delta_e18": 5}, "over_reservation"),
        ({"sources": ("s/d", "s/f")}, "reservation_for_other"),
        ({"unit": "record:s/d"}, "reservation_for_other"),
        ({"purpose": "other"}, "reservation_for_other"),
        ({"row": replace(ROW, plan="q")}, "reservation_for_other"),
        ({"period": 3}, "reservation_over"),
        ({"at": ROW.expires_at}, "reservation_over"),
        ({"row": replace(ROW, state="used")}, "reservation_over"),
        ({"row": replace(ROW, state="lapsed")}, "reservation_over"),
    ],
)
def test_no_other_question_draws_on_it(given_, code):
    assert drawn(**given_) == code
