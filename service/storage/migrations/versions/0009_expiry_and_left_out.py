"""Receipts of extracts that expired, and purges of datasets that a version left out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("extract", sa.Column("expiry", sa.Text(), nullable=True))
    op.create_index("extract_received", "extract", ["agreement", "dataset", "state", "received_at"])
    op.create_table(
        "left_out_purge",
        sa.Column("agreement", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("datasets", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.Text(), nullable=False),
        sa.Column("done_at", sa.Text(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("agreement", "party", "since"),
    )


def downgrade() -> None:
    msg = "an older broker would not know of records that are just leaving"
    raise RuntimeError(msg)
