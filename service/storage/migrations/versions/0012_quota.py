"""Quotas that a recipient's steward sets for one of its clients: added, never changed; the newest counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quota",
        sa.Column("agreement", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("share", sa.Text(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("agreement", "party", "client", "log_index"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for action, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER quota_no_{action.lower()} BEFORE {action} ON quota "
                f"FOR EACH {each} EXECUTE FUNCTION concordat_append_only()"
            )
        return
    same = "agreement = NEW.agreement AND party = NEW.party AND client = NEW.client AND log_index = NEW.log_index"
    for name, action, when in (
        ("no_update", "UPDATE", ""),
        ("no_delete", "DELETE", ""),
        ("no_replace", "INSERT", f"WHEN EXISTS (SELECT 1 FROM quota WHERE {same})"),  # noqa: S608 - names of our own
    ):
        op.execute(
            f"CREATE TRIGGER quota_{name} BEFORE {action} ON quota {when} "
            "BEGIN SELECT RAISE(ABORT, 'append-only: quota'); END"
        )


def downgrade() -> None:
    msg = "what stewards have set is append-only; there is no way back"
    raise RuntimeError(msg)
