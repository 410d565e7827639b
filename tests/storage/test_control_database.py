"""The control database on SQLite and on PostgreSQL: the same migrations, transactions and refusals."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy

from service.aggregates.ports import ApprovalRow, Binding, VerdictRow
from service.agreements.standing import current, state
from service.audit import merkle
from service.audit.entry import Caller, Entry, Kind
from service.audit.ports import SearchTerms
from service.budget.caps import Caps
from service.budget.ledger import Balance, ChargeRequest, account, postings
from service.errors import Forbidden
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

    def made(kind: str) -> World:
        if kind == "sqlite":
            worlds.append(make_world(tmp_path))
            return worlds[-1]
        worlds.append(make_world(tmp_path, fresh_database(request.getfixturevalue("server"))))
        return worlds[-1]

    yield made
    for world in worlds:
        world.database.close()


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
