"""Triggers: what was logged, charged, released or signed is never changed or deleted, and no account falls."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_APPEND_ONLY = {
    "log_node": ("level", "position"),
    "log_checkpoint": ("size",),
    "log_content": ("n",),
    "charge": ("intent",),
    "charge_source": ("intent", "source"),
    "release": ("id",),
    "agreement_version": ("agreement", "version"),
    "agreement_signature": ("agreement", "version", "party"),
    "agreement_completion": ("agreement", "version"),
    "artefact": ("digest",),
}
"""Tables whose rows stay as they are, with their primary keys."""


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        op.execute(
            "CREATE FUNCTION concordat_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'append-only: %', TG_TABLE_NAME; END $$"
        )
    for table, key in _APPEND_ONLY.items():
        for action in ("UPDATE", "DELETE"):
            _refuse(f"{table}_no_{action.lower()}", action, table, "", postgres=postgres)
        if not postgres:  # SQLite's INSERT OR REPLACE deletes without asking any trigger but this one
            same = " AND ".join(f"{column} = NEW.{column}" for column in key)
            exists = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - names of our own
            _refuse(f"{table}_no_replace", "INSERT", table, exists, postgres=False)
    lower = "NEW.rho_nano < OLD.rho_nano OR NEW.delta_e18 < OLD.delta_e18 OR NEW.key <> OLD.key"
    _refuse("account_never_falls", "UPDATE", "account", f"WHEN ({lower})", postgres=postgres)
    _refuse("account_no_delete", "DELETE", "account", "", postgres=postgres)
    op.execute("INSERT INTO log_head (id, size) VALUES (1, 0)")


def _refuse(name: str, action: str, table: str, when: str, *, postgres: bool) -> None:
    if postgres:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {action} ON {table} "
            f"FOR EACH ROW {when} EXECUTE FUNCTION concordat_append_only()"
        )
    else:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {action} ON {table} {when} "
            f"BEGIN SELECT RAISE(ABORT, 'append-only: {table}'); END"
        )


def downgrade() -> None:
    msg = "the log and the ledger are append-only; there is no way back"
    raise RuntimeError(msg)
