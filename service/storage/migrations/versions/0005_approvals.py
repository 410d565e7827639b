"""Questions that wait for stewards, and what stewards say of them; neither is ever changed or deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_APPEND_ONLY = {"approval": ("id",), "approval_verdict": ("approval", "party")}
"""Tables whose rows stay as they are, with their primary keys."""


def upgrade() -> None:
    op.create_table(
        "approval",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agreement", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("rho_nano", sa.BigInteger(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("approval_question", "approval", ["digest", "party", "purpose", "identity"], unique=False)
    op.create_index("approval_agreement", "approval", ["agreement", "party"], unique=False)
    op.create_table(
        "approval_verdict",
        sa.Column("approval", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["approval"], ["approval.id"]),
        sa.PrimaryKeyConstraint("approval", "party"),
    )
    postgres = op.get_bind().dialect.name == "postgresql"
    for table, key in _APPEND_ONLY.items():
        for action in ("UPDATE", "DELETE"):
            _refuse(f"{table}_no_{action.lower()}", action, table, "", postgres=postgres)
        if not postgres:  # SQLite's INSERT OR REPLACE deletes without asking any trigger but this one
            same = " AND ".join(f"{column} = NEW.{column}" for column in key)
            exists = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - names of our own
            _refuse(f"{table}_no_replace", "INSERT", table, exists, postgres=False)


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
    msg = "what stewards decided is append-only; there is no way back"
    raise RuntimeError(msg)
