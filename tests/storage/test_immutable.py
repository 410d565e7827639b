"""No SQL changes a version that was registered, a signature over it, or what was spent, on either database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest
import sqlalchemy

from service.budget.caps import Caps
from service.budget.ledger import ChargeRequest, accounts, postings
from service.budget.ports import QuotaRow, ReservationRow
from tests.support.postgres import binaries, postgres
from tests.support.world import World, make_world

CAPS = Caps(period=50, lifetime=1000, shares={"hub": 50}, requests={"hub": 10})
needs_postgres = pytest.mark.skipif(binaries() is None, reason="PostgreSQL's server is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


def filled(world: World) -> World:
    """Put an agreement in force and a charge on its ledger."""
    agreement = world.in_force()["id"]
    wanted = ChargeRequest("i", agreement, 1, "hub", "c", "person", 0, ("s/d",), 10, 0, "2026-11-22T00:00:00.000Z")
    with world.store.write() as tx:
        assert tx.ledger.post(wanted, postings(wanted, CAPS, {})) is None
        tx.agreements.raise_period_floor(agreement, 3)
        tx.quotas.add(QuotaRow(agreement, "hub", "c", Decimal("0.5"), 1, "t"))
        assert tx.ledger.hold(wanted, accounts(wanted, CAPS, {})) is None
        tx.reservations.add(
            ReservationRow(
                "r",
                agreement,
                1,
                "hub",
                "c",
                "person",
                0,
                "p",
                ("s/d",),
                10,
                0,
                10,
                0,
                None,
                "open",
                1,
                "2026-11-22T00:00:00.000Z",
                "2026-11-30T00:00:00.000Z",
            )
        )
    return world


@pytest.fixture
def sqlite(tmp_path) -> Iterator[World]:
    made = filled(make_world(tmp_path))
    yield made
    made.database.close()


@pytest.fixture
def on_postgres(server, tmp_path) -> Iterator[World]:
    name = f"c{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    made = filled(make_world(tmp_path, server.rsplit("/", 1)[0] + f"/{name}"))
    yield made
    made.database.close()


TABLES = ("agreement_version", "agreement_signature", "agreement_completion", "artefact", "account", "charge",
          "charge_source", "agreement", "quota", "reservation", "reservation_source")  # fmt: skip


def contents(world: World) -> dict[str, list[tuple[object, ...]]]:
    with world.store.read() as tx:
        connection = tx.agreements._connection
        return {
            table: sorted(map(tuple, connection.execute(sqlalchemy.text(f"SELECT * FROM {table}")))) for table in TABLES
        }


EVERYWHERE = {
    "another document": "UPDATE agreement_version SET document = '{}'",
    "another digest": "UPDATE agreement_version SET digest = 'sha256:0'",
    "another number": "UPDATE agreement_version SET version = 2",
    "another agreement": "UPDATE agreement_version SET agreement = 'other'",
    "another time": "UPDATE agreement_version SET registered_at = '2000-01-01'",
    "no version": "DELETE FROM agreement_version",
    "the same number again": "INSERT INTO agreement_version SELECT * FROM agreement_version",
    "the same digest again": "INSERT INTO agreement_version SELECT agreement, 9, digest, '{}', '' "
    "FROM agreement_version",
    "another signature": "UPDATE agreement_signature SET jws = ''",
    "another signer": "UPDATE agreement_signature SET party = 'nobody' WHERE party = 'as-police'",
    "no signature": "DELETE FROM agreement_signature",
    "other signers": "UPDATE agreement_completion SET signers = '[]'",
    "not in force": "DELETE FROM agreement_completion",
    "another artefact": "UPDATE artefact SET body = '{}'",
    "no artefact": "DELETE FROM artefact",
    "another charge": "UPDATE charge SET rho_nano = 0",
    "no charge": "DELETE FROM charge_source",
    "nothing spent": "UPDATE account SET rho_nano = 0",
    "another account": "UPDATE account SET key = 'x'",
    "no account": "DELETE FROM account",
    "an earlier period": "UPDATE agreement SET period_floor = 0",
    "another anchor": "UPDATE agreement SET anchor = '2030-01-01'",
    "another id": "UPDATE agreement SET id = 'other'",
    "no agreement": "DELETE FROM agreement",
    "another quota": "UPDATE quota SET share = '1'",
    "no quota": "DELETE FROM quota",
    "more left of a reservation": "UPDATE reservation SET left_nano = 11",
    "a larger reservation": "UPDATE reservation SET rho_nano = 11",
    "a longer reservation": "UPDATE reservation SET expires_at = '2030'",
    "another's reservation": "UPDATE reservation SET client = 'x'",
    "less than nothing held": "UPDATE account SET held_nano = -1",
    "no reservation": "DELETE FROM reservation_source",
    "another source": "UPDATE reservation_source SET source = 's/e'",
}
SQLITE = {
    "replaced by its number": "INSERT OR REPLACE INTO agreement_version SELECT agreement, version, 'd', '{}', '' "
    "FROM agreement_version",
    "replaced by its digest": "INSERT OR REPLACE INTO agreement_version SELECT agreement, 9, digest, '{}', '' "
    "FROM agreement_version",
    "replaced in an update": "UPDATE OR REPLACE agreement_version SET version = 9",
    "upserted": "INSERT INTO agreement_version SELECT * FROM agreement_version WHERE true "
    "ON CONFLICT DO UPDATE SET document = '{}'",
    "signature replaced": "INSERT OR REPLACE INTO agreement_signature SELECT agreement, version, party, '', '', '' "
    "FROM agreement_signature",
    "completion replaced": "INSERT OR REPLACE INTO agreement_completion SELECT agreement, version, '[]', '' "
    "FROM agreement_completion",
    "artefact replaced": "INSERT OR REPLACE INTO artefact SELECT digest, name, '{}' FROM artefact",
    "account replaced": "INSERT OR REPLACE INTO account SELECT key, 0, 0, 0, 0 FROM account",
    "charge replaced": "INSERT OR REPLACE INTO charge SELECT intent, agreement, version, party, unit, period, 0, 0, at "
    "FROM charge",
    "quota replaced": "INSERT OR REPLACE INTO quota SELECT agreement, party, client, '1', log_index, at FROM quota",
    "reservation replaced": "INSERT OR REPLACE INTO reservation SELECT * FROM reservation",
    "agreement replaced": "INSERT OR REPLACE INTO agreement (id, anchor, period_floor) "
    "SELECT id, '2030-01-01', 0 FROM agreement",
}
POSTGRES = {f"{table} emptied": f"TRUNCATE {table} CASCADE" for table in TABLES} | {
    "upserted": "INSERT INTO agreement_version SELECT * FROM agreement_version "
    "ON CONFLICT (agreement, version) DO UPDATE SET document = '{}'",
    "account upserted": "INSERT INTO account SELECT * FROM account ON CONFLICT (key) DO UPDATE SET rho_nano = 0",
}


def refuse(world: World, statement: str) -> None:
    before = contents(world)
    assert all(before.values()), "there is something of everything to change"
    with pytest.raises(sqlalchemy.exc.DBAPIError), world.store.write() as tx:
        tx.agreements._connection.exec_driver_sql(statement)
    assert contents(world) == before


@pytest.mark.parametrize("name", EVERYWHERE | SQLITE)
def test_sqlite_refuses(sqlite, name):
    refuse(sqlite, (EVERYWHERE | SQLITE)[name])


@needs_postgres
@pytest.mark.parametrize("name", EVERYWHERE | POSTGRES)
def test_postgresql_refuses(on_postgres, name):
    refuse(on_postgres, (EVERYWHERE | POSTGRES)[name])
