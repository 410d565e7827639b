"""Erasures of persons: what was asked, and its receipt; never a pseudonym."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXTS = (
    "id", "agreement", "version", "agreement_digest", "client", "party", "role", "reach", "datasets", "records",
    "reason", "key", "fingerprint", "requested_at", "state",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "erasure",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_erasure_state", "erasure", ["state"])
    held = sa.text("state <> 'aborted'")
    op.create_index(
        "erasure_key",
        "erasure",
        ["agreement", "party", "client", "key"],
        unique=True,
        sqlite_where=held,
        postgresql_where=held,
    )


def downgrade() -> None:
    msg = "an older broker would not complete the erasures that were begun"
    raise RuntimeError(msg)
