"""Triggers: leaves, tree nodes, charges and releases are never changed or deleted; contents may only be expunged."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_APPEND_ONLY = (
    "log_node",
    "log_checkpoint",
    "charge",
    "charge_source",
    "release",
    "agreement_version",
    "artefact",
)


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        op.execute(
            "CREATE FUNCTION concordat_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'append-only: %', TG_TABLE_NAME; END $$"
        )
    for table in _APPEND_ONLY:
        for action in ("UPDATE", "DELETE"):
            _refuse(table, action, postgres=postgres)
    _refuse("log_content", "UPDATE", postgres=postgres)
    op.execute("INSERT INTO log_head (id, size) VALUES (1, 0)")


def _refuse(table: str, action: str, *, postgres: bool) -> None:
    name = f"{table}_no_{action.lower()}"
    if postgres:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {action} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION concordat_append_only()"
        )
    else:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {action} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'append-only: {table}'); END"
        )


def downgrade() -> None:
    msg = "the log and the ledger are append-only; there is no way back"
    raise RuntimeError(msg)
