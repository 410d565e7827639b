"""Money over the whole broker: quotas of analysts, what a preview says of them, statements and reservations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.request import parse
from schemas.reservation import parse as parse_reservation
from service.aggregates.asking import Pending
from service.errors import ConcordatError, Conflict, Forbidden, Malformed, NotFound
from service.identity.caller import Caller, Role
from service.identity.ports import ClientRow
from service.storage.store import Transaction
from tests.support.lifecycle import AGREEMENT, Bench, make_bench
from tests.support.server import Served, count_request

LADS = ["E06000022", "E06000023", "E06000024", "E06000025", "E06000066"]
ANN, BOB = (Caller(name, "as-opcc", frozenset({Role.ANALYST})) for name in ("ann", "bob"))
STEWARD = Caller("steward", "as-opcc", frozenset({Role.STEWARD}))
LEAD = Caller("lead", "as-opcc", frozenset({Role.IG_LEAD}))
POLICE_LEAD = Caller("police-lead", "as-police", frozenset({Role.IG_LEAD}))
BRISTOL = Caller("brenda", "bristol", frozenset({Role.ANALYST}))


def with_quota(value: dict[str, Any]) -> None:
    """Let a client of the hub spend a quarter of its share, and one request a tenth."""
    value["privacy"]["analysts"] = {"as-opcc": "0.25"}


@pytest.fixture
def made(tmp_path) -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def make(edit: Callable[[dict[str, Any]], None] = lambda _: None) -> Bench:
        bench = make_bench(tmp_path / f"b{len(benches)}", edit=edit)
        with bench.broker.store.write() as tx:
            for caller in (ANN, BOB, STEWARD, LEAD, BRISTOL):
                tx.clients.add(ClientRow(caller.client, caller.party, caller.role, None, "2026-01-01", None))
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        bench.close()


def question(number: int, share: str = "0.1", **more: Any) -> dict[str, Any]:
    """Return one of 31 questions, no two alike."""
    lads = [lad for place, lad in enumerate(LADS) if (number + 1) >> place & 1]
    return count_request(by=[{"field": "lad"}], where=[{"field": "lad", "in": lads}], spend={"share": share}, **more)


def near(share: str) -> Any:
    """Return what equals a part of a share but for the grid on which noise is chosen: a charge is a little less."""
    return pytest.approx(Decimal(share), abs=Decimal("0.0005"))


def ask(bench: Bench, caller: Caller, request: dict[str, Any], reservation: str | None = None, key: str = "") -> Any:
    """Ask as a caller; return the code of the refusal, or the release's text."""
    try:
        found = bench.broker.asking.prepare(caller, AGREEMENT, key or repr(request), parse(request), reservation)
        if isinstance(found, Pending):
            return bench.broker.completion.complete(bench.broker.completion.compute(found.intent))
    except ConcordatError as error:
        return error.code
    return getattr(found, "text", found)


def answered(bench: Bench, caller: Caller, request: dict[str, Any], reservation: str | None = None) -> None:
    text = ask(bench, caller, request, reservation)
    assert text.startswith("{"), text


def preview(bench: Bench, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
    return bench.broker.asking.preview(caller, AGREEMENT, parse(request))


def budget(bench: Bench, caller: Caller) -> dict[str, Any]:
    return bench.broker.budgets.budget(caller, AGREEMENT)


def reserve(bench: Bench, caller: Caller, share: str = "0.2", key: str = "r", **more: Any) -> dict[str, Any]:
    asked = {"purpose": "needs-assessment", "datasets": ["police-violence"], "share": share} | more
    return bench.broker.reservations.reserve(caller, AGREEMENT, key, parse_reservation(asked))


# --- quotas


def test_a_client_spends_its_quota_and_no_more_and_another_client_still_spends_its_own(made):
    bench = made(with_quota)
    answered(bench, ANN, question(0))
    answered(bench, ANN, question(1))
    assert ask(bench, ANN, question(2)) == "over_quota"
    answered(bench, ANN, question(2, "0.05"))
    assert ask(bench, ANN, question(3, "0.001")) == "over_quota"
    answered(bench, BOB, question(3))
    refusal = next(entry for entry in reversed(bench.entries()) if entry["kind"] == "refused")
    assert refusal["decision"] == {"outcome": "refused", "code": "over_quota", "clauses": ["privacy/analysts/as-opcc"]}


def test_a_repeat_is_free_though_the_quota_is_spent(made):
    bench = made(lambda value: value["privacy"].update(analysts={"as-opcc": "0.1"}))
    answered(bench, ANN, question(0))
    assert '"repeat":true' in ask(bench, ANN, question(0), key="again")


def test_a_quota_renews_with_the_period(made):
    bench = made(lambda value: value["privacy"].update(analysts={"as-opcc": "0.1"}))
    answered(bench, ANN, question(0))
    assert ask(bench, ANN, question(1)) == "over_quota"
    bench.now = bench.now.replace(year=2027, month=1, day=2)
    answered(bench, ANN, question(1))


def test_a_stewards_lower_quota_counts_what_was_spent_before_it_and_a_later_one_replaces_it(made):
    bench = made(with_quota)
    answered(bench, ANN, question(0))
    told = bench.broker.quotas.set(STEWARD, AGREEMENT, "ann", Decimal("0.15"))
    assert (told["quota"], told["agreed"], told["set"]) == ("0.15", "0.25", "0.15")
    assert ask(bench, ANN, question(1)) == "over_quota"
    assert "steward" in last_refusal(bench, ANN, question(1)).detail
    answered(bench, ANN, question(1, "0.05"))
    bench.broker.quotas.set(STEWARD, AGREEMENT, "ann", Decimal("0.25"))
    answered(bench, ANN, question(2))
    logged = [entry for entry in bench.entries() if entry["kind"] == "quota-set"]
    assert [entry["result"]["quota"] for entry in logged] == [
        {"party": "as-opcc", "client": "ann", "share": share} for share in ("0.15", "0.25")
    ]
    assert told["index"] == bench.entries().index(logged[0])


def last_refusal(bench: Bench, caller: Caller, request: dict[str, Any]) -> Forbidden:
    with pytest.raises(Forbidden) as caught:
        bench.broker.asking.prepare(caller, AGREEMENT, "refused again", parse(request))
    return caught.value


def test_a_steward_sets_no_more_than_the_agreement_lets_a_client_spend(made):
    bench = made(with_quota)
    with pytest.raises(Forbidden) as caught:
        bench.broker.quotas.set(STEWARD, AGREEMENT, "ann", Decimal("0.26"))
    assert caught.value.code == "quota_above_agreement"
    assert caught.value.decision is not None
    assert caught.value.decision["clauses"] == ["privacy/analysts/as-opcc"]
    assert "quota-set" not in bench.kinds()


@pytest.mark.parametrize(
    ("caller", "client", "code"),
    [
        (ANN, "ann", "role_missing"),
        (LEAD, "ann", "role_missing"),
        (replace(POLICE_LEAD, roles=frozenset({Role.STEWARD})), "ann", "no_budget_share"),
        (Caller("x", "bristol", frozenset({Role.STEWARD})), "ann", "not_found"),
        (STEWARD, "brenda", "not_found"),
        (STEWARD, "nobody", "not_found"),
        (Caller("x", "strangers", frozenset({Role.STEWARD})), "ann", "not_found"),
    ],
)
def test_only_a_steward_of_the_clients_own_party_sets_its_quota(made, caller, client, code):
    bench = made()
    with pytest.raises(ConcordatError) as caught:
        bench.broker.quotas.set(caller, AGREEMENT, client, Decimal("0.1"))
    assert caught.value.code == code


def test_a_steward_sees_its_partys_quotas_and_a_client_its_own(made):
    bench = made(with_quota)
    bench.broker.quotas.set(STEWARD, AGREEMENT, "ann", Decimal(0))
    seen = {row["client"]: row["quota"] for row in bench.broker.quotas.listed(STEWARD, AGREEMENT)}
    assert seen == {"ann": "0", "steward": "0.25"}
    assert [row["client"] for row in bench.broker.quotas.listed(BOB, AGREEMENT)] == ["bob"]
    assert bench.broker.quotas.shown(ANN, AGREEMENT, "ann")["quota"] == "0"
    assert bench.broker.quotas.shown(STEWARD, AGREEMENT, "bob")["quota"] == "0.25"
    for caller, client in ((BOB, "ann"), (LEAD, "ann"), (BRISTOL, "ann"), (STEWARD, "brenda")):
        with pytest.raises(NotFound):
            bench.broker.quotas.shown(caller, AGREEMENT, client)
    assert ask(bench, ANN, question(0, "0.001")) == "over_quota"


# --- what a preview says


def test_a_preview_says_what_remains_and_which_tier_limits_it(made):
    bench = made(with_quota)
    shown = preview(bench, ANN, question(0))["remaining"]
    assert shown["share"] == "0.25"
    assert shown["limited_by"]["tier"] == "quota"
    assert shown["limited_by"]["clause"] == "privacy/analysts/as-opcc"
    assert "quota" in shown["limited_by"]["words"]
    answered(bench, ANN, question(0))
    shown = preview(bench, ANN, question(1, "0.05"))
    assert Decimal(shown["remaining"]["share"]) == near("0.15")
    assert Decimal(shown["remaining_after"]["share"]) == near("0.1")
    assert shown["affordable"] is True
    answered(bench, ANN, question(2))
    assert preview(bench, ANN, question(1))["affordable"] is False


def test_a_preview_without_a_quota_is_limited_by_the_share(made):
    limited = preview(made(), ANN, question(0))["remaining"]["limited_by"]
    assert (limited["tier"], limited["clause"]) == ("share", "privacy/shares/as-opcc")


def test_a_preview_says_so_where_the_lifetime_is_what_limits(made):
    bench = made(lambda value: value["privacy"].update(lifetime={"epsilon": "1"}))
    limited = preview(bench, ANN, question(0, "0.01"))["remaining"]["limited_by"]
    assert (limited["tier"], limited["clause"]) == ("lifetime", "privacy/lifetime")


# --- budgets and statements


def test_a_client_sees_itself_a_steward_its_partys_clients_and_an_ig_lead_parties(made):
    bench = made(with_quota)
    answered(bench, ANN, question(0))
    answered(bench, BOB, question(1, "0.05"))
    assert set(budget(bench, ANN)["analysts"]) == {"ann"}
    assert set(budget(bench, STEWARD)["analysts"]) == {"ann", "bob", "steward"}
    assert set(budget(bench, LEAD)["analysts"]) == {"lead"}
    assert set(budget(bench, BRISTOL)["analysts"]) == {"brenda"}
    assert budget(bench, POLICE_LEAD)["analysts"] == {}
    told = budget(bench, STEWARD)["analysts"]
    assert (told["ann"]["quota"], Decimal(told["ann"]["spent_share"])) == ("0.25", near("0.1"))
    assert (Decimal(told["bob"]["spent_share"]), told["steward"]["spent_share"]) == (near("0.05"), "0")
    shares = budget(bench, POLICE_LEAD)["shares"]["as-opcc"]
    spent = [Decimal(told[name]["spent"]["rho"]) for name in ("ann", "bob")]
    assert Decimal(shares["spent"]["rho"]) == sum(spent)
    left = Decimal(told["ann"]["cap"]["rho"]) - spent[0]
    assert Decimal(told["ann"]["remaining"]["rho"]) == left


def test_the_budget_says_what_delta_for_choosing_keys_is_left(made):
    told = budget(made(), ANN)
    assert told["delta"] == {
        "cap": "5e-8", "spent": "0", "remaining": "5e-8",
        "lifetime": {"cap": "5e-8", "spent": "0", "remaining": "5e-8"},
    }  # fmt: skip
    assert told["shares"]["as-opcc"]["delta"]["cap"] == "3e-8"


def test_the_forecast_says_when_it_runs_out_at_the_rate_of_the_last_four_weeks(made):
    bench = made()
    assert budget(bench, ANN)["forecast"] == {"runs_out": None, "at_rate": {"rho": "0", "every": "P1D"}}
    for number in range(8):
        answered(bench, ANN, question(number))
    told = budget(bench, ANN)["shares"]["as-opcc"]
    assert told["forecast"]["runs_out"] == (bench.now.date() + timedelta(days=7)).isoformat()
    rate = Decimal(told["forecast"]["at_rate"]["rho"]) * 28
    assert abs(rate - Decimal(told["spent"]["rho"])) < Decimal("1e-7")
    bench.now += timedelta(days=29)
    assert budget(bench, ANN)["shares"]["as-opcc"]["forecast"]["runs_out"] is None


def test_a_statement_adds_up_a_month_by_client_purpose_and_dataset(made):
    bench = made()
    answered(bench, ANN, question(0, "0.02"))
    answered(bench, ANN, question(1, "0.03"))
    answered(bench, BOB, question(2, "0.01"))
    answered(bench, BRISTOL, question(1, "0.01"))
    bench.now = bench.now.replace(month=12, day=1, hour=0)
    answered(bench, ANN, question(3, "0.04"))
    november = bench.broker.budgets.statement(ANN, AGREEMENT, "2026-11")
    assert [(line["client"], line["questions"]) for line in november["lines"]] == [("ann", 2)]
    assert november["lines"][0]["purpose"] == "needs-assessment"
    assert november["lines"][0]["dataset"] == "police-violence"
    cap = Decimal(budget(bench, ANN)["shares"]["as-opcc"]["cap"]["rho"])
    assert Decimal(november["lines"][0]["rho"]) / cap == near("0.05")
    assert len(bench.broker.budgets.statement(ANN, AGREEMENT, "2026-12")["lines"]) == 1
    assert bench.broker.budgets.statement(ANN, AGREEMENT, "2026-10")["lines"] == []
    by_client = bench.broker.budgets.statement(STEWARD, AGREEMENT, "2026-11")["lines"]
    assert [line["client"] for line in by_client] == ["ann", "bob"]


def test_an_ig_lead_reads_parties_and_of_others_only_what_touches_its_own_datasets(made):
    bench = made()
    answered(bench, ANN, question(0, "0.02"))
    answered(bench, BOB, question(2, "0.01"))
    school = count_request(
        dataset="school-exclusions", by=[{"field": "started", "level": "quarter"}],
        where=[{"field": "started", "from": "2026-04-01", "to": "2026-06-30"}], spend={"share": "0.01"},
    )  # fmt: skip
    answered(bench, ANN, school)
    own = bench.broker.budgets.statement(LEAD, AGREEMENT, "2026-11")["lines"]
    assert [(line["party"], line["dataset"], line["questions"], "client" in line) for line in own] == [
        ("as-opcc", "police-violence", 2, False),
        ("as-opcc", "school-exclusions", 1, False),
    ]
    of_police = bench.broker.budgets.statement(POLICE_LEAD, AGREEMENT, "2026-11")["lines"]
    assert [(line["party"], line["dataset"]) for line in of_police] == [("as-opcc", "police-violence")]
    assert bench.broker.budgets.statement(BRISTOL, AGREEMENT, "2026-11")["lines"] == []


@pytest.mark.parametrize("month", ["2026", "2026-13", "2026-00", "2026-1", "26-01", "2026-01-01", "0000-01", "x"])
def test_a_month_is_written_in_one_way(made, month):
    with pytest.raises(Malformed) as caught:
        made().broker.budgets.statement(ANN, AGREEMENT, month)
    assert caught.value.code == "bad_parameter"


def test_a_person_in_five_datasets_adds_up_in_one_account(made):
    """One agreement's cap holds across its datasets: what each is charged counts against what is left of the others."""
    bench = made()
    with bench.broker.store.read() as tx:
        before = tx.ledger.units(AGREEMENT)
    assert before == []
    days = {"from": "2026-04-01", "to": "2026-06-30"}
    for dataset, day in (
        ("police-violence", "occurred"), ("ed-assaults", "arrived"), ("school-exclusions", "started"),
        ("youth-justice", "outcome_on"), ("ambulance-calls", "called"),
    ):  # fmt: skip
        names = {column.name: column for column in schema_of(bench, dataset).fields}
        field = day if day in names else next(name for name, column in names.items() if column.kind == "date")
        answered(bench, ANN, count_request(
            dataset=dataset, by=[{"field": field, "level": "quarter"}], where=[{"field": field, **days}],
            spend={"share": "0.04"},
        ))  # fmt: skip
    told = budget(bench, ANN)
    assert told["ledgers"] == {}, "they share one ledger"
    cap = Decimal(told["shares"]["as-opcc"]["cap"]["rho"])
    assert Decimal(told["lifetime"]["spent"]["rho"]) / cap == near("0.2")
    assert len(told["sources"]) == 5
    left = preview(bench, ANN, question(0))["remaining"]["share"]
    assert Decimal(left) == near("0.8")


def schema_of(bench: Bench, dataset: str) -> Any:
    from service.agreements.standing import current

    with bench.broker.store.read() as tx:
        found = current(tx.agreements, AGREEMENT, bench.now.date(), bench.broker.settings.issuer)
    return found.library.bound(found.agreement.datasets[dataset])


# --- reservations


def test_what_is_reserved_is_spent_by_nobody_else_and_by_the_questions_that_name_it(made):
    bench = made(lambda value: value["privacy"].update(per_request={"share": "1"}))
    held = reserve(bench, ANN, "0.5")
    assert (held["state"], held["left"]["share"]) == ("open", "0.5")
    assert ask(bench, BOB, question(0, "0.51")) == "over_budget"
    answered(bench, BOB, question(0, "0.499"))
    assert ask(bench, BOB, question(1, "0.01")) == "over_budget"
    assert ask(bench, ANN, question(1, "0.01")) == "over_budget", "also its own client names it"
    answered(bench, ANN, question(1, "0.3"), held["reservation"])
    shown = bench.broker.reservations.shown(ANN, AGREEMENT, held["reservation"])
    assert Decimal(shown["left"]["share"]) == near("0.2")
    assert ask(bench, ANN, question(2, "0.21"), held["reservation"]) == "over_reservation"
    answered(bench, ANN, question(2, "0.2"), held["reservation"])
    assert ask(bench, ANN, question(3, "0.01"), held["reservation"]) == "over_reservation"
    charged = [entry for entry in bench.entries() if entry["kind"] == "charged"]
    assert [entry["result"] for entry in charged] == [None, *[{"reservation": held["reservation"]}] * 2]
    told = budget(bench, STEWARD)
    left = bench.broker.reservations.shown(ANN, AGREEMENT, held["reservation"])["left"]["rho"]
    assert told["shares"]["as-opcc"]["reserved"]["rho"] == told["reserved"]["rho"] == left
    assert told["analysts"]["ann"]["reserved"]["rho"] == left


def test_a_preview_that_names_a_reservation_says_what_is_left_of_it(made):
    bench: Bench = made(lambda value: value["privacy"].update(per_request={"share": "1"}))
    held = reserve(bench, ANN, "0.3")["reservation"]
    answered(bench, BOB, question(0, "0.7"))

    def shown(share: str, **more: Any) -> dict[str, Any]:
        return bench.broker.asking.preview(ANN, AGREEMENT, parse(question(1, share, **more)), held)

    assert shown("0.3")["remaining"]["share"] == "0.3"
    assert shown("0.3")["remaining"]["limited_by"]["tier"] == "reservation"
    assert (shown("0.3")["affordable"], shown("0.31")["affordable"]) == (True, False)
    assert preview(bench, ANN, question(1, "0.3"))["affordable"] is False, "it does not name it"
    with pytest.raises(Forbidden) as caught:
        shown("0.1", purpose="prevention-evaluation")
    assert caught.value.code == "reservation_for_other"
    bench.broker.quotas.set(STEWARD, AGREEMENT, "ann", Decimal("0.2"))
    assert shown("0.3")["remaining"]["limited_by"]["tier"] == "quota"
    assert shown("0.3")["remaining"]["share"] == "0.2"


def test_a_repeat_draws_nothing_from_a_reservation(made):
    bench = made()
    held = reserve(bench, ANN)
    answered(bench, ANN, question(0), held["reservation"])
    assert '"repeat":true' in ask(bench, ANN, question(0), held["reservation"], key="again")
    left = bench.broker.reservations.shown(ANN, AGREEMENT, held["reservation"])["left"]["share"]
    assert Decimal(left) == near("0.1")


def test_a_reservation_runs_out_and_what_is_left_goes_back_once(made):
    bench = made(lambda value: value["privacy"].update(per_request={"share": "1"}))
    held = reserve(bench, ANN, "0.5", until="2026-11-24")
    assert held["expires"] == "2026-11-25T00:00:00.000Z"
    bench.now += timedelta(days=2, hours=11)
    assert bench.now.date() == date(2026, 11, 24)
    answered(bench, ANN, question(0, "0.1"), held["reservation"])
    assert ask(bench, BOB, question(1, "0.8")) == "over_budget"
    bench.now = bench.now.replace(day=25, hour=0)
    assert ask(bench, ANN, question(1, "0.1"), held["reservation"]) == "reservation_over"
    assert bench.broker.reservations.listed(ANN, AGREEMENT) == []
    assert bench.broker.reservations.shown(ANN, AGREEMENT, held["reservation"])["state"] == "lapsed"
    answered(bench, BOB, question(1, "0.9"))


def test_a_preview_and_a_budget_count_nothing_that_has_run_out_and_reading_frees_nothing(made):
    bench = made()
    reserve(bench, ANN, "0.5", until="2026-11-22")
    assert preview(bench, BOB, question(0))["remaining"]["share"] == "0.5"
    bench.now += timedelta(days=1)
    assert budget(bench, BOB)["reserved"]["rho"] == "0"
    assert budget(bench, STEWARD)["analysts"]["ann"]["reserved"]["rho"] == "0"
    assert preview(bench, BOB, question(0))["remaining"]["share"] == "1"
    with bench.broker.store.read() as tx:
        assert tx.ledger.balances([f"{AGREEMENT}|person"])[0].held_nano > 0
    reserve(bench, BOB, "0.5", key="half of all of it again")
    with bench.broker.store.read() as tx:
        (held,) = tx.ledger.balances([f"{AGREEMENT}|person|2|as-opcc|ann"])
    assert held.held_nano == 0


def test_what_is_given_up_goes_back_at_once_and_only_once(made):
    bench = made()
    held = reserve(bench, ANN, "0.5")
    given = bench.broker.reservations.give_up(ANN, AGREEMENT, held["reservation"])
    assert given["state"] == "lapsed"
    assert preview(bench, BOB, question(0))["remaining"]["share"] == "1"
    with pytest.raises(Conflict) as caught:
        bench.broker.reservations.give_up(ANN, AGREEMENT, held["reservation"])
    assert caught.value.code == "reservation_over"
    ended = next(entry for entry in bench.entries() if entry["kind"] == "reservation-ended")
    reserved = next(entry for entry in bench.entries() if entry["kind"] == "reserved")
    assert ended["result"]["rho_nano"] == reserved["result"]["rho_nano"] > 0


def test_one_client_holds_at_most_half_of_what_it_could_spend(made):
    bench = made()
    with pytest.raises(Forbidden) as caught:
        reserve(bench, ANN, "0.51")
    assert caught.value.code == "reservation_too_large"
    assert "0.5 of" in caught.value.detail
    reserve(bench, ANN, "0.3", key="one")
    with pytest.raises(Forbidden):
        reserve(bench, ANN, "0.21", key="two")
    reserve(bench, ANN, "0.2", key="three")
    reserve(bench, BOB, "0.25", key="of another client, half of what is left")


def test_a_quota_limits_what_a_client_reserves(made):
    bench = made(with_quota)
    with pytest.raises(Forbidden, match="half"):
        reserve(bench, ANN, "0.13")
    reserve(bench, ANN, "0.12")
    assert preview(bench, ANN, question(0))["remaining"]["share"] == "0.13"


def test_a_reservation_that_a_lower_quota_has_overtaken_is_not_honoured(made):
    bench = made()
    held = reserve(bench, ANN, "0.2")
    bench.broker.quotas.set(STEWARD, AGREEMENT, "ann", Decimal("0.05"))
    assert ask(bench, ANN, question(0, "0.06"), held["reservation"]) == "over_quota"
    answered(bench, ANN, question(0, "0.05"), held["reservation"])


def test_the_same_key_makes_one_reservation_and_another_body_is_refused(made):
    bench = made()
    first, again = reserve(bench, ANN), reserve(bench, ANN)
    assert first == again
    assert bench.kinds().count("reserved") == 1
    with pytest.raises(Conflict) as caught:
        reserve(bench, ANN, "0.3")
    assert caught.value.code == "idempotency_key_reused"
    assert reserve(bench, BOB)["reservation"] != first["reservation"]


def test_another_clients_reservation_is_nobodys_elses_to_draw_on_or_see_but_its_stewards(made):
    bench = made()
    held = reserve(bench, ANN)["reservation"]
    assert ask(bench, BOB, question(0), held) == "not_found"
    assert ask(bench, BRISTOL, question(1), held) == "not_found"
    assert ask(bench, ANN, question(0), "reservation-none") == "not_found"
    for caller in (BOB, LEAD, BRISTOL, Caller("x", "bristol", frozenset({Role.STEWARD}))):
        with pytest.raises(NotFound):
            bench.broker.reservations.shown(caller, AGREEMENT, held)
        with pytest.raises(NotFound):
            bench.broker.reservations.give_up(caller, AGREEMENT, held)
        assert bench.broker.reservations.listed(caller, AGREEMENT) == []
    assert [row["client"] for row in bench.broker.reservations.listed(STEWARD, AGREEMENT)] == ["ann"]
    assert bench.broker.reservations.give_up(STEWARD, AGREEMENT, held)["state"] == "lapsed"


def test_a_reservation_is_for_its_purpose_and_its_datasets(made):
    bench = made()
    held = reserve(bench, ANN)["reservation"]
    assert ask(bench, ANN, question(0, purpose="prevention-evaluation"), held) == "reservation_for_other"
    school = count_request(
        dataset="school-exclusions", by=[{"field": "started", "level": "quarter"}],
        where=[{"field": "started", "from": "2026-04-01", "to": "2026-06-30"}], spend={"share": "0.01"},
    )  # fmt: skip
    assert ask(bench, ANN, school, held) == "reservation_for_other"
    answered(bench, ANN, question(0), held)


@pytest.mark.parametrize(
    ("caller", "more", "code"),
    [
        (ANN, {"datasets": ["nothing"]}, "not_granted"),
        (ANN, {"purpose": "marketing"}, "not_granted"),
        (replace(POLICE_LEAD, roles=frozenset({Role.ANALYST})), {}, "no_budget_share"),
        (Caller("x", "strangers", frozenset({Role.ANALYST})), {}, "not_found"),
        (Caller("x", "as-opcc", frozenset({Role.SUPPLIER})), {}, "role_missing"),
        (LEAD, {}, "role_missing"),
        (ANN, {"until": "2026-11-21"}, "bad_parameter"),
    ],
)
def test_what_could_not_be_asked_is_not_reserved(made, caller, more, code):
    with pytest.raises(ConcordatError) as caught:
        reserve(made(), caller, **more)
    assert caught.value.code == code


def test_a_party_that_has_left_reserves_nothing_and_nobody_reserves_for_data_that_has(made):
    bench = made()
    bench.withdraw("as-police")
    bench.withdraw("bristol")
    for caller, code in ((ANN, "supplier_withdrawn"), (BRISTOL, "party_withdrawn")):
        with pytest.raises(Forbidden) as caught:
            reserve(bench, caller)
        assert caught.value.code == code


def test_records_and_persons_have_ledgers_of_their_own_to_reserve_on(made):
    bench = made()
    with pytest.raises(Malformed) as caught:
        reserve(bench, ANN, datasets=["police-violence", "street-crime"])
    assert caught.value.code == "reservation_units"
    held = reserve(bench, ANN, "0.5", datasets=["street-crime"])
    assert held["unit"].startswith("record:")
    assert preview(bench, BOB, question(0))["remaining"]["share"] == "1"
    ledger = budget(bench, BOB)["ledgers"][held["unit"]]
    assert ledger["reserved"]["rho"] == held["reserved"]["rho"]
    assert budget(bench, BOB)["reserved"]["rho"] == "0"


def test_a_reservation_of_another_agreement_over_the_same_source_narrows_this_one(made):
    """Else two agreements over one source would both promise the last of it."""
    bench = made(lambda value: value["privacy"].update(per_request={"share": "1"}))
    before = Decimal(preview(bench, ANN, question(0))["remaining"]["rho"])
    with bench.broker.store.write() as tx:
        _reserved_elsewhere(tx, "other-agreement", rho=10**12)
    after = preview(bench, ANN, question(0))["remaining"]
    assert (before > 0, after["rho"]) == (True, "0")
    assert ask(bench, ANN, question(0)) == "over_lifetime_budget"
    bench.now += timedelta(days=10)
    assert Decimal(preview(bench, ANN, question(0))["remaining"]["rho"]) == before, "it has run out"


def _reserved_elsewhere(tx: Transaction, agreement: str, rho: int) -> None:
    from service.budget.ports import ReservationRow

    tx.reservations.add(ReservationRow(
        "reservation-elsewhere", agreement, 1, "p", "c", "person", 0, "x", ("as-police/police-violence",), rho, 0, rho,
        0, None, "open", 0, "2026-11-22T00:00:00.000Z", "2026-11-30T00:00:00.000Z",
    ))  # fmt: skip


# --- races


def test_40_concurrent_asks_by_one_client_take_exactly_its_quota(made):
    bench = made(lambda value: value["privacy"].update(analysts={"as-opcc": "0.1"}))
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda n: ask(bench, ANN, question(n % 31, "0.02"), key=f"k{n}"), range(31)))
    assert sorted({text for text in found if not text.startswith("{")}) == ["over_quota"]
    assert sum(text.startswith("{") for text in found) == 5
    told = budget(bench, ANN)["analysts"]["ann"]
    assert Decimal(told["spent_share"]) == near("0.1")
    answered(bench, BOB, question(30, "0.03"))


def test_racing_draws_take_exactly_what_is_reserved(made):
    bench = made()
    held = reserve(bench, ANN, "0.1")["reservation"]
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda n: ask(bench, ANN, question(n, "0.02"), held), range(20)))
    assert sum(text.startswith("{") for text in found) == 5
    assert {text for text in found if not text.startswith("{")} == {"over_reservation"}


# --- over HTTP


def test_quotas_statements_and_reservations_over_http(served: Served):
    with served.http("as-opcc", "steward") as steward, served.http("as-opcc", "analyst") as analyst:
        quotas, url = f"{served.agreement}/quotas", f"{served.agreement}/reservations"
        put = steward.put(f"{quotas}/as-opcc-client", json={"share": "0.5"})
        assert (put.status_code, put.json()["quota"]) == (200, "0.5")
        assert analyst.get(quotas).json()["quotas"][0]["quota"] == "0.5"
        assert analyst.get(f"{quotas}/as-opcc-client").json()["set"] == "0.5"
        assert analyst.put(f"{quotas}/as-opcc-client", json={"share": "1"}).json()["code"] == "role_missing"
        for bad in ({"share": 0.5}, {"share": "1.1"}, {"share": "-1"}, {}, {"share": "0.1", "more": 1}):
            assert steward.put(f"{quotas}/as-opcc-client", json=bad).status_code == 422
        wanted = {"purpose": "needs-assessment", "datasets": ["police-violence"], "share": "0.1"}
        assert analyst.post(url, json=wanted).json()["code"] == "idempotency_key_required"
        made = analyst.post(url, json=wanted, headers={"Idempotency-Key": "k"})
        assert made.status_code == 201
        held = made.json()["reservation"]
        assert analyst.get(f"{url}/{held}").json() == made.json() == analyst.get(url).json()["reservations"][0]
        drawn = analyst.post(
            f"{served.agreement}/aggregates", json=question(0, "0.04"),
            headers={"Idempotency-Key": "q", "Concordat-Reservation": held},
        )  # fmt: skip
        assert drawn.status_code == 200, drawn.text
        assert Decimal(analyst.get(f"{url}/{held}").json()["left"]["share"]) == near("0.06")
        assert analyst.delete(f"{url}/{held}").json()["state"] == "lapsed"
        assert analyst.delete(f"{url}/{held}").status_code == 409
        month = served.entries(kind="charged")[0]["entry"]["time"][:7]
        told = analyst.get(f"{served.agreement}/budget/statements", params={"month": month}).json()
        assert [(line["client"], line["questions"]) for line in told["lines"]] == [("as-opcc-client", 1)]
        no_month = analyst.get(f"{served.agreement}/budget/statements", params={"month": "now"})
        assert (no_month.status_code, no_month.json()["code"]) == (422, "bad_parameter")
        assert analyst.get(f"{served.agreement}/budget/statements").status_code == 422
    kinds = [item["entry"]["kind"] for item in served.entries()]
    assert [kind for kind in kinds if kind in ("quota-set", "reserved", "reservation-ended")] == [
        "quota-set", "reserved", "reservation-ended",
    ]  # fmt: skip


def test_reserve_is_a_strict_document():
    with pytest.raises(Exception, match="twice"):
        parse_reservation({"purpose": "p", "datasets": ["d", "d"], "share": "0.1"})
    made = parse_reservation({"purpose": "p", "datasets": ["d"], "share": "0.1"})
    assert (made.share, made.until) == (Decimal("0.1"), None)


def test_the_log_of_a_broker_with_quotas_and_reservations_verifies(made, tmp_path: Path):
    from connectors.logcharges import ChargeCheck

    bench = made(with_quota)
    bench.broker.quotas.set(STEWARD, AGREEMENT, "ann", Decimal("0.2"))
    held = reserve(bench, ANN, "0.1")["reservation"]
    answered(bench, ANN, question(0, "0.1"), held)
    answered(bench, ANN, question(1, "0.1"))
    answered(bench, BOB, question(2, "0.1"))
    check = ChargeCheck({})
    failures = [failure for n, entry in enumerate(bench.entries()) for failure in check.take(n, entry, all_seen=True)]
    assert failures == []
    with bench.broker.store.read() as tx:
        (account,) = tx.ledger.balances([f"{AGREEMENT}|person|2|as-opcc|ann"])
    assert check.spent[AGREEMENT].clients[2, "as-opcc", "ann"] == account.rho_nano > 0
