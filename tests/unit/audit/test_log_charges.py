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
    assert codes(verify(spending(("a", 1, 0, "stranger")))) == ["overspent_share"]


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
