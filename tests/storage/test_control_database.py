"""The control database on SQLite and on PostgreSQL: the same migrations, transactions and refusals."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy

from schemas.erasure import Reach
from service.aggregates.ports import ApprovalRow, Binding, VerdictRow
from service.aggregates.reservations import draw, free_expired
from service.agreements.standing import current, state
from service.audit import merkle
from service.audit.entry import AgreementRef, Caller, Entry, Kind
from service.audit.ports import SearchTerms
from service.budget.caps import Caps
from service.budget.ledger import Balance, ChargeRequest, Posting, account, accounts, postings
from service.budget.ports import QuotaRow, ReservationRow
from service.errors import ConcordatError, Conflict, Forbidden
from service.intake.erasure_ports import ErasureKeyTaken, ErasureRow, ErasureState
from service.storage.store import Transaction
from service.storage.tables import (
    AgreementCompletion,
    AgreementSignature,
    AgreementVersion,
    Approval,
    ApprovalVerdict,
    ArtefactBody,
    Charge,
    LogNode,
    table,
)
from tests.support.postgres import binaries, fresh_database, postgres
from tests.support.world import BROKER, NOON, World, make_world
from tests.unit.intake.contract_extract_store import ExtractStoreContract

CAPS = Caps(period=50, lifetime=1000, shares={"hub": 50}, requests={"hub": 10})
WANTED = ChargeRequest("i", "a", 1, "hub", "c", "person", 0, ("s/d",), 10, 0, "2026-11-22T00:00:00.000Z")
needs_postgres = pytest.mark.skipif(binaries() is None, reason="PostgreSQL's server is not installed")
both = pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=needs_postgres)])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def fresh(request, tmp_path):
    """Make a world on a fresh database of a kind."""
    worlds: list[World] = []

    def made(kind: str, revision: str = "head") -> World:
        url = "" if kind == "sqlite" else fresh_database(request.getfixturevalue("server"))
        worlds.append(make_world(tmp_path, url, revision))
        return worlds[-1]

    yield made
    for world in worlds:
        world.database.close()


@both
def test_a_database_of_a_newer_concordat_is_refused_and_left_as_it_is(fresh, kind):
    database = fresh(kind).database
    with database.engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict) as caught:
        database.migrate()
    assert caught.value.code == "database_newer"
    with database.engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


@both
def test_an_agreement_is_registered_signed_and_in_force(fresh, kind):
    world = fresh(kind)
    value = world.in_force()
    assert world.kinds().count("signed") == len(value["parties"])


class RolledBack(Exception):
    """Undoes a change."""


_CHANGES = {
    "agreement": "UPDATE agreement SET terminated_at = '2026-11-22T00:00:00.000Z'",
    "agreement_version": "INSERT INTO agreement_version VALUES ('{id}', 9, 'd', '{{}}', 't')",
    "agreement_signature": "INSERT INTO agreement_signature VALUES ('{id}', 9, 'p', 'j', 't', 's')",
    "agreement_completion": "INSERT INTO agreement_completion VALUES ('{id}', 9, '[]', 't')",
    "suspension": "INSERT INTO suspension VALUES ('{id}', 'p', 't')",
    "party_key": "UPDATE party_key SET revoked_at = '2026-11-22T00:00:00.000Z'",
    "artefact": "INSERT INTO artefact VALUES ('d', 'n', 'b')",
    "party_withdrawal": "INSERT INTO party_withdrawal VALUES ('{id}', 'p', 1, 'd', 'j', 't', 's')",
    "termination": "INSERT INTO termination VALUES ('{id}', 'p', 1, 'd', 'j', 't', 's')",
    "purge": "INSERT INTO purge VALUES ('{id}', '', 'expired', 1, 'd', 's', NULL)",
}


@both
@pytest.mark.parametrize("table_name", _CHANGES)
def test_the_agreements_revision_moves_with_every_change_and_never_bears_a_name_again(fresh, kind, table_name):
    world = fresh(kind)
    agreement = world.in_force()["id"]
    change = sqlalchemy.text(_CHANGES[table_name].format(id=agreement))
    with world.store.read() as tx:
        before = tx.agreements.revision()
    seen = []
    with suppress(RolledBack), world.store.write() as tx:
        tx.agreements._connection.execute(change)
        seen.append(tx.agreements.revision())
        raise RolledBack
    with world.store.read() as tx:
        assert tx.agreements.revision() == before
    with world.store.write() as tx:
        tx.agreements._connection.execute(change)
        seen.append(tx.agreements.revision())
    assert len({before, *seen}) == 3


@both
def test_what_was_read_in_a_change_that_was_rolled_back_decides_nothing(fresh, kind):
    world = fresh(kind)
    agreement = world.in_force()["id"]
    with suppress(RolledBack), world.store.write() as tx:
        tx.agreements.set_terminated(agreement, "2026-11-22T00:00:00.000Z")
        held = state(tx.agreements, agreement, BROKER)
        assert held is not None
        assert held.row.terminated_at is not None
        raise RolledBack
    with world.store.read() as tx:
        assert current(tx.agreements, agreement, NOON.date(), BROKER).row.terminated_at is None
    with world.store.write() as tx:
        tx.agreements.set_terminated(agreement, "2026-11-22T00:00:00.000Z")
    with world.store.read() as tx, pytest.raises(Forbidden):
        current(tx.agreements, agreement, NOON.date(), BROKER)


@both
def test_40_concurrent_charges_against_a_budget_for_5_take_exactly_5(fresh, kind):
    world = fresh(kind)
    outcomes: list[bool] = []

    def charge(number):
        wanted = ChargeRequest(
            f"i{number}", "a", 1, "hub", "c", "person", 0, ("s/d",), 10, 0, "2026-11-22T00:00:00.000Z"
        )
        try:
            with world.store.write() as tx:
                failed = tx.ledger.post(wanted, postings(wanted, CAPS, {}))
                if failed is not None:
                    raise Forbidden(failed.words)  # noqa: TRY301 - it rolls the charge back
            outcomes.append(True)
        except Forbidden:
            outcomes.append(False)

    threads = [threading.Thread(target=charge, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 35 + [True] * 5
    with world.store.read() as tx:
        assert tx.ledger.balances([account("a", "person"), "nobody"]) == [Balance(50), Balance()]


def at_once(world: World, work: Callable[[Transaction, int], Posting | None], times: int = 40) -> int:
    """Do something in as many transactions at once; return how many were not rolled back."""
    done: list[int] = []

    def one(number: int) -> None:
        with suppress(ConcordatError), world.store.write() as tx:
            failed = work(tx, number)
            if failed is not None:
                raise Forbidden(failed.words, code=failed.code)
            done.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(done)


@both
def test_40_concurrent_charges_of_one_client_take_exactly_its_quota(fresh, kind):
    """The share holds 5 and the quota 3: another client still gets what is left of the share."""
    world = fresh(kind)

    def charge(tx: Transaction, number: int, client: str = "c") -> Posting | None:
        wanted = replace(WANTED, intent=f"{client}{number}", client=client)
        return tx.ledger.post(wanted, postings(wanted, CAPS, {}, Decimal("0.6")))

    assert at_once(world, charge) == 3
    assert at_once(world, lambda tx, number: charge(tx, number, "other")) == 2
    with world.store.read() as tx:
        keys = [account("a", "person", period=0, party="hub", client=client) for client in ("c", "other")]
        assert [held.rho_nano for held in tx.ledger.balances(keys)] == [30, 20]


@both
def test_40_concurrent_charges_of_delta_take_exactly_the_cap_on_delta(fresh, kind):
    world = fresh(kind)
    caps = replace(CAPS, delta_period=70, delta_lifetime=70, delta_shares={"hub": 70})

    def charge(tx: Transaction, number: int) -> Posting | None:
        wanted = replace(WANTED, intent=f"i{number}", rho_nano=1, delta_e18=10)
        failed = tx.ledger.post(wanted, postings(wanted, caps, {}))
        assert failed is None or failed.code == "over_selection_delta"
        return failed

    assert at_once(world, charge) == 7
    with world.store.read() as tx:
        assert tx.ledger.balances([account("a", "person")]) == [Balance(7, 70)]


@both
def test_without_a_cap_on_delta_no_delta_is_charged(fresh, kind):
    world = fresh(kind)
    wanted = replace(WANTED, delta_e18=1)
    with suppress(RolledBack), world.store.write() as tx:
        failed = tx.ledger.post(wanted, postings(wanted, CAPS, {}))
        assert failed is not None
        assert (failed.code, failed.clause) == ("over_selection_delta", "privacy/lifetime")
        raise RolledBack
    with world.store.read() as tx:
        assert tx.ledger.balances([account("a", "person")]) == [Balance()]


@both
def test_40_racing_reservations_draws_and_charges_take_exactly_the_cap(fresh, kind):
    """Whoever wins: what was charged and what is held together are the cap, on every account."""
    world = fresh(kind)
    with world.store.write() as tx:
        assert tx.ledger.hold(replace(WANTED, rho_nano=10), accounts(WANTED, CAPS, {})) is None
        tx.reservations.add(reservation("r0", 10))

    def work(tx: Transaction, number: int) -> Posting | None:
        wanted = replace(WANTED, intent=f"i{number}", rho_nano=5)
        if number % 4 == 0:
            return draw(tx, "r0", wanted, postings(wanted, CAPS, {}), ("p", "plan"))
        if number % 4 == 1:
            failed = tx.ledger.hold(wanted, accounts(wanted, CAPS, {}))
            tx.reservations.add(reservation(f"r{number}", 5))
            return failed
        return tx.ledger.post(wanted, postings(wanted, CAPS, {}))

    at_once(world, work)
    with world.store.read() as tx:
        found = tx.ledger.balances([account("a", "person"), account("a", "person", period=0, party="hub")])
        held = sum(row.left_nano for row in tx.reservations.open_of("a", "hub"))
        assert [one.rho_nano + one.held_nano for one in found] == [50, 50]
        assert [one.held_nano for one in found] == [held, held]
        assert sum(tx.ledger.by_party("a", "person", 0).values()) == 50 - held
        assert tx.reservations.reservation("r0").state == "used"


def reservation(name: str, rho: int) -> ReservationRow:
    return ReservationRow(
        name, "a", 1, "hub", "c", "person", 0, "p", ("s/d",), rho, 0, rho, 0, None, "open", 0,
        "2026-11-22T00:00:00.000Z", "2026-11-30T00:00:00.000Z",
    )  # fmt: skip


@both
def test_what_ran_out_goes_back_once_though_many_meet_it(fresh, kind):
    world = fresh(kind)
    with world.store.write() as tx:
        assert tx.ledger.hold(WANTED, accounts(WANTED, CAPS, {})) is None
        tx.reservations.add(reservation("r", 10))
    assert at_once(world, lambda tx, _: free_expired(tx, "a", "2026-11-30T00:00:00.000Z"), 20) == 20
    with world.store.read() as tx:
        assert tx.ledger.balances([account("a", "person")]) == [Balance()]
        assert tx.reservations.reservation("r").state == "lapsed"
        assert tx.reservations.reservation("r").left_nano == 10, "how much had not been used stays known"


@both
def test_an_account_never_holds_less_than_nothing(fresh, kind):
    world = fresh(kind)
    with world.store.write() as tx:
        tx.ledger.hold(WANTED, accounts(WANTED, CAPS, {}))
    with pytest.raises(RuntimeError), world.store.write() as tx:
        tx.ledger.let_go([account("a", "person")], 11, 0)
    with pytest.raises(sqlalchemy.exc.DBAPIError), world.store.write() as tx:
        tx.ledger._connection.execute(sqlalchemy.text("UPDATE account SET held_nano = -1"))
    with world.store.read() as tx:
        assert tx.ledger.balances([account("a", "person")]) == [Balance(held_nano=10)]


_OLD_INTENT = (
    "INSERT INTO intent VALUES (:i, 'a', 1, 'd', :party, :c, 'analyst', 'p', 'x', '{}', :i, '{}', :rho, '{}', "
    "'released', 0, 't')"
)


@both
def test_an_older_databases_charges_are_in_the_accounts_of_the_clients_that_asked(fresh, kind):
    """Charged before there were accounts of clients: the questions know who asked, and a quota counts them."""
    world = fresh(kind, "0007")
    charges = [("i1", 0, "hub", "ann", 10), ("i2", 0, "hub", "ann", 5), ("i3", 1, "hub", "ann", 2),
               ("i4", 0, "hub", "bob", 7), ("i5", 0, "spoke", "ann", 1)]  # fmt: skip
    with world.store.write() as tx:
        for name, period, party, client, rho in charges:
            values = {"i": name, "p": period, "party": party, "c": client, "rho": rho}
            for statement in (
                "INSERT INTO charge VALUES (:i, 'a', 1, :party, 'person', :p, :rho, 0, 't')",
                "INSERT INTO charge_source VALUES (:i, 's/d', 'a', :rho, 't')",
                _OLD_INTENT,
            ):
                tx.ledger._connection.execute(sqlalchemy.text(statement), values)
        tx.ledger._connection.execute(sqlalchemy.text("INSERT INTO account VALUES ('a|person|0|hub', 22, 0)"))
    world.database.migrate()
    with world.store.read() as tx:
        keys = ["a|person|0|hub|ann", "a|person|0|hub|bob", "a|person|1|hub|ann", "a|person|0|spoke|ann"]
        assert tx.ledger.balances(keys) == [Balance(15), Balance(7), Balance(2), Balance(1)]
        assert tx.ledger.balances(["a|person|0|hub"]) == [Balance(22)], "others are as they were"
        assert tx.ledger.elsewhere("b", ("s/d",), "", "t") == {
            "lifetime": 25, "period": 25, "lifetime_delta": 0, "period_delta": 0,
        }  # fmt: skip
    wanted = replace(WANTED, client="ann", rho_nano=6)
    with suppress(RolledBack), world.store.write() as tx:
        failed = tx.ledger.post(wanted, postings(wanted, CAPS, {}, Decimal("0.4")))
        assert failed is not None
        assert failed.code == "over_quota"
        raise RolledBack


@both
def test_the_newest_quota_counts_and_each_clients_is_its_own(fresh, kind):
    world = fresh(kind)
    with world.store.write() as tx:
        for index, (client, share) in enumerate((("ann", "0.5"), ("bob", "0.3"), ("ann", "0.25"))):
            tx.quotas.add(QuotaRow("a", "hub", client, Decimal(share), index, "t"))
    with world.store.read() as tx:
        assert tx.quotas.quota("a", "hub", "ann") == Decimal("0.25")
        assert tx.quotas.quota("a", "spoke", "ann") is tx.quotas.quota("b", "hub", "ann") is None
        assert {name: row.share for name, row in tx.quotas.of_party("a", "hub").items()} == {
            "ann": Decimal("0.25"), "bob": Decimal("0.3"),
        }  # fmt: skip


@both
def test_concurrent_writers_make_one_log_whose_root_is_right(fresh, kind):
    world = fresh(kind)

    def write(_):
        for _ in range(10):
            with world.store.write() as tx:
                tx.log.append(
                    Entry(kind=Kind.READ, time=datetime.now(UTC), caller=Caller(), nonce=secrets.token_hex(16))
                )

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with world.store.read() as tx:
        size = tx.log.size()
        leaves = [merkle.leaf_hash(item.entry.encode()) for item in tx.log.search(SearchTerms(limit=1000), size)]
        assert size == len(leaves) == 80
        nodes = {(level, index): found for level, index, found in merkle.append_all(0, tx.log.node, leaves)}
        assert merkle.root(size, tx.log.node) == merkle.root(size, lambda level, index: nodes[level, index])


@both
def test_what_is_append_only_is_neither_changed_nor_deleted(fresh, kind):
    world = fresh(kind)
    wanted = WANTED
    with world.store.write() as tx:
        tx.ledger.post(wanted, postings(wanted, CAPS, {}))
        tx.log.append(Entry(kind=Kind.READ, time=datetime.now(UTC), caller=Caller(), nonce=secrets.token_hex(16)))
    world.in_force()
    nodes, charges, bodies = table(LogNode), table(Charge), table(ArtefactBody)
    for statement in (
        sqlalchemy.delete(nodes),
        sqlalchemy.update(nodes).values(hash=b"0" * 32),
        sqlalchemy.delete(charges),
        sqlalchemy.update(charges).values(rho_nano=0),
        sqlalchemy.delete(bodies),
        sqlalchemy.update(bodies).values(body="{}"),
        sqlalchemy.update(table(AgreementVersion)).values(document="{}"),
        sqlalchemy.delete(table(AgreementSignature)),
        sqlalchemy.delete(table(AgreementCompletion)),
    ):
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"), world.store.write() as tx:
            tx.log._connection.execute(statement)


APPROVAL = ApprovalRow(
    "approval-1", "a", 1, "d", "hub", "c", "p", "police", "i", 10, ("police", "health"), "{}", 0,
    "2026-11-22T00:00:00.000Z", "2027-02-20T00:00:00.000Z",
)  # fmt: skip
VERDICT = VerdictRow("approval-1", "police", "c", "approve", 1, "2026-11-22T00:00:00.000Z")


@both
def test_approvals_are_found_while_they_last(fresh, kind):
    world = fresh(kind)
    with world.store.write() as tx:
        tx.approvals.add(APPROVAL)
        tx.approvals.add_verdict(VERDICT)
    before, after = "2027-02-19T23:59:59.999Z", "2027-02-20T00:00:00.000Z"
    with world.store.read() as tx:
        assert tx.approvals.approval("approval-1") == APPROVAL
        assert tx.approvals.approval("approval-2") is None
        assert tx.approvals.verdicts("approval-1") == [VERDICT]
        assert tx.approvals.own("a", "hub", 5) == [APPROVAL]
        assert tx.approvals.live("a", "d", before) == [APPROVAL]
        assert tx.approvals.live("a", "d", after) == tx.approvals.live("a", "e", before) == []
        assert tx.approvals.of_question("d", "hub", "p", "i", before) == [APPROVAL]
        for other in (("e", "hub", "p", "i"), ("d", "x", "p", "i"), ("d", "hub", "x", "i"), ("d", "hub", "p", "x")):
            assert tx.approvals.of_question(*other, before) == []


@both
def test_approvals_and_verdicts_are_neither_changed_nor_deleted(fresh, kind):
    world = fresh(kind)
    with world.store.write() as tx:
        tx.approvals.add(APPROVAL)
        tx.approvals.add_verdict(VERDICT)
    kept, said = table(Approval), table(ApprovalVerdict)
    for statement in (
        sqlalchemy.delete(said),
        sqlalchemy.update(said).values(verdict="refuse"),
        sqlalchemy.delete(kept),
        sqlalchemy.update(kept).values(rho_nano=10**12),
        sqlalchemy.update(kept).values(expires_at="2999-01-01T00:00:00.000Z"),
    ):
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"), world.store.write() as tx:
            tx.log._connection.execute(statement)
    with pytest.raises(sqlalchemy.exc.DBAPIError), world.store.write() as tx:
        tx.approvals.add_verdict(replace(VERDICT, verdict="refuse"))
    with world.store.read() as tx:
        assert tx.approvals.verdicts("approval-1") == [VERDICT]


@both
def test_a_key_that_waits_for_approval_is_bound_anew_and_no_other(fresh, kind):
    world = fresh(kind)
    scope = ("hub", "c", "aggregates", "a", "key")
    with world.store.write() as tx:
        for subject in ("approval-1", "approval-2", "intent-1"):
            tx.answers.bind(scope, Binding("d", subject), "t")
            assert tx.answers.binding(scope) == Binding("d", subject)
    for binding in (Binding("d", "intent-2"), Binding("d", "approval-3"), Binding("e", "intent-1")):
        with pytest.raises(RuntimeError, match="bound already"), world.store.write() as tx:
            tx.answers.bind(scope, binding, "t")
    with world.store.write() as tx:
        tx.answers.bind((*scope[:4], "other"), Binding("d", "approval-1"), "t")
        with pytest.raises(RuntimeError, match="bound already"):
            tx.answers.bind((*scope[:4], "other"), Binding("e", "intent-2"), "t")


@both
def test_an_assertion_is_used_once(fresh, kind):
    world = fresh(kind)
    with world.store.write() as tx:
        assert tx.clients.use_assertion("c", "j", 100, 0)
        assert not tx.clients.use_assertion("c", "j", 100, 0)
        assert tx.clients.use_assertion("c", "j", 300, 200), "expired ones are forgotten"


@needs_postgres
class TestExtractsOnPostgreSQL(ExtractStoreContract):
    @pytest.fixture
    def store(self, fresh):
        return fresh("postgres").store


def erasure(number: int, **more: Any) -> ErasureRow:
    made = ErasureRow(
        id=f"erasure-{number}",
        agreement=AgreementRef("a", "1", "sha256:" + "a" * 64),
        caller=Caller("client", "police", "supplier"),
        reach=Reach.OWN,
        datasets=("one", "two"),
        records=("three",),
        persons=7,
        reason="an objection",
        key=f"key-{number}",
        fingerprint="f",
        requested=datetime(2026, 7, 1, 12, number, tzinfo=UTC),
    )
    return replace(made, **more)


@both
def test_an_erasure_keeps_its_key_until_it_is_given_up_and_its_reason_until_it_is_done(fresh, kind):
    store = fresh(kind).store
    with store.write() as tx:
        for number in (2, 1, 3):
            tx.erasures.insert(erasure(number))
    with store.read() as tx:
        assert [row.id for row in tx.erasures.pending()] == ["erasure-1", "erasure-2", "erasure-3"]
        assert tx.erasures.by_key("a", "police", "client", "key-1") == erasure(1)
        for other in (("b", "police", "client"), ("a", "fire", "client"), ("a", "police", "other")):
            assert tx.erasures.by_key(*other, "key-1") is None
    with store.write() as tx:
        tx.erasures.finish("erasure-1", {"erasure": "erasure-1"})
        tx.erasures.abort("erasure-2")
    for key, free in (("key-1", False), ("key-2", True), ("key-3", False)):
        with nullcontext() if free else pytest.raises(ErasureKeyTaken), store.write() as tx:
            tx.erasures.insert(erasure(9, key=key))
    with store.write() as tx:  # what is done or given up stays so
        tx.erasures.abort("erasure-1")
        tx.erasures.finish("erasure-2", {})
    with store.read() as tx:
        done, gone = tx.erasures.get("erasure-1"), tx.erasures.get("erasure-2")
    assert done == erasure(1, state=ErasureState.DONE, reason="", receipt={"erasure": "erasure-1"})
    assert gone == erasure(2, state=ErasureState.ABORTED, reason="")
