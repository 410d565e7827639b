"""What an operator could spend beyond the caps, or release uncharged: recomputed from the log's entries."""

import pytest

from connectors.logverify import verify_export
from connectors.tlog import LogError
from service.audit.entry import AgreementRef
from tests.unit.audit.reading import codes, edited, spending, verify
from tests.unit.audit.simulator import CAPS, LogSimulator


def test_spending_to_the_last_unit_is_no_overspend() -> None:
    full = spending(("a", 600, 0, "opcc"), ("b", 400, 0, "bristol"), ("c", 500, 1, "opcc"))
    assert verify(full).ok


def test_overspend_is_caught_by_recomputing_the_charges() -> None:
    over = spending(("a", 600, 0, "opcc"), ("b", 401, 0, "bristol"))
    report = verify(over)
    assert codes(report) == ["overspent_period", "overspent_share"]
    assert {failure.n for failure in report.failures} == {3}


def test_overspend_of_a_share_alone_is_caught() -> None:
    assert codes(verify(spending(("a", 601, 0, "opcc")))) == ["overspent_share"]


def test_overspend_of_the_lifetime_is_caught_though_each_period_is_within_its_cap() -> None:
    over = spending(("a", 600, 0, "opcc"), ("b", 600, 1, "opcc"), ("c", 301, 2, "opcc"))
    assert codes(verify(over)) == ["overspent_lifetime"]


def test_a_party_without_a_share_may_spend_nothing() -> None:
    assert codes(verify(spending(("a", 1, 0, "stranger")))) == ["overspent_share", "overspent_delta"]


def test_an_overspend_is_told_once() -> None:
    over = spending(("a", 601, 0, "opcc"), ("b", 1, 0, "opcc"), ("c", 1, 0, "opcc"))
    assert codes(verify(over)) == ["overspent_share"]


def test_a_new_version_does_not_restart_the_spending() -> None:
    log = spending(("a", 600, 0, "opcc"))
    second = AgreementRef("avon", "2", "sha256:" + "b" * 64)
    log.register({**CAPS, "shares": {"opcc": 700}}, second)
    log.charge("b", 101, agreement=second)
    assert codes(verify(log)) == ["overspent_share"]


def test_caps_of_an_unsigned_version_raise_nothing_for_the_one_in_force() -> None:
    log = spending()
    log.register({**CAPS, "shares": {"opcc": 10**9}}, AgreementRef("avon", "2", "sha256:" + "b" * 64))
    log.answer("a", 601)
    assert codes(verify(log)) == ["overspent_share"]


def test_caps_known_from_elsewhere_override_those_the_log_records(log: LogSimulator) -> None:
    tight = {"avon": {**CAPS, "lifetime_rho_nano": 499}}
    assert codes(verify(log, caps=tight)) == ["overspent_lifetime"]
    with pytest.raises(LogError):
        verify(log, caps={"avon": {"period_rho_nano": 1}})
    with pytest.raises(LogError):
        verify(log, caps={"avon": {**CAPS, "period_rho_nano": True}})


def test_charges_against_unknown_caps_fail_unless_the_reader_knows_them() -> None:
    log = LogSimulator()
    log.append("registered")
    log.answer("a", 100)
    log.answer("b", 100)
    assert codes(verify(log)) == ["caps_unknown"]
    assert verify(log, caps={"avon": CAPS}).ok


def test_caps_recorded_twice_and_differently_fail() -> None:
    log = spending()
    log.register({**CAPS, "lifetime_rho_nano": 10**9})
    log.register({"shares": {}})
    assert codes(verify(log)) == ["caps_changed", "caps_malformed"]


def test_a_charge_in_a_period_that_was_over_fails() -> None:
    log = spending(("a", 1, 1, "opcc"), ("b", 1, 0, "opcc"))
    assert codes(verify(log)) == ["period_went_back"]


def test_an_intent_charged_twice_fails() -> None:
    log = spending(("a", 1, 0, "opcc"))
    log.charge("a", 1)
    assert codes(verify(log)) == ["charged_twice"]


def test_a_release_without_a_charge_fails(log: LogSimulator) -> None:
    n = log.release("never-charged")
    report = verify(log)
    assert codes(report) == ["release_without_charge"]
    assert report.failures[0].n == n


def test_a_release_before_its_charge_fails(log: LogSimulator) -> None:
    log.release("late")
    log.charge("late", 1)
    assert codes(verify(log)) == ["release_without_charge"]


def test_a_second_release_of_an_intent_fails(log: LogSimulator) -> None:
    log.release("intent-1", "release-again")
    assert codes(verify(log)) == ["released_twice"]


def test_one_release_for_two_intents_fails(log: LogSimulator) -> None:
    log.charge("intent-3", 1)
    log.release("intent-3", "release-of-intent-1")
    assert codes(verify(log)) == ["released_twice"]


@pytest.mark.parametrize("amount", [-1, 1.5, True, "1", None])
def test_a_charge_that_is_no_whole_number_fails(log: LogSimulator, amount: object) -> None:
    """An honest writer cannot make one; another might."""
    lines = log.export()
    charge = {"intent": "i", "period": 0, "rho_nano": amount, "delta_e18": 0}
    lines[3] = edited(lines[3], charge=charge)
    assert "charge_malformed" in codes(verify_export(lines, log.vkey))


def test_a_release_without_ids_fails(log: LogSimulator) -> None:
    log.append("released", result={"release": "r"})
    assert codes(verify(log)) == ["release_malformed"]


# --- selection delta


OVER_DELTA = {
    "the lifetime's": ((500, 0, "opcc"), (500, 1, "opcc"), (501, 2, "opcc")),
    "the period's": ((600, 0, "opcc"), (401, 0, "bristol")),
    "a party's share": ((300, 0, "opcc"), (301, 0, "opcc")),
}


def delta_log(charges: tuple[tuple[int, int, str], ...], caps: dict[str, object] | None = None) -> LogSimulator:
    log = LogSimulator()
    log.register(CAPS if caps is None else caps)
    for number, (delta, period, party) in enumerate(charges):
        log.charge(f"i{number}", 1, period=period, party=party, delta=delta)
    return log


@pytest.mark.parametrize("which", OVER_DELTA)
def test_overspend_of_selection_delta_is_caught_and_the_same_less_one_is_not(which: str) -> None:
    charges = OVER_DELTA[which]
    assert set(codes(verify(delta_log(charges)))) == {"overspent_delta"}
    delta, period, party = charges[-1]
    assert verify(delta_log((*charges[:-1], (delta - 1, period, party)))).ok


def test_delta_is_added_up_for_good_though_no_cap_on_rho_is_near() -> None:
    report = verify(delta_log(((3, 0, "opcc"), (4, 1, "opcc"))))
    assert report.spent["avon"].delta_e18 == 7
    assert report.spent["avon"].delta_periods == {0: 3, 1: 4}


def test_caps_of_an_older_broker_do_where_no_delta_was_charged_and_not_where_some_was() -> None:
    old = {"period_rho_nano": 1000, "lifetime_rho_nano": 1500, "shares": {"opcc": 600, "bristol": 400}}
    assert verify(delta_log(((0, 0, "opcc"),), old)).ok
    assert codes(verify(delta_log(((1, 0, "opcc"), (1, 0, "opcc")), old))) == ["caps_unknown"]


@pytest.mark.parametrize(
    "spoiled",
    [{"period_delta_e18": "1"}, {"lifetime_delta_e18": -1}, {"delta_shares": [1]}, {"analysts": {"opcc": "1.1"}},
     {"analysts": {"opcc": 1}}, {"analysts": "opcc"}],
)  # fmt: skip
def test_caps_on_delta_and_quotas_that_are_none_are_malformed(spoiled: dict[str, object]) -> None:
    log = LogSimulator()
    log.register({**CAPS, **spoiled})
    assert codes(verify(log)) == ["caps_malformed"]


# --- quotas of analysts


def test_a_client_that_spends_more_than_the_agreement_lets_each_client_is_caught() -> None:
    log = LogSimulator()
    log.register({**CAPS, "analysts": {"opcc": "0.25"}})
    log.charge("a", 150, client="ann")
    log.charge("b", 150, client="bob")
    assert verify(log).ok
    log.charge("c", 1, client="bob")
    assert codes(verify(log)) == ["overspent_quota"]


def test_a_stewards_lower_quota_holds_from_when_it_was_set_and_for_that_client_alone() -> None:
    log = LogSimulator()
    log.register()
    log.charge("a", 100, client="ann")
    log.quota("ann", "0.1")
    log.charge("b", 100, client="bob")
    assert verify(log).ok, "what was spent before the quota is no overspend"
    log.charge("c", 1, client="ann")
    assert codes(verify(log)) == ["overspent_quota"]


def test_a_steward_cannot_set_more_than_the_agreement_lets_a_client() -> None:
    log = LogSimulator()
    log.register({**CAPS, "analysts": {"opcc": "0.25"}})
    log.quota("ann", "0.9")
    log.charge("a", 151, client="ann")
    assert codes(verify(log)) == ["overspent_quota"]


def test_a_quota_counts_delta_too() -> None:
    log = LogSimulator()
    log.register({**CAPS, "analysts": {"opcc": "0.25"}})
    log.charge("a", 1, client="ann", delta=151)
    assert codes(verify(log)) == ["overspent_quota"]


def test_a_quota_set_by_another_party_or_of_another_form_is_malformed_and_holds_for_nobody() -> None:
    log = LogSimulator()
    log.register()
    log.quota("ann", "0", by="bristol")
    log.quota("ann", "1.5")
    log.quota("ann", "none")
    log.charge("a", 100, client="ann")
    assert codes(verify(log)) == ["quota_malformed"] * 3
