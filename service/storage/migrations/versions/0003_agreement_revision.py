"""A name for the state of all agreements, which triggers renew at every change, so that it is read in one statement.

The name is random, not a number: a change that is rolled back takes its name with it, and no other state bears it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_WATCHED = (
    "agreement",
    "agreement_version",
    "agreement_signature",
    "agreement_completion",
    "suspension",
    "party_key",
    "artefact",
)
"""Tables that decide which version of an agreement is in force, and what it says."""


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "agreement_revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    fresh = "gen_random_uuid()::text" if postgres else "lower(hex(randomblob(16)))"
    op.execute(f"INSERT INTO agreement_revision (id, name) VALUES (1, {fresh})")  # noqa: S608 - words of our own
    renew = f"UPDATE agreement_revision SET name = {fresh} WHERE id = 1;"  # noqa: S608 - words of our own
    if postgres:
        op.execute(
            "CREATE FUNCTION concordat_agreement_revision() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {renew} RETURN NULL; END $$"
        )
    for table in _WATCHED:
        if postgres:
            op.execute(
                f"CREATE TRIGGER {table}_revision AFTER INSERT OR UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION concordat_agreement_revision()"
            )
            continue
        for action in ("INSERT", "UPDATE", "DELETE"):
            name = f"{table}_revision_{action.lower()}"
            op.execute(f"CREATE TRIGGER {name} AFTER {action} ON {table} BEGIN {renew} END")


def downgrade() -> None:
    msg = "an older broker would not notice what changes"
    raise RuntimeError(msg)
